import { UsageError, type ErrorCode, type MilterError } from '../errors.ts'
import type { CommandMessage } from '../protocol/commands.ts'
import type { Command } from '../protocol/constants.ts'
import type { EditMessage } from '../protocol/edit-table.ts'
import type { Choice, Offer } from '../protocol/negotiation.ts'
import type { ReplyMessage } from '../protocol/replies.ts'
import { socketChannel, type OpenChannel } from './channel.ts'
import type { ConnectOptions, MtaClientOptions } from './client-options.ts'
import { MessageDelivery } from './message-delivery.ts'
import { MilterConnection } from './milter-connection.ts'
import type { FailureAction } from './models/failure-action.ts'
import { mailServerModel } from './models/mail-server-model.ts'
import type { MailServerModel, MtaTimeouts } from './models/model.ts'
import type { Outcome } from './outcome.ts'
import { SmtpSession } from './smtp-session.ts'
import { Trace } from './trace.ts'
import { completeTransaction, type Transaction } from './transaction.ts'

/**
 * The mail server's side of one milter connection, over TCP or a unix socket, to any filter in any
 * language. {@link deliver} plays whole messages as Postfix or Sendmail would; {@link command} sends
 * single commands. Each illegal reply is reported: in {@link violations} if mail servers bear it, as
 * {@link failure} if the connection is of no use after it.
 */
export class MtaClient implements AsyncDisposable {
  readonly options: MtaClientOptions
  /** what becomes of mail when the filter fails */
  readonly onFailure: FailureAction
  readonly #connection: MilterConnection
  #session: SmtpSession | undefined
  /** settles when the message before is done */
  #delivery: Promise<void> = Promise.resolve()

  private constructor(options: MtaClientOptions) {
    const { mta = 'postfix' } = options
    const model = mailServerModel(mta)
    const { onFailure = model.onFailure } = options
    if (!model.failureActions.includes(onFailure)) {
      throw new UsageError(
        'INVALID_OPTION',
        `onFailure is ${JSON.stringify(onFailure)}; with ${model.name} it can be ${model.failureActions.join(', ')}`,
      )
    }
    this.onFailure = onFailure
    this.options = options
    this.#connection = new MilterConnection(
      model,
      timeoutsOf(model, options.timeouts),
      options.offer,
    )
  }

  /**
   * @param address in libmilter's spelling, such as `inet:8890@127.0.0.1` or `unix:/path`, or in Postfix's,
   * `inet:127.0.0.1:8890`
   * @throws MilterError CONNECT_FAILED
   * @throws ListenError INVALID_LISTEN_ADDRESS
   * @throws UsageError INVALID_OPTION
   */
  static async connect(address: string, options: ConnectOptions = {}): Promise<MtaClient> {
    const client = new MtaClient(options)
    await client.#connection.open(socketChannel(address, client.timeouts.connect, options.tls))
    return client
  }

  /** A client on something that is no socket, such as a filter in the same process. */
  static async over(open: OpenChannel, options: MtaClientOptions = {}): Promise<MtaClient> {
    const client = new MtaClient(options)
    await client.#connection.open(open)
    return client
  }

  // ---- messages

  /**
   * Sends one message through the filter as the mail server would, and tells what becomes of it.
   * Negotiates first if that has not been done. Never rejects for what the filter does: a failure is
   * part of the outcome, and of those after it, as it is for the rest of an SMTP session. A second
   * message waits until the first is done.
   *
   * @throws UsageError INVALID_OPTION for a transaction that is none
   */
  async deliver(transaction: Transaction): Promise<Outcome> {
    const before = this.#delivery
    const delivery = before.then(() => {
      const connection = this.#connection
      connection.trace = new Trace()
      this.#session ??= new SmtpSession(connection)
      const complete = completeTransaction(transaction, connection.model)
      const { macroLists, received = false } = this.options
      const options = { onFailure: this.onFailure, macroLists, received }
      return new MessageDelivery(this.#session, connection, complete, options).run()
    })
    this.#delivery = delivery.then(
      () => {},
      () => {},
    )
    return await delivery
  }

  /** Ends the SMTP session with QUIT_NC; the next message begins another on this connection. */
  quitNc(): void {
    this.#session = undefined
    this.#connection.notify({ type: 'quit_nc' })
  }

  /** Ends the session as the mail server does, and waits until the filter has closed. */
  async quit(): Promise<void> {
    const connection = this.#connection
    if (!connection.ended) this.#session?.beforeQuit()
    connection.leave()
    const timer = setTimeout(() => connection.destroy(), this.timeouts.command)
    await connection.closed
    clearTimeout(timer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.quit()
  }

  // ---- single commands

  /**
   * Offers, and checks the filter's choice as the server does.
   * @throws ProtocolError CHOICE_NOT_OFFERED, MALFORMED_PAYLOAD
   */
  async negotiate(offer: Partial<Offer> = {}): Promise<Choice> {
    return await this.#connection.negotiate(offer)
  }

  /**
   * Sends a command and gives its reply; undefined if the filter did not want the event or does not
   * answer it. At end of message: the final reply, after the edits went to `onEdit`.
   *
   * @throws MilterError REPLY_TIMEOUT, DISCONNECTED
   * @throws ProtocolError UNEXPECTED_REPLY and whatever else made the connection useless
   */
  async command(
    message: CommandMessage,
    onEdit?: (edit: EditMessage) => void,
  ): Promise<ReplyMessage | undefined> {
    return await this.#connection.command(message, onEdit)
  }

  /** Macros before a command; they go out with it. */
  macros(command: Command, pairs: Readonly<Record<string, string>>): void {
    this.#connection.macros(command, pairs)
  }

  /** Sends a command that gets no reply, whatever was agreed on. */
  notify(message: CommandMessage): void {
    this.#connection.notify(message)
  }

  /** ABORT: the client has given the message up (RSET), the session goes on. */
  reset(): void {
    this.#connection.notify({ type: 'abort' })
  }

  /**
   * The next reply, whatever it is for.
   * @param timeout milliseconds; without it as long as it takes
   */
  async reply(timeout?: number): Promise<ReplyMessage> {
    return await this.#connection.reply(timeout)
  }

  /** Raw bytes, for what no mail server would send. */
  write(bytes: Buffer): void {
    this.#connection.write(bytes)
  }

  /** Nothing more is sent, after a last QUIT or without one. */
  leave(how: 'quit' | 'silently' = 'quit'): void {
    this.#connection.leave(how)
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.#connection.destroy()
  }

  /** Fails what is under way and everything after it, as if the filter had done something illegal. */
  fail(code: ErrorCode, message: string): MilterError {
    return this.#connection.fail(code, message)
  }

  // ---- what is known

  get model(): MailServerModel {
    return this.#connection.model
  }

  get timeouts(): MtaTimeouts {
    return this.#connection.timeouts
  }

  /** What the filter chose; undefined before the negotiation. */
  get choice(): Choice | undefined {
    return this.#connection.choice
  }

  /** What was agreed on for a command: whether it is sent at all, and whether it gets a reply. */
  handling(type: CommandMessage['type']): 'declined' | 'silent' | 'answered' {
    return this.#connection.handling(type)
  }

  /** Every frame since the latest message began. */
  get trace(): Trace {
    return this.#connection.trace
  }

  /** What the filter did that the protocol does not allow, though the server goes on. */
  get violations(): readonly MilterError[] {
    return this.#connection.violations
  }

  /** Why the connection is of no use any more. */
  get failure(): MilterError | undefined {
    return this.#connection.failure
  }

  /** The latest reply with a text of the filter's own, as the server reads it: `%%` is `%`. */
  get replyText(): string {
    return this.#connection.replyText
  }
}

function timeoutsOf(model: MailServerModel, given: MtaClientOptions['timeouts']): MtaTimeouts {
  if (typeof given !== 'number') return { ...model.timeouts, ...given }
  return {
    connect: given,
    command: given,
    content: given,
    endOfMessage: model.timeouts.endOfMessage,
  }
}
