import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../../support/property.ts'
import { MailSender, Recipients } from '../../../src/message/envelope.ts'
import { EnvelopeAddress } from '../../../src/milter/envelope/envelope-address.ts'
import { planEnvelope, type EnvelopeEdit } from '../../../src/message/plan/envelope-plan.ts'
import type { QueuedMessage } from '../../../src/mta/models/model.ts'
import { apply, envelopeMessage, MODEL_NAMES, MODELS, type ModelName } from './support.ts'

const GUARD = { permit: () => true }

const address: fc.Arbitrary<string> = fc.constantFrom(
  'bob@example.net',
  'carol@example.net',
  'dave@Example.Net',
  'dave@example.net',
  'Bob@example.net',
)
const edit = fc.oneof(
  fc.record({ what: fc.constantFrom('add' as const, 'remove' as const), address }),
  fc.record({ what: fc.constant('parameters' as const), address }),
  fc.record({
    what: fc.constant('replace' as const),
    addresses: fc.array(address, { minLength: 1 }),
  }),
  fc.record({
    what: fc.constant('sender' as const),
    address: fc.oneof(address, fc.constant('')),
  }),
)
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never

interface Envelope {
  readonly sender: EnvelopeAddress
  readonly recipients: readonly EnvelopeAddress[]
}

function edited(before: Envelope, edits: readonly Edit[]): Envelope {
  const sender = new MailSender(before.sender, GUARD)
  const recipients = new Recipients(before.recipients, GUARD)
  for (const one of edits) {
    if (one.what === 'add') recipients.add(one.address)
    else if (one.what === 'remove') recipients.remove(one.address)
    else if (one.what === 'parameters') recipients.add(one.address, 'NOTIFY=NEVER')
    else if (one.what === 'replace') recipients.replace(one.addresses)
    else sender.replace(one.address)
  }
  return { sender: sender.current, recipients: recipients.current }
}

function queue(model: ModelName, before: Envelope): QueuedMessage {
  const plain = ({ address: bare, words }: EnvelopeAddress) => ({
    address: bare,
    parameters: words.slice(1),
  })
  return MODELS[model].queue({
    sender: plain(before.sender),
    recipients: before.recipients.map(plain),
    fields: [],
    body: Buffer.alloc(0),
  })
}

/** Postfix takes addresses that differ in case for the same when it adds one (been_here). */
const shown = (list: Iterable<{ address: string }>): string[] =>
  [...new Set(Array.from(list, (one) => one.address.toLowerCase()))].sort()

const envelope = (sender: string, recipients: readonly string[]): Envelope => ({
  sender: new EnvelopeAddress([`<${sender}>`]),
  recipients: recipients.map((one) => new EnvelopeAddress([`<${one}>`])),
})

describe('a plan for an envelope', () => {
  for (const model of MODEL_NAMES) {
    it(`makes it what it is to be, on ${model}`, () => {
      fc.assert(
        fc.property(
          // The model knows one spelling of an address from another; so does the client.
          fc.uniqueArray(
            fc.constantFrom('bob@example.net', 'carol@example.net', 'dave@Example.Net'),
            {
              minLength: 1,
            },
          ),
          fc.array(edit, { maxLength: 6 }),
          (recipients, edits) => {
            const before = envelope('alice@example.org', recipients)
            const after = edited(before, edits)
            const plan = planEnvelope(before, after)
            const result = apply(queue(model, before), plan.map(envelopeMessage)).result()
            assert.equal(result.sender.address, after.sender.address)
            assert.deepEqual(shown(result.recipients), shown(after.recipients))
            assert.ok(plan.length <= edits.length * 8)
          },
        ),
        { numRuns: 1_000 },
      )
    })
  }

  const plan = (before: Envelope, ...edits: Edit[]): EnvelopeEdit[] =>
    planEnvelope(before, edited(before, edits))
  const given = envelope('alice@example.org', ['bob@example.net', 'carol@example.net'])

  it('is nothing for what is there already, or comes back', () => {
    assert.deepEqual(plan(given, { what: 'add', address: 'bob@example.net' }), [])
    assert.deepEqual(plan(given, { what: 'add', address: 'bob@EXAMPLE.net' }), [])
    assert.deepEqual(plan(given, { what: 'sender', address: 'alice@example.org' }), [])
    assert.deepEqual(
      plan(
        given,
        { what: 'remove', address: 'bob@example.net' },
        { what: 'add', address: 'bob@example.net' },
      ),
      [],
    )
    assert.deepEqual(
      plan(given, { what: 'replace', addresses: ['carol@example.net', 'bob@example.net'] }),
      [],
    )
  })

  it('deletes and adds again a recipient with other parameters', () => {
    assert.deepEqual(plan(given, { what: 'parameters', address: 'bob@example.net' }), [
      { type: 'deleteRecipient', address: '<bob@example.net>' },
      { type: 'addRecipient', address: '<bob@example.net>', parameters: 'NOTIFY=NEVER' },
    ])
  })

  it('deletes a recipient in every way the client wrote it', () => {
    const before = envelope('', ['dave@Example.Net', 'dave@example.net', 'Dave@example.net'])
    assert.deepEqual(plan(before, { what: 'remove', address: 'dave@EXAMPLE.NET' }), [
      { type: 'deleteRecipient', address: '<dave@Example.Net>' },
      { type: 'deleteRecipient', address: '<dave@example.net>' },
    ])
  })

  it('leaves parameters of the sender alone that nobody has changed', () => {
    const before: Envelope = {
      sender: new EnvelopeAddress(['<alice@example.org>', 'RET=HDRS', 'BODY=8BITMIME']),
      recipients: [],
    }
    const sender = new MailSender(before.sender, GUARD)
    sender.replace('new@example.org')
    assert.deepEqual(planEnvelope(before, { ...before, sender: sender.current }), [
      { type: 'changeFrom', address: '<new@example.org>', parameters: undefined },
    ])
    sender.replace('new@example.org', 'RET=FULL')
    assert.deepEqual(planEnvelope(before, { ...before, sender: sender.current }), [
      { type: 'changeFrom', address: '<new@example.org>', parameters: 'RET=FULL' },
    ])
  })
})
