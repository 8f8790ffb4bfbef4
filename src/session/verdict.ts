import { encodeFrame } from '../protocol/frame.ts'
import { encodeReply, type ReplyMessage } from '../protocol/replies.ts'
import { encodeSmtpReply, makeSmtpReply, type SmtpReply } from '../protocol/smtp-reply.ts'
import { Response } from '../protocol/constants.ts'
import type { VerdictKind } from '../protocol/event-table.ts'

const BRAND = Symbol.for('tsmilter.Verdict')

/** What a filter says to one event. Immutable; the six plain ones are constants. */
export class Verdict<Kind extends VerdictKind = VerdictKind> {
  readonly kind: Kind
  /** the SMTP reply the client gets, if the filter wrote its own */
  readonly reply: SmtpReply | undefined
  /** the verdict on the wire */
  readonly frame: Buffer

  constructor(kind: Kind, smtp?: SmtpReply) {
    this.kind = kind
    this.reply = smtp
    const plain: ReplyMessage = { type: kind }
    this.frame = smtp
      ? encodeFrame(Response.REPLYCODE, encodeSmtpReply(smtp))
      : encodeReply(plain)
    Object.freeze(this)
  }

  static {
    Object.defineProperty(this.prototype, BRAND, { value: true })
  }
}

/** Whether a handler's return value is a verdict, also one of another copy of the package. */
export function isVerdict(value: unknown): value is Verdict {
  return typeof value === 'object' && value !== null && BRAND in value
}

/** Go on with the next event. At end of message: the message passes. */
export const CONTINUE: Verdict<'continue'> = new Verdict('continue')
/** This filter is done with the message (at connect and HELO: with the connection); let it pass. */
export const ACCEPT: Verdict<'accept'> = new Verdict('accept')
/** Refuse for good, with the mail server's own text (550 or 554). At RCPT: this recipient only. */
export const REJECT: Verdict<'reject'> = new Verdict('reject')
/** Refuse for now, with the mail server's own text (451). At RCPT: this recipient only. */
export const TEMPFAIL: Verdict<'tempfail'> = new Verdict('tempfail')
/** Tell the client the message was taken, and drop it. At RCPT too: the whole message. */
export const DISCARD: Verdict<'discard'> = new Verdict('discard')
/** Only for body chunks: no more of them, go on to end of message. */
export const SKIP: Verdict<'skip'> = new Verdict('skip')

/**
 * A refusal with its own SMTP reply: 5xx rejects, 4xx defers; 421 also ends the SMTP session.
 *
 * Without lines a neutral text is sent. `%` needs no care.
 *
 * @param code 400 to 599
 * @param enhanced enhanced status code of the same class such as `5.7.1` (RFC 3463), or null
 * @param lines at most 32 lines of at most 980 bytes each, without line breaks; {@link replyLines} makes
 * them of any text
 * @throws UsageError INVALID_REPLY
 */
export function reply(
  code: number | string,
  enhanced?: string | null,
  ...lines: readonly string[]
): Verdict<'reject' | 'tempfail'> {
  const smtp = makeSmtpReply(code, enhanced, lines)
  return new Verdict(smtp.code < 500 ? 'tempfail' : 'reject', smtp)
}

/** Whether a verdict ends the filter's part in a message (at RCPT a refusal ends only that one). */
export function endsMessage(verdict: Verdict): boolean {
  return verdict.kind !== 'continue' && verdict.kind !== 'skip'
}
