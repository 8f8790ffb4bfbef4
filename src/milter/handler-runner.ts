import type { InterruptedError } from '../errors.ts'
import type { HeaderView } from '../protocol/commands.ts'
import type { Later } from '../session/events.ts'
import { CONTINUE, endsMessage, isVerdict, type Verdict } from '../session/verdict.ts'
import { isThenable, readable, tapped, verdictOf, whenSettled } from './answer.ts'
import { channels } from './channels.ts'
import type { LiveConnectionContext, LiveMessageContext } from './context.ts'
import type { AnyHandler, FilterObject } from './filter-object.ts'
import { handlerCalls, TracedCall } from './handler-call.ts'
import { interruption, logFailure, missedDeadline } from './interruption.ts'
import { answeredUnasked, keptTooLong, marksOf, NO_MARKS, type Marks } from './marks.ts'
import {
  publishFailure,
  publishHandler,
  recordFailure,
  type MessageRecord,
} from './message-record.ts'
import type { FilterSettings } from './options.ts'
import { RunningCall } from './running-call.ts'
import type { Stage } from './stages.ts'

/** Who has the contexts. */
export interface Contexts {
  /** A handler was cut off, which keeps its context: `next` is for those after it. */
  replace(context: LiveConnectionContext, next: LiveConnectionContext): void
}

/**
 * Calls the handlers of one filter object, one at a time, and turns whatever they do (answer, throw, hang,
 * return nonsense) into an answer. This is the only place that knows handlers, deadlines and the error policy;
 * what waits for a promise is a {@link RunningCall}.
 */
export class HandlerRunner {
  readonly filter: FilterObject
  /** of the message, if somebody listens */
  record: MessageRecord | undefined
  /** the latest answer was not the filter's own: its edits do not count */
  failed = false
  readonly #settings: FilterSettings
  readonly #contexts: Contexts
  /** what is waited for and may be cut off */
  #running: { cut(reason: InterruptedError): void } | undefined
  /** a handler of abort or close, which is not cut off with the others */
  #told: { bound(limit: number, reason: () => InterruptedError): void } | undefined
  /** milliseconds for such a one without a deadline; 0 for any time */
  #patience = 0
  /** of a handler, if somebody traces */
  #traced: TracedCall | undefined

  constructor(filter: FilterObject, settings: FilterSettings, contexts: Contexts) {
    this.filter = filter
    this.#settings = settings
    this.#contexts = contexts
  }

  marks(stage: Stage): Marks {
    const handler = this.filter.handlers[stage]
    return handler === undefined ? NO_MARKS : marksOf(handler)
  }

  /** The handler that runs is answered for, by the configured policy. */
  cut(reason: InterruptedError): void {
    this.#running?.cut(reason)
  }

  /**
   * Handlers of abort and close without a deadline, the one that runs and those to come, have so many milliseconds:
   * this server stops, and would wait for ever.
   */
  bound(patience: number): void {
    this.#patience = patience
    this.#told?.bound(patience, () => interruption('shutdown'))
  }

  // ---- events that are answered with a verdict

  call(stage: Stage, context: LiveConnectionContext, args: readonly unknown[]): Later<Verdict> {
    return this.#observed()
      ? this.#timed(stage, context, args)
      : this.#ask(stage, context, args)
  }

  /** `call` for the handler of header, of which most calls are: no list of arguments, no search for it. */
  callField(message: LiveMessageContext, name: string, value: string | Buffer): Later<Verdict> {
    const { filter } = this
    const handler = filter.handlers.header
    if (handler === undefined || filter.callHeader === undefined || this.#observed()) {
      return this.call('header', message, [name, value])
    }
    this.failed = false
    message.scope.begin()
    let result: unknown
    try {
      result = filter.callHeader(handler, message, name, value)
    } catch (error) {
      return this.#fail('header', message, error)
    }
    return this.#answered('header', message, result)
  }

  /** For filters that take fields as they lie. */
  takeField(message: LiveMessageContext, field: HeaderView): Verdict {
    this.failed = false
    try {
      this.filter.takeField!(message, field)
      return CONTINUE
    } catch (error) {
      return this.#fail('header', message, error)
    }
  }

  #ask(stage: Stage, context: LiveConnectionContext, args: readonly unknown[]): Later<Verdict> {
    const { filter } = this
    const handler = filter.handlers[stage]
    this.failed = false
    if (handler === undefined) return CONTINUE
    context.scope.begin()
    let result: unknown
    try {
      result = filter.call(handler, context, args)
    } catch (error) {
      return this.#fail(stage, context, error)
    }
    return this.#answered(stage, context, result)
  }

  #answered(stage: Stage, context: LiveConnectionContext, result: unknown): Later<Verdict> {
    if (result === undefined || result === CONTINUE) return CONTINUE
    try {
      if (!isThenable(result)) return this.#checked(stage, context, result)
    } catch (error) {
      return this.#fail(stage, context, error)
    }
    if (stage === 'body' && this.marks(stage).lent) {
      this.#leave(result)
      return this.#fail(stage, context, keptTooLong())
    }
    return this.#wait(
      stage,
      context,
      result,
      (value) => this.#checked(stage, context, value),
      (error) => this.#fail(stage, context, error),
    )
  }

  /** A return value as a verdict. */
  #checked(stage: Stage, context: LiveConnectionContext, value: unknown): Verdict {
    if (value === undefined) return CONTINUE
    try {
      if (this.marks(stage).noReply) return this.#unasked(stage, context, value)
      return verdictOf(value, stage) ?? CONTINUE
    } catch (error) {
      return this.#fail(stage, context, error)
    }
  }

  /**
   * What a handler marked noReply has returned. A refusal cannot be given, and must not be lost: the handler has
   * failed. Any other value means nothing, as that of a function which is an expression.
   */
  #unasked(stage: Stage, context: LiveConnectionContext, value: unknown): Verdict {
    if (isVerdict(value) && endsMessage(value)) throw answeredUnasked(stage, value)
    this.#settings.sparse.write(
      context.log,
      'warn',
      { stage },
      `the handler of ${stage} is marked noReply and returned something, which is ignored`,
    )
    return CONTINUE
  }

  #fail(stage: Stage, context: LiveConnectionContext, thrown: unknown): Verdict {
    this.failed = true
    const error = readable(thrown)
    const verdict = this.#settings.onError
    logFailure(context.log, this.#settings.sparse, { stage }, error, verdict)
    if (this.record !== undefined) this.record.stage = stage
    this.#traced?.failed(error)
    recordFailure(context, stage, error)
    return verdict
  }

  // ---- calls that are answered with something else, or with nothing

  /**
   * For negotiate.
   * @param combine makes an answer of what was returned
   * @param failed the answer if it or `combine` fails
   */
  request<T>(
    handler: AnyHandler,
    context: LiveConnectionContext,
    args: readonly unknown[],
    combine: (given: unknown) => T,
    failed: (error: unknown) => T,
  ): Later<T> {
    const fail = (error: unknown): T => {
      this.#traced?.failed(readable(error))
      return failed(error)
    }
    return this.#trace('negotiate', context, () => {
      try {
        const request = this.filter.call(handler, context, args)
        if (!isThenable(request)) return combine(request)
        return this.#wait('negotiate', context, request, combine, fail)
      } catch (error) {
        return fail(error)
      }
    })
  }

  /** For abort and close: told, not asked, and cut off by their deadline alone, or by {@link bound}. */
  notify(
    stage: 'abort' | 'close',
    context: LiveConnectionContext,
    args: readonly unknown[],
  ): Later<void> {
    const handler = this.filter.handlers[stage]
    if (handler === undefined) return undefined
    const failed = (thrown: unknown): void => {
      const error = readable(thrown)
      context.log.error({ stage, err: error }, 'a handler failed')
      this.#traced?.failed(error)
      publishFailure(context, stage, error)
    }
    return this.#trace(stage, context, () => {
      try {
        const result = this.filter.call(handler, context, args)
        if (!isThenable(result)) return undefined
        return this.#wait(stage, context, result, () => undefined, failed, false)
      } catch (error) {
        failed(error)
        return undefined
      }
    })
  }

  // ---- observed calls

  /** Somebody listens: only then is there a clock, and a promise around the answer. */
  #observed(): boolean {
    return (
      this.record !== undefined ||
      channels.handler.hasSubscribers ||
      handlerCalls.hasSubscribers
    )
  }

  /** @param ask calls the handler */
  #trace<T>(stage: Stage, context: LiveConnectionContext, ask: () => Later<T>): Later<T> {
    if (!handlerCalls.hasSubscribers || this.filter.callsFilters) return ask()
    this.#traced = new TracedCall(context, stage)
    return this.#traced.run(ask)
  }

  #timed(
    stage: Stage,
    context: LiveConnectionContext,
    args: readonly unknown[],
  ): Later<Verdict> {
    const { record } = this
    if (record !== undefined) record.stage = stage
    const isHandled = this.filter.handlers[stage] !== undefined
    const began = performance.now()
    const ask = (): Later<Verdict> => this.#ask(stage, context, args)
    return tapped(isHandled ? this.#trace(stage, context, ask) : ask(), (verdict) => {
      const milliseconds = performance.now() - began
      record?.took(stage, milliseconds, verdict)
      if (isHandled) publishHandler(context.id, stage, milliseconds)
    })
  }

  // ---- handlers that take their time

  #wait<T>(
    stage: Stage,
    context: LiveConnectionContext,
    result: PromiseLike<unknown>,
    done: (value: unknown) => T,
    failed: (error: unknown) => T,
    interruptible = true,
  ): Promise<T> {
    const limit = this.#settings.deadlines[stage]
    const call = new AwaitedHandler(result, limit, this, stage, context, done, failed)
    if (interruptible) this.#running = call
    else {
      this.#told = call
      if (this.#patience > 0) this.bound(this.#patience)
    }
    return call.answer
  }

  /** The call is not waited for any longer. */
  over(call: unknown): void {
    if (this.#running === call) this.#running = undefined
    if (this.#told === call) this.#told = undefined
  }

  /** A handler was cut off, which keeps its context: those after it have another. */
  replaceContext(context: LiveConnectionContext, reason: InterruptedError): void {
    this.#contexts.replace(context, context.split(reason))
  }

  /** A handler that is still running and that nobody waits for. */
  #leave(result: PromiseLike<unknown>): void {
    const { filter } = this
    const ended = (): void => filter.overrunning?.(-1)
    filter.overrunning?.(1)
    whenSettled(result, ended, ended)
  }
}

/** A handler that takes its time. */
class AwaitedHandler<T> extends RunningCall<T> {
  readonly #limit: number
  readonly #runner: HandlerRunner
  readonly #stage: Stage
  readonly #context: LiveConnectionContext
  readonly #done: (value: unknown) => T
  readonly #failed: (error: unknown) => T

  constructor(
    result: PromiseLike<unknown>,
    limit: number,
    runner: HandlerRunner,
    stage: Stage,
    context: LiveConnectionContext,
    done: (value: unknown) => T,
    failed: (error: unknown) => T,
  ) {
    super(result, limit)
    this.#limit = limit
    this.#runner = runner
    this.#stage = stage
    this.#context = context
    this.#done = done
    this.#failed = failed
  }

  protected done(value: unknown): T {
    this.#runner.over(this)
    return this.#done(value)
  }

  protected failed(error: unknown): T {
    this.#runner.over(this)
    return this.#failed(error)
  }

  protected interrupted(reason: InterruptedError): T {
    this.#runner.over(this)
    const { filter } = this.#runner
    filter.overrunning?.(1)
    filter.cutOff?.(reason)
    const answer = this.#failed(reason)
    this.#runner.replaceContext(this.#context, reason)
    return answer
  }

  protected late(failure: { readonly error: unknown } | undefined): void {
    this.#runner.filter.overrunning?.(-1)
    if (failure === undefined) return
    this.#context.log.debug(
      { stage: this.#stage, err: readable(failure.error) },
      'a handler that was cut off failed later',
    )
  }

  protected missed(): InterruptedError {
    return missedDeadline(this.#stage, this.#limit)
  }
}
