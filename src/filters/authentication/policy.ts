/** What becomes of a message, from its results. A pure function: no DNS, no clock. */
import type { ArcCheck } from './check-arc.ts'
import { PROBLEMS } from './check-dmarc.ts'
import type { Results } from './report.ts'

/** How far a rule may go. `quarantine` holds what should be rejected. */
export type PolicyMode = 'observe' | 'quarantine' | 'reject'

export type PolicyAction = 'accept' | 'quarantine' | 'reject' | 'defer'

/**
 * Why a message does not pass:
 *
 * - `dmarc`: DMARC fails, and the domain wants that
 * - `dns`: DMARC cannot be told, and the message would be rejected if it failed
 * - `from`: there is no domain of an author, or more than one
 * - `spf`: SPF fails (`spfFail`)
 */
export type PolicyReason = 'dmarc' | 'dns' | 'from' | 'spf'

/**
 * What lets a message pass all the same: it is in `allow`, a server in `trustedSealers` has seen it pass, or it comes from
 * one of `lists`.
 */
export type PolicyOverride = 'allow' | 'sealer' | 'list'

export interface PolicyOptions {
  /** for DMARC */
  readonly policy: PolicyMode
  readonly badFrom: PolicyMode
  readonly spfFail: PolicyMode
  /** domains of authors, in lower case */
  readonly allow: ReadonlySet<string>
  readonly trustedSealers: ReadonlySet<string>
  readonly lists: ReadonlySet<string>
}

export interface Judgement {
  readonly action: PolicyAction
  /** what it would be with `reject` for all rules */
  readonly wanted: PolicyAction
  readonly reason?: PolicyReason | undefined
  readonly override?: PolicyOverride | undefined
  /** for the client and the log */
  readonly text?: string | undefined
  /** of an SMTP reply: RFC 7372, sections 3.2 and 3.3 */
  readonly code?: readonly [number, string] | undefined
}

const PASSES: Judgement = { action: 'accept', wanted: 'accept' }

/**
 * @param known whether the client is in a network of `allow` or `lists`
 */
export function judge(
  results: Results,
  options: PolicyOptions,
  known: { readonly allow: boolean; readonly list: boolean } = { allow: false, list: false },
): Judgement {
  const found = faultOf(results, options)
  if (found === undefined) return PASSES
  const override = overrideOf(results, options, known, ['pass'])
  if (override !== undefined) return { ...PASSES, reason: found.reason, override }
  const { mode, wanted, ...rest } = found
  const unknown = overrideOf(results, options, known, ['pass', 'temperror'])
  if (unknown !== undefined && wanted !== 'defer') {
    // Something that would let it pass cannot be proved now.
    const later = wanted === 'reject' ? 'defer' : 'accept'
    const text = `${rest.text}; whether it counts (${unknown}) cannot be checked now`
    return {
      action: within(mode, later),
      wanted: later,
      reason: 'dns',
      text,
      code: TRY_AGAIN,
    }
  }
  return { action: within(mode, wanted), wanted, ...rest }
}

const TRY_AGAIN = [451, '4.7.0'] as const

interface Fault {
  readonly mode: PolicyMode
  readonly wanted: PolicyAction
  readonly reason: PolicyReason
  readonly text: string
  readonly code: readonly [number, string]
}

function faultOf(results: Results, options: PolicyOptions): Fault | undefined {
  const { dmarc, spf } = results
  const { domain = '', policy, problem } = dmarc
  if (problem !== undefined) {
    return {
      mode: options.badFrom,
      wanted: 'reject',
      reason: 'from',
      text: `The message has ${PROBLEMS[problem]}`,
      code: [550, '5.7.1'],
    }
  }
  const wants = policy === 'reject' || policy === 'quarantine' ? policy : undefined
  if (dmarc.result === 'fail' && wants !== undefined) {
    return {
      mode: options.policy,
      wanted: wants,
      reason: 'dmarc',
      text: `DMARC of ${domain}: neither SPF nor DKIM vouch for this domain (policy ${wants})`,
      code: [550, '5.7.26'],
    }
  }
  const isUnknown =
    dmarc.result === 'temperror' && (wants === 'reject' || dmarc.policyUnknown === true)
  if (isUnknown) {
    return {
      mode: options.policy,
      wanted: 'defer',
      reason: 'dns',
      text: `DMARC of ${domain} cannot be checked now: ${dmarc.reason ?? 'DNS failure'}`,
      code: TRY_AGAIN,
    }
  }
  // A message that passes DMARC, or may pass it, has somebody who answers for it.
  const isOpen = dmarc.result !== 'pass' && dmarc.result !== 'temperror'
  if (spf.result === 'fail' && isOpen) {
    return {
      mode: options.spfFail,
      wanted: 'reject',
      reason: 'spf',
      text: `SPF of ${spf.domain} does not permit this client`,
      code: [550, '5.7.23'],
    }
  }
  return undefined
}

/** What a mode makes of it. A message is deferred only where it would have been rejected. */
function within(mode: PolicyMode, wanted: PolicyAction): PolicyAction {
  if (mode === 'observe') return 'accept'
  if (mode === 'reject') return wanted
  return wanted === 'defer' ? 'accept' : 'quarantine'
}

/** @param proofs results of methods that count as a proof */
function overrideOf(
  { spf, dkim, dmarc, arc }: Results,
  { allow, trustedSealers, lists }: PolicyOptions,
  known: { readonly allow: boolean; readonly list: boolean },
  proofs: readonly string[],
): PolicyOverride | undefined {
  const author = dmarc.domain
  if (known.allow || (author !== undefined && allow.has(author))) return 'allow'
  if (author === undefined) return undefined
  if (proofs.includes(arc.result) && isVouchedFor(arc, author, trustedSealers)) return 'sealer'
  // Names of lists count only if SPF or DKIM prove them.
  const isListed = ({
    result,
    domain,
  }: {
    result: string
    domain?: string | undefined
  }): boolean =>
    proofs.includes(result) && domain !== undefined && lists.has(domain.toLowerCase())
  return known.list || isListed(spf) || dkim.some(isListed) ? 'list' : undefined
}

/**
 * Whether a trusted server has seen DMARC pass for this author, and only trusted ones have had the message since. A seal
 * that is not trusted may cover any claim.
 */
function isVouchedFor(
  { sealers }: ArcCheck,
  author: string,
  trusted: ReadonlySet<string>,
): boolean {
  for (const { domain, results } of sealers.toReversed()) {
    if (!trusted.has(domain)) return false
    const passed = results.some(
      ({ method, result, properties }) =>
        method === 'dmarc' &&
        result === 'pass' &&
        properties.some(
          ({ type, name, value }) =>
            type === 'header' && name === 'from' && value.toLowerCase() === author,
        ),
    )
    if (passed) return true
  }
  return false
}
