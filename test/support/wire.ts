import { Conversation } from '../../src/milter/conversation.ts'
import type { FilterFactory } from '../../src/milter/filter-object.ts'
import {
  filterSettings,
  type FilterOptions,
  type FilterSettings,
} from '../../src/milter/options.ts'
import { silentLogger, type Logger, type LogLevel } from '../../src/diagnostics/log.ts'
import {
  ServersMet,
  type Macros,
  type ServerAtHand,
} from '../../src/milter/mail-server/servers-met.ts'
import {
  encodeCommand,
  type CommandMessage,
  type SmtpClient,
} from '../../src/protocol/commands.ts'
import { ALL_ACTIONS, ALL_STEPS, Command } from '../../src/protocol/constants.ts'
import { FrameDecoder } from '../../src/protocol/frame.ts'
import type { Offer } from '../../src/protocol/negotiation.ts'
import { decodeReply, type ReplyMessage } from '../../src/protocol/replies.ts'
import type { Transport } from '../../src/session/events.ts'

/** What a filter sent, frame by frame, as data. */
export class RecordingTransport implements Transport {
  readonly sent: ReplyMessage[] = []
  /** the frames of each call of `send` */
  readonly writes: Buffer[][] = []
  acknowledgesLate = false
  closed = false
  paused = false

  send(first: Buffer, rest: readonly Buffer[]): void {
    const frames = [first, ...rest]
    this.writes.push(frames)
    // One frame may come as two buffers (a body chunk): only the whole counts.
    const decoder = new FrameDecoder(2 ** 30)
    decoder.push(Buffer.concat(frames))
    while (decoder.next()) {
      const payload = Buffer.from(decoder.take())
      this.sent.push(
        decodeReply(decoder.command, { bytes: payload, start: 0, end: payload.length }),
      )
    }
  }

  drained(): undefined {}

  close(): void {
    this.closed = true
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }
}

export interface LogLine {
  readonly level: LogLevel
  readonly fields: Record<string, unknown>
  readonly message: string
}

/** A logger that keeps its lines. */
export function recordingLogger(lines: LogLine[], bound: Record<string, unknown> = {}): Logger {
  const at =
    (level: LogLevel) =>
    (first: object | string, message?: string): void => {
      lines.push(
        typeof first === 'string'
          ? { level, fields: bound, message: first }
          : { level, fields: { ...bound, ...first }, message: message ?? '' },
      )
    }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => recordingLogger(lines, { ...bound, ...fields }),
  }
}

/** Warnings and errors, a line each. */
export const warnings = (log: readonly LogLine[]): string[] =>
  log
    .filter(({ level }) => level === 'warn' || level === 'error')
    .map(({ level, message }) => `${level} ${message}`)

/** Most tests are of no server in particular: without defects, and without a line in the log. */
class Faultless extends ServersMet {
  override at(macros: Macros): ServerAtHand {
    return { ...super.at(macros, silentLogger), defects: new Set() }
  }
}

export const FULL_OFFER: Offer = { version: 6, actions: ALL_ACTIONS, steps: ALL_STEPS }

export const PEER: SmtpClient = {
  hostname: 'client.example.org',
  family: 'inet',
  address: '192.0.2.1',
  rawAddress: '192.0.2.1',
  port: 4321,
}

/** A filter with a mail server's side that is moved by hand, all in memory. */
export class Wire {
  readonly transport: RecordingTransport
  readonly log: LogLine[] = []
  readonly settings: FilterSettings
  readonly conversation: Conversation

  constructor(
    factory: FilterFactory,
    options: FilterOptions = {},
    transport = new RecordingTransport(),
    settings: Partial<FilterSettings> = {},
  ) {
    this.transport = transport
    this.settings = {
      ...filterSettings({ logger: recordingLogger(this.log), ...options }),
      servers: new Faultless(),
      ...settings,
    }
    this.conversation = new Conversation(factory, this.settings, this.transport)
  }

  /** A wire that has negotiated. */
  static negotiated(
    factory: FilterFactory,
    options?: FilterOptions,
    offer = FULL_OFFER,
    settings: Partial<FilterSettings> = {},
  ): Wire {
    const wire = new Wire(factory, options, undefined, settings)
    wire.send({ type: 'optneg', offer })
    wire.take()
    return wire
  }

  get session(): Conversation['session'] {
    return this.conversation.session
  }

  /** Commands, all in one chunk. */
  send(...commands: CommandMessage[]): this {
    this.session.receive(Buffer.concat(commands.map(encodeCommand)))
    return this
  }

  raw(bytes: Buffer): this {
    this.session.receive(bytes)
    return this
  }

  /** In memory that has something else behind the bytes, and is overwritten after the call. */
  borrowed(bytes: Buffer): this {
    const memory = Buffer.concat([bytes, Buffer.from('\0\0\0\x01Q', 'latin1')])
    this.session.receiveBorrowed(memory, bytes.length)
    memory.fill(0xee)
    return this
  }

  /** What was sent since the last call. */
  take(): ReplyMessage[] {
    return this.transport.sent.splice(0)
  }

  /** The same as types alone, in one string: `continue continue tempfail`. */
  answers(): string {
    return this.take()
      .map((reply) => reply.type)
      .join(' ')
  }

  /** Lets promises settle. */
  async settle(): Promise<this> {
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
    return this
  }

  errors(): LogLine[] {
    return this.log.filter((line) => line.level === 'error')
  }
}

// ---- commands, short

export const connect = (peer: Partial<SmtpClient> = {}): CommandMessage => ({
  type: 'connect',
  client: { ...PEER, ...peer },
})
export const helo = (name = 'client.example.org'): CommandMessage => ({ type: 'helo', name })
export const mail = (...words: string[]): CommandMessage => ({
  type: 'mail',
  words: words.length > 0 ? words : ['<a@example.org>'],
})
export const rcpt = (...words: string[]): CommandMessage => ({
  type: 'rcpt',
  words: words.length > 0 ? words : ['<b@example.net>'],
})
export const data: CommandMessage = { type: 'data' }
export const header = (name = 'Subject', value = ' hello'): CommandMessage => ({
  type: 'header',
  name,
  value,
})
export const eoh: CommandMessage = { type: 'eoh' }
export const body = (text: string | Buffer = 'body\r\n'): CommandMessage => ({
  type: 'body',
  chunk: Buffer.from(text as string),
})
export const eom = (text = ''): CommandMessage => ({ type: 'eom', chunk: Buffer.from(text) })
export const abort: CommandMessage = { type: 'abort' }
export const quit: CommandMessage = { type: 'quit' }
export const quitNc: CommandMessage = { type: 'quit_nc' }
export const unknown = (line = 'XFOO bar'): CommandMessage => ({ type: 'unknown', line })
export const macros = (
  command: Command,
  pairs: Readonly<Record<string, string>>,
): CommandMessage => ({ type: 'macro', command, pairs: Object.entries(pairs) })

export { Command }
