import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A message that a mail server handed on. */
export interface Delivered {
  /** The argument of MAIL FROM with its parameters. */
  readonly sender: string
  /** The arguments of RCPT TO, in the same form. */
  readonly recipients: readonly string[]
  /** The message's bytes: dot-stuffing undone, everything else as it came, last CRLF included. */
  readonly data: Buffer
}

/**
 * The mail server that a server under test delivers to. It accepts everything and keeps the bytes:
 * NUL, 8-bit bytes, bare CR and bare LF too, since only CRLF ends a line of a message.
 */
export class Sink {
  /** Every message so far, in the order of arrival. */
  readonly messages: Delivered[] = []
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #watchers = new Set<() => void>()
  #taken = 0
  #lastChange = Date.now()

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket: Socket) => this.#serve(socket))
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(): Promise<Sink> {
    const server = createServer({ noDelay: true })
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 })
    await once(server, 'listening')
    // A test that forgets to close its server shall end nevertheless.
    server.unref()
    return new Sink(server)
  }

  /** Resolves to the first `count` messages as soon as they are there. */
  async waitFor(count: number, timeoutMs = 30_000): Promise<Delivered[]> {
    await this.#until(
      () => (this.messages.length >= count ? 0 : Infinity),
      timeoutMs,
      () => `${this.messages.length} of ${count} messages delivered`,
    )
    return this.messages.slice(0, count)
  }

  /** The next message that no earlier call of `next` has taken. */
  async next(timeoutMs = 30_000): Promise<Delivered> {
    const index = this.#taken++
    try {
      await this.waitFor(index + 1, timeoutMs)
    } catch (error) {
      this.#taken--
      throw error
    }
    return this.messages[index]!
  }

  /**
   * Resolves when no connection is open and nothing has happened for `ms` milliseconds. To be sure
   * that a message is NOT delivered, wait for `MailServer.idle()` first, which needs no guess.
   */
  async settle(ms = 100, timeoutMs = 30_000): Promise<void> {
    await this.#until(
      () => (this.#sockets.size > 0 ? Infinity : this.#lastChange + ms - Date.now()),
      timeoutMs,
      () => `${this.#sockets.size} connections are still open`,
    )
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** Waits until `left` is at most 0: the time in ms after which to look again, besides at changes. */
  async #until(left: () => number, timeoutMs: number, state: () => string): Promise<void> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const wait = left()
      if (wait <= 0) return
      const rest = deadline - Date.now()
      if (rest <= 0) throw new Error(`after ${timeoutMs / 1000} s: ${state()}`)
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer)
          this.#watchers.delete(wake)
          resolve()
        }
        const timer = setTimeout(wake, Math.min(wait, rest))
        this.#watchers.add(wake)
      })
    }
  }

  #changed(): void {
    this.#lastChange = Date.now()
    for (const wake of this.#watchers) wake()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    this.#changed()
    const session = new SinkSession(socket, (message) => {
      this.messages.push(message)
      this.#changed()
      return this.messages.length
    })
    socket.on('data', (chunk: Buffer) => session.receive(chunk))
    // A server that is being stopped resets its connections; that is no event here.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#changed()
    })
  }
}

const EXTENSIONS = [
  'PIPELINING',
  '8BITMIME',
  'SMTPUTF8',
  'DSN',
  'SIZE 0',
  'ENHANCEDSTATUSCODES',
]
const CRLF = Buffer.from('\r\n')
const DOT = 0x2e

/** One connection: commands, or the lines of a message after DATA. */
class SinkSession {
  readonly #socket: Socket
  readonly #deliver: (message: Delivered) => number
  #pending: Buffer = Buffer.alloc(0)
  /** Where to look on for a line end, so that a line of megabytes is not searched again and again. */
  #searched = 0
  #sender: string | undefined
  #recipients: string[] = []
  #data: Buffer[] | undefined

  constructor(socket: Socket, deliver: (message: Delivered) => number) {
    this.#socket = socket
    this.#deliver = deliver
    this.#say('220 sink.test ESMTP')
  }

  receive(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    let start = 0
    for (;;) {
      const end = this.#pending.indexOf(CRLF, start + this.#searched)
      if (end < 0) break
      this.#searched = 0
      const next = end + CRLF.length
      if (this.#data === undefined) this.#command(this.#pending.toString('latin1', start, end))
      else this.#line(this.#data, this.#pending.subarray(start, next))
      start = next
    }
    this.#pending = this.#pending.subarray(start)
    // The last byte may be the CR of a CRLF.
    this.#searched = Math.max(0, this.#pending.length - 1)
  }

  #say(...lines: string[]): void {
    this.#socket.write(lines.map((line) => `${line}\r\n`).join(''), 'latin1')
  }

  #line(data: Buffer[], line: Buffer): void {
    if (line[0] !== DOT) data.push(line)
    else if (line.length > 3) data.push(line.subarray(1))
    else this.#endOfMessage(Buffer.concat(data))
  }

  #endOfMessage(data: Buffer): void {
    const count = this.#deliver({
      sender: this.#sender ?? '',
      recipients: this.#recipients,
      data,
    })
    this.#reset()
    this.#say(`250 2.0.0 message ${count}`)
  }

  #reset(): void {
    this.#sender = undefined
    this.#recipients = []
    this.#data = undefined
  }

  #command(line: string): void {
    const upper = line.toUpperCase()
    if (upper.startsWith('EHLO')) {
      const words = ['sink.test', ...EXTENSIONS]
      this.#say(...words.map((word, i) => `250${i < words.length - 1 ? '-' : ' '}${word}`))
    } else if (upper.startsWith('HELO')) this.#say('250 sink.test')
    else if (upper.startsWith('MAIL FROM:')) {
      this.#reset()
      this.#sender = line.slice('MAIL FROM:'.length).trim()
      this.#say('250 2.1.0 ok')
    } else if (upper.startsWith('RCPT TO:')) {
      this.#recipients.push(line.slice('RCPT TO:'.length).trim())
      this.#say('250 2.1.5 ok')
    } else if (upper === 'DATA') {
      if (this.#recipients.length === 0) return this.#say('503 5.5.1 no recipient')
      this.#data = []
      this.#say('354 go')
    } else if (upper === 'RSET') {
      this.#reset()
      this.#say('250 2.0.0 ok')
    } else if (upper === 'NOOP') this.#say('250 2.0.0 ok')
    else if (upper === 'QUIT') {
      this.#say('221 2.0.0 bye')
      this.#socket.end()
    } else this.#say('502 5.5.1 unknown')
  }
}
