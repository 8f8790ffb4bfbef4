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

/** The SMTP client of the connection, as the mail server describes it. */
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

/** The context of every handler; `negotiate` has nothing more. */
export interface NegotiateContext {
  /** a number that no other connection of this process has */
  readonly id: number
  /** Its lines carry the id of the connection, and the queue id once it is known. */
  readonly log: Logger
  /**
   * Fires when the connection is over, or when this handler has missed its deadline. Each call of a handler has
   * its own signal: a deadline does not end the work that an earlier handler started.
   */
  readonly signal: AbortSignal
}

/** The context of `connect`, `helo`, `unknown` and `close`. */
export interface ConnectionContext extends NegotiateContext {
  /** the SMTP client: its host name, address and HELO name */
  readonly connection: ClientConnection
  /** what was agreed with the mail server: version, actions, steps */
  readonly negotiated: Choice
  /** The current value of a macro, by name with or without braces; undefined if it has none. */
  macro(name: string): string | undefined
  /** all current macros, by name without braces */
  readonly macros: ReadonlyMap<string, string>
  /**
   * The mail server's queue id of the message, once it is known (Postfix: from the second RCPT or DATA). At most
   * the first 1,000 characters of it.
   */
  readonly queueId: string | undefined
  /** the mail server: which one, its version, its known defects */
  readonly server: ServerFacts
}

/**
 * The context of one message; the next message has another. `signal` also fires when the mail server aborts the
 * message. A handler that has missed its deadline keeps its context. Later handlers of the message get a new one.
 */
export interface MessageContext extends ConnectionContext {
  /**
   * The sender, from MAIL. You have it if the filter has a handler `envfrom`, or the mark `withEnvelope` on any
   * handler.
   * @throws UsageError NOT_READ in other filters, because the mail server does not send MAIL to them
   */
  readonly sender: EnvelopeAddress
  /**
   * The recipients that were not refused, from RCPT; at `envrcpt`, those before the current one. You have them if
   * the filter has a handler `envrcpt`, or the mark `withEnvelope` on any handler.
   * @throws UsageError NOT_READ in other filters, because the mail server does not send RCPT to them
   * The list does not change: later events have another.
   * @throws MilterError MESSAGE_TOO_LARGE if there are more than `limits.recipients`; MEMORY_EXHAUSTED, also of
   *   `sender`, if there is no memory for them. The answer is then that of `overload`.
   */
  readonly recipients: readonly EnvelopeAddress[]
}

/** The context of `envrcpt`. */
export interface RecipientContext extends MessageContext {
  /** the recipient of this call */
  readonly recipient: EnvelopeAddress
  /** true if the mail server itself refuses this recipient; you see that only with the mark `rejectedRecipients` */
  readonly rejectedByServer: boolean
}

/** The context of `header`. */
export interface HeaderContext extends MessageContext {
  /**
   * The bytes of the field, for signers: `name:value`, with the value exactly as it is in the message (folds
   * are LF). If the mail server cannot tell whether a space followed the colon, `exact` is false and a space is
   * assumed.
   */
  readonly raw: { readonly name: Buffer; readonly value: Buffer; readonly exact: boolean }
}

/**
 * The context of `eom`, the only handler that can edit the message. Each edit is checked when you call it: an
 * edit that cannot be sent throws a UsageError. The edits go out together, with a verdict that lets the message
 * pass. With any other verdict they are dropped.
 */
export interface EndOfMessageContext extends MessageContext, MessageEdits {
  /** Asks the mail server to keep waiting. You need not call it in slow handlers: it is sent every 5 seconds. */
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
   * The handler that was called with this context was cut off, and keeps it.
   * @returns the context of the events that follow
   */
  split(reason: InterruptedError): LiveConnectionContext {
    const next = this.successor()
    next.scope = this.scope.split(reason)
    next.decidedBy = this.decidedBy
    next.failure = this.failure
    return next
  }

  protected successor(): LiveConnectionContext {
    // Its handler must not see later messages, which it knows nothing of.
    this.finish()
    return new LiveConnectionContext(this.state)
  }

  /** It is over: macros of later events do not belong to it. */
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

  /** Without the queue id, for callers that cannot know which message it belongs to. */
  get connectionLog(): Logger {
    return this.state.log
  }

  /** @internal */
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

  /** After a message is over only its clean-up follows, which uses the same object. */
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

  /** The handler is done or was cut off: it can make no more edits. */
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

  /** @internal A body in pieces, which need not be joined. */
  replaceBodyWith(pieces: readonly Buffer[]): void {
    this.toEditList('replaceBody').replaceBodyWith(pieces)
  }

  /** @internal A body that is not in memory. */
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
