/** The forms in which an address is looked up and compared. */
import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'

type Parts = Pick<EnvelopeAddress, 'local' | 'domain'>

/**
 * An address in lower case, without its extension (`user+news`); local parts have no case for nearly all servers.
 *
 * @param delimiter characters that begin an extension, none in an empty text
 */
export function plainForm({ local, domain }: Parts, delimiter: string): string {
  return `${withoutExtension(local.toLowerCase(), delimiter)}@${domain}`
}

export function withoutExtension(local: string, delimiter: string): string {
  const at = Array.from(local).findIndex((char, i) => i > 0 && delimiter.includes(char))
  return at === -1 ? local : Array.from(local).slice(0, at).join('')
}

/** The keys of an address in a table of addresses, as virtual(5): with and without extension, then its domain. */
export function addressForms(address: Parts, delimiter: string): string[] {
  const { local, domain } = address
  const full = `${local.toLowerCase()}@${domain}`
  const plain = plainForm(address, delimiter)
  return [...new Set([full, plain]), `@${domain}`]
}
