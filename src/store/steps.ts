/**
 * The steps of a store as pure functions: what is saved goes in, the result and the changes come out. The memory store
 * and the embedded store make the changes of a step together or not at all. The Redis store has the same steps as
 * scripts, and the same suite of tests.
 */
import { createHash } from 'node:crypto'
import { UsageError } from '../errors.ts'
import {
  checkBuckets,
  checkId,
  checkIncrement,
  checkKey,
  checkTtl,
  checkValue,
} from './checks.ts'
import type { CheckedBucket } from './checks.ts'
import { STEP_MEMORY } from './store.ts'
import type { Bucket, Incremented, IncrementOptions, Taken } from './store.ts'

/** What a store keeps under a name. */
export interface Saved {
  readonly data: string
  /** Unix time in milliseconds; from then on it counts as absent */
  readonly expires: number
}

/** Saves something under a name, or removes it if `data` is undefined. */
export interface Change {
  readonly name: string
  readonly data: string | undefined
  readonly expires: number
}

export interface Outcome<Result> {
  readonly result: Result
  readonly changes: readonly Change[]
}

/** @param read what is saved under a name, if it has not expired */
export type StoreStep<Result> = (
  read: (name: string) => Saved | undefined,
  now: number,
) => Outcome<Result>

/** The names of values begin with this. Buckets and ids have other first letters, so no scan finds them. */
export const VALUES = 'v'
const valueName = (key: string): string => VALUES + key
const bucketName = (key: string): string => `b${key}`

const nothing = <Result>(result: Result): Outcome<Result> => ({ result, changes: [] })

export function setIfAbsentStep(key: string, value: string, ttl: number): StoreStep<string> {
  const name = valueName(checkKey(key))
  checkValue(value)
  checkTtl(ttl)
  return (read, now) => {
    const there = read(name)
    return there === undefined
      ? { result: value, changes: [{ name, data: value, expires: now + ttl }] }
      : nothing(there.data)
  }
}

export function compareAndSetStep(
  key: string,
  expected: string | undefined,
  value: string | undefined,
  ttl: number,
): StoreStep<boolean> {
  const name = valueName(checkKey(key))
  if (expected !== undefined) checkValue(expected)
  if (value !== undefined) checkValue(value)
  checkTtl(ttl)
  return (read, now) => {
    const there = read(name)?.data
    if (there !== expected) return nothing(there === value)
    if (there === undefined && value === undefined) return nothing(true)
    return { result: true, changes: [{ name, data: value, expires: now + ttl }] }
  }
}

export function incrementStep(key: string, options: IncrementOptions): StoreStep<Incremented> {
  const name = valueName(checkKey(key))
  const { by, min, max, ttl, id } = checkIncrement(options)
  const memory = id === undefined ? undefined : memoryName('increment', [key], id)
  return (read, now) => {
    const made = memory === undefined ? undefined : read(memory)
    if (made !== undefined) return nothing({ done: true, value: Number(made.data) })
    const there = read(name)?.data
    const old = there === undefined ? 0 : numberIn(key, there)
    const value = old + by
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      return nothing({ done: false, value: old })
    }
    const data = String(value)
    const changes: Change[] = [{ name, data, expires: now + ttl }]
    if (memory !== undefined) changes.push({ name: memory, data, expires: now + STEP_MEMORY })
    return { result: { done: true, value }, changes }
  }
}

/** @throws UsageError INVALID_OPTION */
function numberIn(key: string, text: string): number {
  const number = /^(?:0|-?[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(number)) return number
  throw new UsageError(
    'INVALID_OPTION',
    `increment takes a key with a number or without a value; ${JSON.stringify(key)} has another value`,
  )
}

/** What a store remembers of a `take` with an id: what it took and said, or that it was given back. */
type Memory =
  | { readonly took: readonly number[]; readonly left: readonly number[] }
  | { readonly returned: boolean }

export function takeStep(given: readonly Bucket[], id?: string): StoreStep<Taken> {
  const buckets = checkBuckets(given)
  const memory = id === undefined ? undefined : takeName(buckets, checkId(id))
  return (read, now) => {
    const made = memory === undefined ? undefined : memoryOf(read(memory))
    if (made !== undefined && 'left' in made) return nothing({ taken: true, left: made.left })
    const found = buckets.map((bucket) => read(bucketName(bucket.key)))
    const saved = buckets.map((bucket, i) => counted(bucket, found[i], now))
    // Otherwise a bucket of which nobody can take would stay empty until the clock is where it was before.
    const setBack = buckets.flatMap(({ key }, i) =>
      saved[i] === found[i] ? [] : [{ name: bucketName(key), ...saved[i]! }],
    )
    const levels = buckets.map((bucket, i) => levelOf(bucket, saved[i], now))
    if (made !== undefined) return nothing({ taken: true, left: leftIn(buckets, levels) })
    const short = buckets.findIndex(
      ({ capacity, tokens }, i) => levels[i]!.missing + tokens > capacity,
    )
    if (short !== -1) {
      const left = leftIn(buckets, levels)
      const wait = Math.max(...buckets.map((bucket, i) => waitFor(bucket, saved[i], now)))
      return { result: { taken: false, bucket: short, left, wait }, changes: setBack }
    }
    const after = levels.map(({ missing, at }, i) => ({
      missing: missing + buckets[i]!.tokens,
      at,
    }))
    const left = leftIn(buckets, after)
    const took = buckets.map(({ tokens }) => tokens)
    const changes: Change[] = buckets.flatMap((bucket, i) =>
      bucket.tokens === 0 ? [] : [bucketChange(bucket, after[i]!)],
    )
    if (memory !== undefined && changes.length > 0) {
      changes.push(memoryChange(memory, { took, left }, now))
    }
    // A later change of the same bucket counts.
    return { result: { taken: true, left }, changes: [...setBack, ...changes] }
  }
}

export function giveBackStep(given: readonly Bucket[], id: string): StoreStep<boolean> {
  const buckets = checkBuckets(given)
  const memory = takeName(buckets, checkId(id))
  return (read, now) => {
    const made = memoryOf(read(memory))
    if (made !== undefined && 'returned' in made) return nothing(made.returned)
    const returned = made !== undefined
    const changes = buckets.flatMap((bucket, i) => {
      const tokens = made?.took[i] ?? 0
      const name = bucketName(bucket.key)
      const there = read(name)
      if (tokens === 0 || there === undefined) return []
      const { missing, at } = levelOf(bucket, counted(bucket, there, now), now)
      return missing > tokens
        ? [bucketChange(bucket, { missing: missing - tokens, at })]
        : [{ name, data: undefined, expires: 0 }]
    })
    return { result: returned, changes: [...changes, memoryChange(memory, { returned }, now)] }
  }
}

/** How many tokens of a bucket are missing at a time. Whole numbers stay exact while no time passes. */
interface Level {
  readonly missing: number
  readonly at: number
}

/** A clock that was set back by more than this has been set back; by less, another process has read it later. */
const CLOCK_STEP = 60_000

/** What is saved of a bucket; if the clock was set back, as it is from now on. */
function counted(
  bucket: CheckedBucket,
  saved: Saved | undefined,
  now: number,
): Saved | undefined {
  if (saved === undefined) return undefined
  const { missing, at } = levelOf(bucket, saved, now)
  if (at - now <= CLOCK_STEP) return saved
  const { data, expires } = bucketChange(bucket, { missing, at: now })
  return { data: data!, expires }
}

function levelOf({ capacity, fillTime }: Bucket, saved: Saved | undefined, now: number): Level {
  if (saved === undefined) return { missing: 0, at: now }
  const [missing = 0, at = now] = saved.data.split(' ').map(Number)
  const passed = now - at
  if (passed <= 0) return { missing: Math.min(missing, capacity), at }
  return {
    missing: Math.min(capacity, Math.max(0, missing - filled(passed, capacity, fillTime))),
    at: now,
  }
}

const filled = (milliseconds: number, capacity: number, fillTime: number): number =>
  (milliseconds * capacity) / fillTime

const leftIn = (buckets: readonly CheckedBucket[], levels: readonly Level[]): number[] =>
  buckets.map(({ capacity }, i) => Math.floor(capacity - levels[i]!.missing))

/** Whole milliseconds until a bucket has enough, by the same arithmetic that will then decide. */
function waitFor(bucket: CheckedBucket, saved: Saved | undefined, now: number): number {
  const { capacity, fillTime, tokens } = bucket
  if (tokens > capacity) return Infinity
  const missingAfter = (milliseconds: number): number => {
    const then = now + milliseconds
    const there = saved !== undefined && saved.expires > then ? saved : undefined
    return levelOf(bucket, there, then).missing
  }
  const enough = (milliseconds: number): boolean =>
    missingAfter(milliseconds) + tokens <= capacity
  if (enough(0)) return 0
  const { missing, at } = levelOf(bucket, saved, now)
  const spare = missing + tokens - capacity
  let wait = Math.max(0, at - now) + Math.floor((spare * fillTime) / capacity)
  // The quotient is rounded, in either direction.
  while (wait > 0 && enough(wait - 1)) wait--
  while (!enough(wait)) wait++
  return wait
}

/** A bucket is forgotten when it is full again. */
function bucketChange(
  { key, capacity, fillTime }: CheckedBucket,
  { missing, at }: Level,
): Change {
  return {
    name: bucketName(key),
    data: `${missing} ${at}`,
    expires: Math.ceil(at + (missing * fillTime) / capacity),
  }
}

const takeName = (buckets: readonly CheckedBucket[], id: string): string =>
  memoryName(
    'take',
    buckets.map(({ key }) => key),
    id,
  )

/** The name under which a step with an id is remembered. A hash of 132 bits, because keys and ids can be long. */
function memoryName(method: string, keys: readonly string[], id: string): string {
  const hash = createHash('sha256').update(JSON.stringify([method, keys, id]))
  return `i${hash.digest('base64url').slice(0, 22)}`
}

function memoryOf(saved: Saved | undefined): Memory | undefined {
  return saved === undefined ? undefined : (JSON.parse(saved.data) as Memory)
}

const memoryChange = (name: string, memory: Memory, now: number): Change => ({
  name,
  data: JSON.stringify(memory),
  expires: now + STEP_MEMORY,
})
