import type { InterruptedError } from '../errors.ts'
import type { LiveConnectionContext } from '../milter/context.ts'
import { childLogger, type Logger } from '../milter/log.ts'
import { Scope } from '../milter/scope.ts'
import type { FilterMember, RecipientStage } from './definition.ts'
import { EnvelopeAddress } from './envelope.ts'
import { MailConnection } from './mail-connection.ts'
import type { MessageSupply } from './mail.ts'

/** What the early stages know of a message. */
export interface EarlyMessage extends MessageSupply {
  readonly sender: EnvelopeAddress
  readonly recipients: readonly EnvelopeAddress[]
}

/** The context of one call of one filter before there is a mail. */
export class StageView implements RecipientStage<unknown> {
  failed = false
  readonly #context: LiveConnectionContext
  readonly #member: FilterMember
  readonly #message: EarlyMessage | undefined
  readonly #scope = new Scope()
  #connection: MailConnection | undefined
  #log: Logger | undefined
  #signal: AbortSignal | undefined

  constructor(
    context: LiveConnectionContext,
    member: FilterMember,
    message: EarlyMessage | undefined,
  ) {
    this.#context = context
    this.#member = member
    this.#message = message
  }

  get id(): number {
    return this.#context.id
  }

  get connection(): MailConnection {
    this.#connection ??= new MailConnection(this.#context)
    return this.#connection
  }

  macro(name: string): string | undefined {
    return this.#context.macro(name)
  }

  get macros(): ReadonlyMap<string, string> {
    return this.#context.macros
  }

  get queueId(): string | undefined {
    return this.#context.queueId
  }

  get log(): Logger {
    this.#log ??= childLogger(this.#context.log, { filter: this.#member.name })
    return this.#log
  }

  get signal(): AbortSignal {
    this.#signal ??= AbortSignal.any([this.#context.signal, this.#scope.signal])
    return this.#signal
  }

  get state(): unknown {
    return this.#message?.stateOf(this.#member)
  }

  get sender(): EnvelopeAddress {
    return this.#message?.sender ?? NOBODY
  }

  get recipients(): readonly EnvelopeAddress[] {
    return this.#message?.recipients ?? []
  }

  close(): void {}

  cut(reason: InterruptedError): void {
    this.#scope.abort(reason)
  }
}

/** The null sender. */
export const NOBODY: EnvelopeAddress = new EnvelopeAddress(['<>'])
