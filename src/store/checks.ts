/**
 * Checks of what the methods of a store take, the same for each kind of store. A mistake in a call has to show with
 * the memory store of a test already.
 */
import { UsageError } from '../errors.ts'
import { invalidOption } from '../options/invalid-option.ts'
import { show } from '../options/show.ts'
import { wholeNumber } from '../options/validate.ts'
import {
  MAX_BUCKETS,
  MAX_KEY,
  MAX_TIME,
  MAX_TOKENS,
  MAX_VALUE,
  type Bucket,
  type IncrementOptions,
} from './store.ts'

/** @throws UsageError INVALID_OPTION */
export const checkKey = (key: string): string => checkText('key', key, 1, MAX_KEY)
/** @throws UsageError INVALID_OPTION */
export const checkPrefix = (prefix: string): string => checkText('prefix', prefix, 0, MAX_KEY)
/** @throws UsageError INVALID_OPTION */
export const checkId = (id: string): string => checkText('id', id, 1, MAX_KEY)
/** @throws UsageError INVALID_OPTION */
export const checkValue = (value: string): string => checkText('value', value, 0, MAX_VALUE)
/** @throws UsageError INVALID_OPTION */
export const checkTtl = (ttl: number): number => wholeNumber('ttl', ttl, 1, MAX_TIME)

function checkText(name: string, text: string, from: number, to: number): string {
  if (typeof text !== 'string' || !text.isWellFormed()) {
    throw invalidOption(name, text, 'text without lone surrogates')
  }
  // A character has at least one byte and at most three for each unit of UTF-16.
  if (text.length < from || text.length > to || 3 * text.length > to) {
    const bytes = Buffer.byteLength(text)
    if (bytes < from || bytes > to) {
      throw new UsageError(
        'INVALID_OPTION',
        `the option ${name} takes ${from} to ${to} bytes; it got ${bytes}: ${show(text)}`,
      )
    }
  }
  return text
}

/** An increment with its defaults. */
export interface CheckedIncrement {
  readonly by: number
  readonly min: number
  readonly max: number
  readonly ttl: number
  readonly id: string | undefined
}

/** @throws UsageError INVALID_OPTION */
export function checkIncrement(options: IncrementOptions): CheckedIncrement {
  const { by = 1, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = options
  for (const [name, value] of Object.entries({ by, min, max })) {
    wholeNumber(name, value, Number.MIN_SAFE_INTEGER)
  }
  if (min > max) throw invalidOption('min', min, `a number up to max, which is ${max}`)
  const { id } = options
  return { by, min, max, ttl: checkTtl(options.ttl), id: id === undefined ? id : checkId(id) }
}

/** The buckets of a step, with the number of tokens. @throws UsageError INVALID_OPTION */
export function checkBuckets(buckets: readonly Bucket[]): readonly CheckedBucket[] {
  if (!Array.isArray(buckets) || buckets.length < 1 || buckets.length > MAX_BUCKETS) {
    throw invalidOption('buckets', buckets, `a list of 1 to ${MAX_BUCKETS} buckets`)
  }
  const checked = (buckets as readonly Bucket[]).map(({ key, capacity, fillTime, tokens }) => ({
    key: checkKey(key),
    capacity: wholeNumber('capacity', capacity, 1, MAX_TOKENS),
    fillTime: wholeNumber('fillTime', fillTime, 1, MAX_TIME),
    tokens: wholeNumber('tokens', tokens ?? 1, 0, MAX_TOKENS),
  }))
  const keys = checked.map(({ key }) => key)
  const twice = keys.find((key, i) => keys.indexOf(key) !== i)
  if (twice !== undefined) {
    throw invalidOption('buckets', twice, 'each key once in a step')
  }
  return checked
}

/** A bucket, and how many tokens a step takes out of it. */
export interface CheckedBucket {
  readonly key: string
  readonly capacity: number
  readonly fillTime: number
  readonly tokens: number
}
