/** Sends a bounce or another notice to the server of its recipient (pymilter's `send_dsn` with a message). */
import { checkAddress } from '../smtp/outgoing-mail.ts'
import { deliverToMx, MxSettings, type MxOptions } from '../smtp/send-mail.ts'
import { bounceResult, type BounceResult } from './bounce-result.ts'

export interface SendBounceOptions extends MxOptions {
  /** the sender; the null sender by default, so that nobody bounces the bounce */
  readonly sender?: string | undefined
  /**
   * the sender for a server that refuses the first one; `postmaster@` and `name` by default, as in pymilter. False: none,
   * and the refusal is the result
   */
  readonly fallbackSender?: string | false | undefined
  /** see `OutgoingMail` */
  readonly smtpUtf8?: boolean | undefined
}

/**
 * Sends a message to one address, at the servers of its domain, from the null sender. The rules and codes are those of
 * `callBack`; the result for a message that may have arrived twice says so (`mayHaveArrived`).
 *
 * It does not ask whether a bounce is allowed: `composeBounce` and `whyNoAnswer` do.
 *
 *     const bounce = composeBounce({ ... })
 *     if (bounce.message !== undefined) await sendBounce(sender, bounce.message, { dns, name })
 *
 * @throws UsageError INVALID_OPTION, INVALID_ADDRESS
 * @throws the reason of `signal`
 */
export async function sendBounce(
  recipient: string,
  message: Uint8Array,
  options: SendBounceOptions,
): Promise<BounceResult> {
  const settings = new MxSettings(options)
  const { sender = '', smtpUtf8 } = options
  const { fallbackSender = sender === '' ? `postmaster@${settings.smtp.name}` : false } =
    options
  const fallback = fallbackSender === false ? undefined : checkAddress('sender', fallbackSender)
  const mail = { sender, recipients: [recipient], message, smtpUtf8 }
  const { recipients } = await deliverToMx(mail, settings, fallback)
  return bounceResult(recipients[0]!)
}
