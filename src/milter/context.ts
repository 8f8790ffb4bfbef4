import { UsageError, type InterruptedError } from '../errors.ts'
import type { AddressFamily, HeaderView, SmtpClient } from '../protocol/commands.ts'
import { Step } from '../protocol/constants.ts'
import type { Choice } from '../protocol/negotiation.ts'
import { encodeText } from '../protocol/text.ts'
import { bounded } from '../diagnostics/bounded-text.ts'
import type { ConnectionState } from './connection-state.ts'
import { Editing, type EditList, type MessageEdits } from './edits.ts'
import { NOBODY as NO_RECIPIENT, type EnvelopeAddress } from './envelope/envelope-address.ts'
import type { KeptEnvelope } from './envelope/kept-envelope.ts'
import { childLogger, type Logger } from '../diagnostics/log.ts'
import { Scope } from './scope.ts'
import { serverFacts, type ServerFacts } from './mail-server/server-facts.ts'
import type { ServerAtHand } from './mail-server/servers-met.ts'

/** The SMTP client. */
export interface ClientConnection {
  /** verified host name, `[address]` or `unknown`; empty if the mail server sent no CONNECT */
  readonly hostname: string
  readonly family: AddressFamily
  readonly address: string | undefined
  /** 0 when not known */
  readonly port: number | undefined
  /** the latest HELO or EHLO name; undefined before it, or if the mail server does not send it */
  readonly helo: string | undefined
}

/** What every handler can ask. */
export interface NegotiateContext {
  /** a number of its own for each connection of this process */
  readonly id: number
  /** lines carry the connection's id, and the queue id once there is one */
  readonly log: Logger
  /**
   * Fires when the connection is over, or this handler has missed its deadline. Each call of a handler has a
   * signal of its own: a deadline does not end what an earlier handler has started.
   */
  readonly signal: AbortSignal
}

export interface ConnectionContext extends NegotiateContext {
  readonly connection: ClientConnection
  /** what was agreed with the mail server: version, actions, steps */
  readonly negotiated: Choice
  /** the value of a macro that holds now, with or without braces; undefined if it has none */
  macro(name: string): string | undefined
  /** all macros that hold now, by name without braces */
  readonly macros: ReadonlyMap<string, string>
  /**
   * the mail server's id of the message, once it has one (Postfix: from the second RCPT or DATA), up to
   * 1,000 characters of it
   */
  readonly queueId: string | undefined
  /** the mail server: which one, its version, its known defects */
  readonly server: ServerFacts
}

/**
 * Of one message; the next message has another. `signal` also fires when it is abandoned. A handler that has
 * missed its deadline keeps its context; what comes of the message after that has another one.
 */
export interface MessageContext extends ConnectionContext {
  /**
   * Of MAIL. It is there in a filter that has a handler `envfrom`, or the mark `withEnvelope` on any.
   * @throws UsageError NOT_READ in others, which are not sent it
   */
  readonly sender: EnvelopeAddress
  /**
   * Those of RCPT that were not refused; at `envrcpt` those before this one. They are there in a filter that
   * has a handler `envrcpt`, or the mark `withEnvelope` on any.
   * @throws UsageError NOT_READ in others, which are not sent them
   * @throws MilterError MESSAGE_TOO_LARGE if there are more than `limits.recipients`
   */
  readonly recipients: readonly EnvelopeAddress[]
}

export interface RecipientContext extends MessageContext {
  /** the one that this is about */
  readonly recipient: EnvelopeAddress
  /** the mail server refuses this recipient itself; seen only with the mark `rejectedRecipients` */
  readonly rejectedByServer: boolean
}

export interface HeaderContext extends MessageContext {
  /**
   * The field's bytes, for signers: `name:value` with the value exactly as it stands in the message
   * (folds are LF). `exact` is false where the mail server cannot tell whether a space followed the
   * colon; then one is assumed.
   */
  readonly raw: { readonly name: Buffer; readonly value: Buffer; readonly exact: boolean }
}

/**
 * End of message: the only place for edits. Each is checked at the call, with a UsageError for what
 * cannot be sent, and all go out together with a verdict that lets the message pass; with any other
 * verdict they are dropped.
 */
export interface EndOfMessageContext extends MessageContext, MessageEdits {
  /** Asks the mail server to wait on. Slow handlers need not call it: it is sent every 5 seconds. */
  progress(): void
}

let lastMessage = 0

const NOBODY: SmtpClient = {
  hostname: '',
  family: 'unknown',
  address: undefined,
  port: undefined,
  rawAddress: '',
}

/** The context of negotiate, connect, helo, unknown and close. */
export class LiveConnectionContext extends Editing implements ConnectionContext {
  scope: Scope = new Scope()
  /** For telemetry: the name of the filter that has decided, where filters have names. */
  decidedBy: string | undefined
  /** For telemetry: the code of the error of the latest handler that failed. */
  failure: string | undefined
  protected readonly state: ConnectionState
  #over = false
  #log: Logger | undefined
  #logged: string | undefined

  constructor(state: ConnectionState) {
    super()
    this.state = state
  }

  // ---- set by the conversation

  /**
   * The handler that was called with this context is not waited for any longer, and keeps it.
   * @returns the context of what comes next
   */
  split(reason: InterruptedError): LiveConnectionContext {
    const next = this.successor()
    next.scope = this.scope.split(reason)
    next.decidedBy = this.decidedBy
    next.failure = this.failure
    return next
  }

  protected successor(): LiveConnectionContext {
    // What its handler sees from now on would be of messages it knows nothing of.
    this.finish()
    return new LiveConnectionContext(this.state)
  }

  /** It is over: macros of what comes next are not its own. */
  finish(): void {
    this.#over = true
  }

  protected get over(): boolean {
    return this.#over
  }

  // ---- for handlers

  get id(): number {
    return this.state.id
  }

  /** For telemetry: the number of the message; undefined outside of messages. */
  get message(): number | undefined {
    return undefined
  }

  get signal(): AbortSignal {
    return this.scope.signal
  }

  get connection(): ClientConnection {
    const { hostname, family, address, port } = this.state.client ?? NOBODY
    return { hostname, family, address, port, helo: this.state.helo }
  }

  get negotiated(): Choice {
    return this.state.terms
  }

  macro(name: string): string | undefined {
    return this.#over ? undefined : this.state.macros.get(name)
  }

  get macros(): ReadonlyMap<string, string> {
    return this.#over ? new Map<string, string>() : this.state.macros.all()
  }

  get queueId(): string | undefined {
    // Sendmail sends the empty value where it has none.
    return bounded(this.macro('i')) || undefined
  }

  get server(): ServerFacts {
    return serverFacts(this.state.mailServer, (name) => this.macro(name))
  }

  /** Without the queue id, for who cannot know whose it is. */
  get connectionLog(): Logger {
    return this.state.log
  }

  /** For the library. */
  get mailServer(): ServerAtHand {
    return this.state.mailServer
  }

  toEditList(what: string): EditList {
    throw tooLate(what, 'eom')
  }

  get log(): Logger {
    const { queueId } = this
    if (this.#log === undefined || this.#logged !== queueId) {
      const fields = queueId === undefined ? {} : { queueId }
      this.#log = childLogger(this.state.logger, { connection: this.id, ...fields })
      this.#logged = queueId
    }
    return this.#log
  }
}

/**
 * The context of one message. It is closed when the message is over, so that work that outlives it
 * can neither edit nor read the next one.
 */
export class LiveMessageContext
  extends LiveConnectionContext
  implements EndOfMessageContext, HeaderContext, RecipientContext
{
  readonly #number: number
  /** with handlers that were cut off and may still run */
  readonly #before: LiveMessageContext | undefined
  readonly #envelope: KeptEnvelope
  #recipient: EnvelopeAddress = NO_RECIPIENT
  #field: HeaderView | undefined
  #edits: EditList | undefined
  #onProgress: (() => void) | undefined
  #lastQueueId: string | undefined

  constructor(state: ConnectionState, envelope: KeptEnvelope, before?: LiveMessageContext) {
    super(state)
    this.#envelope = envelope
    this.#before = before
    this.#number = before === undefined ? ++lastMessage : before.#number
  }

  // ---- set by the conversation

  /** A message that is over has nothing more to come but its clean-up, which is by the same object. */
  override split(reason: InterruptedError): LiveConnectionContext {
    return this.scope.over ? this : super.split(reason)
  }

  protected override successor(): LiveMessageContext {
    return new LiveMessageContext(this.state, this.#envelope, this)
  }

  atRecipient(recipient: EnvelopeAddress): this {
    this.#recipient = recipient
    return this
  }

  atField(field: HeaderView | undefined): this {
    this.#field = field
    return this
  }

  beginEdits(edits: EditList, onProgress: () => void): this {
    this.#edits = edits
    this.#onProgress = onProgress
    return this
  }

  /** The handler is done or was cut off: its edits are as they are. */
  endEdits(): void {
    this.#edits?.letGo()
    this.#edits = undefined
    this.#onProgress = undefined
  }

  override finish(): void {
    this.#lastQueueId = this.queueId
    super.finish()
    this.endEdits()
    this.#before?.finish()
  }

  override get message(): number {
    return this.#number
  }

  // ---- for handlers

  get sender(): EnvelopeAddress {
    this.#needSent('sender', 'MAIL', 'envfrom', Step.NOMAIL)
    return this.#envelope.sender
  }

  get recipients(): readonly EnvelopeAddress[] {
    this.#needSent('recipients', 'RCPT', 'envrcpt', Step.NORCPT)
    return this.#envelope.recipients
  }

  get recipient(): EnvelopeAddress {
    return this.#recipient
  }

  #needSent(what: string, command: string, stage: string, declined: number): void {
    if ((this.state.terms.declined & declined) === 0) return
    throw new UsageError(
      'NOT_READ',
      `${what} needs ${command}, which the mail server does not send to this filter; mark the handler that asks with withEnvelope, or give the filter a handler ${stage}`,
    )
  }

  get rejectedByServer(): boolean {
    return this.macro('rcpt_mailer') === 'error'
  }

  get raw(): { readonly name: Buffer; readonly value: Buffer; readonly exact: boolean } {
    const field = this.#field
    if (this.over || field === undefined) throw tooLate('raw', 'header')
    const exact = keepsLeadingSpace(this.state.terms)
    const value = field.valueBytes
    return {
      name: field.nameBytes,
      value: exact ? value : Buffer.concat([encodeText(' '), value]),
      exact,
    }
  }

  override get queueId(): string | undefined {
    return this.over ? this.#lastQueueId : super.queueId
  }

  /** For the library: a body in pieces, which need not be joined. */
  replaceBodyWith(pieces: readonly Buffer[]): void {
    this.toEditList('replaceBody').replaceBodyWith(pieces)
  }

  /** For the library: a body that is not in memory. */
  replaceBodyFrom(source: AsyncIterable<Buffer>): void {
    this.toEditList('replaceBody').replaceBodyFrom(source)
  }

  progress(): void {
    this.toEditList('progress')
    this.#onProgress?.()
  }

  override toEditList(what: string): EditList {
    if (this.#edits === undefined) throw tooLate(what, 'eom', this.over)
    return this.#edits
  }
}

/** Whether header values come with everything after the colon. */
export function keepsLeadingSpace(terms: Choice): boolean {
  return (terms.steps & Step.HDR_LEADSPC) !== 0
}

export function tooLate(what: string, stage: string, over = false): UsageError {
  return new UsageError(
    'WRONG_STAGE',
    over
      ? `${what} was called when the message was already over: an "await" is missing, or the handler ran into its deadline`
      : `${what} works only while the handler of ${stage} runs; remember what to do and do it there`,
  )
}
