/** Options of filters that leave some mail alone: mail to postmasters, and others. */
import { listOf } from '../options/part-kinds.ts'
import type { Field } from '../options/shape.ts'
import { line } from '../options/value-kinds.ts'
import type { EnvelopeAddress } from '../milter/envelope/envelope-address.ts'

/** Addresses, or local parts of any domain: `postmaster`. */
export const recipientsField = (usual: readonly string[], text: string): Field => ({
  kind: listOf(line, { min: 0 }),
  default: usual,
  text,
  more: 'An address, `user@` for a local part in each domain, or a domain.',
})

/** Whether an address is in a list of addresses, local parts (`user@`) and domains, without case. */
export function addressList(
  entries: readonly string[],
): (address: Pick<EnvelopeAddress, 'local' | 'domain'>) => boolean {
  const known = new Set(entries.map((entry) => entry.toLowerCase()))
  return ({ local, domain }) => {
    const name = local.toLowerCase()
    return known.has(`${name}@${domain}`) || known.has(`${name}@`) || known.has(domain)
  }
}
