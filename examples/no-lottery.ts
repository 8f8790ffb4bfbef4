// Refuses lotteries, and marks mail from outside in its subject.
import { CONTINUE, defineFilter, reply } from 'tsmilter'

export default defineFilter({
  name: 'no-lottery',
  message(mail) {
    // Mail may have no Subject, or several. Their text is decoded, so encoded words hide nothing.
    const subjects = mail.headers.fields('Subject')
    if (subjects.some(({ value }) => /lottery/i.test(value))) {
      return reply(550, '5.7.1', 'No lotteries here')
    }
    if (mail.connection.authenticated === undefined) {
      for (const subject of subjects) subject.value = `[EXTERNAL] ${subject.value}`
    }
    return CONTINUE
  },
})
