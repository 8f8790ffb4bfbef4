import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deliver } from 'tsmilter/testing'
import filter, { alwaysBcc } from './always-bcc.ts'

const MESSAGE =
  'From: Alice <alice@example.org>\r\nTo: Bob <bob@example.net>\r\nSubject: Lunch?\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nhello\r\n'

for (const mta of ['postfix', 'sendmail'] as const) {
  describe(`always-bcc behind ${mta}`, () => {
    it('adds the archive, and leaves the message as it is', async () => {
      const outcome = await deliver(filter, { mta, message: MESSAGE })
      assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
      assert.deepEqual(outcome.errors, [])
      assert.deepEqual(outcome.recipients, ['bob@example.net', 'archive@example.net'])
      assert.equal(outcome.message!.toString(), MESSAGE)
    })

    it('wants no notification of it', async () => {
      const { edits, ignored, envelope } = await deliver(filter, { mta })
      assert.deepEqual(
        edits.map(({ type }) => type),
        ['addrcpt_par'],
      )
      assert.deepEqual(ignored, [])
      assert.deepEqual(envelope.recipients[1], {
        address: 'archive@example.net',
        parameters: ['NOTIFY=NEVER'],
      })
    })

    it('does nothing if the archive has it already', async () => {
      const to = [{ address: 'archive@EXAMPLE.net', parameters: ['NOTIFY=FAILURE'] }]
      const outcome = await deliver(filter, { mta, to })
      assert.deepEqual(outcome.edits, [])
      assert.deepEqual(outcome.recipients, ['archive@EXAMPLE.net'])
    })

    it('keeps the archive where the client was refused it', async () => {
      const outcome = await deliver(alwaysBcc('keep@example.net'), {
        mta,
        to: ['bob@example.net', { address: 'keep@example.net', refused: '550 5.7.1 no' }],
      })
      assert.deepEqual(outcome.recipients, ['bob@example.net', 'keep@example.net'])
    })
  })
}
