import { connect, type Socket } from 'node:net'
import { MilterError, ProtocolError } from '../errors.ts'
import { encodeCommand, type CommandMessage } from '../protocol/commands.ts'
import type { Command } from '../protocol/constants.ts'
import { ALL_ACTIONS, ALL_STEPS, Step } from '../protocol/constants.ts'
import { FrameDecoder } from '../protocol/frame.ts'
import type { Choice, Offer } from '../protocol/negotiation.ts'
import { decodeReply, type ReplyMessage } from '../protocol/replies.ts'
import { parseListenAddress } from '../server/listen-address.ts'

/**
 * The mail server's side of one milter connection: writes commands, reads replies. It follows what
 * was negotiated: events that were declined are not sent, events without a reply are not waited for.
 */
export class MtaClient {
  readonly #socket: Socket
  readonly #decoder = new FrameDecoder(64 * 1024 * 1024)
  readonly #replies: ReplyMessage[] = []
  readonly #waiting: {
    readonly resolve: (reply: ReplyMessage) => void
    readonly reject: (error: Error) => void
  }[] = []
  #failure: Error | undefined
  #choice: Choice | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    // A reset is how the end of a connection looks when something was still under way to it.
    socket.on('error', (cause) =>
      this.#fail(
        new MilterError('DISCONNECTED', `the connection is broken: ${cause.message}`, {
          cause,
        }),
      ),
    )
    socket.on('close', () =>
      this.#fail(new MilterError('DISCONNECTED', 'the filter has closed the connection')),
    )
  }

  /** @param address in libmilter's spelling, such as `inet:8890@127.0.0.1` or `unix:/path` */
  static async connect(address: string): Promise<MtaClient> {
    const target = parseListenAddress(address)
    const socket =
      target.type === 'unix'
        ? connect(target.path)
        : target.type === 'tcp'
          ? connect(target.port, target.host)
          : connect({ fd: target.fd } as never)
    socket.setNoDelay(true)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new MtaClient(socket)
  }

  /** What the filter chose; undefined before the negotiation. */
  get choice(): Choice | undefined {
    return this.#choice
  }

  async negotiate(
    offer: Offer = { version: 6, actions: ALL_ACTIONS, steps: ALL_STEPS },
  ): Promise<Choice> {
    this.write(encodeCommand({ type: 'optneg', offer }))
    const answer = await this.reply()
    if (answer.type !== 'optneg') {
      throw new ProtocolError(
        'MALFORMED_PAYLOAD',
        `the negotiation was answered with ${answer.type}`,
      )
    }
    this.#choice = answer.choice
    return answer.choice
  }

  /** Raw bytes, for what no mail server would send. */
  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** Macros before a command; they go out with it. */
  macros(command: Command, pairs: Readonly<Record<string, string>>): void {
    this.write(encodeCommand({ type: 'macro', command, pairs: Object.entries(pairs) }))
  }

  /** What was agreed on for a command: whether it is sent at all, and whether it gets a reply. */
  handling(type: CommandMessage['type']): 'declined' | 'silent' | 'answered' {
    const steps = this.#choice?.steps ?? 0
    const [declined, silent] = STEPS[type] ?? [0, 0]
    if ((steps & declined) !== 0) return 'declined'
    return NEVER_ANSWERED.has(type) || (steps & silent) !== 0 ? 'silent' : 'answered'
  }

  /**
   * Sends a command and gives its reply; undefined if the filter did not want the event or does not
   * answer it. At end of message: the final reply, after the edits went to `onEdit`.
   */
  async command(
    message: CommandMessage,
    onEdit?: (edit: ReplyMessage) => void,
  ): Promise<ReplyMessage | undefined> {
    const handling = this.handling(message.type)
    if (handling === 'declined') return undefined
    this.write(encodeCommand(message))
    if (handling === 'silent') return undefined
    for (;;) {
      const reply = await this.reply()
      if (isFinal(reply)) return reply
      onEdit?.(reply)
    }
  }

  /** The next reply, whatever it is for. */
  async reply(): Promise<ReplyMessage> {
    const reply = this.#replies.shift()
    if (reply !== undefined) return reply
    if (this.#failure !== undefined) throw this.#failure
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** Ends the session as a mail server does. */
  async quit(): Promise<void> {
    if (this.#failure !== undefined) return
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()))
    this.write(encodeCommand({ type: 'quit' }))
    this.#socket.end()
    await closed
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.#socket.destroy()
  }

  #received(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk)
      while (this.#decoder.next()) {
        const payload = this.#decoder.take()
        const reply = decodeReply(this.#decoder.command, {
          bytes: payload,
          start: 0,
          end: payload.length,
        })
        const next = this.#waiting.shift()
        if (next === undefined) this.#replies.push(reply)
        else next.resolve(reply)
      }
    } catch (error) {
      this.#fail(error as Error)
      this.#socket.destroy()
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
  }
}

type CommandType = CommandMessage['type']

const STEPS: Partial<Record<CommandType, readonly [declined: number, silent: number]>> = {
  connect: [Step.NOCONNECT, Step.NR_CONN],
  helo: [Step.NOHELO, Step.NR_HELO],
  mail: [Step.NOMAIL, Step.NR_MAIL],
  rcpt: [Step.NORCPT, Step.NR_RCPT],
  data: [Step.NODATA, Step.NR_DATA],
  header: [Step.NOHDRS, Step.NR_HDR],
  eoh: [Step.NOEOH, Step.NR_EOH],
  body: [Step.NOBODY, Step.NR_BODY],
  unknown: [Step.NOUNKNOWN, Step.NR_UNKN],
}

const NEVER_ANSWERED: ReadonlySet<CommandType> = new Set(['macro', 'abort', 'quit', 'quit_nc'])

/** Whether a reply ends the answer to a command. */
export function isFinal(reply: ReplyMessage): boolean {
  switch (reply.type) {
    case 'continue':
    case 'accept':
    case 'reject':
    case 'tempfail':
    case 'discard':
    case 'skip':
    case 'replycode':
    case 'shutdown':
    case 'conn_fail':
    case 'optneg':
      return true
    default:
      return false
  }
}
