/** The questions of one message, within its limits. */
import { MAX_TIMER } from '../../options/kinds.ts'
import { wholeNumber } from '../../options/validate.ts'
import { failed, none, type DnsAnswer } from './answer.ts'
import type { DnsCache } from './dns-cache.ts'
import { domainName } from './domain-name.ts'
import type { RecordType } from './records.ts'
import type { Alias, ResolverAnswer } from './resolver.ts'

/** Limits of a session. */
export interface DnsLimits {
  /** maximum number of different questions; 100 by default */
  readonly maxQueries?: number
  /** maximum number of answers without records; no limit by default */
  readonly maxVoidLookups?: number
  /** maximum time in milliseconds in which questions wait for their answers; 20 s by default */
  readonly maxTime?: number
}

export interface DnsSessionOptions extends DnsLimits {
  /** ends all waiting: calls reject with its reason. Usually `ctx.signal` or `mail.signal` */
  readonly signal?: AbortSignal | undefined
  /** a clock in milliseconds, for tests */
  readonly now?: () => number
}

/**
 * The limit of RFC 7208, section 4.6.4, for one evaluation of SPF: `new DnsSession(session, SPF_LIMITS)`. Its limit of
 * ten counts mechanisms, not questions, so it is not here.
 */
export const SPF_LIMITS: { readonly maxVoidLookups: number } = { maxVoidLookups: 2 }

/** Why a question does not wait any longer: it has its answer. */
const OVER = 'over'

/** As pymilter: at most 10 aliases in a chain. */
export const MAX_ALIASES = 10

/**
 * The questions of one message. The same question is asked once. There are limits for the number of questions, for those
 * without an answer, and for the time that they take. When a limit is used up, further questions fail and say so.
 *
 * A session on another session shares its answers and its limits, and has limits of its own.
 *
 *     const session = new DnsSession(dns, { signal: ctx.signal })
 *     const { found, failed } = await session.resolve('example.org', 'MX')
 */
export class DnsSession {
  readonly #source: DnsCache | DnsSession
  readonly #limits: Required<DnsLimits>
  readonly #signal: AbortSignal | undefined
  readonly #now: () => number
  readonly #answers = new Map<string, Promise<DnsAnswer>>()
  #queries = 0
  #voidLookups = 0
  /** milliseconds of waiting that are over, questions that wait, and since when there are some */
  #waited = 0
  #waiting = 0
  #since = 0
  /** ends each wait; one listener to the signal for all of them */
  readonly #stops = new Set<() => void>()
  readonly #stopAll = (): void => {
    for (const stop of this.#stops) stop()
  }

  /** @throws UsageError INVALID_OPTION */
  constructor(source: DnsCache | DnsSession, options: DnsSessionOptions = {}) {
    const { maxQueries = 100, maxVoidLookups = Infinity, maxTime = 20_000 } = options
    this.#source = source
    this.#signal = options.signal
    this.#now = options.now ?? (() => performance.now())
    this.#limits = {
      maxQueries: wholeNumber('maxQueries', maxQueries, 1),
      maxVoidLookups:
        maxVoidLookups === Infinity
          ? maxVoidLookups
          : wholeNumber('maxVoidLookups', maxVoidLookups, 0),
      maxTime: wholeNumber('maxTime', maxTime, 1, MAX_TIMER),
    }
  }

  /** questions so far */
  get queries(): number {
    return this.#queries
  }

  /** answers so far that had no records: no such name, or none of the type (RFC 7208, section 4.6.4) */
  get voidLookups(): number {
    return this.#voidLookups
  }

  /**
   * Asks for the records of a name. A text that is not a name (see `domainName`) has no records, and nobody is asked.
   *
   * @throws the reason of the signal, when it is aborted; nothing else
   */
  async resolve<Type extends RecordType>(name: string, type: Type): Promise<DnsAnswer<Type>> {
    this.#signal?.throwIfAborted()
    const asked = domainName(name)
    if (asked === undefined) return none('no-domain')
    const key = `${type} ${asked}`
    const known = this.#answers.get(key)
    // The key has the type.
    if (known !== undefined) return known as Promise<DnsAnswer<Type>>
    if (this.#voidLookups > this.#limits.maxVoidLookups) return failed('void-limit')
    if (!this.#count()) return failed('query-limit')
    const answer = this.#ask(asked, type)
    this.#answers.set(key, answer)
    return answer as Promise<DnsAnswer<Type>>
  }

  #count(): boolean {
    if (this.#queries >= this.#limits.maxQueries) return false
    this.#queries++
    return true
  }

  async #ask(name: string, type: RecordType): Promise<DnsAnswer> {
    const { maxTime, maxVoidLookups } = this.#limits
    const now = this.#now()
    const left = maxTime - this.#waited - (this.#waiting > 0 ? now - this.#since : 0)
    if (left <= 0) return failed('time-limit')
    if (this.#waiting++ === 0) this.#since = now
    let answer
    try {
      answer = await this.#within(left, (ended) =>
        this.#source instanceof DnsSession
          ? this.#source.resolve(name, type)
          : this.#follow(this.#source, name, type, ended),
      )
    } finally {
      if (--this.#waiting === 0) this.#waited += this.#now() - this.#since
    }
    if (answer.none === undefined) return answer
    this.#voidLookups++
    return this.#voidLookups > maxVoidLookups ? failed('void-limit') : answer
  }

  /** Asks for the target of an alias that the server did not follow. Each is a question of its own. */
  async #follow(
    cache: DnsCache,
    first: string,
    type: RecordType,
    ended: AbortSignal,
  ): Promise<DnsAnswer> {
    const seen = new Set<string>()
    let name = first
    for (;;) {
      const answer = await cache.ask(name, type)
      if (answer.alias === undefined) return final(answer)
      seen.add(name)
      const target = domainName(answer.alias)
      if (target === undefined) return failed('bad-answer')
      if (seen.has(target)) return failed('alias-loop')
      if (seen.size > MAX_ALIASES) return failed('alias-chain')
      if (ended.aborted) return failed('time-limit')
      if (!this.#count()) return failed('query-limit')
      name = target
    }
  }

  /** @param call gets a signal that says when nobody waits any longer */
  async #within(
    left: number,
    call: (ended: AbortSignal) => Promise<DnsAnswer>,
  ): Promise<DnsAnswer> {
    const ended = new AbortController()
    let timer: NodeJS.Timeout | undefined
    let stop = (): void => {}
    try {
      return await new Promise<DnsAnswer>((resolve, reject) => {
        timer = setTimeout(() => resolve(failed('time-limit')), Math.ceil(left))
        stop = () => reject(this.#signal?.reason as Error)
        if (this.#stops.size === 0) this.#signal?.addEventListener('abort', this.#stopAll)
        this.#stops.add(stop)
        call(ended.signal).then(resolve, reject)
      })
    } finally {
      // Without a reason, Node makes an exception with a stack for each question.
      ended.abort(OVER)
      clearTimeout(timer)
      this.#stops.delete(stop)
      if (this.#stops.size === 0) this.#signal?.removeEventListener('abort', this.#stopAll)
    }
  }
}

/** An answer as a filter gets it. */
function final(answer: Exclude<ResolverAnswer, Alias>): DnsAnswer {
  if (answer.found !== undefined) return { found: answer.found }
  return answer.none === undefined ? failed(answer.failed, answer.cause) : none(answer.none)
}
