/**
 * What a process and the keeper of a store say to each other: one line of JSON for each call, and one for each answer.
 * The keeper knows a call by its number. JSON keeps all that the methods take and give, but Infinity (`resultOf`).
 */
import { MilterError, StoreError, UsageError } from '../../errors.ts'
import {
  compareAndSetStep,
  giveBackStep,
  incrementStep,
  setIfAbsentStep,
  takeStep,
  type StoreStep,
} from '../steps.ts'
import type { Bucket, IncrementOptions, Taken } from '../store.ts'

/** A call that may change something. */
export type StepCall =
  | {
      readonly method: 'setIfAbsent'
      readonly key: string
      readonly value: string
      readonly ttl: number
    }
  | {
      readonly method: 'compareAndSet'
      readonly key: string
      readonly expected?: string | undefined
      readonly value?: string | undefined
      readonly ttl: number
    }
  | ({ readonly method: 'increment'; readonly key: string } & Omit<IncrementOptions, 'signal'>)
  | {
      readonly method: 'take'
      readonly buckets: readonly Bucket[]
      readonly id?: string | undefined
    }
  | { readonly method: 'giveBack'; readonly buckets: readonly Bucket[]; readonly id: string }

export type Call =
  | StepCall
  /** the first one of each connection; answered when the files are open */
  | { readonly method: 'open'; readonly version: number; readonly maxSize: number }
  | { readonly method: 'read'; readonly name: string }
  /** names with a prefix, behind `after` */
  | { readonly method: 'list'; readonly prefix: string; readonly after?: string | undefined }

/** Of what is said here. After an update of the package, a keeper of the former version may still run. */
export const VERSION = 1

export interface Request {
  readonly number: number
  /** `monotonic()` of the time after which nobody waits for the answer: the call is not made then */
  readonly until: number
  /** the clock of a test; the keeper has its own */
  readonly now?: number | undefined
  readonly call: Call
}

export type Answer =
  | { readonly number: number; readonly result?: unknown }
  | {
      readonly number: number
      readonly error: { readonly code: string; readonly message: string }
    }

/**
 * The step that a call means. Each side makes it: one to check the call, the other to do it.
 *
 * @throws UsageError INVALID_OPTION
 */
export function stepOf(call: StepCall): StoreStep<unknown> {
  switch (call.method) {
    case 'setIfAbsent':
      return setIfAbsentStep(call.key, call.value, call.ttl)
    case 'compareAndSet':
      return compareAndSetStep(call.key, call.expected, call.value, call.ttl)
    case 'increment':
      return incrementStep(call.key, call)
    case 'take':
      return takeStep(call.buckets, call.id)
    case 'giveBack':
      return giveBackStep(call.buckets, call.id)
  }
}

/** The result of a call as its method gives it. `wait` is the only number that can be infinite. */
export function resultOf({ method }: Call, result: unknown): unknown {
  if (method !== 'take') return result
  const taken = result as Taken
  return taken.taken || taken.wait !== null ? taken : { ...taken, wait: Infinity }
}

export function answerOf(number: number, error: unknown): Answer {
  const { code, message } =
    error instanceof MilterError
      ? error
      : new StoreError('STORE_UNAVAILABLE', `the store has failed: ${String(error)}`)
  return { number, error: { code, message } }
}

export function errorIn({ code, message }: { code: string; message: string }): MilterError {
  return code === 'INVALID_OPTION'
    ? new UsageError(code, message)
    : new StoreError(code as StoreError['code'], message)
}

/** Milliseconds of a clock that all processes of a machine share, and that nobody sets. */
export const monotonic = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

/** The lines that come out of a stream of text. */
export class Lines {
  #rest = ''
  readonly #most: number

  /** @param most characters of a line, at most */
  constructor(most: number) {
    this.#most = most
  }

  /** @throws RangeError for a line that is too long */
  take(text: string): string[] {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    if (this.#rest.length > this.#most) throw new RangeError('a line is too long')
    return lines
  }
}

/** A value has at most 65,536 bytes, of which JSON may make six times as many. A list of them has a bound of its own. */
export const MAX_LINE = 4_194_304
