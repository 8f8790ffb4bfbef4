/**
 * Limits such as ten messages a minute for each login name, on the token buckets of a store. Fixed windows let nearly
 * twice as many through at their edge; a bucket never lets more through than its size and what has flowed in since.
 */
import { StoreError } from '../../errors.ts'
import type { Duration } from '../../options/units.ts'
import { invalidOption } from '../../options/invalid-option.ts'
import { checkNames, wholeNumber } from '../../options/validate.ts'
import { storeKey } from '../../store/store-key.ts'
import { MAX_TOKENS, type Bucket, type Store } from '../../store/store.ts'
import { StoreUse, type StoreUseOptions } from '../../store/store-use.ts'
import { durationOf } from './duration.ts'

/**
 * So many in a time: `'10/60s'`, `'150/d'`, or an object. `burst` is how many may come at once, `tokens` by default.
 */
export type Limit =
  | string
  | { readonly tokens: number; readonly per: Duration; readonly burst?: number | undefined }

export interface RateLimiterOptions<Subject extends string> extends Omit<
  StoreUseOptions,
  'name'
> {
  readonly store: Store
  /** The limits of each kind of subject, one or several: `{ user: ['10/60s', '150/d'], client: '100/h' }`. */
  readonly limits: Readonly<Record<Subject, Limit | readonly Limit[]>>
  /** the name of the use in logs and metrics, and the beginning of its keys. @default 'rate-limit' */
  readonly name?: string | undefined
}

/** Who sends, by the names of the limits. What is left out or undefined is not counted. */
export type Subjects<Subject extends string> = {
  readonly [Name in Subject]?: string | undefined
}

export interface LimitOptions<Subject extends string> {
  /**
   * The id of the message. The same id counts once, and `giveBack` needs it. Without an id, a call that is repeated
   * counts again.
   */
  readonly id?: string | undefined
  /** How many are taken: of all subjects, or of each. A message, a recipient or a byte, as you count. @default 1 */
  readonly tokens?: number | Readonly<Partial<Record<Subject, number>>> | undefined
  /** limits of this call in place of those of a subject, such as those of one user; `[]` is none */
  readonly limits?: LimitsOfCall<Subject> | undefined
  readonly signal?: AbortSignal | undefined
}

type LimitsOfCall<Subject extends string> = Readonly<
  Partial<Record<Subject, Limit | readonly Limit[] | undefined>>
>

export type Limited<Subject extends string> =
  | {
      readonly allowed: true
      /** how many more each subject may send now; empty if the store has not answered */
      readonly left: Readonly<Partial<Record<Subject, number>>>
    }
  | {
      readonly allowed: false
      readonly left: Readonly<Partial<Record<Subject, number>>>
      /** the subject that has sent too much, and its limit, such as `10/60s` */
      readonly subject: Subject
      readonly limit: string
      /** milliseconds until it may send that many; Infinity if never, because a burst is smaller */
      readonly wait: number
    }

/**
 * Limits how much each subject may send. All limits of a call are taken together or not at all, so refused mail uses up
 * nothing.
 *
 *     const limiter = new RateLimiter({ store, limits: { user: ['10/60s', '150/d'] }, onFailure: 'open' })
 *     const { allowed } = await limiter.take({ user: 'alice' }, { id: 'message 1' })
 *
 * @throws UsageError INVALID_OPTION
 */
export class RateLimiter<Subject extends string> {
  readonly #limits: ReadonlyMap<Subject, readonly ReadLimit[]>
  readonly #name: string
  readonly #use: StoreUse
  readonly #store: Store

  constructor(options: RateLimiterOptions<Subject>) {
    const { store, limits, name = 'rate-limit', ...rest } = options
    checkNames('RateLimiter', options, [
      'store',
      'limits',
      'name',
      'onFailure',
      'logger',
      'localBytes',
      'clock',
    ])
    this.#use = new StoreUse(store, { ...rest, name })
    this.#name = name
    this.#store = store
    this.#limits = readLimits(limits)
  }

  /**
   * Takes tokens, if all limits of all subjects allow it.
   *
   * @throws StoreError under the policy `closed`, if the store fails; then the message should be deferred
   * @throws UsageError INVALID_OPTION
   */
  async take(
    subjects: Subjects<Subject>,
    { id, tokens = 1, limits, signal }: LimitOptions<Subject> = {},
  ): Promise<Limited<Subject>> {
    const wanted = this.#wanted(subjects, tokens, limits)
    const left: Partial<Record<Subject, number>> = {}
    if (wanted.length === 0) return { allowed: true, left }
    const buckets = wanted.map(({ bucket }) => bucket)
    let taken
    try {
      taken = await this.#use.run((store) => store.take(buckets, { id, signal }), undefined)
    } catch (error) {
      // It may still be taken, for a message that is deferred now.
      if (id !== undefined && error instanceof StoreError && error.code === 'STORE_TIMEOUT') {
        this.#store.giveBack(buckets, { id }).catch(() => {})
      }
      throw error
    }
    if (taken === undefined) return { allowed: true, left }
    for (const [i, { subject }] of wanted.entries()) {
      left[subject] = Math.min(left[subject] ?? Infinity, taken.left[i]!)
    }
    if (taken.taken) return { allowed: true, left }
    const { subject, limit } = wanted[taken.bucket]!
    return { allowed: false, left, subject, limit, wait: taken.wait }
  }

  /**
   * Gives back what `take` took for the same subjects, limits and id, because the message was refused or aborted. Further calls
   * do nothing. If the store fails, nothing is given back.
   */
  async giveBack(
    subjects: Subjects<Subject>,
    {
      id,
      limits,
      signal,
    }: {
      readonly id: string
      readonly limits?: LimitsOfCall<Subject> | undefined
      readonly signal?: AbortSignal | undefined
    },
  ): Promise<boolean> {
    const buckets = this.#wanted(subjects, 1, limits).map(({ bucket }) => bucket)
    if (buckets.length === 0) return false
    try {
      return await this.#use.run((store) => store.giveBack(buckets, { id, signal }), false)
    } catch (error) {
      if (error instanceof StoreError) return false
      throw error
    }
  }

  #wanted(
    subjects: Subjects<Subject>,
    tokens: LimitOptions<Subject>['tokens'],
    ofCall: LimitsOfCall<Subject> | undefined,
  ): { readonly subject: Subject; readonly limit: string; readonly bucket: Bucket }[] {
    const wanted = []
    for (const [subject, who] of Object.entries(subjects) as [Subject, string | undefined][]) {
      if (who === undefined) continue
      const given = ofCall?.[subject]
      const limits =
        given === undefined
          ? this.#limits.get(subject)
          : readList(`limits.${subject}`, [given].flat())
      if (limits === undefined) {
        throw invalidOption('subjects', subject, 'subjects that have limits', [
          ...this.#limits.keys(),
        ])
      }
      const count = typeof tokens === 'object' ? (tokens[subject] ?? 1) : (tokens ?? 1)
      for (const { text, capacity, fillTime } of limits) {
        // With the limit in the key, two limits of a subject are two buckets, and a changed limit begins anew.
        const key = storeKey(this.#name, subject, who, text)
        wanted.push({
          subject,
          limit: text,
          bucket: { key, capacity, fillTime, tokens: count },
        })
      }
    }
    return wanted
  }
}

interface ReadLimit {
  readonly text: string
  readonly capacity: number
  readonly fillTime: number
}

function readLimits<Subject extends string>(
  limits: Readonly<Record<Subject, Limit | readonly Limit[]>>,
): Map<Subject, readonly ReadLimit[]> {
  if (typeof limits !== 'object' || limits === null || Object.keys(limits).length === 0) {
    throw invalidOption('limits', limits, "an object such as { user: ['10/60s', '150/d'] }")
  }
  const read = new Map<Subject, readonly ReadLimit[]>()
  for (const [subject, given] of Object.entries(limits) as [Subject, Limit | Limit[]][]) {
    const list = readList(`limits.${subject}`, [given].flat())
    if (list.length === 0) throw invalidOption(`limits.${subject}`, given, EACH_ONCE)
    read.set(subject, list)
  }
  return read
}

const EACH_ONCE = 'one or several limits, each once'

function readList(name: string, given: readonly Limit[]): readonly ReadLimit[] {
  const list = given.map((limit) => readLimit(name, limit))
  if (new Set(list.map(({ text }) => text)).size !== list.length) {
    throw invalidOption(name, given, EACH_ONCE)
  }
  return list
}

function readLimit(name: string, limit: Limit): ReadLimit {
  const parts =
    typeof limit === 'string'
      ? /^\s*(\d{1,13})\s*\/\s*([\d.]* ?[a-z]+)\s*$/.exec(limit)
      : undefined
  if (
    parts === null ||
    (typeof limit !== 'string' && (typeof limit !== 'object' || limit === null))
  ) {
    throw invalidOption(
      name,
      limit,
      "limits such as '10/60s', '150/d' or { tokens: 10, per: '60s', burst: 5 }",
    )
  }
  const { tokens, per, burst } =
    typeof limit === 'string'
      ? { tokens: Number(parts![1]), per: parts![2]!, burst: undefined }
      : limit
  wholeNumber(`${name}.tokens`, tokens, 1, MAX_TOKENS)
  const time = durationOf(`${name}.per`, per)
  const capacity =
    burst === undefined ? tokens : wholeNumber(`${name}.burst`, burst, 1, MAX_TOKENS)
  const fillTime = durationOf(
    `${name}.per`,
    Math.max(1, Math.round((time * capacity) / tokens)),
  )
  const text =
    typeof limit === 'string'
      ? limit.replaceAll(/\s/g, '')
      : `${tokens}/${per}${burst === undefined ? '' : ` burst ${burst}`}`
  return { text, capacity, fillTime }
}
