import { InterruptedError } from '../errors.ts'
import { isThenable, readable, verdictOf } from '../milter/answer.ts'
import type { LiveConnectionContext } from '../milter/context.ts'
import { handlerCalls, TracedCall } from '../milter/handler-call.ts'
import { logFailure } from '../milter/interruption.ts'
import { publishFailure, recordFailure } from '../milter/message-record.ts'
import { errorVerdict, type FilterSettings } from '../milter/options.ts'
import { RunningCall } from '../milter/running-call.ts'
import type { Stage } from '../milter/stages.ts'
import type { Later } from '../session/events.ts'
import { CONTINUE, type Verdict } from '../session/verdict.ts'
import type { FilterMember, FilterStage } from './definition.ts'

/** What a handler is given: it ends with the call. */
export interface CallSubject {
  /** the handler has failed; what it has done does not count */
  failed: boolean
  /** the handler is over, in whatever way */
  close(): void
  /** the handler is not waited for any longer */
  cut(reason: InterruptedError): void
}

/** The events a stage happens in, which have its verdicts and its time. */
const EVENTS: Readonly<Record<FilterStage, Stage>> = {
  connect: 'connect',
  helo: 'helo',
  sender: 'envfrom',
  recipient: 'envrcpt',
  headers: 'eoh',
  message: 'eom',
  close: 'close',
}
/** Of the time the server gives an event, what its filter gets: the rest is for answering. */
const SHARE = 0.95
/** Milliseconds for one call of a shadow: mail does not wait long for those that only look. */
const SHADOW_LIMIT = 30_000

/** Calls the handlers of filters, one at a time, and turns whatever they do into a verdict. */
export class HandlerCalls {
  readonly #settings: FilterSettings
  /** what is waited for */
  #running: AwaitedCall | undefined

  constructor(settings: FilterSettings) {
    this.#settings = settings
  }

  /** The call is not waited for any longer, nor what may follow it. It never settles then. */
  stop(reason: InterruptedError): void {
    this.#running?.stop(reason)
  }

  /** The call is over, in whatever way. */
  over(call: AwaitedCall): void {
    if (this.#running === call) this.#running = undefined
  }

  run(
    member: FilterMember,
    stage: FilterStage,
    context: LiveConnectionContext,
    subject: CallSubject,
    invoke: () => unknown,
  ): Later<Verdict> {
    if (!handlerCalls.hasSubscribers) {
      return this.#call(new Asked(member, stage, context, subject, undefined), invoke)
    }
    const traced = new TracedCall(context, stage, member.name)
    return traced.run(() =>
      this.#call(new Asked(member, stage, context, subject, traced), invoke),
    )
  }

  #call(asked: Asked, invoke: () => unknown): Later<Verdict> {
    try {
      const result = invoke()
      if (isThenable(result)) {
        this.#running = new AwaitedCall(result, this.#limit(asked), this, asked)
        return this.#running.answer
      }
      const verdict = asked.verdictOf(result)
      asked.subject.close()
      return verdict
    } catch (error) {
      asked.subject.close()
      return this.fail(asked, error)
    }
  }

  /** Milliseconds for one call; 0 for no limit. */
  #limit({ member, stage }: Asked): number {
    const { definition, shadow } = member
    const servers = Math.floor(this.#settings.deadlines[EVENTS[stage]] * SHARE)
    const limits = [
      definition.deadlines?.[stage] ?? 0,
      servers,
      shadow ? SHADOW_LIMIT : 0,
    ].filter((limit) => limit > 0)
    return limits.length === 0 ? 0 : Math.min(...limits)
  }

  /** The verdict on a handler that has failed. */
  fail({ member, stage, context, subject, traced }: Asked, error: unknown): Verdict {
    subject.failed = true
    traced?.failed(error)
    return this.failed(member, stage, context, error)
  }

  /** Logs a failure, and gives what the policy makes of it. */
  failed(
    member: FilterMember,
    stage: FilterStage,
    context: LiveConnectionContext,
    thrown: unknown,
  ): Verdict {
    const error = readable(thrown)
    const { onError } = member.definition
    const own = onError === undefined ? this.#settings.onError : errorVerdict(onError)
    const verdict = member.shadow ? CONTINUE : own
    const { sparse } = this.#settings
    logFailure(context.log, sparse, { filter: member.name, stage }, error, verdict)
    // A shadow decides nothing.
    const tell = member.shadow ? publishFailure : recordFailure
    tell(context, stage, error, member.name)
    return verdict
  }
}

/** One call of a handler. */
class Asked {
  readonly member: FilterMember
  readonly stage: FilterStage
  readonly context: LiveConnectionContext
  readonly subject: CallSubject
  readonly traced: TracedCall | undefined

  constructor(
    member: FilterMember,
    stage: FilterStage,
    context: LiveConnectionContext,
    subject: CallSubject,
    traced: TracedCall | undefined,
  ) {
    this.member = member
    this.stage = stage
    this.context = context
    this.subject = subject
    this.traced = traced
  }

  /** @throws UsageError INVALID_VERDICT */
  verdictOf(result: unknown): Verdict {
    return verdictOf(result, EVENTS[this.stage], this.stage) ?? CONTINUE
  }
}

/** A handler that takes its time. */
class AwaitedCall extends RunningCall<Verdict> {
  readonly #limit: number
  readonly #calls: HandlerCalls
  readonly #asked: Asked

  constructor(result: PromiseLike<unknown>, limit: number, calls: HandlerCalls, asked: Asked) {
    super(result, limit)
    this.#limit = limit
    this.#calls = calls
    this.#asked = asked
  }

  /** Nobody wants its answer any longer, and none is given. */
  stop(reason: InterruptedError): void {
    if (!this.drop()) return
    this.#over()
    this.#asked.traced?.cut(reason)
  }

  protected done(value: unknown): Verdict {
    this.#over()
    return this.#asked.verdictOf(value)
  }

  protected failed(error: unknown): Verdict {
    this.#over()
    return this.#calls.fail(this.#asked, error)
  }

  protected interrupted(reason: InterruptedError): Verdict {
    this.#over()
    this.#asked.subject.cut(reason)
    return this.#calls.fail(this.#asked, reason)
  }

  protected late(failure: { readonly error: unknown } | undefined): void {
    if (failure === undefined) return
    const { member, stage, context } = this.#asked
    context.log.debug(
      { filter: member.name, stage, err: readable(failure.error) },
      'a handler that was cut off failed later',
    )
  }

  protected missed(): InterruptedError {
    const { member, stage } = this.#asked
    return new InterruptedError(
      'DEADLINE_EXCEEDED',
      `the filter ${JSON.stringify(member.name)} did not answer at ${stage} within ${this.#limit} ms`,
    )
  }

  #over(): void {
    this.#asked.subject.close()
    this.#calls.over(this)
  }
}
