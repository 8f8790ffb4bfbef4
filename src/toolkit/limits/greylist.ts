/**
 * Greylisting: the first delivery of a sender to a recipient from an address is deferred, and passes when it is tried
 * again after some time. The rules of time are those of pymilter (`Milter/greylist.py`, `check`).
 */
import { randomBytes } from 'node:crypto'
import type { Duration } from '../../options/units.ts'
import { invalidOption } from '../../options/invalid-option.ts'
import { checkNames, wholeNumber } from '../../options/validate.ts'
import { parseNetwork, plainAddress } from '../../net/network.ts'
import { storeKey } from '../../store/store-key.ts'
import { StoreUse, type StoreUseOptions } from '../../store/store-use.ts'
import type { Store } from '../../store/store.ts'
import { durationOf } from './duration.ts'
import { csvLine, csvRecords } from './greylist-csv.ts'
import { networkOf } from './network-of.ts'
import {
  decide,
  expiresAt,
  isOver,
  isRecord,
  type GreylistRecord,
  type Timing,
} from './greylist-rules.ts'

/** The times of greylisting. */
export interface GreylistTiming {
  /** how long a new triple is deferred. @default '10m' */
  readonly delay?: Duration | undefined
  /** how much longer than `delay`, because clocks differ. @default '5s' */
  readonly margin?: Duration | undefined
  /** how long after the first try a triple can still pass for the first time. @default '4h' */
  readonly window?: Duration | undefined
  /** how long after the last try a triple that has passed is remembered. @default '36d' */
  readonly retention?: Duration | undefined
}

/** The times of postgrey: five minutes, two days, 35 days. */
export const POSTGREY_TIMING: Required<GreylistTiming> = {
  delay: '5m',
  margin: 0,
  window: '2d',
  retention: '35d',
}

export interface GreylistOptions
  extends GreylistTiming, Omit<StoreUseOptions, 'name' | 'clock'> {
  readonly store: Store
  /** the name of the use in logs and metrics, and the beginning of its keys. @default 'greylist' */
  readonly name?: string | undefined
  /**
   * Bits of the client's network that count instead of its address, because large senders try again from another one:
   * `true` for 24 of IPv4 and 64 of IPv6, or your own. @default false, as pymilter
   */
  readonly network?: boolean | { readonly ipv4: number; readonly ipv6: number } | undefined
  /** Unix time in milliseconds; for tests. @default Date.now */
  readonly clock?: (() => number) | undefined
}

/** A delivery. */
export interface Triple {
  /** the address of the client. Something else, such as the name of a domain that SPF has passed, is taken as it is */
  readonly ip: string
  /** envelope sender without brackets; '' for the null sender */
  readonly sender: string
  readonly recipient: string
}

export interface Greylisted {
  /** whether the delivery passes; if not, answer `tempfail`, such as `451 4.7.1` */
  readonly passed: boolean
  /** how often it has passed, this time included; 0 if it is deferred, or the store has not answered */
  readonly count: number
  /** milliseconds until a further try passes; 0 if this one has */
  readonly wait: number
  /** milliseconds between the first try and this one, which has passed */
  readonly delayed: number
}

export interface ImportResult {
  readonly imported: number
  /** there was a record in the store already, which was kept */
  readonly known: number
  /** the time of the record is over */
  readonly expired: number
  readonly malformed: number
  /** what is wrong with the first hundred malformed lines */
  readonly problems: readonly { readonly line: number; readonly reason: string }[]
}

/** How often a delivery that passes is counted anew, because others of the same triple came in between. */
const MAX_TRIES = 100
const MAX_PROBLEMS = 100
/** Milliseconds by which the clock of another machine may be ahead. */
const FUTURE = 86_400_000
/** Longer addresses are cut in exports. Keys have a hash of all of it. */
const MAX_TEXT = 1_000

/**
 * Greylisting on a store.
 *
 *     const greylist = new Greylist({ store, onFailure: 'open' })
 *     const { passed } = await greylist.check({ ip: '192.0.2.1', sender: 'a@example.org', recipient: 'b@example.net' })
 *
 * @throws UsageError INVALID_OPTION
 */
export class Greylist {
  readonly #name: string
  readonly #use: StoreUse
  readonly #store: Store
  readonly #timing: Timing
  readonly #bits: { readonly ipv4: number; readonly ipv6: number } | undefined
  readonly #clock: () => number

  constructor(options: GreylistOptions) {
    checkNames('Greylist', options, [
      'store',
      'name',
      'onFailure',
      'logger',
      'localBytes',
      'delay',
      'margin',
      'window',
      'retention',
      'network',
      'clock',
    ])
    const { store, name = 'greylist', onFailure, logger, localBytes, network = false } = options
    this.#timing = readTiming(options)
    this.#bits = network === true ? { ipv4: 24, ipv6: 64 } : network || undefined
    if (this.#bits !== undefined) {
      wholeNumber('network.ipv4', this.#bits.ipv4, 1, 32)
      wholeNumber('network.ipv6', this.#bits.ipv6, 1, 128)
    }
    this.#use = new StoreUse(store, { name, onFailure, logger, localBytes })
    this.#name = name
    this.#store = store
    this.#clock = options.clock ?? Date.now
  }

  /**
   * Counts a delivery, and says whether it passes. Ask at RCPT, once for each recipient.
   *
   * @throws StoreError under the policy `closed`, if the store fails
   */
  check(triple: Triple, options: { readonly signal?: AbortSignal } = {}): Promise<Greylisted> {
    const allowed = { passed: true, count: 0, wait: 0, delayed: 0 }
    return this.#use.run((store) => this.#checkIn(store, triple, options.signal), allowed)
  }

  /**
   * All records as lines of CSV: ip, sender, recipient, first seen, last seen, count, and an empty column. Times are
   * seconds of Unix time. pymilter reads and writes the same.
   *
   *     await pipeline(greylist.exportCsv(), createWriteStream('greylist.csv'))
   *
   * @throws StoreError whatever the policy is
   */
  async *exportCsv(): AsyncGenerator<Buffer> {
    for await (const { value } of this.#store.scan(`${storeKey(this.#name)}:`)) {
      const record = recordIn(value)
      if (record !== undefined && !isOver(record, this.#timing, this.#clock())) {
        yield csvLine(record)
      }
    }
  }

  /**
   * Takes over lines of CSV as `exportCsv` writes them, a piece at a time. A line that cannot be read is left out and
   * reported.
   *
   *     const { imported, problems } = await greylist.importCsv(createReadStream('greylist.csv'))
   *
   * @throws StoreError whatever the policy is; the lines before are imported, and an import can be repeated
   */
  async importCsv(input: AsyncIterable<string | Uint8Array>): Promise<ImportResult> {
    const count = { imported: 0, known: 0, expired: 0, malformed: 0 }
    const problems: { line: number; reason: string }[] = []
    for await (const { line, record, reason } of csvRecords(input)) {
      const now = this.#clock()
      if (record === undefined) {
        count.malformed++
        if (problems.length < MAX_PROBLEMS) problems.push({ line, reason })
      } else if (record.last > now + FUTURE) {
        count.malformed++
        if (problems.length < MAX_PROBLEMS) {
          problems.push({ line, reason: 'column 5 (last seen) is in the future' })
        }
      } else if (isOver(record, this.#timing, now)) count.expired++
      else {
        const { key, value, ttl } = this.#entry(record, now)
        const there = await this.#store.setIfAbsent(key, value, { ttl })
        count[there === value ? 'imported' : 'known']++
      }
    }
    return { ...count, problems }
  }

  async #checkIn(
    store: Store,
    triple: Triple,
    signal: AbortSignal | undefined,
  ): Promise<Greylisted> {
    for (let tries = 1; ; tries++) {
      const now = this.#clock()
      const place = { ...triple, ip: this.#network(triple.ip) }
      const { key } = this.#entry({ ...place, first: now, last: now, count: 0 }, now)
      const old = (await store.get(key, { signal }))?.value
      const { times, wait } = decide(recordIn(old), this.#timing, now)
      const { value, ttl } = this.#entry({ ...place, ...times }, now)
      const written = await store.compareAndSet(key, old, value, { ttl, signal })
      const passed = times.count > 0 && wait === 0
      // Another delivery of the triple has just written nearly the same. One that is deferred loses nothing by that. A
      // client can make any number of them at a time, so it is no failure of the store either.
      if (!written && passed && tries < MAX_TRIES) continue
      return {
        passed,
        count: passed ? times.count : 0,
        wait,
        delayed: passed ? now - times.first : 0,
      }
    }
  }

  #network(ip: string): string {
    const network = parseNetwork(ip)
    if (network === undefined) return ip
    return this.#bits === undefined ? plainAddress(ip) : networkOf(network, this.#bits)
  }

  #entry(record: GreylistRecord, now: number): { key: string; value: string; ttl: number } {
    const ip = this.#network(record.ip)
    const { sender, recipient, first, last, count } = record
    const key = storeKey(this.#name, ip, sender, recipient)
    // Two deliveries at the same time write two values, so that only one of them wins.
    const nonce = randomBytes(6).toString('base64url')
    const texts = [ip, sender, recipient].map(cut)
    const value = JSON.stringify([first, last, count, ...texts, nonce])
    return { key, value, ttl: Math.max(1, Math.ceil(expiresAt(record, this.#timing) - now)) }
  }
}

/** Not in the middle of a character, since half of one stands for no bytes. */
const cut = (text: string): string => text.slice(0, MAX_TEXT).replace(/[\uD800-\uDBFF]$/, '')

function recordIn(value: string | undefined): GreylistRecord | undefined {
  if (value === undefined) return undefined
  try {
    const [first, last, count, ip, sender, recipient] = JSON.parse(value) as unknown[]
    const record = { ip, sender, recipient, first, last, count }
    return isRecord(record) ? record : undefined
  } catch {
    return undefined
  }
}

function readTiming(given: GreylistTiming): Timing {
  const timing = {
    delay: durationOf('delay', given.delay ?? '10m', 0),
    margin: durationOf('margin', given.margin ?? '5s', 0),
    window: durationOf('window', given.window ?? '4h'),
    retention: durationOf('retention', given.retention ?? '36d'),
  }
  if (timing.window <= timing.delay + timing.margin) {
    throw invalidOption(
      'window',
      given.window ?? '4h',
      'a time longer than delay and margin together',
    )
  }
  return timing
}
