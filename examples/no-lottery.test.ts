// How a filter is tested: no mail server, no socket. `node --test` runs it, and so does vitest with
// its own `it`.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { deliver } from 'tsmilter/testing'
import { noLottery } from './no-lottery.ts'

for (const mta of ['postfix', 'sendmail'] as const) {
  it(`refuses a lottery behind ${mta}`, async () => {
    const outcome = await deliver(noLottery, {
      mta,
      message: 'Subject: Win the lottery\n\nhello\n',
    })
    assert.equal(outcome.verdict, 'reject')
    assert.equal(outcome.reply, '550 5.7.1 No lotteries here')
  })

  it(`marks other mail behind ${mta}`, async () => {
    const outcome = await deliver(noLottery, {
      mta,
      message: 'From: Alice <alice@example.org>\nSubject: Lunch?\n\nhello\n',
    })
    assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
    assert.match(outcome.message!.toString(), /^Subject: \[EXTERNAL\] Lunch\?\r$/m)
    assert.deepEqual(outcome.errors, [])
  })
}
