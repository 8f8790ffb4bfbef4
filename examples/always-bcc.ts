// Sends a copy of all mail to an archive. Neither the message nor a bounce shows it.
import { defineFilter, isMain, runMilter, type MessageFilter } from 'tsmilter'

export const alwaysBcc = (archive: string): MessageFilter =>
  defineFilter({
    name: 'always-bcc',
    edits: ['recipients'],
    // At the end of the header all recipients are known: the body need not be sent.
    headers({ recipients }) {
      // Added once more, one that the client has given would lose the notifications it asked for.
      if (!recipients.has(archive)) recipients.add(archive, 'NOTIFY=NEVER')
    },
  })

const filter = alwaysBcc('archive@example.net')
export default filter

if (isMain(import.meta)) {
  await runMilter('always-bcc', { factory: filter, listen: 'inet:8890@localhost' })
}
