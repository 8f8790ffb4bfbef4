import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** A reply of a mail server, all lines of it. */
export interface SmtpReply {
  /** The number of the last line. */
  readonly code: number
  /** Each line as it was received, without its line end; each byte is one character (latin1). */
  readonly lines: readonly string[]
  /** The lines joined by "\n". */
  readonly text: string
}

export interface SmtpTransaction {
  /** The argument of MAIL FROM with its parameters: `<a@b.test> SIZE=3`. */
  readonly from: string
  /** The arguments of RCPT TO, in the same form. */
  readonly to: readonly string[]
  /** The message with CRLF line ends, not dot-stuffed. */
  readonly message: Buffer
}

export interface SmtpOutcome {
  readonly mail: SmtpReply
  /** One reply per recipient; none when the sender was refused. */
  readonly recipients: readonly SmtpReply[]
  /** The last reply of DATA; absent when no recipient was accepted. */
  readonly data?: SmtpReply
}

const CRLF = Buffer.from('\r\n')
const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e

/**
 * A plain SMTP client: it sends what it is told and nothing by itself, not even EHLO, so that a
 * test decides on every byte that reaches the server.
 */
export class SmtpClient {
  /** The server's first reply, before any command. */
  readonly greeting: SmtpReply
  readonly #wire: Wire

  private constructor(wire: Wire, greeting: SmtpReply) {
    this.#wire = wire
    this.greeting = greeting
  }

  /**
   * Connects to a port on 127.0.0.1 and waits for the greeting. Every wait for a reply is bounded
   * by `timeoutMs` (60 s): as long as Postfix keeps off a service that could not start.
   */
  static async connect(port: number, timeoutMs = 60_000): Promise<SmtpClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const wire = new Wire(socket, timeoutMs)
    try {
      return new SmtpClient(wire, await wire.reply('the greeting'))
    } catch (error) {
      wire.close()
      throw error
    }
  }

  /** Sends one line, CRLF added, and waits for its reply. */
  async command(line: string | Buffer): Promise<SmtpReply> {
    const bytes = typeof line === 'string' ? Buffer.from(line, 'latin1') : line
    this.write(Buffer.concat([bytes, CRLF]))
    return await this.#wire.reply(`the reply to "${excerpt(bytes)}"`)
  }

  /** Sends bytes as they are, for pipelining and for what no client should send. */
  write(bytes: string | Buffer): void {
    this.#wire.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Waits for the next reply. */
  async reply(): Promise<SmtpReply> {
    return await this.#wire.reply('a reply')
  }

  /**
   * DATA and the message. Resolves to the last reply, or to the reply to DATA when that is not 354.
   * Only a dot after CRLF is doubled: a bare LF ends no line here (RFC 5321, section 4.5.2).
   */
  async data(message: Buffer): Promise<SmtpReply> {
    const go = await this.command('DATA')
    if (go.code !== 354) return go
    this.write(stuffed(message))
    return await this.#wire.reply('the reply to the message')
  }

  /** One transaction. DATA is left out when nobody is left to receive the message. */
  async send(transaction: SmtpTransaction): Promise<SmtpOutcome> {
    const mail = await this.command(`MAIL FROM:${transaction.from}`)
    const recipients: SmtpReply[] = []
    if (mail.code >= 300) return { mail, recipients }
    for (const to of transaction.to) recipients.push(await this.command(`RCPT TO:${to}`))
    if (!recipients.some((reply) => reply.code < 300)) return { mail, recipients }
    return { mail, recipients, data: await this.data(transaction.message) }
  }

  /** STARTTLS and the handshake; the server's certificate is not looked at. */
  async startTls(): Promise<SmtpReply> {
    const reply = await this.command('STARTTLS')
    if (reply.code === 220) await this.#wire.secure()
    return reply
  }

  /** QUIT; closes the connection after the reply. */
  async quit(): Promise<SmtpReply> {
    try {
      return await this.command('QUIT')
    } finally {
      this.close()
    }
  }

  /** Closes the connection at once, without a word. */
  close(): void {
    this.#wire.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** The bytes from the server, cut into replies. */
class Wire {
  #socket: Socket
  readonly #timeoutMs: number
  #received: Buffer = Buffer.alloc(0)
  #ended: string | undefined
  #wake: () => void = () => {}

  constructor(socket: Socket, timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#socket = this.#listen(socket)
  }

  #listen<S extends Socket>(socket: S): S {
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    const end = (how: string) => {
      this.#ended ??= how
      this.#wake()
    }
    socket.on('error', (error) => end(`the connection failed (${error.message})`))
    socket.on('end', () => end('the server closed the connection'))
    socket.on('close', () => end('the connection is closed'))
    return socket
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  close(): void {
    this.#socket.destroy()
  }

  async secure(): Promise<void> {
    this.#socket.removeAllListeners('data')
    const socket = connectTls({ socket: this.#socket, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    this.#socket = this.#listen(socket)
  }

  async reply(what: string): Promise<SmtpReply> {
    const deadline = Date.now() + this.#timeoutMs
    for (;;) {
      const reply = this.#take()
      if (reply !== undefined) return reply
      const soFar = this.#received.length === 0 ? '' : `; got only "${excerpt(this.#received)}"`
      if (this.#ended !== undefined) {
        throw new Error(`${this.#ended} instead of sending ${what}${soFar}`)
      }
      const left = deadline - Date.now()
      if (left <= 0) {
        throw new Error(`${what} did not come within ${this.#timeoutMs / 1000} s${soFar}`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** The first complete reply of the bytes received so far. */
  #take(): SmtpReply | undefined {
    const lines: string[] = []
    let start = 0
    for (;;) {
      const end = this.#received.indexOf(LF, start)
      if (end < 0) return undefined
      const cut = end > start && this.#received[end - 1] === CR ? end - 1 : end
      const line = this.#received.toString('latin1', start, cut)
      lines.push(line)
      start = end + 1
      // "250-first", "250 last" (RFC 5321, section 4.2.1)
      if (line[3] !== '-') {
        this.#received = this.#received.subarray(start)
        return { code: Number.parseInt(line.slice(0, 3), 10), lines, text: lines.join('\n') }
      }
    }
  }
}

/** The message as it goes over the wire, with the line of one dot that ends it. */
function stuffed(message: Buffer): Buffer {
  const pieces: Buffer[] = []
  let from = 0
  for (let at = 0; at < message.length;) {
    if (message[at] === DOT) {
      pieces.push(message.subarray(from, at + 1))
      from = at
    }
    const end = message.indexOf(CRLF, at)
    if (end < 0) break
    at = end + CRLF.length
  }
  pieces.push(message.subarray(from))
  const complete = message.length === 0 || message.subarray(-2).equals(CRLF)
  pieces.push(Buffer.from(complete ? '.\r\n' : '\r\n.\r\n'))
  return Buffer.concat(pieces)
}

function excerpt(bytes: Buffer): string {
  const text = bytes.toString('latin1', 0, 100)
  return bytes.length > 100 ? `${text}...` : text
}
