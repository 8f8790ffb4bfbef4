/** What asks the servers. `NodeResolver` is the usual one; tests and other transports bring their own. */
import type { Failed, Found, None } from './answer.ts'
import type { DnsRecords, RecordType } from './records.ts'

/** How long the server allows an answer to be kept. */
interface Lifetime {
  /** milliseconds; undefined if the resolver does not know */
  readonly ttl?: number | undefined
}

/** The name is an alias (CNAME), and the server did not follow it. The session asks for its target. */
export interface Alias extends Lifetime {
  readonly alias: string
  readonly found?: undefined
  readonly none?: undefined
  readonly failed?: undefined
}

export type ResolverAnswer<Type extends RecordType = RecordType> =
  | (Found<DnsRecords[Type]> & Lifetime & { readonly alias?: undefined })
  | (None & Lifetime & { readonly alias?: undefined })
  | (Failed & { readonly alias?: undefined; readonly ttl?: undefined })
  | Alias

/**
 * Asks one question. What it throws becomes the answer `{ failed: 'error', cause }`, and what takes longer than the
 * cache waits becomes `{ failed: 'timeout' }`.
 */
export interface DnsResolver {
  /**
   * @param name as `domainName` gives it
   * @param options.signal aborted when nobody waits any longer
   */
  resolve<Type extends RecordType>(
    name: string,
    type: Type,
    options: { readonly signal: AbortSignal },
  ): Promise<ResolverAnswer<Type>>
}
