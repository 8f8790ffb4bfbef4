import { MilterError, ProtocolError, UsageError, type ErrorCode } from '../errors.ts'
import { encodeCommand, type CommandMessage } from '../protocol/commands.ts'
import {
  Action,
  bitNames,
  type Command,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  Reply,
} from '../protocol/constants.ts'
import { EDITS, isEdit, type EditMessage } from '../protocol/edit-table.ts'
import { EVENTS, existsIn, type EventFacts } from '../protocol/event-table.ts'
import {
  encodeFrame,
  FRAME_HEADER_SIZE,
  FrameDecoder,
  type Payload,
} from '../protocol/frame.ts'
import type { Choice, Offer } from '../protocol/negotiation.ts'
import { decodeReply, type ReplyMessage } from '../protocol/replies.ts'
import { decodeText } from '../protocol/text.ts'
import { reasonOf } from '../server/tls.ts'
import { socketChannel, type Channel, type ClientTls, type OpenChannel } from './channel.ts'
import type { FailureAction } from './models/failure-action.ts'
import { mailServerModel } from './models/mail-server-model.ts'
import { CONTENT_COMMANDS, type MailServerModel, type MtaTimeouts } from './models/model.ts'
import type { MailServerChoice } from './models/versions.ts'
import type { Outcome } from './outcome.ts'
import { SmtpSession } from './smtp-session.ts'
import { Trace } from './trace.ts'
import type { Transaction } from './transaction.ts'

export interface MtaClientOptions {
  /**
   * Which server to be: its offer, macros, order of commands, patience, and what it makes of edits. A name alone is
   * the version of Debian stable; `{ postfix: '3.7' }` and `{ sendmail: '8.18.2' }` are others.
   * @default 'postfix'
   */
  readonly mta?: MailServerChoice | undefined
  /** What to offer instead: version, {@link Action} bits, {@link Step} bits. */
  readonly offer?: Partial<Offer> | undefined
  /**
   * Milliseconds to wait for the filter; one number for every reply, or by kind.
   * @default as the server
   */
  readonly timeouts?: number | Partial<MtaTimeouts> | undefined
  /**
   * What becomes of mail when the filter fails: milter_default_action of Postfix, F= of Sendmail, which has no
   * `quarantine`.
   * @default as the server: 'shutdown' with Postfix from 3.10 on, else 'tempfail'
   */
  readonly onFailure?: FailureAction | undefined
  /** Macros to send at a command instead of the server's default ones, as its settings allow. */
  readonly macroLists?: Partial<Record<MacroStageName, readonly string[]>> | undefined
  /**
   * Show the server's own Received field in `outcome.message`, where it stands, as a placeholder that is
   * always the same. The filter does not see it, as it does not see the real one.
   * @default false
   */
  readonly received?: boolean | undefined
}

export const CLIENT_OPTIONS: readonly (keyof MtaClientOptions)[] = [
  'mta',
  'offer',
  'timeouts',
  'onFailure',
  'macroLists',
  'received',
]

/** How a filter is connected to. */
export interface ConnectOptions extends MtaClientOptions {
  /** TLS, for a filter that speaks it; `{}` for one whose certificate Node trusts. */
  readonly tls?: ClientTls | undefined
}

export type MacroStageName = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'eoh' | 'eom'

/** The largest reply that is taken: rspamd sends a whole body in one frame. */
const MAX_REPLY = 64 * 1024 * 1024

/**
 * The mail server's side of one milter connection, over TCP or a unix socket, to any filter in any
 * language. {@link deliver} plays whole messages as Postfix or Sendmail would; {@link command} sends
 * single commands. Each illegal reply is reported: in {@link violations} if mail servers bear it, as
 * {@link failure} if the connection is of no use after it.
 */
export class MtaClient implements AsyncDisposable {
  readonly model: MailServerModel
  readonly options: MtaClientOptions
  /** what becomes of mail when the filter fails */
  readonly onFailure: FailureAction
  /** every frame since the latest message began */
  trace: Trace = new Trace()
  /** what the filter did that the protocol does not allow, though the server goes on */
  readonly violations: MilterError[] = []
  readonly timeouts: MtaTimeouts
  /** the latest reply with a text of the filter's own, as the server reads it: `%%` is `%` */
  replyText = ''
  readonly #decoder = new FrameDecoder(MAX_REPLY)
  readonly #replies: ReplyMessage[] = []
  readonly #waiting: Waiting[] = []
  readonly #closed: Promise<void>
  #whenClosed: () => void = () => {}
  #channel: Channel | undefined
  #failure: MilterError | undefined
  /** this side has ended the connection */
  #ended = false
  #choice: Choice | undefined
  /** what the server makes of it */
  #version: number = PROTOCOL_VERSION
  #steps = 0
  #session: SmtpSession | undefined
  /** settles when the message before is done */
  #delivery: Promise<void> = Promise.resolve()

  private constructor(options: MtaClientOptions) {
    const { mta = 'postfix' } = options
    this.model = mailServerModel(mta)
    const { name, failureActions } = this.model
    const { onFailure = this.model.onFailure } = options
    if (!failureActions.includes(onFailure)) {
      throw new UsageError(
        'INVALID_OPTION',
        `onFailure is ${JSON.stringify(onFailure)}; with ${name} it can be ${failureActions.join(', ')}`,
      )
    }
    this.onFailure = onFailure
    this.options = options
    this.timeouts = timeoutsOf(this.model, options.timeouts)
    this.#closed = new Promise((resolve) => (this.#whenClosed = resolve))
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
    await client.#open(socketChannel(address, client.timeouts.connect, options.tls))
    return client
  }

  /** A client on something that is no socket, such as a filter in the same process. */
  static async over(open: OpenChannel, options: MtaClientOptions = {}): Promise<MtaClient> {
    const client = new MtaClient(options)
    await client.#open(open)
    return client
  }

  async #open(open: OpenChannel): Promise<void> {
    this.#channel = await open({
      received: (chunk) => this.#received(chunk),
      closed: (cause) => {
        if (!this.#ended)
          this.#fail(
            'DISCONNECTED',
            cause === undefined
              ? 'the filter has closed the connection'
              : `the connection is broken: ${reasonOf(cause)}`,
            cause,
          )
        this.#whenClosed()
      },
    })
  }

  /** What the filter chose; undefined before the negotiation. */
  get choice(): Choice | undefined {
    return this.#choice
  }

  /** Why the connection is of no use any more. */
  get failure(): MilterError | undefined {
    return this.#failure
  }

  /**
   * Offers, and checks the filter's choice as the server does.
   * @throws ProtocolError CHOICE_NOT_OFFERED, MALFORMED_PAYLOAD
   */
  async negotiate(offer: Partial<Offer> = {}): Promise<Choice> {
    const offered = { ...this.model.offer, ...this.options.offer, ...offer }
    this.#send({ type: 'optneg', offer: offered })
    const answer = await this.reply(this.timeouts.command)
    if (answer.type !== 'optneg') {
      throw this.#fail('UNEXPECTED_REPLY', `the negotiation was answered with ${answer.type}`)
    }
    this.#choice = answer.choice
    this.#check(offered, answer.choice)
    return answer.choice
  }

  #check(offered: Offer, choice: Choice): void {
    const { negotiation } = this.model
    const flaw = negotiation.flaw(choice, offered)
    if (flaw !== undefined) throw this.#fail('CHOICE_NOT_OFFERED', flaw)
    if (choice.version < OLDEST_PROTOCOL_VERSION) {
      this.#violation('VERSION_TOO_OLD', `version ${choice.version}`)
    }
    const oddity = negotiation.oddity(choice, offered)
    if (oddity !== undefined) this.#violation('CHOICE_NOT_OFFERED', oddity)
    this.#version = negotiation.version(choice, offered)
    this.#steps = negotiation.steps(choice)
  }

  /** Raw bytes, for what no mail server would send. */
  write(bytes: Buffer): void {
    this.trace.add('mta', bytes)
    this.#channel!.write(bytes)
  }

  /** Macros before a command; they go out with it. */
  macros(command: Command, pairs: Readonly<Record<string, string>>): void {
    this.#send({ type: 'macro', command, pairs: Object.entries(pairs) })
  }

  /** What was agreed on for a command: whether it is sent at all, and whether it gets a reply. */
  handling(type: CommandMessage['type']): 'declined' | 'silent' | 'answered' {
    const event = eventOf(type)
    if (event === undefined) return NEVER_ANSWERED.has(type) ? 'silent' : 'answered'
    if (this.agreed(event.noSend) || !this.knows(type)) return 'declined'
    return this.agreed(event.noReply) ? 'silent' : 'answered'
  }

  /** Whether the command exists in the version that was agreed on. */
  knows(type: CommandMessage['type']): boolean {
    const event = eventOf(type)
    return event === undefined || existsIn(event, this.#version)
  }

  /** Whether the server goes by this bit of {@link Step}. */
  agreed(step: number): boolean {
    return (this.#steps & step) !== 0
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
    const handling = this.handling(message.type)
    if (handling === 'declined') return undefined
    this.#refuseUnasked(message.type)
    this.#send(message)
    if (handling === 'silent') return undefined
    const atEnd = message.type === 'eom'
    const patience = CONTENT_COMMANDS.has(message.type)
      ? this.timeouts.content
      : this.timeouts.command
    const end =
      atEnd && this.timeouts.endOfMessage > 0
        ? performance.now() + this.timeouts.endOfMessage
        : Infinity
    for (;;) {
      const reply = await this.reply(Math.min(patience, Math.max(0, end - performance.now())))
      if (reply.type === 'progress') {
        if (atEnd || this.model.takesProgressAnywhere) continue
        throw this.#fail('UNEXPECTED_REPLY', `progress in answer to ${message.type}`)
      }
      if (isEdit(reply)) {
        if (!atEnd)
          throw this.#fail('UNEXPECTED_REPLY', `${reply.type} in answer to ${message.type}`)
        this.#checkAction(reply)
        onEdit?.(reply)
        continue
      }
      if (reply.type === 'optneg' || reply.type === 'conn_fail') {
        throw this.#fail('UNEXPECTED_REPLY', `${reply.type} in answer to ${message.type}`)
      }
      if (reply.type === 'skip' && message.type !== 'body') {
        this.#violation('UNEXPECTED_REPLY', `skip in answer to ${message.type}`)
      }
      return reply
    }
  }

  /** A reply that nobody asked for would be taken for the answer to what is sent next. */
  #refuseUnasked(next: CommandMessage['type']): void {
    const unasked = this.#replies[0]
    if (unasked === undefined || this.#failure !== undefined) return
    throw this.#fail(
      'UNEXPECTED_REPLY',
      `${unasked.type} before ${next}, in answer to nothing: the filter has answered twice, or an event without a reply`,
    )
  }

  #checkAction(edit: EditMessage): void {
    const needed = EDITS[edit.type].action
    if (((this.#choice?.actions ?? 0) & needed) === 0) {
      this.#violation(
        'ACTION_NOT_NEGOTIATED',
        `${edit.type} without ${bitNames(Action, needed)}`,
      )
    }
  }

  /**
   * The next reply, whatever it is for.
   * @param timeout milliseconds; without it as long as it takes
   */
  async reply(timeout?: number): Promise<ReplyMessage> {
    const reply = this.#replies.shift()
    if (reply !== undefined) return reply
    if (this.#failure !== undefined) throw this.#failure
    return new Promise((resolve, reject) => {
      const timer =
        timeout === undefined || timeout >= 2 ** 31
          ? undefined
          : setTimeout(() => {
              this.#fail('REPLY_TIMEOUT', `no reply within ${timeout} ms`)
            }, timeout)
      this.#waiting.push({ resolve, reject, timer })
    })
  }

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
      this.trace = new Trace()
      this.#session ??= new SmtpSession(this)
      return this.#session.deliver(transaction)
    })
    this.#delivery = delivery.then(
      () => {},
      () => {},
    )
    return await delivery
  }

  /** ABORT: the client has given the message up (RSET), the session goes on. */
  reset(): void {
    this.#send({ type: 'abort' })
  }

  /** Ends the SMTP session with QUIT_NC; the next message begins another on this connection. */
  quitNc(): void {
    this.#session = undefined
    this.#send({ type: 'quit_nc' })
  }

  /** Fails what is under way and everything after it, as if the filter had done something illegal. */
  fail(code: ErrorCode, message: string): MilterError {
    return this.#fail(code, message)
  }

  /** Ends the session as the mail server does, and waits until the filter has closed. */
  async quit(): Promise<void> {
    if (!this.#ended) this.#session?.beforeQuit()
    this.leave()
    const timer = setTimeout(() => this.destroy(), this.timeouts.command)
    await this.#closed
    clearTimeout(timer)
  }

  /** Nothing more is sent, after a last QUIT or without one. */
  leave(how: 'quit' | 'silently' = 'quit'): void {
    if (this.#ended || this.#failure !== undefined) return
    if (how === 'quit') this.#send({ type: 'quit' })
    this.#ended = true
    this.#channel!.end()
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.#channel?.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.quit()
  }

  /** Sends a command that gets no reply, whatever was agreed on. */
  notify(message: CommandMessage): void {
    this.#send(message)
  }

  #send(message: CommandMessage): void {
    const bytes = encodeCommand(message)
    const size = bytes.length - FRAME_HEADER_SIZE
    if (size > this.model.maxCommandData) {
      throw this.#fail(
        'TOO_LONG',
        `${this.model.name} gives the filter up: ${message.type} has ${size} bytes of data, and it can send ${this.model.maxCommandData}`,
      )
    }
    this.trace.add('mta', bytes, message)
    if (this.#failure === undefined) this.#channel!.write(bytes)
  }

  #received(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk)
      while (this.#failure === undefined && this.#decoder.next()) {
        const payload = this.#decoder.take()
        const frame = encodeFrame(this.#decoder.command, payload)
        this.#take(this.#decoder.command, payload, frame)
      }
    } catch (error) {
      if (!(error instanceof MilterError)) throw error
      this.#fail(error.code, error.message)
    }
  }

  #take(code: number, payload: Buffer, frame: Buffer): void {
    let reply: ReplyMessage
    try {
      reply = this.#read(code, payload)
    } catch (error) {
      this.trace.add('filter', frame)
      throw error
    }
    this.trace.add('filter', frame, reply)
    const next = this.#waiting.shift()
    if (next === undefined) this.#replies.push(reply)
    else {
      clearTimeout(next.timer)
      next.resolve(reply)
    }
  }

  #read(code: number, payload: Buffer): ReplyMessage {
    const where = { bytes: payload, start: 0, end: payload.length }
    if (code === Reply.REPLYCODE) {
      const text = payload.toString('latin1').replace(/\0$/, '')
      const flaw = this.model.replyFlaw(text)
      if (flaw !== undefined) {
        const what = `the reply ${JSON.stringify(text)}: ${flaw}`
        if (this.model.name === 'postfix') throw new ProtocolError('INVALID_REPLY', what)
        this.#violation('INVALID_REPLY', what)
        return { type: 'reject' }
      }
    }
    if (code === Reply.OPTNEG)
      return { type: 'optneg', choice: this.model.negotiation.read(where) }
    const reply = code === Reply.REPLYCODE ? this.#ownReply(where) : decodeReply(code, where)
    if (payload.length > 0 && isVerdict(reply)) {
      const what = `${reply.type} with ${payload.length} bytes after it`
      if (this.model.refusesPayloadOfVerdicts)
        throw new ProtocolError('MALFORMED_PAYLOAD', what)
      this.#violation('MALFORMED_PAYLOAD', what)
    }
    if (endsWithNul(reply) && payload.at(-1) !== 0) {
      this.#violation('MALFORMED_PAYLOAD', `${reply.type} without a NUL at its end`)
    }
    return reply
  }

  /** A reply with a text, which this server takes; another one need not. */
  #ownReply(payload: Payload): ReplyMessage {
    const { bytes } = payload
    const nul = bytes.indexOf(0)
    const text = decodeText(bytes, 0, nul === -1 ? bytes.length : nul)
    this.replyText = text
      .replaceAll(/%(%?)/g, '$1')
      .replace(/\r?\n$/, '')
      .replaceAll(/\r?\n/g, '\r\n')
    try {
      return decodeReply(Reply.REPLYCODE, payload)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#violation('INVALID_REPLY', `the reply ${JSON.stringify(text)}: ${error.message}`)
      const code = Number(text.slice(0, 3))
      const lines = text.split(/\r?\n/)
      return { type: 'replycode', reply: { code, enhanced: undefined, lines } }
    }
  }

  #violation(code: ErrorCode, what: string): void {
    this.violations.push(new ProtocolError(code, `the filter sent ${what}`))
  }

  #fail(code: ErrorCode, message: string, cause?: Error): MilterError {
    const options = cause === undefined ? undefined : { cause }
    this.#failure ??=
      code === 'DISCONNECTED' || code === 'REPLY_TIMEOUT' || code === 'TOO_LONG'
        ? new MilterError(code, message, options)
        : new ProtocolError(code, `the filter sent ${message}`, options)
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer)
      reject(this.#failure)
    }
    this.#channel?.destroy()
    return this.#failure
  }
}

interface Waiting {
  readonly resolve: (reply: ReplyMessage) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout | undefined
}

type CommandType = CommandMessage['type']

/** The facts of a command that is an event. */
const eventOf = (type: CommandType): EventFacts | undefined =>
  (EVENTS as Partial<Record<CommandType, EventFacts>>)[type]

const NEVER_ANSWERED: ReadonlySet<CommandType> = new Set(['macro', 'abort', 'quit', 'quit_nc'])

const VERDICTS: ReadonlySet<ReplyMessage['type']> = new Set([
  'continue',
  'accept',
  'reject',
  'tempfail',
  'discard',
  'skip',
  'progress',
  'shutdown',
])
const isVerdict = (reply: ReplyMessage): boolean => VERDICTS.has(reply.type)

const endsWithNul = (reply: ReplyMessage): boolean =>
  reply.type === 'replycode' ||
  (isEdit(reply) && EDITS[reply.type].payload.at(-1)!.form.includes('string'))

function timeoutsOf(model: MailServerModel, given: MtaClientOptions['timeouts']): MtaTimeouts {
  if (typeof given !== 'number') return { ...model.timeouts, ...given }
  return {
    connect: given,
    command: given,
    content: given,
    endOfMessage: model.timeouts.endOfMessage,
  }
}
