/** Recipients whose mail is forwarded to other places: what is signed must leave as it came. */
import { TableError } from '../../errors.ts'
import type { Mail } from '../../message/mail.ts'
import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import { lookupFirst, type Table } from '../../toolkit/tables/table.ts'
import type { AddressPatterns } from './address-patterns.ts'

export interface ForwardedSettings {
  readonly patterns: AddressPatterns
  readonly table: Table | undefined
  /** whether one forwarded recipient is enough, or all have to be */
  readonly oneIsEnough: boolean
}

/** Whether mail is for forwarded recipients, or why the table could not be asked. */
export async function isForwarded(
  mail: Mail,
  { patterns, table, oneIsEnough }: ForwardedSettings,
): Promise<boolean | { readonly failed: string }> {
  if (patterns.isEmpty && table === undefined) return false
  try {
    for (const recipient of mail.recipients) {
      const is =
        patterns.has(recipient) ||
        (table !== undefined &&
          // oxlint-disable-next-line eslint/no-await-in-loop -- the first one may decide
          (await leadsAway(table, recipient, mail.signal)))
      if (is === oneIsEnough) return oneIsEnough
    }
  } catch (error) {
    if (!(error instanceof TableError)) throw error
    return { failed: error.message }
  }
  return !oneIsEnough
}

/**
 * Whether a recipient has an alias in another domain. An alias without a domain is one of this server (virtual(5)). An
 * entry for the domain alone says that all of its mail is forwarded, as in a table of relay domains.
 */
async function leadsAway(
  table: Table,
  { local, domain, address }: Pick<EnvelopeAddress, 'local' | 'domain' | 'address'>,
  signal: AbortSignal,
): Promise<boolean> {
  const plus = local.indexOf('+', 1)
  const keys = [
    address,
    ...(plus === -1 ? [] : [`${local.slice(0, plus)}@${domain}`]),
    `@${domain}`,
    domain,
  ]
  const found = await lookupFirst(table, keys, { signal })
  if (found === undefined) return false
  if (found.key === domain) return true
  return found.value
    .split(/[\s,]+/)
    .some(
      (alias) =>
        alias.includes('@') && alias.slice(alias.lastIndexOf('@') + 1).toLowerCase() !== domain,
    )
}
