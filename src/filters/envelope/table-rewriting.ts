/** New addresses by tables, as canonical(5) and virtual(5) have them. */
import type { StageContext } from '../../message/stage-context.ts'
import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import { addressParts, joinAddress } from '../../toolkit/addresses/address-parts.ts'
import type { Lookup } from '../sources/lookup.ts'
import { addressForms, withoutExtension } from './address-forms.ts'

/** Addresses that one may become. */
const MAX_ADDRESSES = 100

/**
 * What a table makes of an address; undefined if it is not there, or the value has no address. `@domain` as a key or a value
 * keeps the local part. An extension that the key does not have is added to the new address (propagate_unmatched_extensions).
 *
 * @throws TableError LOOKUP_FAILED
 */
export async function rewritten(
  address: EnvelopeAddress,
  lookup: Lookup,
  delimiter: string,
  ctx: Pick<StageContext, 'signal' | 'log'>,
): Promise<readonly string[] | undefined> {
  const { local, domain } = address
  if (domain === '') return undefined
  const found = await lookup(addressForms(address, delimiter), ctx)
  if (found === undefined) return undefined
  const extension = local.slice(withoutExtension(local, delimiter).length)
  const unmatched =
    found.key.startsWith('@') || found.key.includes(extension.toLowerCase()) ? '' : extension
  const targets = targetsIn(found.value)
    .slice(0, MAX_ADDRESSES)
    .map(({ local: name, domain: to }) =>
      joinAddress(name === '' ? local : `${name}${unmatched}`, to),
    )
  return targets.length === 0 ? undefined : targets
}

/** The addresses in a value. `@example.org` has no local part; what has no domain is no address. */
export function targetsIn(value: string): { local: string; domain: string }[] {
  return value.split(/[\s,]+/).flatMap((entry) => {
    if (/^@[^@]+$/.test(entry)) return [{ local: '', domain: entry.slice(1) }]
    const { local, domain } = addressParts(entry)
    return local === '' || domain === undefined || domain === '' ? [] : [{ local, domain }]
  })
}
