import { it } from 'node:test'
import { defineFilter, reply } from '../../src/index.ts'
import { deliver } from '../../src/testing/index.ts'
for (const mta of ['postfix', 'sendmail'] as const)
  it('works ' + mta, async () => {
    const filter = defineFilter({
      name: 'external-tag',
      recipient(rcpt) {
        if (rcpt.address === 'gone@example.net') return reply(550, '5.1.1', 'No such user')
      },
      async message(mail) {
        if (!mail.connection.authenticated) mail.subject = `[EXTERNAL] ${mail.subject}`
        mail.headers.prepend('X-Scanned-By', 'tsmilter é')
        mail.body.replace((await mail.body.bytes()).toString() + 'footer\n')
        mail.recipients.add('archive@example.net')
      },
    })
    const outcome = await deliver(filter, { mta, to: ['bob@example.net', 'gone@example.net'] })
    console.log(
      String(outcome.trace),
      outcome.verdict,
      outcome.errors,
      outcome.message?.toString(),
    )
  })
