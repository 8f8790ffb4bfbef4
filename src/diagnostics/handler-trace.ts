import { tracingChannel, type TracingChannel } from 'node:diagnostics_channel'
import type { InterruptedError } from '../errors.ts'
import type { MaybePromise } from '../session/events.ts'
import type { VerdictKind } from '../protocol/event-table.ts'
import { isVerdict } from '../session/verdict.ts'

/**
 * The trace of one call of a handler. Each event of `tracingChannel('tsmilter:handler')` of `node:diagnostics_channel`
 * has it, and it is the same object from `start` to the end of the call. It contains nothing of the message. However,
 * `error` is what the handler threw, and its text may quote the message.
 */
export interface HandlerTrace {
  /** number of the connection, unique in this process, as `ctx.id` */
  readonly connection: number
  /** number of the message, unique in this process; undefined outside a message */
  readonly message: number | undefined
  /** undefined if the mail server has not sent it */
  readonly queueId: string | undefined
  /** name of the filter, if it was made by `defineFilter` */
  readonly filter: string | undefined
  /** name of the callback; for a filter of `defineFilter`, of the stage */
  readonly stage: string
  /** the handler returned a promise, so the call ends at `asyncEnd` and not at `end` */
  readonly isAsync: boolean
  /**
   * The answer of the handler, or of the error policy in its place. It is set when the call has ended. Undefined if the
   * stage has no answer, or if a handler of `defineFilter` was cut off.
   */
  readonly verdict: VerdictKind | undefined
  /** why the handler failed or was cut off */
  readonly error: unknown
}

/** The channels `tracing:tsmilter:handler:start`, `...:end` and so on. */
export const handlerTraces: TracingChannel<HandlerTrace, HandlerTrace> =
  tracingChannel('tsmilter:handler')

/** The facts of a call that its trace needs. */
export interface TracedContext {
  readonly id: number
  readonly message: number | undefined
  readonly queueId: string | undefined
}

/** A call that is traced. It is created only if the channels have subscribers. */
export class TracedCall implements HandlerTrace {
  readonly connection: number
  readonly message: number | undefined
  readonly queueId: string | undefined
  readonly filter: string | undefined
  readonly stage: string
  isAsync = false
  verdict: VerdictKind | undefined
  error: unknown
  #failed = false
  #over = false

  constructor(context: TracedContext, stage: string, filter?: string) {
    this.connection = context.id
    this.message = context.message
    this.queueId = context.queueId
    this.filter = filter
    this.stage = stage
  }

  /**
   * Calls the handler in the asynchronous context that subscribers have bound to `start`. The answer of a synchronous
   * handler is returned synchronously.
   *
   * @param ask calls the handler, and turns any outcome into an answer
   */
  run<T>(ask: () => MaybePromise<T>): MaybePromise<T> {
    return handlerTraces.start.runStores(this, () => {
      const answer = ask()
      if (!(answer instanceof Promise)) {
        this.#settle(answer)
        handlerTraces.end.publish(this)
        return answer
      }
      this.isAsync = true
      handlerTraces.end.publish(this)
      return answer.then((given) => {
        this.#end(given)
        return given
      })
    })
  }

  /** The handler threw, returned something that is not a verdict, or was cut off. The answer follows. */
  failed(error: unknown): void {
    if (this.#over) return
    this.#failed = true
    this.error = error
  }

  /** The handler was cut off, and no answer follows. */
  cut(reason: InterruptedError): void {
    this.failed(reason)
    this.#end(undefined)
  }

  #end(answer: unknown): void {
    if (this.#over) return
    this.#settle(answer)
    handlerTraces.asyncStart.publish(this)
    handlerTraces.asyncEnd.publish(this)
  }

  #settle(answer: unknown): void {
    this.#over = true
    if (isVerdict(answer)) this.verdict = answer.kind
    if (this.#failed) handlerTraces.error.publish(this)
  }
}
