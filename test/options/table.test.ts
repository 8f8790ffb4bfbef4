import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { main } from '../../src/cli/main.ts'
import { ERROR_CODES, UsageError } from '../../src/errors.ts'
import { filterSettings } from '../../src/milter/options.ts'
import { flagOf, helpOf, variableOf } from '../../src/options/names.ts'
import { GROUPS, OPTIONS, type Option } from '../../src/options/table.ts'
import { readOption } from '../../src/options/validate.ts'
import { serverSettings } from '../../src/server/options.ts'

const plain = OPTIONS.filter(({ default: usual }) => typeof usual !== 'object')

describe('the table of options', () => {
  it('has each name, flag and variable once', () => {
    for (const nameOf of [({ name }: Option) => name, flagOf, variableOf]) {
      assert.equal(new Set(OPTIONS.map(nameOf)).size, OPTIONS.length)
    }
  })

  it('has defaults that their kinds take, also as they are written', () => {
    for (const option of plain) {
      const { kind, default: usual, name } = option
      if (usual === undefined) continue
      assert.equal(readOption(option, usual), usual, name)
      assert.equal(readOption(option, kind.show(usual), 'the documentation'), usual, name)
    }
  })

  it('says what each is in one sentence without a full stop', () => {
    for (const { text, name } of [...OPTIONS, ...Object.values(GROUPS).map(named)]) {
      assert.match(text, /^[a-zA-Z].*[^.]$/, name)
      assert.ok(text.length <= 90, name)
    }
  })

  it('has a group for each object, and codes that exist', () => {
    for (const { name, code } of OPTIONS) {
      const [group = '', member] = name.split('.')
      if (member !== undefined) assert.ok(group in GROUPS, name)
      if (code !== undefined) assert.ok(code in ERROR_CODES, name)
    }
  })
})

describe('tsmilter run --help', () => {
  it('has a line for each option', async () => {
    let said = ''
    await main(['run', '--help'], { out: (text) => (said += text), err: () => {} })
    const help = said.replaceAll(/\s+/g, ' ')
    for (const option of OPTIONS) {
      assert.ok(help.includes(` ${flagOf(option)} <${option.kind.placeholder}> `), option.name)
      assert.ok(help.includes(helpOf(option)), option.name)
    }
    assert.ok(
      help.includes(
        'Maximum memory of all messages of one server or worker together. Takes bytes (1M or more), or a size such as 64K, 16M or 1G. Default: 256M. [TSMILTER_MAX_MEMORY]',
      ),
    )
  })
})

const named = (group: { readonly text: string }): { text: string; name: string } => ({
  text: group.text,
  name: group.text,
})

describe('a program', () => {
  const refused: readonly (readonly [object, RegExp])[] = [
    [
      { maxMemory: '64M' },
      /^the option maxMemory takes a whole number, 1048576 or more; it got "64M"$/,
    ],
    [
      { progressInterval: '5s' },
      /^the option progressInterval takes a whole number from 0 to 2147483647; it got "5s"$/,
    ],
    [{ progressInterval: 2 ** 31 }, /progressInterval/],
    [{ actions: 'ADDHDRS' }, /^the option actions takes a whole number from 0 to 511/],
    [{ actions: ['ADDHRDS'] }, /^the option actions takes .*; did you mean ADDHDRS\?/],
    [{ limits: { bodySize: 1.5 } }, /^the option limits\.bodySize takes/],
    [{ limits: 5 }, /^the option limits takes headers, headerBytes,/],
    [{ overload: 'reject' }, /^the option overload takes tempfail or accept; it got "reject"$/],
    [{ timeouts: { write: 0 } }, /^the option timeouts\.write takes a whole number from 1 to/],
    [{ unixSocket: { mode: '0660' } }, /^the option unixSocket\.mode takes/],
    [
      { unixSocket: { owner: '' } },
      /^the option unixSocket\.owner takes a name, or a number from 0 to/,
    ],
    // -1 of chown(2), which would leave the socket to its owner
    [{ unixSocket: { owner: 2 ** 32 - 1 } }, /^the option unixSocket\.owner takes/],
    [{ unixSocket: { group: '4294967295' } }, /^the option unixSocket\.group takes/],
    [
      { deadlines: { eom: null } as never },
      /^the option deadlines\.eom takes .*; it got null$/,
    ],
    [{ deadlines: new Map([['eom', 5]]) as never }, /^the option deadlines\.\w+ takes .*Map/],
    [{ limits: new Map([['headers', 5]]) as never }, /^the option limits takes headers,.*Map/],
  ]
  for (const [options, message] of refused) {
    it(`gives values, and no text for them: ${JSON.stringify(options)}`, () => {
      assert.throws(
        () => [filterSettings(options), serverSettings(options)],
        (error) => {
          assert.ok(error instanceof UsageError)
          assert.equal(error.code, 'INVALID_OPTION')
          assert.match(error.message, message)
          return true
        },
      )
    })
  }
})
