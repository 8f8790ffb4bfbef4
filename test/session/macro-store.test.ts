import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Command } from '../../src/protocol/constants.ts'
import { encodeMacros } from '../../src/protocol/macros.ts'
import { MacroStore } from '../../src/session/macro-store.ts'

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

  it('do not change with the buffer they came in', () => {
    const store = new MacroStore()
    const frame = encodeMacros(Command.MAIL, [['i', 'queue1']])
    store.define({ bytes: frame, start: 5, end: frame.length })
    frame.fill(0x58)
    assert.equal(store.get('i'), 'queue1')
  })
})
