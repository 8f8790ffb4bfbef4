import type { InterruptedError } from '../errors.ts'
import { whenSettled } from './answer.ts'
import { isDebugged } from './debugger.ts'

/** What the end of a call means to who has called: one of the first three comes, once. */
export interface CallEnds<T> {
  /** The handler's promise was fulfilled. What this throws is a failure of the handler. */
  done(value: unknown): T
  /** The promise was rejected. */
  failed(error: unknown): T
  /** The handler is not waited for any longer: an answer in its place. */
  cut(reason: InterruptedError): T
  /** It has ended, and nobody was waiting for it any longer. */
  late(failure: { readonly error: unknown } | undefined): void
}

/**
 * A handler that has given a promise, from there to its end. There is an answer in any case: from the handler,
 * at its deadline, or when it is cut off.
 */
export class RunningCall<T> {
  readonly answer: Promise<T>
  readonly #ends: CallEnds<T>
  #resolve!: (answer: T) => void
  readonly #timer: NodeJS.Timeout | undefined
  #waiting = true

  /**
   * @param limit milliseconds, 0 for no deadline
   * @param missed why it is cut off when they are over
   */
  constructor(
    result: PromiseLike<unknown>,
    limit: number,
    missed: () => InterruptedError,
    ends: CallEnds<T>,
  ) {
    this.#ends = ends
    this.answer = new Promise((resolve) => (this.#resolve = resolve))
    if (limit > 0) {
      this.#timer = setTimeout(() => {
        if (!isDebugged()) this.cut(missed())
      }, limit)
    }
    whenSettled(
      result,
      (value) => {
        if (this.drop()) this.#resolve(this.#outcome(value))
        else ends.late(undefined)
      },
      (error) => {
        if (this.drop()) this.#resolve(ends.failed(error))
        else ends.late({ error })
      },
    )
  }

  #outcome(value: unknown): T {
    try {
      return this.#ends.done(value)
    } catch (error) {
      return this.#ends.failed(error)
    }
  }

  /** Answers in the handler's place. */
  cut(reason: InterruptedError): void {
    if (this.drop()) this.#resolve(this.#ends.cut(reason))
  }

  /** Nobody wants its answer any longer. @returns false if it was there already */
  drop(): boolean {
    if (!this.#waiting) return false
    this.#waiting = false
    clearTimeout(this.#timer)
    return true
  }
}
