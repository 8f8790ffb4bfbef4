/** What came of a call-back or a bounce, with the codes that pymilter's `send_dsn` gives. */
import type { RecipientResult, SmtpStep } from '../smtp/send-result.ts'
import type { SmtpFailureReason } from '../smtp/smtp-failure.ts'
import type { ServerReply } from '../smtp/server-reply.ts'

/** What a server said of one address. */
export interface Refusal {
  readonly code: number
  readonly enhanced: string | undefined
  readonly text: string
}

/** All addresses are taken. */
export interface BounceTaken {
  readonly outcome: 'ok'
  readonly code?: undefined
}

/** A server has refused addresses, for now (codes below 500) or for good. */
export interface BounceRefused extends Refusal {
  readonly outcome: 'refused'
  /** the first command that was refused; `mail` means that the server takes no null sender */
  readonly step: SmtpStep
  /** each refused address; `code`, `enhanced` and `text` are those of the first one */
  readonly refused: ReadonlyMap<string, Refusal>
}

/**
 * Nobody could be asked. `code` is what an SMTP reply to the sender would have: 450 if it may be different later, 553 for a
 * server that greets without a name or with ours, 556 for a domain that takes no mail.
 */
export interface BounceFailed extends Refusal {
  readonly outcome: 'failed'
  readonly reason: SmtpFailureReason
  /** whether the whole message was sent, so that it may have arrived */
  readonly mayHaveArrived: boolean
}

/** One of the three. `code` is undefined if all is well, as pymilter gives None. */
export type BounceResult = BounceTaken | BounceRefused | BounceFailed

/** Failures for which it makes no sense to try again; RFC 7505, section 4.1, and pymilter. */
const CODES: ReadonlyMap<SmtpFailureReason, readonly [code: number, enhanced: string]> =
  new Map([
    ['loop', [553, '5.4.6']],
    ['no-name', [553, '5.4.0']],
    ['null-mx', [556, '5.1.10']],
    ['ambiguous-end', [554, '5.6.0']],
  ])

export function failedBounce(
  reason: SmtpFailureReason,
  text: string,
  mayHaveArrived = false,
): BounceFailed {
  const [code, enhanced] = CODES.get(reason) ?? [450, '4.4.0']
  return { outcome: 'failed', code, enhanced, text, reason, mayHaveArrived }
}

/** @param refused the refused addresses with the replies; at least one */
export function refusedBounce(
  step: SmtpStep,
  refused: readonly (readonly [address: string, reply: ServerReply])[],
): BounceRefused {
  const map = new Map(refused.map(([address, reply]) => [address, refusalOf(reply)]))
  return { outcome: 'refused', ...refusalOf(refused[0]![1]), step, refused: map }
}

const refusalOf = ({ code, enhanced, text }: ServerReply): Refusal => ({ code, enhanced, text })

/** The result for a message to one recipient. */
export function bounceResult(result: RecipientResult): BounceResult {
  switch (result.outcome) {
    case 'accepted':
      return { outcome: 'ok' }
    case 'refused':
      return refusedBounce(result.step, [[result.recipient, result.reply]])
    case 'failed':
      return failedBounce(result.reason, result.text, result.mayHaveArrived)
  }
}
