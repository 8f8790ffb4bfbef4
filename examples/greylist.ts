// Greylisting: what comes for the first time is deferred, and passes when it is tried again.
import { CONTINUE, defineFilter, reply, type MessageFilter } from 'tsmilter'
import { openMemoryStore, type Store } from 'tsmilter/store'
import { Greylist } from 'tsmilter/toolkit'

export function greylisting(store: Store): MessageFilter {
  const greylist = new Greylist({ store, network: true, onFailure: 'open' })
  return defineFilter({
    name: 'greylist',
    async recipient(recipient, { connection, sender, signal }) {
      const ip = connection.address
      if (ip === undefined || connection.authenticated !== undefined) return CONTINUE
      const triple = { ip, sender: sender.address, recipient: recipient.address }
      const { passed } = await greylist.check(triple, { signal })
      return passed ? CONTINUE : reply(451, '4.7.1', 'Greylisted, try again later')
    },
  })
}

export default greylisting(openMemoryStore())
