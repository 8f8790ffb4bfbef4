import assert from 'node:assert/strict'
import inspector from 'node:inspector'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Action } from '../../src/protocol/constants.ts'
import { atEnd, until } from '../support/resources.ts'
import { eom, FULL_OFFER, mail, Wire } from '../support/wire.ts'

describe('a process that is debugged', () => {
  it('has no deadlines while the port of its inspector is open', async () => {
    const wire = Wire.negotiated(
      () => ({
        eom: async (ctx) => {
          await sleep(100)
          ctx.addHeader('X-Debugged', 'yes')
        },
      }),
      { deadlines: 10 },
    )
    inspector.open(0, '127.0.0.1')
    atEnd(() => inspector.close())
    wire.send(mail(), eom())
    await until(() => !wire.session.handling)
    assert.equal(wire.answers(), 'continue addheader continue')
    inspector.close()
    wire.send(mail(), eom())
    await until(() => !wire.session.handling)
    assert.equal(wire.answers(), 'continue tempfail')
  })
})

describe('a mail server that does not offer what is required', () => {
  it('is a warning', () => {
    const wire = new Wire(() => ({ eom: () => {} }), { requiredActions: Action.CHGBODY })
    wire.send({ type: 'optneg', offer: { ...FULL_OFFER, actions: Action.ADDHDRS } })
    assert.deepEqual(
      wire.log.map(({ level, fields }) => [level, fields['code']]),
      [['warn', 'ACTIONS_NOT_OFFERED']],
    )
  })
})
