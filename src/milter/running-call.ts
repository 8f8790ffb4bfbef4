import type { InterruptedError } from '../errors.ts'
import { whenSettled } from './answer.ts'
import { isDebugged } from './debugger.ts'

/**
 * A handler that has given a promise, from there to its end. There is an answer in any case: from the handler,
 * at its deadline, or when it is cut off. What each of them means is said by the class of who has called.
 *
 * Not by an object of functions: V8 has a memory of its own for literals that last (allocation-site pretenuring),
 * and there each of them kept its whole message until the next major collection.
 */
export abstract class RunningCall<T> {
  readonly answer: Promise<T>
  #resolve!: (answer: T) => void
  #timer: NodeJS.Timeout | undefined
  #waiting = true

  /** @param limit milliseconds, 0 for no deadline */
  constructor(result: PromiseLike<unknown>, limit: number) {
    this.answer = new Promise((resolve) => (this.#resolve = resolve))
    if (limit > 0) this.bound(limit, () => this.missed())
    whenSettled(
      result,
      (value) => {
        if (this.drop()) this.#resolve(this.#outcome(value))
        else this.late(undefined)
      },
      (error) => {
        if (this.drop()) this.#resolve(this.failed(error))
        else this.late({ error })
      },
    )
  }

  #outcome(value: unknown): T {
    try {
      return this.done(value)
    } catch (error) {
      return this.failed(error)
    }
  }

  /**
   * Gives a call without a deadline one.
   * @param reason why it is cut off then
   */
  bound(limit: number, reason: () => InterruptedError): void {
    if (this.#timer !== undefined || !this.#waiting) return
    this.#timer = setTimeout(() => {
      if (!isDebugged()) this.cut(reason())
    }, limit)
  }

  /** Answers in the handler's place. */
  cut(reason: InterruptedError): void {
    if (this.drop()) this.#resolve(this.interrupted(reason))
  }

  /** Nobody wants its answer any longer. @returns false if it was there already */
  drop(): boolean {
    if (!this.#waiting) return false
    this.#waiting = false
    clearTimeout(this.#timer)
    return true
  }

  // ---- the end of the call: one of the first three comes, once

  /** The handler's promise was fulfilled. What this throws is a failure of the handler. */
  protected abstract done(value: unknown): T
  /** The promise was rejected, or `done` has thrown. */
  protected abstract failed(error: unknown): T
  /** The handler is not waited for any longer: an answer in its place. */
  protected abstract interrupted(reason: InterruptedError): T
  /** It has ended, and nobody was waiting for it any longer. */
  protected abstract late(failure: { readonly error: unknown } | undefined): void
  /** Why it is cut off at its deadline. */
  protected abstract missed(): InterruptedError
}
