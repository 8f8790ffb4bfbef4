// The filter of no-lottery.ts in events. You keep the state of a message yourself, and values are as
// they were sent: an encoded word hides what it says.
import { CONTINUE, reply, type Handlers } from 'tsmilter'

export default function noLottery(): Handlers {
  let subjects: string[] = []
  return {
    // A new message: an SMTP session has many.
    envfrom() {
      subjects = []
    },
    header(_ctx, name, value) {
      if (name.toLowerCase() === 'subject') subjects.push(value)
    },
    eom(ctx) {
      if (subjects.some((subject) => /lottery/i.test(subject))) {
        return reply(550, '5.7.1', 'No lotteries here')
      }
      if (ctx.macro('auth_authen') === undefined) {
        for (const [i, subject] of subjects.entries()) {
          ctx.changeHeader('Subject', i + 1, `[EXTERNAL] ${subject}`)
        }
      }
      ctx.addHeader('X-Checked', 'yes')
      return CONTINUE
    },
  }
}
