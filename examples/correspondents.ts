// Remembers for 60 days to whom the users of this server write, and marks mail from them. For a spam filter after it.
import { defineFilter, isMain, runMilter, type MessageFilter } from 'tsmilter'
import { AddressCache } from 'tsmilter/toolkit'

export const correspondents = (seen: AddressCache): MessageFilter =>
  defineFilter({
    name: 'correspondents',
    edits: ['headers'],
    async message({ connection, sender, recipients, headers }) {
      if (connection.authenticated !== undefined) {
        await Promise.all(Array.from(recipients, ({ address }) => seen.add(address)))
      } else if (seen.has(sender.address, { precise: true })) {
        headers.append('X-Correspondent', 'yes')
      }
    },
  })

if (isMain(import.meta)) {
  const seen = await AddressCache.open('/var/lib/filter/correspondents', { days: 60 })
  const factory = correspondents(seen)
  await runMilter('correspondents', { factory, listen: 'inet:8890@localhost' })
}
