import { MilterError, type InterruptedError } from '../errors.ts'
import type { HeaderView } from '../protocol/commands.ts'
import type { MaybePromise } from '../session/events.ts'
import { CONTINUE, endsMessage, isVerdict, type Verdict } from '../session/verdict.ts'
import { isThenable, readable, afterAnswer, verdictOf, whenSettled } from './answer.ts'
import { channels } from '../diagnostics/channels.ts'
import type { LiveConnectionContext, LiveMessageContext } from './context.ts'
import type { AnyHandler, FilterObject } from './filter-object.ts'
import { HandlerCall } from './handler-call.ts'
import { handlerTraces } from '../diagnostics/handler-trace.ts'
import { interruption, logFailure, missedDeadline } from './interruption.ts'
import { answeredUnasked, keptTooLong, marksOf, NO_MARKS, type Marks } from './marks.ts'
import {
  publishFailure,
  publishHandler,
  recordFailure,
  type MessageRecord,
} from './message-record.ts'
import type { FilterSettings } from './options.ts'
import type { Stage } from '../protocol/stages.ts'

/** What has the contexts. */
export interface Contexts {
  /** A handler was cut off, which keeps its context: `next` is for those after it. */
  replace(context: LiveConnectionContext, next: LiveConnectionContext): void
}

/**
 * Calls the handlers of one filter object for the session's events, one at a time, and turns whatever they do
 * (answer, throw, hang, return an invalid value) into an answer.
 */
export class EventCalls {
  readonly filter: FilterObject
  /** the record of the message, if a telemetry channel has subscribers */
  record: MessageRecord | undefined
  /** the latest answer was not the filter's own: its edits do not count */
  failed = false
  readonly settings: FilterSettings
  readonly contexts: Contexts
  /** the call that is running and may be cut off */
  running: Pick<HandlerCall<never>, 'cut'> | undefined
  /** of a handler of abort or close, which is not cut off with the others */
  notice: Pick<HandlerCall<never>, 'bound'> | undefined
  /** milliseconds for such a one without a deadline; 0 for any time */
  patience = 0

  constructor(filter: FilterObject, settings: FilterSettings, contexts: Contexts) {
    this.filter = filter
    this.settings = settings
    this.contexts = contexts
  }

  marks(stage: Stage): Marks {
    const handler = this.filter.handlers[stage]
    return handler === undefined ? NO_MARKS : marksOf(handler)
  }

  /** The handler that runs is answered for, by the configured policy. */
  cut(reason: InterruptedError): void {
    this.running?.cut(reason)
  }

  /**
   * The server stops. From now on handlers of abort and close without a deadline, including one that runs, have this
   * many milliseconds. Otherwise the server could wait for ever.
   */
  bound(patience: number): void {
    this.patience = patience
    this.notice?.bound(patience, () => interruption('shutdown'))
  }

  // ---- events that are answered with a verdict

  call(
    stage: Stage,
    context: LiveConnectionContext,
    args: readonly unknown[],
  ): MaybePromise<Verdict> {
    const handler = this.filter.handlers[stage]
    this.failed = false
    if (this.#observed()) return this.#observe(stage, handler, context, args)
    if (handler === undefined) return CONTINUE
    context.scope.begin()
    let result: unknown
    try {
      result = this.filter.call(handler, context, args)
    } catch (error) {
      return new EventCall(this, stage, context).fail(error)
    }
    return this.#answered(stage, context, result)
  }

  /** `call` for the handler of header, which is called most often: without a list of arguments and a lookup. */
  callField(
    message: LiveMessageContext,
    name: string,
    value: string | Buffer,
  ): MaybePromise<Verdict> {
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
      return new EventCall(this, 'header', message).fail(error)
    }
    return this.#answered('header', message, result)
  }

  /** Most handlers return nothing, and not a promise: no object is made for them. */
  #answered(
    stage: Stage,
    context: LiveConnectionContext,
    result: unknown,
  ): MaybePromise<Verdict> {
    if (result === undefined || result === CONTINUE) return CONTINUE
    return new EventCall(this, stage, context).settle(result)
  }

  /** For filters that take fields as they lie. */
  takeField(message: LiveMessageContext, field: HeaderView): Verdict {
    this.failed = false
    try {
      this.filter.takeField!(message, field)
      return CONTINUE
    } catch (error) {
      return new EventCall(this, 'header', message).fail(error)
    }
  }

  /** Whether telemetry is on. Only then is the call timed, with a promise around its answer. */
  #observed(): boolean {
    return (
      this.record !== undefined ||
      channels.handler.hasSubscribers ||
      handlerTraces.hasSubscribers
    )
  }

  #observe(
    stage: Stage,
    handler: AnyHandler | undefined,
    context: LiveConnectionContext,
    args: readonly unknown[],
  ): MaybePromise<Verdict> {
    const { record } = this
    if (record !== undefined) record.stage = stage
    const began = performance.now()
    let answer: MaybePromise<Verdict> = CONTINUE
    if (handler !== undefined) {
      context.scope.begin()
      answer = this.#run(new EventCall(this, stage, context), handler, context, args)
    }
    return afterAnswer(answer, (verdict) => {
      const milliseconds = performance.now() - began
      record?.took(stage, milliseconds, verdict)
      if (handler !== undefined) publishHandler(context.id, stage, milliseconds)
    })
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
  ): MaybePromise<T> {
    return this.#run(new NegotiateCall(this, context, combine, failed), handler, context, args)
  }

  /** For abort and close: told, not asked, and cut off by their deadline alone, or by {@link bound}. */
  notify(
    stage: 'abort' | 'close',
    context: LiveConnectionContext,
    args: readonly unknown[],
  ): MaybePromise<void> {
    const handler = this.filter.handlers[stage]
    if (handler === undefined) return undefined
    return this.#run(new NotifyCall(this, stage, context), handler, context, args)
  }

  #run<T>(
    call: HandlerCall<T>,
    handler: AnyHandler,
    context: LiveConnectionContext,
    args: readonly unknown[],
  ): MaybePromise<T> {
    return call.run(
      () => this.filter.call(handler, context, args),
      // Such a filter traces the calls of its handlers itself.
      this.filter.callsFilters !== true,
    )
  }
}

const isExhausted = (error: unknown): boolean =>
  error instanceof MilterError && error.code === 'MEMORY_EXHAUSTED'

/** One call of the handler of an event. */
abstract class CallOfEvent<T> extends HandlerCall<T> {
  protected readonly calls: EventCalls
  protected readonly stage: Stage

  constructor(calls: EventCalls, stage: Stage, context: LiveConnectionContext) {
    super(context, stage)
    this.calls = calls
    this.stage = stage
  }

  protected limit(): number {
    return this.calls.settings.deadlines[this.stage]
  }

  protected missed(limit: number): InterruptedError {
    return missedDeadline(this.stage, limit)
  }

  protected override waits(): void {
    this.calls.running = this
  }

  protected override over(): void {
    if (this.calls.running === this) this.calls.running = undefined
  }

  /** The handler keeps its context: those after it have another. */
  protected override interrupted(reason: InterruptedError): T {
    const { filter, contexts } = this.calls
    filter.overrunning?.(1)
    filter.cutOff?.(reason)
    const answer = this.failed(reason)
    contexts.replace(this.context, this.context.split(reason))
    return answer
  }

  protected override ended(): void {
    this.calls.filter.overrunning?.(-1)
  }
}

/** An event that is answered with a verdict. */
class EventCall extends CallOfEvent<Verdict> {
  override settle(result: unknown): MaybePromise<Verdict> {
    const { calls, stage } = this
    if (stage !== 'body' || !calls.marks(stage).borrowed) return super.settle(result)
    try {
      if (!isThenable(result)) return super.settle(result)
    } catch (error) {
      return this.fail(error)
    }
    // It was cut off or stopped, and is still running.
    const { filter } = calls
    const ended = (): void => filter.overrunning?.(-1)
    filter.overrunning?.(1)
    whenSettled(result, ended, ended)
    return this.fail(keptTooLong())
  }

  protected done(value: unknown): Verdict {
    if (value === undefined) return CONTINUE
    const { calls, stage } = this
    if (calls.marks(stage).noReply) return this.#unasked(value)
    return verdictOf(value, stage) ?? CONTINUE
  }

  /**
   * What a handler marked noReply has returned. A refusal cannot be given, and must not be lost: the handler has
   * failed. Any other value means nothing, as that of a function which is an expression.
   */
  #unasked(value: unknown): Verdict {
    const { stage } = this
    if (isVerdict(value) && endsMessage(value)) throw answeredUnasked(stage, value)
    this.calls.settings.limitedLog.write(
      this.context.log,
      'warn',
      { stage },
      `the handler of ${stage} is marked noReply and returned something, which is ignored`,
    )
    return CONTINUE
  }

  protected failed(thrown: unknown): Verdict {
    const { calls, stage, context } = this
    const { onError, overload, limitedLog } = calls.settings
    const error = readable(thrown)
    // Nothing is wrong with the message then, and to reject it would lose it.
    const answer = isExhausted(error) ? overload.verdict : onError
    calls.failed = true
    logFailure(context.log, limitedLog, { stage }, error, answer)
    if (calls.record !== undefined) calls.record.stage = stage
    recordFailure(context, stage, error)
    return answer
  }
}

class NegotiateCall<T> extends CallOfEvent<T> {
  readonly #combine: (given: unknown) => T
  readonly #failed: (error: unknown) => T

  constructor(
    calls: EventCalls,
    context: LiveConnectionContext,
    combine: (given: unknown) => T,
    failed: (error: unknown) => T,
  ) {
    super(calls, 'negotiate', context)
    this.#combine = combine
    this.#failed = failed
  }

  protected done(value: unknown): T {
    return this.#combine(value)
  }

  protected failed(error: unknown): T {
    return this.#failed(error)
  }
}

class NotifyCall extends CallOfEvent<void> {
  protected override waits(): void {
    const { calls } = this
    calls.notice = this
    if (calls.patience > 0) calls.bound(calls.patience)
  }

  protected override over(): void {
    if (this.calls.notice === this) this.calls.notice = undefined
  }

  protected done(): void {}

  protected failed(thrown: unknown): void {
    const { context, stage } = this
    const error = readable(thrown)
    context.log.error({ stage, err: error }, 'a handler failed')
    publishFailure(context, stage, error)
  }
}
