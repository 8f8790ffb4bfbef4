import { tracingChannel, type TracingChannel } from 'node:diagnostics_channel'
import type { InterruptedError } from '../errors.ts'
import type { MaybePromise } from '../session/events.ts'
import type { VerdictKind } from '../protocol/event-table.ts'
import { isVerdict } from '../session/verdict.ts'

/**
 * One call of a handler, as it is traced: what each event of `tracingChannel('tsmilter:handler')` of
 * `node:diagnostics_channel` carries, the same object from `start` to the end of the call. It holds
 * nothing of the message; but `error` is what the handler has thrown, with whatever text is in it.
 */
export interface HandlerTrace {
  /** a number of its own for each connection of this process, as `ctx.id` */
  readonly connection: number
  /** a number of its own for each message of this process; undefined outside of messages */
  readonly message: number | undefined
  /** undefined as long as the mail server has given none */
  readonly queueId: string | undefined
  /** its name, of those made by `defineFilter` */
  readonly filter: string | undefined
  /** the callback; for a filter of `defineFilter` its stage */
  readonly stage: string
  /** it has given a promise: the call is over at `asyncEnd`, and not at `end` */
  readonly isAsync: boolean
  /**
   * What it has answered, or the error policy in its place; there when the call is over. Undefined
   * where there is nothing to answer, and of a handler of `defineFilter` that was cut off.
   */
  readonly verdict: VerdictKind | undefined
  /** why it has failed or was cut off */
  readonly error: unknown
}

/** Names the channels `tracing:tsmilter:handler:start`, `...:end` and so on. */
export const handlerTraces: TracingChannel<HandlerTrace, HandlerTrace> =
  tracingChannel('tsmilter:handler')

/** What a call is about. */
export interface TracedContext {
  readonly id: number
  readonly message: number | undefined
  readonly queueId: string | undefined
}

/** A call that somebody traces; made only then. */
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
   * Calls the handler, with what subscribers have bound to `start` as its asynchronous context. A
   * handler that answers at once does so here as well.
   *
   * @param ask calls it, and turns whatever it does into an answer
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

  /** It has thrown, answered nonsense, or was cut off; the answer follows. */
  failed(error: unknown): void {
    if (this.#over) return
    this.#failed = true
    this.error = error
  }

  /** Nobody waits for it any longer: no answer follows. */
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
