// Each login name may send to 10 recipients a minute and to 150 a day. A message goes to all of them or is deferred.
import { CONTINUE, defineFilter, reply, type MessageFilter } from 'tsmilter'
import { openMemoryStore, type Store } from 'tsmilter/store'
import { RateLimiter } from 'tsmilter/toolkit'

export function rateLimit(store: Store): MessageFilter {
  const limits = { user: ['10/60s', '150/d'] }
  // While the store fails, mail passes: 'closed' would defer it.
  const limiter = new RateLimiter({ store, limits, onFailure: 'open' })
  return defineFilter({
    name: 'rate-limit',
    async message({ connection, recipients, queueId, signal }) {
      const user = connection.authenticated
      const limited = await limiter.take(
        { user },
        { id: queueId, tokens: recipients.length, signal },
      )
      if (limited.allowed) return CONTINUE
      return reply(450, '4.7.1', `More than ${limited.limit}, try again later`)
    },
  })
}

// Workers of one machine share a file: rateLimit(await openEmbeddedStore({ path: '/var/lib/filter/store' }))
export default rateLimit(openMemoryStore())
