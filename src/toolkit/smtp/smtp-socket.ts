/** The bytes of a connection to an SMTP server: written within a time, read as replies, encrypted in the middle. */
import { connect as connectSocket, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { SmtpFailure } from './smtp-failure.ts'
import { ReplyReader } from './reply-reader.ts'
import type { ServerReply } from './server-reply.ts'
import type { Waits } from './waits.ts'

/** Where a connection goes to. */
export type Endpoint =
  { readonly host: string; readonly port: number } | { readonly path: string }

/** Milliseconds that a server gets to close the connection after QUIT. */
const CLOSE_TIME = 5_000

export class SmtpSocket {
  readonly #waits: Waits
  #socket: Socket
  #reader = new ReplyReader()
  /** why nothing more will come */
  #over: SmtpFailure | undefined
  #wake: () => void = () => {}

  private constructor(socket: Socket, waits: Waits) {
    this.#socket = socket
    this.#waits = waits
  }

  /** @throws SmtpFailure */
  static async open(endpoint: Endpoint, ms: number, waits: Waits): Promise<SmtpSocket> {
    const socket = connectSocket({ ...endpoint, noDelay: true })
    try {
      await waits.within(ms, 'the connection', () => ready(socket, 'connect', 'unreachable'))
    } catch (error) {
      discard(socket)
      throw error
    }
    const opened = new SmtpSocket(socket, waits)
    opened.#listen()
    return opened
  }

  #listen(): void {
    const over = (text: string): void => {
      this.#over ??= new SmtpFailure('closed', text)
      this.#wake()
    }
    this.#socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk)
      // Nobody asked for so much. What follows stays in the kernel, and then with the server.
      if (this.#reader.full) this.#socket.pause()
      this.#wake()
    })
    this.#socket.on('error', (error) => over(`the connection broke: ${error.message}`))
    this.#socket.on('end', () => over('the server closed the connection'))
    this.#socket.on('close', () => over('the connection is closed'))
  }

  /** @throws SmtpFailure */
  async write(bytes: Uint8Array, ms: number, what: string): Promise<void> {
    await this.#waits.within(ms, what, () => this.#written(bytes))
  }

  #written(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error === null || error === undefined) resolve()
        else {
          reject(
            this.#over ?? new SmtpFailure('closed', `the connection broke: ${error.message}`),
          )
        }
      })
    })
  }

  /** @throws SmtpFailure */
  async reply(ms: number, what: string): Promise<ServerReply> {
    return await this.#waits.within(ms, what, async () => {
      for (;;) {
        const reply = this.#reader.take()
        if (reply !== undefined) return reply
        if (this.#over !== undefined) throw this.#over
        this.#socket.resume()
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    })
  }

  /**
   * A reply that has come already.
   *
   * @throws SmtpFailure `bad-reply`
   */
  replySoFar(): ServerReply | undefined {
    return this.#reader.take()
  }

  /**
   * Goes on encrypted.
   *
   * @param name of the server, for SNI and the check of its certificate
   * @returns the version of TLS
   * @throws SmtpFailure `tls`, `bad-reply`
   */
  async startTls(name: string, options: ConnectionOptions, ms: number): Promise<string> {
    // CVE-2011-0411: what came in the clear must not count as encrypted.
    if (this.#reader.pending) {
      throw new SmtpFailure('bad-reply', 'the server sent something between STARTTLS and TLS')
    }
    const plain = this.#socket
    plain.removeAllListeners()
    plain.on('error', () => {})
    let socket: TLSSocket | undefined
    try {
      return await this.#waits.within(ms, 'the TLS handshake', async () => {
        socket = connectTls({
          ...options,
          socket: plain,
          host: name,
          ...(isIP(name) === 0 ? { servername: name } : {}),
        })
        await ready(socket, 'secureConnect', 'tls')
        this.#socket = socket
        this.#listen()
        return socket.getProtocol() ?? 'TLS'
      })
    } catch (error) {
      if (socket !== undefined) discard(socket)
      discard(plain)
      const late = error instanceof SmtpFailure && error.reason === 'timeout'
      throw late ? new SmtpFailure('tls', error.message) : error
    }
  }

  /** Says a last word and does not wait for the answer. */
  end(bytes: Uint8Array): void {
    const socket = this.#socket
    // Whatever comes is the answer, and a server that never stops sending is not listened to.
    socket.removeAllListeners('data').on('data', () => socket.destroy())
    socket.resume()
    socket.setTimeout(CLOSE_TIME, () => socket.destroy())
    socket.end(bytes)
    socket.unref()
  }

  destroy(): void {
    discard(this.#socket)
  }
}

function ready(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  reason: 'unreachable' | 'tls',
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error?: Error): void => {
      const text =
        reason === 'tls' ? 'the TLS handshake failed' : 'the connection cannot be made'
      const cause = error?.message ?? 'the server closed the connection'
      reject(new SmtpFailure(reason, `${text}: ${cause}`))
    }
    const closed = (): void => failed()
    socket.once('error', failed)
    socket.once('close', closed)
    socket.once(event, () => {
      socket.off('error', failed)
      socket.off('close', closed)
      resolve()
    })
  })
}

/** Errors of a socket that nobody waits for are no news. */
function discard(socket: Socket): void {
  socket.on('error', () => {})
  socket.destroy()
}
