/** What comes of a question to DNS: records, the knowledge that there are none, or a failure to find out. */
import type { DnsRecords, RecordType } from './records.ts'

/**
 * Why there are no records: the name does not exist (NXDOMAIN, or it is no name at all), or it has none of this type.
 */
export type NoRecords = 'no-domain' | 'no-data'

/**
 * Why a question was not answered.
 *
 * - `timeout`: no server answered in time
 * - `unreachable`: the servers cannot be reached
 * - `server-failure`: a server could not find out (SERVFAIL), or DNSSEC failed
 * - `refused`: the servers do not answer us (REFUSED)
 * - `bad-answer`: the answer cannot be read, or means nothing
 * - `alias-loop`, `alias-chain`: aliases (CNAME) lead in a circle, or further than 10 steps
 * - `busy`: too many questions wait already (`maxPending`)
 * - `query-limit`, `void-limit`, `time-limit`: the session has used up one of its limits
 * - `error`: the resolver threw something else
 */
export type DnsFailure =
  | 'timeout'
  | 'unreachable'
  | 'server-failure'
  | 'refused'
  | 'bad-answer'
  | 'alias-loop'
  | 'alias-chain'
  | 'busy'
  | 'query-limit'
  | 'void-limit'
  | 'time-limit'
  | 'error'

/** There are records: at least one. */
export interface Found<Record> {
  readonly found: readonly Record[]
  readonly none?: undefined
  readonly failed?: undefined
}

/** There are no records. This is an answer: it will be the same in a minute. */
export interface None {
  readonly found?: undefined
  readonly none: NoRecords
  readonly failed?: undefined
}

/** Nobody knows whether there are records. A verdict that rests on them has to wait (`tempfail`) or do without. */
export interface Failed {
  readonly found?: undefined
  readonly none?: undefined
  readonly failed: DnsFailure
  /** what the resolver threw */
  readonly cause?: unknown
}

/**
 * The answer to a question. Exactly one of `found`, `none` and `failed` is set.
 *
 *     const answer = await session.resolve('example.org', 'MX')
 *     if (answer.failed) return TEMPFAIL
 *     if (answer.none) return REJECT
 *     answer.found[0].exchange
 */
export type DnsAnswer<Type extends RecordType = RecordType> =
  Found<DnsRecords[Type]> | None | Failed

/** An answer that says that there is nothing, or that nothing is known. */
export const none = (reason: NoRecords): None => ({ none: reason })
export const failed = (reason: DnsFailure, cause?: unknown): Failed =>
  cause === undefined ? { failed: reason } : { failed: reason, cause }
