/** A connection to a server that has greeted us: its extensions, and commands with their replies. */
import { SmtpFailure } from './smtp-failure.ts'
import type { SmtpSettings } from './smtp-options.ts'
import type { ServerReply } from './server-reply.ts'
import { SmtpSocket, type Endpoint } from './smtp-socket.ts'
import type { Waits } from './waits.ts'

/** What a server has said about itself. */
export interface SmtpServerFacts {
  /** the first line of its greeting */
  readonly greeting: string
  /** the name in its reply to EHLO */
  readonly name: string
  /** its extensions, names in upper case, with their parameters; without those before TLS */
  readonly extensions: ReadonlyMap<string, string>
  /** the version of TLS, such as `TLSv1.3`; undefined without */
  readonly tls: string | undefined
}

/** Checks the name in a reply to EHLO or HELO, whatever its code. @throws SmtpFailure */
export type NameCheck = (name: string) => void

export class Conversation {
  readonly #socket: SmtpSocket
  readonly #settings: SmtpSettings
  readonly #checkName: NameCheck
  #extensions = new Map<string, string>()
  #greeting = ''
  #name = ''
  #tls: string | undefined

  private constructor(socket: SmtpSocket, settings: SmtpSettings, checkName: NameCheck) {
    this.#socket = socket
    this.#settings = settings
    this.#checkName = checkName
  }

  /**
   * @param name of the server, for its certificate
   * @throws SmtpFailure
   */
  static async open(
    endpoint: Endpoint,
    name: string,
    settings: SmtpSettings,
    waits: Waits,
    checkName: NameCheck = () => {},
  ): Promise<Conversation> {
    try {
      return await Conversation.#open(endpoint, name, settings, waits, checkName)
    } catch (error) {
      const fails = error instanceof SmtpFailure && error.reason === 'tls'
      if (!fails || settings.tls !== 'opportunistic') throw error
      // As Postfix at the level "may": who can break TLS could hide STARTTLS as well.
      return await Conversation.#open(
        endpoint,
        name,
        { ...settings, tls: 'off' },
        waits,
        checkName,
      )
    }
  }

  static async #open(
    endpoint: Endpoint,
    name: string,
    settings: SmtpSettings,
    waits: Waits,
    checkName: NameCheck,
  ): Promise<Conversation> {
    const socket = await SmtpSocket.open(endpoint, settings.timeouts.connect, waits)
    const opened = new Conversation(socket, settings, checkName)
    try {
      await opened.#begin(name)
      return opened
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  get facts(): SmtpServerFacts {
    return {
      greeting: this.#greeting,
      name: this.#name,
      extensions: this.#extensions,
      tls: this.#tls,
    }
  }

  /** The parameters of an extension; undefined if the server does not offer it. */
  extension(name: string): string | undefined {
    return this.#extensions.get(name)
  }

  async #begin(name: string): Promise<void> {
    const { tls, tlsOptions, timeouts } = this.#settings
    const verified = { ...tlsOptions, rejectUnauthorized: tls !== 'opportunistic' }
    if (tls === 'implicit') {
      this.#tls = await this.#socket.startTls(name, verified, timeouts.connect)
    }
    const greeting = await this.#reply('the greeting')
    this.#greeting = greeting.lines[0]!
    if (greeting.code !== 220) throw unavailable('the greeting', greeting)
    await this.#hello()
    if (tls === 'off' || tls === 'implicit') return
    if (!this.#extensions.has('STARTTLS')) {
      if (tls === 'opportunistic') return
      throw new SmtpFailure('tls', 'the server does not offer STARTTLS')
    }
    const reply = await this.command('STARTTLS', 'STARTTLS')
    if (reply.code !== 220) {
      if (tls === 'opportunistic') return
      throw new SmtpFailure('tls', `the server refused STARTTLS: ${reply.text}`, reply)
    }
    this.#tls = await this.#socket.startTls(name, verified, timeouts.connect)
    await this.#hello()
  }

  async #hello(): Promise<void> {
    const { name, protocol } = this.#settings
    this.#extensions = new Map()
    const verb = protocol === 'lmtp' ? 'LHLO' : 'EHLO'
    let reply = await this.command(`${verb} ${name}`, verb)
    const extended = is2yz(reply)
    if (!extended && reply.code >= 500 && verb === 'EHLO') {
      reply = await this.command(`HELO ${name}`, 'HELO')
    }
    this.#name = reply.lines[0]!.trim().split(/\s+/, 1)[0]!
    this.#checkName(this.#name)
    if (!is2yz(reply)) throw unavailable(verb, reply)
    if (!extended) return
    for (const line of reply.lines.slice(1)) {
      const [keyword, parameters] = /^(\S+)\s*(.*)$/s.exec(line.trim())?.slice(1) ?? []
      if (keyword !== undefined) this.#extensions.set(keyword.toUpperCase(), parameters!)
    }
  }

  /**
   * @param line without CRLF
   * @throws SmtpFailure also for the reply 421, after which the server closes the connection
   */
  async command(line: string | Buffer, what: string): Promise<ServerReply> {
    // It would be taken for the answer to the next command, and the next answer for that of the message.
    const early = this.#socket.replySoFar()
    if (early?.code === 421) throw unavailable(`before ${what}`, early)
    if (early !== undefined) {
      throw new SmtpFailure(
        'bad-reply',
        `before ${what} came a reply to nothing: ${early.code} ${early.text}`,
        early,
      )
    }
    const bytes = Buffer.concat([Buffer.from(line as Buffer), CRLF])
    await this.#socket.write(bytes, this.#settings.timeouts.reply, what)
    return await this.#reply(`the reply to ${what}`)
  }

  async #reply(what: string, ms: number = this.#settings.timeouts.reply): Promise<ServerReply> {
    const reply = await this.#socket.reply(ms, what)
    if (reply.code === 421) throw unavailable(what, reply)
    return reply
  }

  /** Writes the bytes of a message. @throws SmtpFailure */
  async data(pieces: Iterable<Buffer>): Promise<void> {
    try {
      for (const piece of pieces) {
        await this.#socket.write(piece, this.#settings.timeouts.reply, 'the message')
      }
    } catch (error) {
      if (!(error instanceof SmtpFailure)) throw error
      // A server that wants no more may say so before it closes the connection.
      const reply = this.#earlyReply()
      throw reply === undefined
        ? error
        : new SmtpFailure(error.reason, `${error.message} (${reply.code} ${reply.text})`, reply)
    }
  }

  #earlyReply(): ServerReply | undefined {
    try {
      return this.#socket.replySoFar()
    } catch {
      return undefined
    }
  }

  /** The reply to a message. @throws SmtpFailure */
  async dataReply(): Promise<ServerReply> {
    return await this.#reply('the reply to the message', this.#settings.timeouts.message)
  }

  /** Says QUIT, and does not wait. */
  quit(): void {
    this.#socket.end(QUIT)
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

const CRLF = Buffer.from('\r\n')
const QUIT = Buffer.from('QUIT\r\n')

export const is2yz = ({ code }: ServerReply): boolean => code >= 200 && code < 300

const unavailable = (what: string, reply: ServerReply): SmtpFailure =>
  new SmtpFailure('unavailable', `${what}: ${reply.code} ${reply.text}`.trim(), reply)
