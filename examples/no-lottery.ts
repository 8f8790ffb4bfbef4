// Refuses lotteries, and marks what comes from outside. Node 22.18 and later run it as it is.
import { reply, runMilter, type Handlers } from 'tsmilter'

export const noLottery = (): Handlers => {
  let subject = ''
  return {
    envfrom: () => void (subject = ''),
    header(_ctx, name, value) {
      if (name.toLowerCase() === 'subject') subject = value
    },
    eom(ctx) {
      if (/lottery/i.test(subject)) return reply(550, '5.7.1', 'No lotteries here')
      ctx.changeHeader('Subject', 1, `[EXTERNAL] ${subject}`)
      ctx.addHeader('X-Checked', 'yes')
    },
  }
}

if (import.meta.filename === process.argv[1]) {
  await runMilter('no-lottery', { factory: noLottery, socket: 'inet:8890@localhost' })
}
