import { InterruptedError } from '../errors.ts'
import { readable, verdictOf } from '../milter/answer.ts'
import type { LiveConnectionContext } from '../milter/context.ts'
import { HandlerCall } from '../milter/handler-call.ts'
import { logFailure } from '../milter/interruption.ts'
import { publishFailure, recordFailure } from '../milter/message-record.ts'
import { errorVerdict, type FilterSettings } from '../milter/options.ts'
import type { Stage } from '../protocol/stages.ts'
import type { MaybePromise } from '../session/events.ts'
import { CONTINUE, type Verdict } from '../session/verdict.ts'
import type { ComposedFilter } from './definition.ts'
import type { FilterStage } from './stage-context.ts'
import type { CallSubject } from './live-stage-context.ts'

/** The event of each stage, which decides its verdicts and its deadline. */
const EVENTS: Readonly<Record<FilterStage, Stage>> = {
  connect: 'connect',
  helo: 'helo',
  sender: 'envfrom',
  recipient: 'envrcpt',
  headers: 'eoh',
  message: 'eom',
  close: 'close',
}
/** The share of an event's deadline that a filter gets. The rest is for the answer. */
const SHARE = 0.95
/** Milliseconds for one call of a shadow: mail must not wait long for filters that only look. */
const SHADOW_LIMIT = 30_000

/** Calls the handlers of whole-message filters, one at a time, and turns whatever they do into a verdict. */
export class FilterCalls {
  readonly #settings: FilterSettings
  /** the call that is running */
  running: FilterCall | undefined

  constructor(settings: FilterSettings) {
    this.#settings = settings
  }

  /** Stops waiting for the call and for its successors. The call then never settles. */
  stop(reason: InterruptedError): void {
    this.running?.stop(reason)
  }

  run(
    member: ComposedFilter,
    stage: FilterStage,
    context: LiveConnectionContext,
    subject: CallSubject,
    invoke: () => unknown,
  ): MaybePromise<Verdict> {
    return new FilterCall(this, member, stage, context, subject).run(invoke)
  }

  /** Milliseconds for one call; 0 for no limit. */
  limit({ definition, shadow }: ComposedFilter, stage: FilterStage): number {
    const servers = Math.floor(this.#settings.deadlines[EVENTS[stage]] * SHARE)
    const limits = [
      definition.deadlines?.[stage] ?? 0,
      servers,
      shadow ? SHADOW_LIMIT : 0,
    ].filter((limit) => limit > 0)
    return limits.length === 0 ? 0 : Math.min(...limits)
  }

  /** Logs a failure, and returns the verdict of the policy. */
  failed(
    member: ComposedFilter,
    stage: FilterStage,
    context: LiveConnectionContext,
    thrown: unknown,
  ): Verdict {
    const error = readable(thrown)
    const { onError } = member.definition
    const own = onError === undefined ? this.#settings.onError : errorVerdict(onError)
    const verdict = member.shadow ? CONTINUE : own
    const { limitedLog } = this.#settings
    logFailure(context.log, limitedLog, { filter: member.name, stage }, error, verdict)
    // A shadow decides nothing.
    const tell = member.shadow ? publishFailure : recordFailure
    tell(context, stage, error, member.name)
    return verdict
  }
}

/** One call of a filter's handler. */
class FilterCall extends HandlerCall<Verdict> {
  readonly #calls: FilterCalls
  readonly #member: ComposedFilter
  readonly #stage: FilterStage
  readonly #subject: CallSubject

  constructor(
    calls: FilterCalls,
    member: ComposedFilter,
    stage: FilterStage,
    context: LiveConnectionContext,
    subject: CallSubject,
  ) {
    super(context, stage, member.name)
    this.#calls = calls
    this.#member = member
    this.#stage = stage
    this.#subject = subject
  }

  protected limit(): number {
    return this.#calls.limit(this.#member, this.#stage)
  }

  protected missed(limit: number): InterruptedError {
    return new InterruptedError(
      'DEADLINE_EXCEEDED',
      `the filter ${JSON.stringify(this.#member.name)} did not answer at ${this.#stage} within ${limit} ms`,
    )
  }

  protected override waits(): void {
    this.#calls.running = this
  }

  protected override over(): void {
    this.#subject.close()
    if (this.#calls.running === this) this.#calls.running = undefined
  }

  /** @throws UsageError INVALID_VERDICT */
  protected done(value: unknown): Verdict {
    return verdictOf(value, EVENTS[this.#stage], this.#stage) ?? CONTINUE
  }

  protected failed(error: unknown): Verdict {
    this.#subject.failed = true
    return this.#calls.failed(this.#member, this.#stage, this.context, error)
  }

  protected override interrupted(reason: InterruptedError): Verdict {
    this.#subject.cut(reason)
    return this.failed(reason)
  }
}
