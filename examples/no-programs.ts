// Takes programs and other dangerous attachments out of mail and puts a notice in their place; signed mail
// with one in it, and mail that programs read in different ways, is refused.
import { defineFilter, isMain, reply, runMilter } from 'tsmilter'
import { defang } from 'tsmilter/mime'

const noPrograms = defineFilter({
  name: 'no-programs',
  edits: ['headers', 'body'],
  async message(mail) {
    const { findings, remaining, removed } = await defang(await mail.mime())
    for (const { name, reason, path } of findings) {
      mail.log.info({ name, reason, path }, 'a dangerous attachment')
    }
    if (remaining.length > 0) return reply(550, '5.7.1', 'Dangerous attachment')
    if (removed > 0) mail.headers.append('X-Removed-Attachments', String(removed))
    return undefined
  },
})

export default noPrograms

if (isMain(import.meta)) {
  await runMilter('no-programs', { factory: noPrograms, listen: 'inet:8890@localhost' })
}
