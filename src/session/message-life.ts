import { Command } from '../protocol/constants.ts'
import { EVENT_BY_COMMAND, EVENTS } from '../protocol/event-table.ts'
import { ACCEPT, CONTINUE, endsMessage, SKIP, type Verdict } from './verdict.ts'

/**
 * A message begins with MAIL; it is settled once the filter has said its last word on it, and cut when a handler
 * was not waited for: then it gets the same answers, and `abort` when it ends.
 */
export type MessagePhase = 'none' | 'open' | 'settled' | 'cut'

/**
 * The life of the messages of one SMTP session, one after the other: which command may come now, and what a
 * verdict means for the rest. It knows neither bytes nor handlers.
 */
export class MessageLife {
  #phase: MessagePhase = 'none'
  #order = 0
  #skipping = false
  #settled: Verdict = CONTINUE
  /** "accept" was the last word, and is still to be said */
  #kept = false
  /** to the next message */
  #owed: Verdict | undefined
  #owedToAll: Verdict | undefined
  /** messages that have begun */
  count = 0
  /**
   * The mail server must not be told "accept" before the content: it would let pass what comes after this
   * message, too.
   */
  keepsAccept = false

  get phase(): MessagePhase {
    return this.#phase
  }

  /** What a settled or cut message is answered with, should the mail server go on with it. */
  get settled(): Verdict {
    return this.#settled
  }

  /** The filter wants no more of the body. */
  get skipping(): boolean {
    return this.#skipping
  }

  /** End of message has come, and is not answered yet. */
  get ending(): boolean {
    return this.#phase === 'open' && this.#order === EVENTS.eom.order
  }

  /** @returns the verdict that is owed to this message: then it is settled before its first event */
  begin(): Verdict | undefined {
    const owed = this.#owedToAll ?? this.#owed
    this.#owed = undefined
    this.#phase = 'open'
    this.#order = 0
    this.#skipping = this.#kept = false
    this.count++
    return owed
  }

  /** Whether a command may come at this point of the message; if so, the message is there now. */
  advance(command: number): boolean {
    const { order, repeats } = EVENT_BY_COMMAND[command]!
    if (order < this.#order || (order === this.#order && !repeats)) return false
    this.#order = order
    return true
  }

  skip(): void {
    this.#skipping = true
  }

  /** The filter has said its last word; should more of the message come, that word is repeated. */
  settle(verdict: Verdict): void {
    this.#phase = 'settled'
    this.#repeat(verdict)
  }

  /** A handler was not waited for; `verdict` was given in its place. */
  cut(verdict: Verdict): void {
    this.#phase = 'cut'
    this.#repeat(verdict)
  }

  /** What the mail server is told where the filter has given a verdict on an event of the message. */
  said(command: number, verdict: Verdict): Verdict {
    if (!this.keepsAccept || verdict.kind !== 'accept') return verdict
    if (EVENT_BY_COMMAND[command]!.order > EVENTS.data.order) return verdict
    this.#kept = true
    return CONTINUE
  }

  /** To an event of a message that is settled or cut. */
  answer(command: number, maySkip: boolean): Verdict {
    return this.#kept && maySkip && command === Command.BODY ? SKIP : this.#settled
  }

  /** The mail server is in the middle of a message that is to get "accept" at its end. */
  get owesAccept(): boolean {
    return this.#kept && this.#phase === 'settled'
  }

  /** To the end of a settled message. */
  get lastWord(): Verdict {
    return this.#kept ? ACCEPT : this.#settled
  }

  #repeat(verdict: Verdict): void {
    this.#settled = verdict.kind === 'accept' ? CONTINUE : verdict
  }

  end(): void {
    this.#phase = 'none'
    this.#order = 0
  }

  /**
   * The handler of an event that is of no message and gets no reply has failed: mail must not pass as if it had
   * not. At CONNECT that is all mail of the session, as an answer there would be for all of it. At HELO and
   * UNKNOWN it is the message the event came in, or the next one; a debt that is paid is none, or one failure would
   * defer everything on a connection that lasts for hours.
   * @returns whether the open message is to be settled with the verdict
   */
  owe(command: number, verdict: Verdict): boolean {
    if (command === Command.CONNECT) this.#owedToAll = verdict
    else if (this.#phase === 'none') this.#owed = verdict
    return this.#phase === 'open'
  }

  /** The SMTP session is over, and with it what was owed in it. */
  forget(): void {
    this.#owed = this.#owedToAll = undefined
  }
}

/**
 * Whether a verdict is the last word on the message.
 * @param unsaid the event gets no reply
 */
export function isLastWord(command: number, verdict: Verdict, unsaid: boolean): boolean {
  if (!endsMessage(verdict)) return false
  // Said at RCPT, a refusal is for this recipient alone.
  return (
    unsaid ||
    command !== Command.RCPT ||
    (verdict.kind !== 'reject' && verdict.kind !== 'tempfail')
  )
}

/**
 * A verdict on an event that is of no message. To "accept" at UNKNOWN Postfix takes the filter out of the message, if
 * there is one, and ends its own process at the next MAIL if there is none (milter8.c milter8_mail_event has no case
 * for that state).
 */
export function outsideMessage(command: number, verdict: Verdict): Verdict {
  return command === Command.UNKNOWN && verdict.kind === 'accept' ? CONTINUE : verdict
}
