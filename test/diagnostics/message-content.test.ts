import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { observe, type MessageDone } from '../../src/diagnostics/channels.ts'
import { askForContent } from '../../src/diagnostics/message-content.ts'
import { atEnd } from '../support/resources.ts'
import { eom, FULL_OFFER, header, mail, Wire } from '../support/wire.ts'

describe('the content of messages that is logged', () => {
  it('is counted while the message lasts, and left out where there is no memory', () => {
    const told: MessageDone[] = []
    atEnd(askForContent(['subject']))
    atEnd(observe({ 'tsmilter:message': (event) => void told.push(event) }))
    const wire = Wire.negotiated(
      () => ({ envfrom: () => {}, header: () => {}, eom: () => {} }),
      { maxMemory: 2 ** 20 },
      FULL_OFFER,
    )
    const { memory } = wire.settings
    const long = header('Subject', ` ${'x'.repeat(1_500)}`)
    wire.send(mail(), long, long)
    assert.ok(memory.used > 2_000 && memory.used < 5_000, String(memory.used))
    assert.ok(memory.reserve(memory.limit - memory.used - 100))
    wire.send(long, header('Subject', 'short'))
    wire.send(eom())
    const [event] = told
    assert.deepEqual(
      event?.content?.['subject']?.map((value) => value.length),
      [1_000, 1_000, 5],
    )
    assert.ok(memory.used < memory.limit - 2_000, 'given back')
  })
})
