import { encodeFrame } from '../protocol/frame.ts'
import { encodeReply, type ReplyMessage } from '../protocol/replies.ts'
import { encodeSmtpReply, makeSmtpReply, type SmtpReply } from '../protocol/smtp-reply.ts'
import { Reply } from '../protocol/constants.ts'
import type { VerdictKind } from '../protocol/event-table.ts'

const BRAND = Symbol.for('tsmilter.Verdict')

/** A filter's answer to one event. It is immutable. The six verdicts without a reply of their own are constants. */
export class Verdict<Kind extends VerdictKind = VerdictKind> {
  readonly kind: Kind
  /** the SMTP reply for the client, if the filter gives one */
  readonly reply: SmtpReply | undefined
  /** the verdict on the wire */
  readonly frame: Buffer

  constructor(kind: Kind, smtp?: SmtpReply) {
    this.kind = kind
    this.reply = smtp
    const plain: ReplyMessage = { type: kind }
    this.frame = smtp ? encodeFrame(Reply.REPLYCODE, encodeSmtpReply(smtp)) : encodeReply(plain)
    Object.freeze(this)
  }

  static {
    Object.defineProperty(this.prototype, BRAND, { value: true })
  }
}

/** Whether a handler's return value is a verdict, including one from another copy of the package. */
export function isVerdict(value: unknown): value is Verdict {
  return typeof value === 'object' && value !== null && BRAND in value
}

/** Go on with the next event. At end of message: the message passes. */
export const CONTINUE: Verdict<'continue'> = new Verdict('continue')
/** Let the message pass; this filter is done with it (at connect and HELO: with the connection). */
export const ACCEPT: Verdict<'accept'> = new Verdict('accept')
/** Reject permanently, with the mail server's own text (550 or 554). At RCPT: this recipient only. */
export const REJECT: Verdict<'reject'> = new Verdict('reject')
/** Reject temporarily, with the mail server's own text (451). At RCPT: this recipient only. */
export const TEMPFAIL: Verdict<'tempfail'> = new Verdict('tempfail')
/** Tell the client that the message was accepted, and drop it. At RCPT too this is the whole message. */
export const DISCARD: Verdict<'discard'> = new Verdict('discard')
/** Only at body: the filter wants no more of the body. The next event is end of message. */
export const SKIP: Verdict<'skip'> = new Verdict('skip')

/**
 * A verdict with an SMTP reply that you write: 5xx rejects and 4xx defers; 421 also ends the SMTP session. If you give
 * no lines, a neutral text is sent. You need not escape `%`.
 *
 *     return reply(550, '5.7.1', 'No lotteries here')
 *
 * @param code 400 to 599
 * @param enhanced enhanced status code of the same class such as `5.7.1` (RFC 3463), or null
 * @param lines at most 32 lines of at most 980 bytes each, without line breaks; {@link replyLines} makes
 * them from any text
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

/**
 * Whether a verdict ends the filter's part in a message. (At RCPT, REJECT and TEMPFAIL are for that recipient only.)
 */
export function endsMessage(verdict: Verdict): boolean {
  return verdict.kind !== 'continue' && verdict.kind !== 'skip'
}
