import type { CommandMessage } from '../protocol/commands.ts'
import type { MilterConnection } from './milter-connection.ts'
import type { MacroCommand } from './models/model.ts'
import type { CompleteTransaction } from './transaction.ts'

/** Sends a command with its macros, and returns what its answer means. */
export type SendStep = (
  stage: MacroCommand,
  command: CommandMessage,
) => Promise<Decision | undefined>

/** The end of a message before its time, or of the whole session. */
export interface Decision {
  readonly kind: 'accept' | 'discard' | 'refuse'
  readonly stage: MacroCommand
  readonly reply: string
  /** the connection to the filter is closed without ABORT and QUIT */
  readonly unheard?: boolean
}

/**
 * One SMTP session of a client with the mail server, as the filter sees it: the state between one message
 * (`message-delivery.ts`) and the next.
 */
export class SmtpSession {
  readonly #connection: MilterConnection
  /** a verdict on the whole session */
  #decision: Decision | undefined
  #hungUp = false
  #helo: string | null | undefined
  #connected = false
  #messages = 0
  /** MAIL was sent and nothing has ended the message yet */
  #open = false

  constructor(connection: MilterConnection) {
    this.#connection = connection
  }

  /** Sends CONNECT and HELO if they have not been sent yet. */
  async begin(
    { smtpClient, helo }: Pick<CompleteTransaction, 'smtpClient' | 'helo'>,
    step: SendStep,
  ): Promise<Decision | undefined> {
    if (this.#connection.choice === undefined) await this.#connection.negotiate()
    if (!this.#connected) {
      this.#connected = true
      this.#settle(await step('connect', { type: 'connect', client: smtpClient }))
    }
    if (this.#decision === undefined && helo !== null && helo !== this.#helo) {
      if (this.#open && !this.#connection.model.abortsBetweenMessages) this.#abort()
      this.#helo = helo
      this.#settle(await step('helo', { type: 'helo', name: helo }))
    }
    return this.#decision
  }

  #settle(decision: Decision | undefined): void {
    if (decision === undefined) return
    const { model } = this.#connection
    // DISCARD has no meaning for a session: for Sendmail the filter is done, at CONNECT.
    if (decision.kind === 'discard' && (model.name === 'postfix' || decision.stage === 'helo'))
      return
    this.#decision = decision.kind === 'discard' ? { ...decision, kind: 'accept' } : decision
    const how = model.leaves[this.#decision.kind === 'accept' ? 'accepted' : 'refused']
    if (how !== 'at the end') this.#connection.leave(how)
  }

  messageBegins(): void {
    if (this.#messages++ > 0 && this.#connection.model.abortsBetweenMessages) this.#abort()
    this.#open = true
  }

  /**
   * Sendmail aborts a message that this filter has discarded at RCPT or DATA, if the filter answers MAIL. A message
   * that is over for another reason needs no ABORT. Postfix sends ABORT when the next message begins.
   */
  messageEnds(decision?: Decision): void {
    this.#open = false
    if (this.#connection.model.abortsBetweenMessages) return
    if (decision?.kind !== 'discard' || decision.stage === 'mail') return
    if (this.#connection.handling('mail') === 'answered') this.#abort()
  }

  /** Postfix sends ABORT before QUIT if there was a message. Sendmail sends nothing. */
  beforeQuit(): void {
    if (this.#messages === 0 || !this.#connection.model.abortsBetweenMessages) return
    // One when the message is reset, one when the session is.
    this.#abort()
    this.#abort()
  }

  /** The server ends the session, and sends no more of it to the filter. Postfix resets it with ABORT. */
  hangUp(decision: Decision): void {
    if (this.#hungUp) return
    this.#hungUp = true
    if (this.#connection.failure !== undefined || decision.unheard === true) {
      this.#decision ??= decision
      this.#connection.leave('silently')
      return
    }
    if (this.#decision === undefined) {
      if (this.#messages === 0 && this.#connection.model.abortsBetweenMessages) this.#abort()
      this.beforeQuit()
      this.#decision = decision
    }
    this.#connection.leave()
  }

  /** Whether the server has closed the session, such as after 421. The client gets no reply to later messages. */
  get hungUp(): boolean {
    return this.#hungUp
  }

  #abort(): void {
    if (this.#decision === undefined) this.#connection.notify({ type: 'abort' })
  }
}
