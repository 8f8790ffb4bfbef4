/** An SMTP server that follows a script, to see what ours do when the other side is slow, dead or lies. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { Identity } from './certificates.ts'

/** Closes the connection without a word. */
export const CLOSE: unique symbol = Symbol('close')
/** Breaks the connection. */
export const RESET: unique symbol = Symbol('reset')
/** Says nothing, ever. */
export const SILENCE: unique symbol = Symbol('silence')
/** Sends lines of one reply that never ends. */
export const ENDLESS: unique symbol = Symbol('endless')
/** Sends a line that never ends. */
export const ENDLESS_LINE: unique symbol = Symbol('endless line')

/** Text is sent with CRLF, bytes as they are. */
export type Answer =
  | string
  | Buffer
  | typeof CLOSE
  | typeof RESET
  | typeof SILENCE
  | typeof ENDLESS
  | typeof ENDLESS_LINE

export interface Script {
  greeting?: Answer
  EHLO?: Answer
  LHLO?: Answer
  HELO?: Answer
  STARTTLS?: Answer
  MAIL?: Answer | ((line: string) => Answer)
  RCPT?: Answer | ((line: string) => Answer)
  DATA?: Answer
  /** after a message; a list is one answer for each recipient (LMTP) */
  message?: Answer | Answer[]
  RSET?: Answer
  QUIT?: Answer
  /** closes after so many bytes of a message */
  closeAfter?: number
  /** reads nothing after DATA */
  deafAtData?: boolean
  tls?: Identity
}

export class FakeSmtpServer implements AsyncDisposable {
  /** all lines of all connections, QUIT left out, because nobody waits for it */
  readonly commands: string[] = []
  /** bytes of messages, dots undone */
  readonly messages: Buffer[] = []
  connections = 0
  script: Script
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, script: Script) {
    this.#server = server
    this.script = script
    server.on('connection', (socket: Socket) => {
      this.connections++
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      new FakeSession(this, socket).say(this.script.greeting ?? '220 fake.test ESMTP')
    })
  }

  static async start(
    script: Script = {},
    where: { host?: string; port?: number; path?: string } = {},
  ): Promise<FakeSmtpServer> {
    const server = createServer({ noDelay: true })
    server.listen(
      where.path === undefined
        ? { host: where.host ?? '127.0.0.1', port: where.port ?? 0 }
        : { path: where.path },
    )
    await once(server, 'listening')
    return new FakeSmtpServer(server, script)
  }

  /** Resolves when no connection is open any more. */
  async idle(): Promise<void> {
    for (const socket of this.#sockets) {
      await new Promise((resolve) => {
        socket.once('close', resolve)
      })
    }
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

const CRLF = Buffer.from('\r\n')

class FakeSession {
  readonly #owner: FakeSmtpServer
  #socket: Socket
  #pending: Buffer = Buffer.alloc(0)
  #data: Buffer[] | undefined
  #received = 0

  constructor(owner: FakeSmtpServer, socket: Socket) {
    this.#owner = owner
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
  }

  say(answer: Answer): void {
    const socket = this.#socket
    if (answer === CLOSE) socket.end()
    else if (answer === RESET) socket.resetAndDestroy()
    else if (answer === ENDLESS || answer === ENDLESS_LINE) {
      const piece = answer === ENDLESS ? '250-more\r\n' : 'x'.repeat(1024)
      const more = (): void => {
        while (!socket.destroyed && socket.write(piece.repeat(16)));
      }
      socket.on('drain', more)
      more()
    } else if (answer !== SILENCE) {
      socket.write(typeof answer === 'string' ? Buffer.from(`${answer}\r\n`) : answer)
    }
  }

  #receive(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk])
    const { closeAfter } = this.#owner.script
    if (this.#data !== undefined) {
      this.#received += chunk.length
      if (closeAfter !== undefined && this.#received > closeAfter) {
        this.#socket.resetAndDestroy()
        return
      }
    }
    for (;;) {
      const end = this.#pending.indexOf(CRLF)
      if (end === -1) return
      const line = this.#pending.subarray(0, end)
      this.#pending = this.#pending.subarray(end + 2)
      if (this.#data === undefined) this.#command(line.toString('utf8'))
      else this.#line(line, this.#data)
    }
  }

  #line(line: Buffer, data: Buffer[]): void {
    if (line.toString('latin1') === '.') {
      this.#data = undefined
      this.#owner.messages.push(Buffer.concat(data))
      const given = this.#owner.script.message ?? '250 2.0.0 taken'
      if (!Array.isArray(given)) this.say(given)
      else for (const answer of given) this.say(answer)
    } else data.push(line[0] === 0x2e ? line.subarray(1) : line, CRLF)
  }

  #command(line: string): void {
    const { script, commands } = this.#owner
    const verb = line.slice(0, 4).toUpperCase()
    if (verb !== 'QUIT') commands.push(line)
    const said = (
      answer: Answer | ((line: string) => Answer) | undefined,
      usual: string,
    ): void => {
      const given: Answer | undefined = typeof answer === 'function' ? answer(line) : answer
      this.say(given ?? usual)
    }
    switch (verb) {
      case 'EHLO':
        return said(script.EHLO, '250-fake.test\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE 1000000')
      case 'LHLO':
        return said(script.LHLO, '250-fake.test\r\n250 8BITMIME')
      case 'HELO':
        return said(script.HELO, '250 fake.test')
      case 'MAIL':
        return said(script.MAIL, '250 2.1.0 ok')
      case 'RCPT':
        return said(script.RCPT, '250 2.1.5 ok')
      case 'RSET':
        return said(script.RSET, '250 2.0.0 ok')
      case 'DATA': {
        const answer = script.DATA ?? '354 go'
        if (typeof answer === 'string' && answer.startsWith('354')) {
          this.#data = []
          this.#received = 0
          if (script.deafAtData === true) this.#socket.pause()
        }
        return said(answer, '')
      }
      case 'STAR':
        said(script.STARTTLS, '220 2.0.0 go')
        if (script.tls !== undefined && script.STARTTLS === undefined) this.#encrypt(script.tls)
        return
      case 'QUIT':
        said(script.QUIT, '221 2.0.0 bye')
        if (script.QUIT === undefined) this.#socket.end()
        return
      default:
        this.say('502 5.5.1 what')
    }
  }

  #encrypt(identity: Identity): void {
    this.#socket.removeAllListeners('data')
    const socket = new TLSSocket(this.#socket, {
      isServer: true,
      secureContext: createSecureContext(identity),
    })
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.#socket = socket
  }
}
