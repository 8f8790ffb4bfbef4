// The test kit under another runner: `vitest run --globals --dir test/vitest`, after a build.
import { reply } from 'tsmilter'
import { deliver, difference, openSession } from 'tsmilter/testing'

const filter = () => {
  let subject = ''
  return {
    header: (_ctx, name, value) => void (name === 'Subject' && (subject = value)),
    eom: (ctx) => {
      if (/lottery/i.test(subject)) return reply(550, '5.7.1', 'No lotteries here')
      ctx.addHeader('X-Checked', 'yes')
    },
  }
}

describe('tsmilter/testing', () => {
  it.each(['postfix', 'sendmail'])('tells the outcome behind %s', async (mta) => {
    const outcome = await deliver(filter, {
      mta,
      message: { headers: { Subject: 'Win the lottery' } },
    })
    expect(outcome).toMatchObject({ verdict: 'reject', reply: '550 5.7.1 No lotteries here' })
  })

  it('has sessions and differences', async () => {
    const session = await openSession(filter)
    const { message } = await session.deliver({ message: 'Subject: x\n\nhello\n' })
    expect(difference('Subject: x\r\n\r\nhello\r\n', message)).toBe(
      '  Subject: x\n+ X-Checked: yes\n  \n  hello',
    )
  })
})
