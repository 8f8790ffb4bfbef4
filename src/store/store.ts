/**
 * What a store can do. A store keeps small values that the handlers of a filter share: in one process, over the
 * workers of one machine, or over several machines. Three implementations have this interface, and one suite of tests
 * (`test/store/suite.ts`) holds them to it.
 *
 * Each method is one atomic step: no other call sees half of it. A step that did not answer in time may still be
 * executed later, so a step can be repeated: `setIfAbsent` and `compareAndSet` by their values, the others by an `id`.
 */

/** A value, with the time when the store forgets it. */
export interface Entry {
  readonly value: string
  /** Unix time in milliseconds, by the clock of the store */
  readonly expires: number
}

/** What each call takes. */
export interface CallOptions {
  /** ends the wait: the call fails with the reason of the signal. The step may still be executed */
  readonly signal?: AbortSignal | undefined
}

export interface SetOptions extends CallOptions {
  /** milliseconds until the store forgets the value, from this call on: 1 to `MAX_TIME` */
  readonly ttl: number
}

export interface RepeatableOptions extends CallOptions {
  /**
   * Names this step, such as the id of a message. While the store remembers it (`STEP_MEMORY`), a second call with the
   * same method, keys and id changes nothing and gives the first result. A step that was refused (a bucket has too few
   * tokens, a number would leave its range) has changed nothing and is not remembered: it is tried again. So refused
   * mail takes no room.
   */
  readonly id?: string | undefined
}

export interface IncrementOptions extends SetOptions, RepeatableOptions {
  /** what is added: a whole number, may be negative; 1 by default */
  readonly by?: number
  /** a step that would leave the range changes nothing. Whole numbers; the range of exact numbers by default */
  readonly min?: number
  readonly max?: number
}

export interface Incremented {
  /** whether the step was made */
  readonly done: boolean
  /** the number after the step, or the unchanged one; 0 if there was none */
  readonly value: number
}

/**
 * A token bucket. It holds `capacity` tokens at first, tokens are taken out of it, and it fills again at an even rate.
 * A full bucket takes no memory.
 */
export interface Bucket {
  readonly key: string
  /** the largest number of tokens in it: a whole number, 1 to `MAX_TOKENS` */
  readonly capacity: number
  /** milliseconds in which an empty bucket becomes full: 1 to `MAX_TIME` */
  readonly fillTime: number
  /** how many tokens are taken: a whole number up to `MAX_TOKENS`; 1 by default, 0 only looks */
  readonly tokens?: number | undefined
}

export type Taken =
  | {
      readonly taken: true
      /** whole tokens left in each bucket, in their order */
      readonly left: readonly number[]
    }
  | {
      readonly taken: false
      /** index of the first bucket that has too few */
      readonly bucket: number
      /** whole tokens in each bucket, in their order */
      readonly left: readonly number[]
      /**
       * whole milliseconds until all have enough, if nobody else takes any; Infinity if one never will, because more
       * than its capacity is asked for
       */
      readonly wait: number
    }

/** How long a store remembers the `id` of a step, in milliseconds. */
export const STEP_MEMORY: number = 600_000

/** Largest key and value in bytes (UTF-8). Longer keys: see `storeKey`. */
export const MAX_KEY = 512
export const MAX_VALUE = 65_536
/** Largest number of buckets in one step. */
export const MAX_BUCKETS = 100
/** Largest capacity of a bucket. */
export const MAX_TOKENS = 1_000_000_000_000
/** Longest time in milliseconds: ten years. */
export const MAX_TIME: number = 10 * 365 * 86_400_000

/**
 * A store. Keys and values are text without lone surrogates; `storeKey` makes a key of anything.
 *
 * @throws StoreError from each method: STORE_TIMEOUT if there is no answer within the deadline of the store,
 *   STORE_UNAVAILABLE if it cannot be reached or has failed, STORE_FULL if it has no room, STORE_CLOSED after `close()`
 * @throws UsageError INVALID_OPTION for a key, a value or a number out of range
 */
export interface Store {
  readonly kind: 'memory' | 'embedded' | 'redis'

  get(key: string, options?: CallOptions): Promise<Entry | undefined>

  /**
   * Sets a value if the key has none.
   *
   * @returns the value that the key has now: yours or the older one. Equal values count as yours, so use a value of
   *   your own to claim a key
   */
  setIfAbsent(key: string, value: string, options: SetOptions): Promise<string>

  /**
   * Replaces a value if it is the expected one. Undefined as `expected` means that there is none, as `value` that it is
   * deleted; `ttl` does not matter then. With both the same, only the time until the value is forgotten is set.
   *
   * @returns whether the key has the new value now, by this call or already
   */
  compareAndSet(
    key: string,
    expected: string | undefined,
    value: string | undefined,
    options: SetOptions,
  ): Promise<boolean>

  /**
   * Adds to a number, which is 0 at first. `ttl` counts from the last step that was made. The number is a value as
   * others are, in decimal digits: `get` and `scan` show it.
   *
   * @throws UsageError INVALID_OPTION if the key has a value that is no number
   */
  increment(key: string, options: IncrementOptions): Promise<Incremented>

  /** Takes tokens out of all buckets, or out of none: of 1 to `MAX_BUCKETS`, each with a key of its own. */
  take(buckets: readonly Bucket[], options?: RepeatableOptions): Promise<Taken>

  /**
   * Puts back what `take` took with the same keys and `id`. Without such a `take`, it does nothing, and a `take` that
   * comes later with the `id` takes nothing and says `taken`. A bucket never gets fuller than full.
   *
   * @returns whether tokens were put back, by this call or an earlier one with the `id`
   */
  giveBack(
    buckets: readonly Bucket[],
    options: CallOptions & { readonly id: string },
  ): Promise<boolean>

  /**
   * All values whose key starts with `prefix`, in no order. Buckets and ids are not among them. Changes during the scan
   * may be seen or not; what is there all the time is seen once.
   */
  scan(prefix: string, options?: CallOptions): AsyncIterable<Entry & { readonly key: string }>

  /** Ends all use. Calls in progress fail with STORE_CLOSED. */
  close(): Promise<void>
}
