/** SPF (RFC 7208): whether the client may send for the domain of the envelope sender, or for its HELO name. */
import type { DnsSession } from '../../toolkit/dns/dns-session.ts'
import { nodeStyleResolver } from '../../toolkit/dns/node-style-resolver.ts'
import type { Mailauth } from './mailauth.ts'

export type SpfResult =
  'pass' | 'fail' | 'softfail' | 'neutral' | 'none' | 'temperror' | 'permerror'

export interface SpfCheck {
  readonly result: SpfResult
  /** whose identity was checked; `helo` for the null sender (section 2.4) */
  readonly identity: 'mailfrom' | 'helo'
  /** the domain that was checked, in lower case; empty if there is none */
  readonly domain: string
  /** why, for `temperror` and `permerror` */
  readonly reason?: string | undefined
}

export interface SpfSubject {
  /** the envelope sender without brackets, '' for the null sender */
  readonly sender: string
  readonly helo: string | undefined
  readonly address: string
  /** our name, for macros */
  readonly server: string
}

const RESULTS: ReadonlySet<string> = new Set([
  'pass',
  'fail',
  'softfail',
  'neutral',
  'none',
  'temperror',
  'permerror',
])

/** @throws what the signal of the session has as its reason */
export async function checkSpf(
  mailauth: Mailauth,
  session: DnsSession,
  { sender, helo = '', address, server }: SpfSubject,
): Promise<SpfCheck> {
  const identity = sender === '' ? 'helo' : 'mailfrom'
  const asked = sender === '' ? `postmaster@${helo}` : sender
  const none: SpfCheck = { result: 'none', identity, domain: '' }
  const at = asked.lastIndexOf('@')
  // No domain, nothing to look up: section 4.3.
  if (at === -1 || asked.slice(at + 1) === '') return none
  const { status, domain } = await mailauth.spf({
    sender: sender === '' ? '' : sender,
    ip: address,
    helo,
    mta: server,
    resolver: nodeStyleResolver(session),
    strict: true,
  })
  const result = RESULTS.has(status.result) ? (status.result as SpfResult) : 'permerror'
  return {
    result,
    identity,
    domain,
    reason: result.endsWith('error') ? reasonOf(status.comment) : undefined,
  }
}

/** The comment is `server: error in processing during lookup of sender: reason`. */
const reasonOf = (comment: string | undefined): string | undefined =>
  /during lookup of [^]*?: ([^]*)$/.exec(comment ?? '')?.[1]
