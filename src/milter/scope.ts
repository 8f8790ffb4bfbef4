import { setMaxListeners } from 'node:events'
import type { InterruptedError } from '../errors.ts'

/** So many calls of handlers have a signal of their own; of a message with more, the rest share one. */
const MAX_SIGNALS = 100

/**
 * The life of a connection or a message. It gives AbortSignals that fire when the work for it is pointless; they are
 * made only when a handler asks. Each call of a handler has its own signal: the work that an earlier handler has
 * started must not end because a later one misses its deadline.
 */
export class Scope {
  /** of the call that was made last */
  #controller: AbortController | undefined
  /** of calls before it: what they have started goes on */
  #earlier: AbortController[] | undefined
  #reason: (() => InterruptedError) | undefined

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      // A handler may hand it to as many requests as it likes; Node 20 warns of more than ten.
      setMaxListeners(0, this.#controller.signal)
      if (this.#reason !== undefined) this.#controller.abort(this.#reason())
    }
    return this.#controller.signal
  }

  /** Everything of this scope is over. */
  get over(): boolean {
    return this.#reason !== undefined
  }

  /** A handler is called. */
  begin(): void {
    if (this.#controller === undefined || this.#reason !== undefined) return
    this.#earlier ??= []
    if (this.#earlier.length === MAX_SIGNALS) return
    this.#earlier.push(this.#controller)
    this.#controller = undefined
  }

  /** Final: everything of this scope is over. The error is made only if a signal was given out. */
  abort(reason: () => InterruptedError): void {
    this.#reason ??= reason
    if (this.#earlier !== undefined) {
      for (const controller of this.#earlier) controller.abort(this.#reason())
      this.#earlier = undefined
    }
    this.#controller?.abort(this.#reason())
  }

  /**
   * The handler that runs is not waited for any longer: this scope is its own from here on, and over.
   * @returns the scope of what comes next, and of what was started before
   */
  split(reason: InterruptedError): Scope {
    const next = new Scope()
    next.#earlier = this.#earlier
    next.#reason = this.#reason
    this.#earlier = undefined
    this.abort(() => reason)
    return next
  }
}
