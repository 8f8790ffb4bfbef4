import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import {
  Action,
  ALL_ACTIONS,
  bitNames,
  MacroStage,
  Step,
} from '../../src/protocol/constants.ts'
import { EDITS, type EditField } from '../../src/protocol/edit-table.ts'
import {
  EVENT_BY_COMMAND,
  EVENTS,
  existsIn,
  NO_REPLY_STEPS,
  NO_SEND_STEPS,
  noSendSteps,
} from '../../src/protocol/event-table.ts'

const root = ((): string => {
  for (let path = import.meta.dirname; ; path = dirname(path)) {
    if (existsSync(join(path, 'package.json'))) return path
  }
})()
const page = readFileSync(join(root, 'docs', 'protocol.md'), 'utf8')

/** The rows of the table below a heading, without its head. */
function documented(heading: string): string[][] {
  const section = page.split(`\n## ${heading}\n`)[1]!.split('\n## ')[0]!
  const rows = section.split('\n').filter((line) => line.startsWith('|'))
  return rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

const code = (text: string): string => (text === '' ? '' : `\`${text}\``)
const letter = (byte: number): string => code(String.fromCharCode(byte))
const step = (bit: number): string => (bit === 0 ? '' : code(bitNames(Step, bit)))
const stageName = (number: MacroStage | undefined): string =>
  code(Object.entries(MacroStage).find(([, stage]) => stage === number)?.[0] ?? '')

describe('the table of events', () => {
  it('is that of docs/protocol.md', () => {
    const rows = Object.values(EVENTS).map((event) => [
      code(event.callback),
      letter(event.command),
      step(event.noSend),
      step(event.noReply),
      stageName(event.macros),
      String(event.since),
      event.verdicts.join(', '),
      `${event.order || ''}${event.repeats ? '+' : ''}`,
    ])
    assert.deepEqual(documented('Events'), rows)
  })

  it('has each event under its name and its letter', () => {
    for (const [name, event] of Object.entries(EVENTS)) {
      assert.equal(event.name, name)
      assert.equal(EVENT_BY_COMMAND[event.command], event)
      assert.ok(Object.isFrozen(event))
    }
    assert.equal(EVENT_BY_COMMAND.filter((event) => event !== undefined).length, 10)
  })

  it('has the bits of libmilter (SMFI_V1_PROT to SMFI_CURR_PROT)', () => {
    assert.equal(NO_SEND_STEPS, 0x37f)
    assert.equal(NO_REPLY_STEPS, 0xff080)
  })

  it('knows what older versions do not have', () => {
    const lacking = (version: number): string =>
      bitNames(
        Step,
        noSendSteps((event) => !existsIn(event, version)),
      )
    assert.equal(lacking(6), '0')
    assert.equal(lacking(4), '0')
    assert.equal(lacking(3), 'NODATA')
    assert.equal(lacking(2), 'NOUNKNOWN|NODATA')
    assert.equal(lacking(-1), 'NOUNKNOWN|NODATA')
  })
})

describe('the table of edits', () => {
  const field = ({ name, form }: EditField): string => {
    if (form === 'optional string') return `${name} (optional)`
    return form.includes('string') ? name : `${name} (${form})`
  }

  it('is that of docs/protocol.md', () => {
    const rows = Object.values(EDITS).map((edit) => [
      code(edit.type),
      letter(edit.code),
      code(bitNames(Action, edit.action)),
      edit.edits,
      edit.payload.map(field).join(', '),
    ])
    assert.deepEqual(documented('Edits'), rows)
  })

  it('has each edit under its name', () => {
    for (const [type, edit] of Object.entries(EDITS)) {
      assert.equal(edit.type, type)
      assert.ok(Object.isFrozen(edit))
    }
  })

  it('needs each action but that of macro lists', () => {
    const needed = Object.values(EDITS).reduce((bits, { action }) => bits | action, 0)
    assert.equal(needed, ALL_ACTIONS & ~Action.SETSYMLIST)
    assert.equal(ALL_ACTIONS, 0x1ff)
  })
})
