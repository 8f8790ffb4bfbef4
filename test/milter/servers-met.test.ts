import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ServersMet } from '../../src/milter/mail-server/servers-met.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
import { Command, connect, mail, macros, quitNc, Wire, type LogLine } from '../support/wire.ts'

const POSTFIX = macros(Command.CONNECT, { v: 'Postfix 3.7.11' })
const FIXED = macros(Command.CONNECT, { v: 'Postfix 3.11.6' })

function wire(handlers: Handlers = { connect: () => {}, envfrom: () => {} }): Wire {
  return Wire.negotiated(() => handlers, {}, undefined, { servers: new ServersMet() })
}
const lines = (log: readonly LogLine[]): unknown[] =>
  log.map(({ level, fields: { connection: _one, ...fields }, message }) => [
    level,
    message,
    fields,
  ])
const DEFECTS = 'a mail server has connected, known defects are worked around'

describe('the mail server at hand', () => {
  it('is logged once, with the names of its defects', () => {
    const { log, session } = wire().send(POSTFIX, connect(), mail(), mail(), quitNc)
    assert.deepEqual(lines(log), [
      ['info', DEFECTS, { mailServer: 'Postfix 3.7.11', defects: 'postfix-early-accept' }],
    ])
    assert.equal(session.messages, 2)
  })

  it('is not Sendmail where maddy sends its macros', () => {
    for (const [daemon, label] of [
      ['MTA', 'Sendmail of an unknown version'],
      ['maddy', 'unknown'],
    ] as const) {
      const signs = macros(Command.CONNECT, { daemon_name: daemon, if_name: 'unknown' })
      const { log } = wire().send(signs, connect(), mail())
      assert.equal(log[0]?.fields['mailServer'], label)
    }
  })

  it('is logged again when another comes on the same connection, and only then', () => {
    const one = wire()
    for (const server of [POSTFIX, FIXED, POSTFIX]) {
      one.send(server, connect(), mail(), quitNc)
    }
    assert.deepEqual(lines(one.log), [
      ['info', DEFECTS, { mailServer: 'Postfix 3.7.11', defects: 'postfix-early-accept' }],
      ['info', 'a mail server has connected', { mailServer: 'Postfix 3.11.6' }],
    ])
  })

  it('is known where CONNECT is declined, too', () => {
    const { log } = wire({ envfrom: () => {} }).send(FIXED, mail())
    assert.deepEqual(lines(log), [
      ['info', 'a mail server has connected', { mailServer: 'Postfix 3.11.6' }],
    ])
  })

  it('counts as unknown if it tells nothing', () => {
    const { log } = wire().send(connect())
    assert.deepEqual(lines(log), [
      [
        'info',
        DEFECTS,
        { mailServer: 'unknown', defects: 'sendmail-merges-additions postfix-early-accept' },
      ],
    ])
  })

  it('costs no more than sixteen lines, and bounded ones', () => {
    const one = wire()
    for (let i = 0; i < 40; i++) {
      const v = `${i} ${'x'.repeat(5_000)}`
      one.send(macros(Command.CONNECT, { v }), connect(), quitNc)
    }
    assert.equal(one.log.length, 16)
    for (const { fields } of one.log) assert.ok(String(fields['mailServer']).length <= 60)
  })
})
