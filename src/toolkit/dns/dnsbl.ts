/** Lists of senders in DNS, with weights, asked all at once. */
import { channels, type DnsblChecked } from '../../diagnostics/channels.ts'
import { guardedLogger, textLogger, type Logger } from '../../diagnostics/log.ts'
import { RateLimitedLog } from '../../diagnostics/rate-limited-log.ts'
import { invalidOption } from '../../options/invalid-option.ts'
import { wholeNumber } from '../../options/validate.ts'
import type { DnsAnswer, DnsFailure } from './answer.ts'
import type { DnsCache } from './dns-cache.ts'
import { DnsSession, MAX_ALIASES } from './dns-session.ts'
import {
  checkedList,
  meaningOf,
  subjectOf,
  type CheckedList,
  type DnsblList,
} from './dnsbl-list.ts'

export interface DnsblOptions {
  /** the score from which on `listed` is true; 1 by default */
  readonly threshold?: number
  /** asks lists that have an entry for their reason, too (TXT); true by default */
  readonly reasons?: boolean
  /** milliseconds between two self-checks; 1 h by default */
  readonly checkEvery?: number
  /** gets a line when a list fails its self-check, works again, or cannot be asked; standard error by default */
  readonly logger?: Logger
  /** a clock in milliseconds, for tests */
  readonly now?: () => number
}

/** What one list says. */
export type ListResult =
  | {
      readonly zone: string
      readonly state: 'listed'
      readonly weight: number
      /** its answers that count, such as `127.0.0.2` */
      readonly codes: readonly string[]
      /** its reason in one line of at most 200 characters in ASCII, if it gave one */
      readonly reason: string | undefined
    }
  | { readonly zone: string; readonly state: 'not-listed' }
  /** It could not be asked, so it counts as not listed. */
  | { readonly zone: string; readonly state: 'failed'; readonly failed: ListFailure }
  /** It failed its self-check, so its answer does not count. */
  | { readonly zone: string; readonly state: 'left-out'; readonly why: string }

/** `list-error`: the list answered 127.255.255.x, which means that it does not serve your name server. */
export type ListFailure = DnsFailure | 'list-error'

export interface DnsblResult {
  /** the score has reached the threshold */
  readonly listed: boolean
  /** the weights of all lists that have an entry, added */
  readonly score: number
  /** false if a list could not be asked, so that the score is perhaps another one */
  readonly complete: boolean
  /** one result for each list that has entries of this kind, in their order */
  readonly lists: readonly ListResult[]
}

/** Milliseconds until a list that could not be asked is checked again. */
const CHECK_AGAIN = 60_000

/**
 * Asks lists in DNS about an IP address or a domain: all at once, within the limits of the message's session.
 *
 * Only answers in 127.0.0.0/8 count, and of these not 127.255.255.0/24, where lists tell you that they do not answer. A
 * list that answers everything or nothing is left out: the self-check of RFC 5782, section 5, is made with the first
 * question and once an hour, and `selfCheck()` makes it at the start.
 *
 *     const lists = new Dnsbl([{ zone: 'bl.example', weight: 2 }, { zone: 'other.example' }], { threshold: 2 })
 *     const { listed } = await lists.check(session, '192.0.2.1')
 */
export class Dnsbl {
  readonly #lists: readonly CheckedList[]
  readonly #zones = new Map<string, ZoneState>()
  readonly #threshold: number
  readonly #reasons: boolean
  readonly #checkEvery: number
  readonly #logger: Logger
  readonly #limitedLog = new RateLimitedLog()
  readonly #now: () => number

  /** @throws UsageError INVALID_OPTION */
  constructor(lists: readonly DnsblList[], options: DnsblOptions = {}) {
    const { threshold = 1, reasons = true, checkEvery = 3_600_000 } = options
    if (!Number.isFinite(threshold)) throw invalidOption('threshold', threshold, 'a number')
    this.#lists = lists.map(checkedList)
    for (const list of this.#lists) {
      if (!this.#zones.has(list.zone)) this.#zones.set(list.zone, new ZoneState(list))
    }
    this.#threshold = threshold
    this.#reasons = reasons
    this.#checkEvery = wholeNumber('checkEvery', checkEvery, 1)
    this.#logger = guardedLogger(options.logger ?? textLogger())
    this.#now = options.now ?? (() => performance.now())
  }

  /**
   * Checks all lists now. At the start of a program, it shows a mistake in a zone, or a name server that lists do not
   * answer.
   */
  async selfCheck(dns: DnsCache): Promise<DnsblChecked[]> {
    // Two questions for each list, and those for aliases that the server does not follow.
    const maxQueries = 2 * (1 + MAX_ALIASES) * Math.max(1, this.#zones.size)
    const session = new DnsSession(dns, { maxQueries })
    return await Promise.all(
      [...this.#zones.values()].map((zone) => this.#check(session, zone)),
    )
  }

  /**
   * @param subject an IPv4 or IPv6 address, or a domain; for anything else no list is asked
   * @throws the reason of the session's signal, when it is aborted; nothing else
   */
  async check(session: DnsSession, subject: string): Promise<DnsblResult> {
    const asked = subjectOf(subject)
    const lists = asked === undefined ? [] : this.#lists.filter(({ of }) => of.has(asked.kind))
    const results = await Promise.all(
      lists.map((list) => this.#ask(session, list, `${asked!.labels}.${list.zone}`)),
    )
    let score = 0
    for (const result of results) if (result.state === 'listed') score += result.weight
    return {
      listed: score >= this.#threshold,
      score,
      complete: results.every(({ state }) => state !== 'failed'),
      lists: results,
    }
  }

  async #ask(session: DnsSession, list: CheckedList, name: string): Promise<ListResult> {
    const { zone, weight } = list
    const state = this.#zones.get(zone)!
    const due = state.nextCheck <= this.#now()
    if (!due && state.broken !== undefined)
      return { zone, state: 'left-out', why: state.broken }
    const [answer] = await Promise.all([
      session.resolve(name, 'A'),
      due ? this.#check(session, state) : undefined,
    ])
    if (state.broken !== undefined) return { zone, state: 'left-out', why: state.broken }
    if (answer.none !== undefined) return { zone, state: 'not-listed' }
    const failure = failureOf(answer)
    if (failure !== undefined) {
      this.#limitedLog.write(
        this.#logger,
        'warn',
        { zone, failed: failure, ...codesOf(answer) },
        'a list in DNS could not be asked',
      )
      return { zone, state: 'failed', failed: failure }
    }
    const codes = (answer.found ?? []).filter(list.counts)
    if (codes.length === 0) return { zone, state: 'not-listed' }
    const reason = this.#reasons ? reasonOf(await session.resolve(name, 'TXT')) : undefined
    return { zone, state: 'listed', weight, codes, reason }
  }

  async #check(session: DnsSession, zone: ZoneState): Promise<DnsblChecked> {
    const { list, checks } = zone
    const [listed, notListed] = await Promise.all([
      session.resolve(`${list.test.listed}.${list.zone}`, 'A'),
      session.resolve(`${list.test.notListed}.${list.zone}`, 'A'),
    ])
    const wrong = wrongOf(listed, notListed)
    const unknown = listed.failed ?? notListed.failed
    const was = zone.broken
    // Messages that come at the same time check the list together.
    const first = zone.checks === checks
    zone.checks++
    if (wrong === undefined && unknown !== undefined) {
      zone.nextCheck = this.#now() + CHECK_AGAIN
    } else {
      zone.nextCheck = this.#now() + this.#checkEvery
      zone.broken = wrong
    }
    const check: DnsblChecked = {
      zone: list.zone,
      state: wrong !== undefined ? 'broken' : unknown !== undefined ? 'unknown' : 'working',
      why: wrong ?? unknown,
    }
    if (first) this.#report(check, was)
    return check
  }

  #report(check: DnsblChecked, was: string | undefined): void {
    const { zone, state, why } = check
    if (state === 'broken' && was !== why) {
      this.#logger.warn({ zone, why }, 'a list in DNS failed its self-check and is left out')
    } else if (state === 'working' && was !== undefined) {
      this.#logger.info({ zone }, 'a list in DNS passed its self-check and is used again')
    } else if (state === 'unknown') {
      this.#limitedLog.write(
        this.#logger,
        'warn',
        { zone, why },
        'a list in DNS could not be checked',
      )
    }
    if (channels.dnsblCheck.hasSubscribers) channels.dnsblCheck.publish(check)
  }
}

/** What is known of a zone, which several lists may have. */
class ZoneState {
  readonly list: CheckedList
  /** why the list is left out */
  broken: string | undefined
  nextCheck = -Infinity
  /** number of checks so far */
  checks = 0

  constructor(list: CheckedList) {
    this.list = list
  }
}

/** What is wrong with a list that gives these answers to the self-check. */
function wrongOf(listed: DnsAnswer<'A'>, notListed: DnsAnswer<'A'>): string | undefined {
  for (const { found } of [listed, notListed]) {
    if (found !== undefined && meaningOf(found) !== 'entry') {
      return `it answers ${found.slice(0, MAX_CODES).join(', ')}`
    }
  }
  if (notListed.found !== undefined) return 'it has an entry for what no list may have'
  return listed.none === undefined ? undefined : 'it has no entry for what each list must have'
}

function failureOf({ found, failed }: DnsAnswer<'A'>): ListFailure | undefined {
  if (found === undefined) return failed
  const meaning = meaningOf(found)
  return meaning === 'entry' ? undefined : meaning
}

const MAX_CODES = 10
const codesOf = ({ found }: DnsAnswer<'A'>): { codes?: string } =>
  found === undefined ? {} : { codes: found.slice(0, MAX_CODES).join(', ') }

/** Characters of a reason. */
const MAX_REASON = 200

/** The text of a list, fit for an SMTP reply. */
function reasonOf({ found }: DnsAnswer<'TXT'>): string | undefined {
  const text = found?.[0]
    ?.slice(0, MAX_REASON)
    .replaceAll(/[^ -~]+/g, '?')
    .trim()
  return text === '' ? undefined : text
}
