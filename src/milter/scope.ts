import type { InterruptedError } from '../errors.ts'

/**
 * The life of a connection or a message: gives out an AbortSignal, made only if somebody asks, that
 * fires when the work for it is pointless.
 */
export class Scope {
  #controller: AbortController | undefined
  #reason: (() => InterruptedError) | undefined

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason())
    }
    return this.#controller.signal
  }

  /** Final: everything of this scope is over. The error is made only if somebody has the signal. */
  abort(reason: () => InterruptedError): void {
    this.#reason ??= reason
    this.#controller?.abort(this.#reason())
  }

  /** Cuts off what has been started so far; what starts from now on gets a new signal. */
  interrupt(reason: InterruptedError): void {
    this.#controller?.abort(reason)
    if (this.#reason === undefined) this.#controller = undefined
  }
}
