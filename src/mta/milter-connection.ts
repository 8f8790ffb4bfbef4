import { reasonOf } from '../net/system-error.ts'
import { MilterError, ProtocolError, type ErrorCode } from '../errors.ts'
import { encodeCommand, type CommandMessage } from '../protocol/commands.ts'
import {
  Action,
  bitNames,
  type Command,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
} from '../protocol/constants.ts'
import { EDITS, isEdit, type EditMessage } from '../protocol/edit-table.ts'
import { EVENTS, existsIn, type EventFacts } from '../protocol/event-table.ts'
import { encodeFrame, FRAME_HEADER_SIZE, FrameDecoder } from '../protocol/frame.ts'
import type { Choice, Offer } from '../protocol/negotiation.ts'
import type { ReplyMessage } from '../protocol/replies.ts'
import type { Channel, OpenChannel } from './channel.ts'
import { CONTENT_COMMANDS, type MailServerModel, type MtaTimeouts } from './models/model.ts'
import { ReplyReader } from './reply-reader.ts'
import { Trace } from './trace.ts'

/** The largest reply that is taken: rspamd sends a whole body in one frame. */
const MAX_REPLY = 64 * 1024 * 1024

/**
 * One connection of a modelled mail server to a filter: the negotiation, commands and their replies, the filter's
 * violations of the protocol, and every frame. It knows nothing of messages; see `smtp-session.ts`.
 */
export class MilterConnection {
  readonly model: MailServerModel
  readonly timeouts: MtaTimeouts
  /** every frame since the latest message began */
  trace: Trace = new Trace()
  /** the filter's violations of the protocol after which the server goes on */
  readonly violations: MilterError[] = []
  readonly #offer: Partial<Offer> | undefined
  readonly #reader: ReplyReader
  readonly #decoder = new FrameDecoder(MAX_REPLY)
  readonly #replies: ReplyMessage[] = []
  readonly #waiting: Waiting[] = []
  /** settles when the filter has closed, or was made to */
  readonly closed: Promise<void>
  #whenClosed: () => void = () => {}
  #channel: Channel | undefined
  #failure: MilterError | undefined
  /** this side has ended the connection */
  #ended = false
  #choice: Choice | undefined
  /** what the server makes of it */
  #version: number = PROTOCOL_VERSION
  #steps = 0

  /** @param offer the offer, if it is not that of the server */
  constructor(model: MailServerModel, timeouts: MtaTimeouts, offer?: Partial<Offer>) {
    this.model = model
    this.timeouts = timeouts
    this.#offer = offer
    this.#reader = new ReplyReader(model, (code, what) => this.#violation(code, what))
    this.closed = new Promise((resolve) => (this.#whenClosed = resolve))
  }

  /** @throws MilterError CONNECT_FAILED */
  async open(open: OpenChannel): Promise<void> {
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

  /** The latest reply for which the filter wrote the text, as the server reads it: `%%` is `%`. */
  get replyText(): string {
    return this.#reader.text
  }

  /** This side has ended the connection. */
  get ended(): boolean {
    return this.#ended
  }

  /** The error that made the connection unusable; undefined if there was none. */
  get failure(): MilterError | undefined {
    return this.#failure
  }

  /**
   * Sends the offer, and checks the filter's choice as the server does.
   * @throws ProtocolError CHOICE_NOT_OFFERED, MALFORMED_PAYLOAD
   */
  async negotiate(offer: Partial<Offer> = {}): Promise<Choice> {
    const offered = { ...this.model.offer, ...this.#offer, ...offer }
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

  /** Writes raw bytes, for tests of input that no mail server would send. */
  write(bytes: Buffer): void {
    this.trace.add('mta', bytes)
    this.#channel!.write(bytes)
  }

  /** Sends the macros of the command that follows. */
  macros(command: Command, pairs: Readonly<Record<string, string>>): void {
    this.#send({ type: 'macro', command, pairs: Object.entries(pairs) })
  }

  /** What was negotiated for a command: whether it is sent at all, and whether it gets a reply. */
  handling(type: CommandMessage['type']): 'declined' | 'silent' | 'answered' {
    const event = eventOf(type)
    if (event === undefined) return NEVER_ANSWERED.has(type) ? 'silent' : 'answered'
    if (this.agreed(event.noSend) || !this.knows(type)) return 'declined'
    return this.agreed(event.noReply) ? 'silent' : 'answered'
  }

  /** Whether the command exists in the negotiated version. */
  knows(type: CommandMessage['type']): boolean {
    const event = eventOf(type)
    return event === undefined || existsIn(event, this.#version)
  }

  /** Whether the server goes by this bit of {@link Step}. */
  agreed(step: number): boolean {
    return (this.#steps & step) !== 0
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

  /** An unasked reply would be taken for the answer to the next command. */
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
   * Waits for the next reply, to whatever command.
   * @param timeout milliseconds; if undefined, there is no timeout
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

  /** Fails the current operation and all later ones, as if the filter had sent something illegal. */
  fail(code: ErrorCode, message: string): MilterError {
    return this.#fail(code, message)
  }

  /** Ends this side of the connection, with a QUIT or without one. */
  leave(how: 'quit' | 'silently' = 'quit'): void {
    if (this.#ended || this.#failure !== undefined) return
    if (how === 'quit') this.#send({ type: 'quit' })
    this.#ended = true
    this.#channel!.end()
  }

  /** Closes the connection at once, without QUIT. */
  destroy(): void {
    this.#channel?.destroy()
  }

  /** Sends a command without waiting for a reply, whatever was negotiated. */
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
      reply = this.#reader.read(code, payload)
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
