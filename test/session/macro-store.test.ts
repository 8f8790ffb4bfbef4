import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { Command } from '../../src/protocol/constants.ts'
import { bareMacroName, encodeMacros } from '../../src/protocol/macros.ts'
import { decodeText } from '../../src/protocol/text.ts'
import { MacroStore } from '../../src/session/macro-store.ts'
import { assertGrowth } from '../support/growth.ts'

function define(store: MacroStore, command: Command, pairs: Record<string, string>): void {
  const frame = encodeMacros(command, Object.entries(pairs))
  store.define({ bytes: frame, start: 5, end: frame.length })
}

describe('macros', () => {
  it('are found with and without braces, long and short', () => {
    const store = new MacroStore()
    define(store, Command.CONNECT, { j: 'mx', daemon_name: 'MTA' })
    for (const name of ['j', '{j}']) assert.equal(store.get(name), 'mx')
    for (const name of ['daemon_name', '{daemon_name}']) assert.equal(store.get(name), 'MTA')
    assert.equal(store.get('nobody'), undefined)
    assert.equal(store.get(''), undefined)
  })

  it('of a later stage hide those of an earlier one', () => {
    const store = new MacroStore()
    define(store, Command.EOM, { i: 'eom' })
    define(store, Command.EOH, { i: 'eoh' })
    define(store, Command.MAIL, { i: 'mail' })
    assert.equal(store.get('i'), 'eom')
    assert.deepEqual([...store.all()], [['i', 'eom']])
  })

  it('live as long as their stage (PROTOCOL 5.10)', () => {
    const store = new MacroStore()
    define(store, Command.CONNECT, { j: 'mx' })
    store.begin(Command.CONNECT)
    define(store, Command.HELO, { cipher: 'x' })
    store.begin(Command.HELO)
    define(store, Command.MAIL, { i: '1' })
    store.begin(Command.MAIL)
    define(store, Command.RCPT, { rcpt_addr: 'first' })
    store.begin(Command.RCPT)
    define(store, Command.RCPT, { rcpt_addr: 'last' })
    store.begin(Command.RCPT)
    assert.equal(store.get('rcpt_addr'), 'last')
    store.endMessage()
    assert.equal(store.get('rcpt_addr'), undefined)
    assert.equal(store.get('i'), '1', 'readable between messages')
    assert.equal(store.get('cipher'), 'x')
    store.begin(Command.MAIL)
    assert.equal(store.get('i'), undefined, 'MAIL without macros of its own')
    define(store, Command.MAIL, { i: '2' })
    store.begin(Command.HELO)
    assert.equal(store.get('i'), undefined)
    assert.equal(store.get('cipher'), 'x', 'HELO keeps its own')
    store.begin(Command.CONNECT)
    assert.equal(store.get('cipher'), undefined)
    assert.equal(store.get('j'), 'mx')
    store.clear()
    assert.equal(store.all().size, 0)
  })

  it('are replaced as a whole, also by nothing (FT19)', () => {
    const store = new MacroStore()
    define(store, Command.HELO, { cipher: 'x', tls_version: 'y' })
    define(store, Command.HELO, { cipher: 'z' })
    assert.equal(store.get('tls_version'), undefined)
    define(store, Command.HELO, {})
    assert.equal(store.get('cipher'), undefined)
  })

  it('of HEADER, BODY and UNKNOWN are ignored', () => {
    const store = new MacroStore()
    for (const command of [Command.HEADER, Command.BODY, Command.UNKNOWN]) {
      define(store, command, { i: 'x' })
    }
    assert.equal(store.all().size, 0)
  })

  it('may lack a last value or come in bytes that are not UTF-8', () => {
    const store = new MacroStore()
    const payload = Buffer.from('Mi\0\xffA\0{odd}\0', 'latin1')
    store.define({ bytes: payload, start: 0, end: payload.length })
    assert.equal(store.get('i'), '\udcffA')
    assert.equal(store.get('odd'), '')
  })

  it('are found one at a time as they are all together, whatever came', () => {
    const word = fc.oneof(
      fc.constantFrom(
        '',
        'i',
        '{i}',
        '{{i}}',
        '{}',
        '{',
        'auth_authen',
        '{auth_authen}',
        '\xc3\xa9',
      ),
      fc.string({ maxLength: 5, unit: fc.constantFrom('a', '{', '}', '\xff', '\x80', ' ') }),
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('C', 'M', 'E'), fc.array(word)), { maxLength: 4 }),
        fc.boolean(),
        fc.boolean(),
        (frames, ended, large) => {
          const store = new MacroStore()
          for (const [letter, words] of frames) {
            // Large sets are read in another way.
            const more = large ? ['pad', 'x'.repeat(600), ...words] : words
            const text = letter + more.join('\0') + (ended ? '\0' : '')
            const bytes = Buffer.from(text, 'latin1')
            store.define({ bytes, start: 0, end: bytes.length })
          }
          const all = store.all()
          const asked = frames.flatMap(([, words]) =>
            words.flatMap((one) => [one, `{${one}}`, decodeText(Buffer.from(one, 'latin1'))]),
          )
          for (const name of [...asked, 'none', '', '\udc80']) {
            assert.equal(store.get(name), all.get(bareMacroName(name)), JSON.stringify(name))
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('of a large set are read once, not for each question', async () => {
    const questions = (count: number): MacroStore => {
      const store = new MacroStore()
      const bytes = Buffer.from(`C${'a\0\0'.repeat(40_000)}`)
      store.define({ bytes, start: 0, end: bytes.length })
      for (let i = 0; i < count; i++) assert.equal(store.get('i'), undefined)
      return store
    }
    // Eight times the questions take hardly longer than one: reading it is nearly all there is to do.
    await assertGrowth((count) => count, 1, questions, 3)
    const store = questions(1)
    define(store, Command.CONNECT, { i: 'other' })
    assert.equal(store.get('i'), 'other')
    assert.equal(store.get('a'), undefined)
  })

  it('do not change with the buffer they came in', () => {
    const store = new MacroStore()
    const frame = encodeMacros(Command.MAIL, [['i', 'queue1']])
    store.define({ bytes: frame, start: 5, end: frame.length })
    frame.fill(0x58)
    assert.equal(store.get('i'), 'queue1')
  })
})
