// How a filter is tested: no mail server, no socket. `node --test` runs it, and so does vitest with
// its own `it`.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { deliver } from 'tsmilter/testing'
import noLottery from './no-lottery.ts'

for (const mta of ['postfix', 'sendmail'] as const) {
  it(`refuses a lottery behind ${mta}`, async () => {
    const outcome = await deliver(noLottery, {
      mta,
      message: 'Subject: Win the lottery\n\nhello\n',
    })
    assert.equal(outcome.verdict, 'reject')
    assert.equal(outcome.reply, '550 5.7.1 No lotteries here')
  })

  it(`marks other mail from outside behind ${mta}`, async () => {
    const outcome = await deliver(noLottery, {
      mta,
      message: 'From: Alice <alice@example.org>\nSubject: Lunch?\nSubject: Dinner?\n\nhello\n',
    })
    assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
    const subjects = outcome.message!.toString().match(/^Subject: .*$/gm)
    assert.deepEqual(subjects, ['Subject: [EXTERNAL] Lunch?', 'Subject: [EXTERNAL] Dinner?'])
    assert.deepEqual(outcome.errors, [])
  })

  it(`leaves mail without a subject, and mail of its own users, alone behind ${mta}`, async () => {
    const none = await deliver(noLottery, { mta, message: 'From: a@example.org\n\nhello\n' })
    assert.doesNotMatch(none.message!.toString(), /^Subject:/m)
    const own = await deliver(noLottery, {
      mta,
      message: 'Subject: Lunch?\n\nhello\n',
      macros: { auth_authen: 'alice' },
    })
    assert.match(own.message!.toString(), /^Subject: Lunch\?$/m)
  })
}

it('reads encoded words', async () => {
  const outcome = await deliver(noLottery, {
    message: 'Subject: =?utf-8?B?V2luIHRoZSBsb3R0ZXJ5?=\n\nhello\n',
  })
  assert.equal(outcome.verdict, 'reject')
})
