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
 * The mail server's side of one milter connection, over TCP or a unix socket, to a filter in any language.
 * {@link deliver} sends whole messages as Postfix or Sendmail would. {@link command} sends single commands. Each
 * illegal reply is reported: in {@link violations} if mail servers tolerate it, or as {@link failure} if the
 * connection is unusable after it.
 *
 *     await using client = await MtaClient.connect('inet:8890@127.0.0.1', { mta: 'sendmail' })
 *     const outcome = await client.deliver({ to: 'bob@example.net', message: 'Subject: Hi\n\nHello\n' })
 */
export class MtaClient implements AsyncDisposable {
  /** the options of this client */
  readonly options: MtaClientOptions
  /** what the mail server does with mail when the filter fails */
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
   * Connects to a filter.
   * @param address in the syntax of libmilter, such as `inet:8890@127.0.0.1` or `unix:/path`, or of Postfix,
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

  /** Connects over something other than a socket, such as to a filter in the same process. */
  static async over(open: OpenChannel, options: MtaClientOptions = {}): Promise<MtaClient> {
    const client = new MtaClient(options)
    await client.#connection.open(open)
    return client
  }

  // ---- messages

  /**
   * Sends one message through the filter as the mail server would, and returns the outcome. It negotiates first if
   * necessary. A second message waits until the first is done.
   *
   * It never rejects because of the filter. A failure of the filter is part of the outcome, and of all later outcomes,
   * as it is for the rest of an SMTP session.
   *
   * @throws UsageError INVALID_OPTION for an invalid transaction
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

  /** Ends the SMTP session with QUIT_NC. The next message begins another session on this connection. */
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
   * Sends the offer, and checks the filter's choice as the server does.
   * @throws ProtocolError CHOICE_NOT_OFFERED, MALFORMED_PAYLOAD
   */
  async negotiate(offer: Partial<Offer> = {}): Promise<Choice> {
    return await this.#connection.negotiate(offer)
  }

  /**
   * Sends a command and returns its reply; undefined if the filter has declined the event or does not answer it. At
   * end of message it returns the final reply. The edits before it go to `onEdit`.
   *
   * @throws MilterError REPLY_TIMEOUT, DISCONNECTED
   * @throws ProtocolError UNEXPECTED_REPLY, or another error that made the connection unusable
   */
  async command(
    message: CommandMessage,
    onEdit?: (edit: EditMessage) => void,
  ): Promise<ReplyMessage | undefined> {
    return await this.#connection.command(message, onEdit)
  }

  /** Sends the macros of the command that follows. */
  macros(command: Command, pairs: Readonly<Record<string, string>>): void {
    this.#connection.macros(command, pairs)
  }

  /** Sends a command without waiting for a reply, whatever was negotiated. */
  notify(message: CommandMessage): void {
    this.#connection.notify(message)
  }

  /** Sends ABORT: the client has given up the message (RSET), and the session goes on. */
  reset(): void {
    this.#connection.notify({ type: 'abort' })
  }

  /**
   * Waits for the next reply, to whatever command.
   * @param timeout milliseconds; if undefined, there is no timeout
   */
  async reply(timeout?: number): Promise<ReplyMessage> {
    return await this.#connection.reply(timeout)
  }

  /** Writes raw bytes, for tests of input that no mail server would send. */
  write(bytes: Buffer): void {
    this.#connection.write(bytes)
  }

  /** Ends this side of the connection, with a QUIT or without one. */
  leave(how: 'quit' | 'silently' = 'quit'): void {
    this.#connection.leave(how)
  }

  /** Closes the connection at once, without QUIT. */
  destroy(): void {
    this.#connection.destroy()
  }

  /** Fails the current operation and all later ones, as if the filter had sent something illegal. */
  fail(code: ErrorCode, message: string): MilterError {
    return this.#connection.fail(code, message)
  }

  // ---- state

  /** The mail server that this client behaves like. */
  get model(): MailServerModel {
    return this.#connection.model
  }

  /** The timeouts for replies, in milliseconds. */
  get timeouts(): MtaTimeouts {
    return this.#connection.timeouts
  }

  /** What the filter chose; undefined before the negotiation. */
  get choice(): Choice | undefined {
    return this.#connection.choice
  }

  /** What was negotiated for a command: whether it is sent at all, and whether it gets a reply. */
  handling(type: CommandMessage['type']): 'declined' | 'silent' | 'answered' {
    return this.#connection.handling(type)
  }

  /** Every frame since the latest message began. */
  get trace(): Trace {
    return this.#connection.trace
  }

  /** The filter's violations of the protocol after which the server goes on. */
  get violations(): readonly MilterError[] {
    return this.#connection.violations
  }

  /** The error that made the connection unusable; undefined if there was none. */
  get failure(): MilterError | undefined {
    return this.#connection.failure
  }

  /** The latest reply for which the filter wrote the text, as the server reads it: `%%` is `%`. */
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
