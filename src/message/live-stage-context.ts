import { setMaxListeners } from 'node:events'
import type { InterruptedError } from '../errors.ts'
import type { LiveConnectionContext } from '../milter/context.ts'
import type { MessageLimits } from '../options/types.ts'
import { NOBODY, type EnvelopeAddress } from '../milter/envelope/envelope-address.ts'
import { childLogger, type Logger } from '../diagnostics/log.ts'
import { Scope } from '../milter/scope.ts'
import type { ServerFacts } from '../milter/mail-server/server-facts.ts'
import type { FilterFacts, RecipientStageContext, StageContext } from './stage-context.ts'
import { MailConnection } from './mail-connection.ts'
import type { BodyStore } from './body-store.ts'

/** The object that a handler gets; it ends with the call. */
export interface CallSubject {
  /** the handler has failed; its edits do not count */
  failed: boolean
  /** the handler is over, in whatever way */
  close(): void
  /** the handler was cut off */
  cut(reason: InterruptedError): void
}

/** The parts of a message other than its content, for all its filters. */
export interface MessageSupply {
  /** a store that goes with the message, and has the limits of the filter that makes it */
  newStore(limits: MessageLimits): BodyStore
  /** the state of a filter, made when it is first asked for */
  stateOf(member: FilterFacts): unknown
}

/** The facts about a message at the early stages. */
export interface EarlyMessage extends MessageSupply {
  readonly sender: EnvelopeAddress
  readonly recipients: readonly EnvelopeAddress[]
}

/** The context of one call of one filter, at any stage. It ends with the call. */
export class CallContext<Context extends LiveConnectionContext>
  implements StageContext, CallSubject
{
  failed = false
  protected readonly context: Context
  protected readonly member: FilterFacts
  readonly #scope = new Scope()
  #connection: MailConnection | undefined
  #log: Logger | undefined
  #signal: AbortSignal | undefined

  constructor(context: Context, member: FilterFacts) {
    this.context = context
    this.member = member
  }

  get id(): number {
    return this.context.id
  }

  get connection(): MailConnection {
    this.#connection ??= new MailConnection(this.context)
    return this.#connection
  }

  get server(): ServerFacts {
    return this.context.server
  }

  macro(name: string): string | undefined {
    return this.context.macro(name)
  }

  get macros(): ReadonlyMap<string, string> {
    return this.context.macros
  }

  get queueId(): string | undefined {
    return this.context.queueId
  }

  get log(): Logger {
    this.#log ??= childLogger(this.context.log, { filter: this.member.name })
    return this.#log
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      this.#signal = AbortSignal.any([this.context.signal, this.#scope.signal])
      // As in Scope.
      setMaxListeners(0, this.#signal)
    }
    return this.#signal
  }

  close(): void {}

  cut(reason: InterruptedError): void {
    this.close()
    this.#scope.abort(() => reason)
  }
}

/** The context of one call of one filter before there is a mail. */
export class LiveStageContext
  extends CallContext<LiveConnectionContext>
  implements RecipientStageContext<unknown>
{
  readonly #message: EarlyMessage | undefined

  constructor(
    context: LiveConnectionContext,
    member: FilterFacts,
    message: EarlyMessage | undefined,
  ) {
    super(context, member)
    this.#message = message
  }

  get state(): unknown {
    return this.#message?.stateOf(this.member)
  }

  get sender(): EnvelopeAddress {
    return this.#message?.sender ?? NOBODY
  }

  get recipients(): readonly EnvelopeAddress[] {
    return this.#message?.recipients ?? []
  }
}
