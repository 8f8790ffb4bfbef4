/** DMARC (RFC 9989): whether SPF or DKIM vouch for the domain of the author, and what that domain wants otherwise. */
import type { DnsSession } from '../../toolkit/dns/dns-session.ts'
import { nodeStyleResolver } from '../../toolkit/dns/node-style-resolver.ts'
import type { Author, FromProblem } from './author-domain.ts'
import type { DkimCheck } from './check-dkim.ts'
import type { SpfCheck } from './check-spf.ts'
import type { DmarcAnswer, Mailauth } from './mailauth.ts'

export type DmarcResult = 'pass' | 'fail' | 'none' | 'temperror' | 'permerror'

export interface DmarcCheck {
  readonly result: DmarcResult
  readonly reason?: string | undefined
  /** the domain of the author */
  readonly domain?: string | undefined
  /** why there is none */
  readonly problem?: FromProblem | undefined
  /** what the domain wants for a message that does not pass; undefined if there is no record or it could not be asked */
  readonly policy?: 'none' | 'quarantine' | 'reject' | undefined
  /** the result is `temperror`, and there may be a policy that nobody knows */
  readonly policyUnknown?: boolean
}

/** @throws what the signal of the session has as its reason */
export async function checkDmarc(
  mailauth: Mailauth,
  session: DnsSession,
  author: Author,
  spf: SpfCheck,
  dkim: readonly DkimCheck[],
): Promise<DmarcCheck> {
  const { domain } = author
  if (domain === undefined) {
    return { result: 'permerror', reason: PROBLEMS[author.problem], problem: author.problem }
  }
  const resolver = nodeStyleResolver(session)
  /** @param wanted results whose domains count */
  const evaluate = async (wanted: readonly string[]) =>
    await mailauth.evaluateDmarc({
      headerFrom: [domain],
      fromFields: 1,
      spfDomains: wanted.includes(spf.result) && spf.domain !== '' ? [spf.domain] : [],
      dkimDomains: dkim.flatMap((check) =>
        wanted.includes(check.result) && check.domain !== undefined
          ? [{ domain: check.domain }]
          : [],
      ),
      resolver,
      strict: true,
    })
  const { response } = await evaluate(['pass'])
  // The domain is one, so there is an answer.
  if (response === false) return { result: 'permerror', domain, reason: 'no domain in From' }
  const { policy } = response
  const found = response.status.result as DmarcResult
  if (found === 'fail' && (await couldPass())) {
    // RFC 7489, section 6.6.2: no policy is applied while something that could pass is not known.
    return { result: 'temperror', domain, policy, reason: 'DNS failure of SPF or DKIM' }
  }
  if (found !== 'temperror') return { result: found, domain, policy }
  return {
    result: 'temperror',
    domain,
    policy,
    reason: `DNS failure${response.error === undefined ? '' : `: ${response.error}`}`,
    // If the very same domain passes, so does the message, whatever the record says.
    policyUnknown: policy === undefined ? !passesAsItself() : mayBeStricter(response),
  }

  /** Whether the result may change when DNS answers again. Only domains that align can do that, so a sender cannot. */
  async function couldPass(): Promise<boolean> {
    const isUnknown =
      spf.result === 'temperror' || dkim.some((one) => one.result === 'temperror')
    if (!isUnknown) return false
    const { response: other } = await evaluate(['pass', 'temperror'])
    return other !== false && other.status.result !== 'fail'
  }

  function passesAsItself(): boolean {
    return (
      (spf.result === 'pass' && spf.domain === domain) ||
      dkim.some((one) => one.result === 'pass' && one.domain?.toLowerCase() === domain)
    )
  }
}

/** mailauth takes the weaker policy if it could not find out whether a subdomain exists. */
const mayBeStricter = ({ np, policy, testMode }: DmarcAnswer): boolean =>
  np === 'reject' && policy !== 'reject' && testMode !== true

/** In A-R fields and log lines. */
export const PROBLEMS: Readonly<Record<FromProblem, string>> = {
  'no-from': 'no From field',
  'several-from': 'several From fields',
  'long-from': 'a From field that is too long',
  'no-address': 'no address in From',
  'several-domains': 'several domains in From',
  'address-literal': 'an IP address in From',
  'bad-domain': 'no valid domain in From',
  'bad-character': 'a control character in From',
}
