import { Command } from '../protocol/constants.ts'
import { EVENT_BY_COMMAND, EVENTS } from '../protocol/event-table.ts'
import {
  NO_MESSAGE,
  next,
  Turn,
  type MessagePhase,
  type MessageState,
} from './message-state.ts'
import { ACCEPT, CONTINUE, endsMessage, SKIP, type Verdict } from './verdict.ts'

/**
 * The messages of one SMTP session, one after the other: the state of the current one, and its verdicts. The
 * transitions between states are in `message-state.ts`.
 */
export class MessageLife {
  #state: MessageState = NO_MESSAGE
  #settled: Verdict = CONTINUE
  #verdictAhead: Verdict | undefined
  /** messages that have begun */
  count = 0
  /**
   * The mail server must not be told "accept" before the content: it would let pass what comes after this
   * message, too.
   */
  keepsAccept = false

  get phase(): MessagePhase {
    return this.#state.phase
  }

  /** The answer for a settled or cut message, if the mail server goes on with it. */
  get settled(): Verdict {
    return this.#settled
  }

  /** The filter wants no more of the body. */
  get skipping(): boolean {
    return this.#state.skipping
  }

  /** End of message has come, and is not answered yet. */
  get ending(): boolean {
    return this.#state.phase === 'open' && this.#state.order === EVENTS.eom.order
  }

  /** The mail server is in the middle of a message that is to get "accept" at its end. */
  get keptAccept(): boolean {
    return this.#state.kept && this.#state.phase === 'settled'
  }

  /** @returns the verdict of an earlier failure: then this message is settled before its first event */
  begin(): Verdict | undefined {
    const ahead = this.#state.settles === 'nothing' ? undefined : this.#verdictAhead
    this.#turn(Turn.BEGIN)
    this.count++
    return ahead
  }

  /** Whether a command may come at this point of the message; if so, the message is there now. */
  advance(command: number): boolean {
    return this.#turn(command)
  }

  skip(): void {
    this.#turn(Turn.SKIP)
  }

  /** The filter has said its last word; should more of the message come, that word is repeated. */
  settle(verdict: Verdict): void {
    this.#turn(Turn.LAST_WORD)
    this.#settled = repeated(verdict)
  }

  /** A handler was not waited for; `verdict` was given in its place. */
  cut(verdict: Verdict): void {
    this.#turn(Turn.CUT_OFF)
    this.#settled = repeated(verdict)
  }

  /** The answer to the mail server for a verdict of the filter on an event of the message. */
  said(command: number, verdict: Verdict): Verdict {
    if (!this.keepsAccept || verdict.kind !== 'accept') return verdict
    if (EVENT_BY_COMMAND[command]!.order > EVENTS.data.order) return verdict
    this.#turn(Turn.KEEP_ACCEPT)
    return CONTINUE
  }

  /** To an event of a message that is settled or cut. */
  answer(command: number, maySkip: boolean): Verdict {
    return this.#state.kept && maySkip && command === Command.BODY ? SKIP : this.#settled
  }

  /** To the end of a settled message. */
  get lastWord(): Verdict {
    return this.#state.kept ? ACCEPT : this.#settled
  }

  end(): void {
    this.#turn(Turn.OVER)
  }

  /**
   * The handler of an event that is of no message and gets no reply has failed: mail must not pass as if it had
   * not. At CONNECT that is all mail of the session, as an answer there would be for all of it. At HELO and
   * UNKNOWN it is the message the event came in, or the next one, and no other: else one failure would
   * defer everything on a connection that lasts for hours.
   * @returns whether the open message is to be settled with the verdict
   */
  settleAhead(command: number, verdict: Verdict): boolean {
    const { phase, settles } = this.#state
    const toAll = command === Command.CONNECT
    if (toAll || settles !== 'all') this.#verdictAhead = verdict
    this.#turn(toAll ? Turn.SETTLE_ALL : Turn.SETTLE_NEXT)
    return phase === 'open'
  }

  /** The SMTP session is over, and with it the verdicts for messages to come. */
  forget(): void {
    this.#turn(Turn.FORGET)
  }

  #turn(input: number): boolean {
    const state = next(this.#state, input)
    if (state === undefined) return false
    this.#state = state
    return true
  }
}

/** "Accept" is said once: after it, the mail server is to go on. */
const repeated = (verdict: Verdict): Verdict => (verdict.kind === 'accept' ? CONTINUE : verdict)

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
