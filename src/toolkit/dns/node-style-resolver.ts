/** A session for packages that take a function like `resolve` of `node:dns/promises`. */
import { encodeText } from '../../protocol/text.ts'
import type { DnsFailure, NoRecords } from './answer.ts'
import type { DnsSession } from './dns-session.ts'
import type { DnsRecords, RecordType } from './records.ts'

/** What `resolve(name, type)` of `node:dns/promises` gives for each type. */
export type NodeRecords = Omit<{ [Type in RecordType]: DnsRecords[Type][] }, 'TXT'> & {
  TXT: string[][]
}

export type NodeStyleResolver = <Type extends RecordType>(
  name: string,
  type: Type,
) => Promise<NodeRecords[Type]>

/** The codes of c-ares, which such packages tell apart. */
const CODES: Readonly<Record<NoRecords | DnsFailure, string>> = {
  'no-domain': 'ENOTFOUND',
  'no-data': 'ENODATA',
  timeout: 'ETIMEOUT',
  unreachable: 'ECONNREFUSED',
  'server-failure': 'ESERVFAIL',
  refused: 'EREFUSED',
  'bad-answer': 'EBADRESP',
  'alias-loop': 'ESERVFAIL',
  'alias-chain': 'ESERVFAIL',
  busy: 'ETIMEOUT',
  'query-limit': 'ECANCELLED',
  'void-limit': 'ECANCELLED',
  'time-limit': 'ETIMEOUT',
  error: 'ESERVFAIL',
}

/** Types with their function of c-ares, as in the messages of Node. */
const SYSCALLS: Readonly<Record<RecordType, string>> = {
  A: 'queryA',
  AAAA: 'queryAaaa',
  MX: 'queryMx',
  TXT: 'queryTxt',
  PTR: 'queryPtr',
  NS: 'queryNs',
  CNAME: 'queryCname',
  SRV: 'querySrv',
}

/** The error of a look-up as Node has it, with the word of this package. */
export interface LookupError extends Error {
  /** a code of c-ares: ENOTFOUND and ENODATA mean that there is nothing, all others that nobody knows */
  readonly code: string
  readonly syscall: string
  readonly hostname: string
  readonly reason: NoRecords | DnsFailure | 'unknown-type'
}

/**
 * A function like `resolve` of `node:dns/promises` on a session: for mailauth and others that take a `resolver`. It has
 * Node's results and Node's error codes. TXT records have a character for each byte, as Node has them.
 *
 *     await authenticate(message, { resolver: nodeStyleResolver(session) })
 *
 * @throws LookupError if there are no records, or if nobody knows; the reason of the session's signal
 */
export function nodeStyleResolver(session: DnsSession): NodeStyleResolver {
  return async (name, type) => {
    if (!Object.hasOwn(SYSCALLS, type)) throw lookupError('unknown-type', 'ENOTIMP', name, type)
    const answer = await session.resolve(name, type)
    if (answer.found === undefined) {
      const reason = answer.none ?? answer.failed
      throw lookupError(reason, CODES[reason], name, type)
    }
    // Of the type that was asked for. The cache keeps the records, so these are copies.
    const records = answer.found.map((record) =>
      type === 'TXT' ? [encodeText(record as string).toString('latin1')] : copyOf(record),
    )
    return records as NodeRecords[typeof type]
  }
}

const copyOf = (record: DnsRecords[RecordType]): DnsRecords[RecordType] =>
  typeof record === 'string' ? record : { ...record }

function lookupError(
  reason: LookupError['reason'],
  code: string,
  hostname: string,
  type: RecordType,
): LookupError {
  const syscall = SYSCALLS[type] ?? `query ${type}`
  const error = new Error(`${syscall} ${code} ${hostname} (${reason})`)
  return Object.assign(error, { code, syscall, hostname, reason })
}
