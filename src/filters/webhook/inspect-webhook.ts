/** Looks at the service of `webhook`. It is not asked: nobody knows what a request would do there. */
import { lookup } from 'node:dns/promises'
import { AddressPolicy } from '../http/address-policy.ts'
import type { Finding } from '../inspection.ts'
import type { WebhookSettings } from '../types.ts'

export async function* inspectWebhook({
  url,
  allowAddresses,
  onFailure,
}: WebhookSettings): AsyncGenerator<Finding> {
  const path = ['url']
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')
  const policy = new AddressPolicy(allowAddresses)
  try {
    const found = await lookup(host, { all: true })
    const good = found.filter(({ address }) => policy.allows(address))
    yield good.length === 0
      ? {
          level: 'error',
          path,
          text: `${host} leads to ${found.map(({ address }) => address).join(', ')} only; name such addresses in allowAddresses`,
        }
      : { level: 'ok', path, text: `${host} has an address to which requests may go` }
  } catch (error) {
    yield {
      level: 'warning',
      path,
      text: `${host} cannot be looked up: ${(error as Error).message}`,
    }
  }
  if (onFailure === 'pass') {
    const text = 'while the service is gone, mail passes as if it had been asked'
    yield { level: 'warning', path: ['onFailure'], text }
  }
}
