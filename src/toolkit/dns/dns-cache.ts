/** The answers that all messages of a process share. */
import { MAX_TIMER } from '../../options/kinds.ts'
import { wholeNumber } from '../../options/validate.ts'
import { failed, none, type Failed } from './answer.ts'
import { NodeResolver } from './node-resolver.ts'
import { isRecordOf, sizeOf, type RecordType } from './records.ts'
import type { DnsResolver, ResolverAnswer } from './resolver.ts'

export interface DnsCacheOptions {
  /** what asks the servers; a {@link NodeResolver} by default */
  readonly resolver?: DnsResolver
  /** milliseconds that a question waits, however often the resolver tries; 5000 by default */
  readonly timeout?: number
  /** maximum number of questions that wait at once; further ones fail (`busy`). 1000 by default */
  readonly maxPending?: number
  /** maximum number of answers; 10 000 by default */
  readonly maxEntries?: number
  /** maximum memory of the answers in bytes, roughly; 8 MiB by default */
  readonly maxBytes?: number
  /** bounds of the time-to-live of records, in milliseconds; 5 s and 1 h by default */
  readonly minTtl?: number
  readonly maxTtl?: number
  /** time for records whose time-to-live is not known: all but A and AAAA with Node's resolver. 60 s by default */
  readonly unknownTtl?: number
  /** maximum time for the answer that there is nothing; 30 s by default */
  readonly negativeTtl?: number
  /** time for a failure, so that a dead server is not asked for each message; 1 s by default, 0 keeps none */
  readonly failureTtl?: number
  /** a clock in milliseconds, for tests */
  readonly now?: () => number
}

interface Entry {
  readonly answer: ResolverAnswer
  readonly expires: number
  readonly bytes: number
}

/** Bytes that an entry takes beside its texts, roughly. */
const ENTRY = 256

/**
 * A cache for all messages of a process. It is bounded, keeps an answer no longer than its time-to-live allows, and asks a
 * question once, however many messages wait for it. A message uses it through a `DnsSession`.
 *
 *     const dns = new DnsCache()
 */
export class DnsCache {
  readonly #resolver: DnsResolver
  readonly #limits: Required<Omit<DnsCacheOptions, 'resolver' | 'now'>>
  readonly #now: () => number
  /** in the order of their last use */
  readonly #entries = new Map<string, Entry>()
  readonly #pending = new Map<string, Promise<ResolverAnswer>>()
  #bytes = 0

  /** @throws UsageError INVALID_OPTION */
  constructor(options: DnsCacheOptions = {}) {
    const { resolver = new NodeResolver(), now = () => performance.now(), ...limits } = options
    this.#resolver = resolver
    this.#now = now
    this.#limits = {
      timeout: wholeNumber('timeout', limits.timeout ?? 5_000, 1, MAX_TIMER),
      maxPending: wholeNumber('maxPending', limits.maxPending ?? 1_000, 1),
      maxEntries: wholeNumber('maxEntries', limits.maxEntries ?? 10_000, 0),
      maxBytes: wholeNumber('maxBytes', limits.maxBytes ?? 8 * 1024 * 1024, 0),
      minTtl: wholeNumber('minTtl', limits.minTtl ?? 5_000, 0),
      maxTtl: wholeNumber('maxTtl', limits.maxTtl ?? 3_600_000, 0),
      unknownTtl: wholeNumber('unknownTtl', limits.unknownTtl ?? 60_000, 0),
      negativeTtl: wholeNumber('negativeTtl', limits.negativeTtl ?? 30_000, 0),
      failureTtl: wholeNumber('failureTtl', limits.failureTtl ?? 1_000, 0),
    }
  }

  /** number of answers that are kept, some of them perhaps too old */
  get size(): number {
    return this.#entries.size
  }

  /** bytes that these take, roughly */
  get bytes(): number {
    return this.#bytes
  }

  /** number of questions that wait for an answer */
  get pending(): number {
    return this.#pending.size
  }

  /**
   * For the library: the answer to one question, which a session bounds and follows. Never rejects, and takes no longer
   * than `timeout`.
   *
   * @param name as `domainName` gives it
   */
  ask(name: string, type: RecordType): Promise<ResolverAnswer> {
    const key = `${type} ${name}`
    const kept = this.#kept(key)
    if (kept !== undefined) return Promise.resolve(kept)
    const pending = this.#pending.get(key)
    if (pending !== undefined) return pending
    if (this.#pending.size >= this.#limits.maxPending) return Promise.resolve(failed('busy'))
    const asked = this.#ask(key, name, type)
    this.#pending.set(key, asked)
    return asked
  }

  #kept(key: string): ResolverAnswer | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#drop(key)
    if (entry.expires <= this.#now()) return undefined
    this.#entries.set(key, entry)
    this.#bytes += entry.bytes
    return entry.answer
  }

  #ask(key: string, name: string, type: RecordType): Promise<ResolverAnswer> {
    const waiting = new AbortController()
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        // Late answers of the resolver are kept all the same: the client will try again.
        settle(failed('timeout'))
        waiting.abort()
      }, this.#limits.timeout)
      let settled = false
      const settle = (answer: ResolverAnswer): void => {
        if (!settled || answer.failed === undefined) this.#keep(key, answer)
        if (settled) return
        settled = true
        clearTimeout(timer)
        this.#pending.delete(key)
        resolve(answer)
      }
      called(() => this.#resolver.resolve(name, type, { signal: waiting.signal })).then(
        (answer) => settle(ownCopy(type, answer)),
        (error: unknown) => settle(failed('error', error)),
      )
    })
  }

  #keep(key: string, answer: ResolverAnswer): void {
    const ttl = this.#ttlOf(answer)
    const bytes = ENTRY + 2 * key.length + bytesOf(answer)
    this.#drop(key)
    if (ttl <= 0 || bytes > this.#limits.maxBytes || this.#limits.maxEntries === 0) return
    this.#entries.set(key, { answer, expires: this.#now() + ttl, bytes })
    this.#bytes += bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.maxEntries && this.#bytes <= this.#limits.maxBytes)
        break
      this.#drop(oldest)
    }
  }

  #ttlOf(answer: ResolverAnswer): number {
    const { minTtl, maxTtl, unknownTtl, negativeTtl, failureTtl } = this.#limits
    if (answer.failed !== undefined) return failureTtl
    const most = answer.none === undefined ? maxTtl : Math.min(maxTtl, negativeTtl)
    const known = answer.ttl ?? (answer.none === undefined ? unknownTtl : negativeTtl)
    return Math.min(Math.max(known, minTtl), most)
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }
}

/** A promise, even of a function that throws before it returns one. */
const called = async <Value>(call: () => Promise<Value>): Promise<Value> => await call()

/** The answer of a resolver, which may be anybody's code, in objects that all messages can share. */
function ownCopy(type: RecordType, answer: ResolverAnswer | undefined): ResolverAnswer {
  const { found, alias, none: reason, failed: failure, ttl } = answer ?? {}
  const known = typeof ttl === 'number' && !Number.isNaN(ttl) ? ttl : undefined
  const lifetime = known === undefined ? {} : { ttl: known }
  if (Array.isArray(found)) {
    // One that is none makes the others doubtful.
    if (!found.every((record) => isRecordOf(type, record))) {
      return failed('bad-answer', new TypeError(`the resolver gave what is no ${type} record`))
    }
    if (found.length === 0) return none('no-data')
    const records = found.map((record) =>
      typeof record === 'string' ? record : Object.freeze({ ...record }),
    )
    return { found: Object.freeze(records), ttl: known }
  }
  if (found === undefined) {
    if (typeof alias === 'string') return { alias, ...lifetime }
    if (reason === 'no-domain' || reason === 'no-data') return { none: reason, ...lifetime }
    if (typeof failure === 'string' && failure.length > 0)
      return failed(failure, (answer as Failed).cause)
  }
  return failed('error', new TypeError('the resolver answered with nothing that is an answer'))
}

/** An error with its stack takes about this much. */
const CAUSE = 2_048

function bytesOf(answer: ResolverAnswer): number {
  let bytes = 2 * (answer.alias ?? '').length
  if (answer.failed !== undefined && answer.cause !== undefined) bytes += CAUSE
  for (const record of answer.found ?? []) bytes += sizeOf(record)
  return bytes
}
