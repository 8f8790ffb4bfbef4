/**
 * One call of a handler, whichever level it was written for: an event (`event-calls.ts`) or a stage of a
 * whole-message filter (`message/filter-calls.ts`).
 *
 *     run(invoke) ──┬─ returns a value ─────────────────── done ────────┐
 *                   ├─ throws ──────────────────────────── failed ──────┼─► answer
 *                   └─ returns a promise, and meanwhile                 │
 *                        ├─ it is fulfilled ────────────── done ────────┤
 *                        ├─ it is rejected ─────────────── failed ──────┤
 *                        ├─ cut(), or the deadline ─────── interrupted ─┘
 *                        └─ stop() ─────────────────────── no answer
 *
 * After `cut` and `stop` the handler may still be running; its end is `late`. What `done` throws is a failure of the
 * handler. There is exactly one answer, or none if the call is stopped.
 *
 * A handler that answers at once and is not traced needs no object of this class; see `EventCalls`.
 */
import type { InterruptedError } from '../errors.ts'
import type { MaybePromise } from '../session/events.ts'
import { isThenable, readable, whenSettled } from './answer.ts'
import type { LiveConnectionContext } from './context.ts'
import { isDebugged } from '../diagnostics/debugger.ts'
import { handlerTraces, TracedCall } from '../diagnostics/handler-trace.ts'

// A class with methods, not an object of functions: V8 has a memory of its own for literals that last
// (allocation-site pretenuring), and there each of them kept its whole message until the next major collection.
export abstract class HandlerCall<T> {
  protected readonly context: LiveConnectionContext
  /** the handler, as its author calls it */
  protected readonly name: string
  /** the name of the filter, of those made by `defineFilter` */
  protected readonly filter: string | undefined
  #trace: TracedCall | undefined
  #resolve: ((answer: T) => void) | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(context: LiveConnectionContext, name: string, filter?: string) {
    this.context = context
    this.name = name
    this.filter = filter
  }

  /**
   * Calls the handler.
   * @param traced false if what it calls is traced instead
   */
  run(invoke: () => unknown, traced = true): MaybePromise<T> {
    if (!traced || !handlerTraces.hasSubscribers) return this.#begin(invoke)
    this.#trace = new TracedCall(this.context, this.name, this.filter)
    return this.#trace.run(() => this.#begin(invoke))
  }

  #begin(invoke: () => unknown): MaybePromise<T> {
    try {
      return this.settle(invoke())
    } catch (error) {
      return this.fail(error)
    }
  }

  /** The answer to what the handler has returned. */
  settle(result: unknown): MaybePromise<T> {
    try {
      if (isThenable(result)) return this.#wait(result)
      this.over()
      return this.done(result)
    } catch (error) {
      return this.fail(error)
    }
  }

  /** The answer when the handler has failed. */
  fail(error: unknown): T {
    this.over()
    this.#trace?.failed(readable(error))
    return this.failed(error)
  }

  #wait(result: PromiseLike<unknown>): Promise<T> {
    const answer = new Promise<T>((resolve) => (this.#resolve = resolve))
    const limit = this.limit()
    if (limit > 0) this.bound(limit, () => this.missed(limit))
    this.waits()
    whenSettled(
      result,
      (value) => {
        const resolve = this.#release()
        if (resolve === undefined) this.late(undefined)
        else resolve(this.#outcome(value))
      },
      (error) => {
        const resolve = this.#release()
        if (resolve === undefined) this.late({ error })
        else resolve(this.fail(error))
      },
    )
    return answer
  }

  #outcome(value: unknown): T {
    try {
      this.over()
      return this.done(value)
    } catch (error) {
      return this.fail(error)
    }
  }

  /**
   * Gives a call without a deadline one.
   * @param reason why it is cut off then
   */
  bound(limit: number, reason: () => InterruptedError): void {
    if (this.#timer !== undefined || this.#resolve === undefined) return
    this.#timer = setTimeout(() => {
      if (!isDebugged()) this.cut(reason())
    }, limit)
  }

  /** The handler is not waited for any longer: there is an answer in its place. */
  cut(reason: InterruptedError): void {
    const resolve = this.#release()
    if (resolve === undefined) return
    this.over()
    this.#trace?.failed(reason)
    resolve(this.interrupted(reason))
  }

  /** Its answer is no longer needed, and none is given. */
  stop(reason: InterruptedError): void {
    if (this.#release() === undefined) return
    this.over()
    this.#trace?.cut(reason)
  }

  /** What takes the answer, the first time; undefined if it was there already. */
  #release(): ((answer: T) => void) | undefined {
    const resolve = this.#resolve
    this.#resolve = undefined
    clearTimeout(this.#timer)
    return resolve
  }

  protected late(failure: { readonly error: unknown } | undefined): void {
    this.ended()
    if (failure === undefined) return
    const { context, filter, name: stage } = this
    const where = filter === undefined ? { stage } : { filter, stage }
    context.log.debug(
      { ...where, err: readable(failure.error) },
      'a handler that was cut off failed later',
    )
  }

  /** Milliseconds the handler may take; 0 for no limit. */
  protected abstract limit(): number
  /** Why it is cut off after them. */
  protected abstract missed(limit: number): InterruptedError
  /** The answer to what it has returned. What this throws is a failure of the handler. */
  protected abstract done(value: unknown): T
  /** The answer when it has failed; never throws. */
  protected abstract failed(error: unknown): T

  /** It has returned a promise. */
  protected waits(): void {}
  /** It is over, or was cut off or stopped. Can be called twice. */
  protected over(): void {}
  /** The answer when it is cut off. */
  protected interrupted(reason: InterruptedError): T {
    return this.failed(reason)
  }
  /** It has ended after it was cut off or stopped. */
  protected ended(): void {}
}
