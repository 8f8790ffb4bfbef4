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

const missed = (member: FilterMember, stage: FilterStage, limit: number): InterruptedError =>
  new InterruptedError(
    'DEADLINE_EXCEEDED',
    `the filter ${JSON.stringify(member.name)} did not answer at ${stage} within ${limit} ms`,
  )

/** Calls the handlers of filters, one at a time, and turns whatever they do into a verdict. */
export class HandlerCalls {
  readonly #settings: FilterSettings
  /** what is waited for, and what is done when it no longer is */
  #running: RunningCall<Verdict> | undefined
  #stopped: ((reason: InterruptedError) => void) | undefined

  constructor(settings: FilterSettings) {
    this.#settings = settings
  }

  /** The call is not waited for any longer, nor what may follow it. It never settles then. */
  stop(reason: InterruptedError): void {
    if (this.#running?.drop() === true) this.#stopped?.(reason)
  }

  run(
    member: FilterMember,
    stage: FilterStage,
    context: LiveConnectionContext,
    subject: CallSubject,
    invoke: () => unknown,
  ): Later<Verdict> {
    if (!handlerCalls.hasSubscribers) {
      return this.#call(member, stage, context, subject, invoke, undefined)
    }
    const traced = new TracedCall(context, stage, member.name)
    return traced.run(() => this.#call(member, stage, context, subject, invoke, traced))
  }

  #call(
    member: FilterMember,
    stage: FilterStage,
    context: LiveConnectionContext,
    subject: CallSubject,
    invoke: () => unknown,
    traced: TracedCall | undefined,
  ): Later<Verdict> {
    const fail = (error: unknown): Verdict => {
      subject.failed = true
      traced?.failed(error)
      return this.failed(member, stage, context, error)
    }
    let result: unknown
    try {
      result = invoke()
      if (isThenable(result)) {
        return this.#wait(member, stage, context, subject, result, fail, traced)
      }
      const verdict = verdictOf(result, EVENTS[stage], stage) ?? CONTINUE
      subject.close()
      return verdict
    } catch (error) {
      subject.close()
      return fail(error)
    }
  }

  #wait(
    member: FilterMember,
    stage: FilterStage,
    context: LiveConnectionContext,
    subject: CallSubject,
    result: PromiseLike<unknown>,
    fail: (error: unknown) => Verdict,
    traced: TracedCall | undefined,
  ): Promise<Verdict> {
    const over = (): void => {
      subject.close()
      if (this.#running === call) this.#running = this.#stopped = undefined
    }
    const limit = this.#limit(member, stage)
    const call = new RunningCall<Verdict>(result, limit, () => missed(member, stage, limit), {
      done: (value) => {
        over()
        return verdictOf(value, EVENTS[stage], stage) ?? CONTINUE
      },
      failed: (error) => {
        over()
        return fail(error)
      },
      cut: (reason) => {
        over()
        subject.cut(reason)
        return fail(reason)
      },
      late: (failure) => {
        if (failure === undefined) return
        context.log.debug(
          { filter: member.name, stage, err: readable(failure.error) },
          'a handler that was cut off failed later',
        )
      },
    })
    this.#running = call
    this.#stopped = (reason) => {
      over()
      traced?.cut(reason)
    }
    return call.answer
  }

  /** Milliseconds for one call; 0 for no limit. */
  #limit({ definition, shadow }: FilterMember, stage: FilterStage): number {
    const servers = Math.floor(this.#settings.deadlines[EVENTS[stage]] * SHARE)
    const limits = [
      definition.deadlines?.[stage] ?? 0,
      servers,
      shadow ? SHADOW_LIMIT : 0,
    ].filter((limit) => limit > 0)
    return limits.length === 0 ? 0 : Math.min(...limits)
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
