/** Which mail no program may answer, because the answers could go round in circles or annoy a stranger. */

/**
 * - `null-sender`: the message has no sender, or the sender of bounces (`mailer-daemon`)
 * - `bounce`: it is a delivery status notification or another report (RFC 6522)
 * - `auto-submitted`: a program has sent it (RFC 3834)
 * - `bulk`: it has the field Precedence with `bulk`, `junk` or `list`
 * - `list`: it came over a mailing list (RFC 2369, RFC 2919)
 */
export type NoAnswerReason = 'null-sender' | 'bounce' | 'auto-submitted' | 'bulk' | 'list'

/** A header that can be asked for the text of a field: `mail.headers`, or `parseMime(bytes).headers`. */
export interface HeaderText {
  get(name: string): string | undefined
}

/**
 * Why a notice must not be sent about a message (RFC 3834, section 2); undefined if it may be. A bounce of a message that
 * you have refused to deliver needs less: `composeBounce` asks for `null-sender` and `bounce` only.
 *
 *     if (whyNoAnswer(mail.sender.address, mail.headers) === undefined) await sendBounce(...)
 */
export function whyNoAnswer(sender: string, header: HeaderText): NoAnswerReason | undefined {
  const bounce = whyNoBounce(sender, header)
  if (bounce !== undefined) return bounce
  const submitted = header.get('Auto-Submitted')
  // Parameters and comments may follow (RFC 3834, section 5).
  if (submitted !== undefined && !/^\s*no\b/i.test(submitted)) return 'auto-submitted'
  if (/^\s*(?:bulk|junk|list)\b/i.test(header.get('Precedence') ?? '')) return 'bulk'
  return ['List-Id', 'List-Post', 'List-Unsubscribe'].some(
    (name) => header.get(name) !== undefined,
  )
    ? 'list'
    : undefined
}

/** Why no bounce may be sent (RFC 5321, section 6.1). */
export function whyNoBounce(
  sender: string,
  header: HeaderText,
): 'null-sender' | 'bounce' | undefined {
  if (/^<?(?:>?$|"?mailer-daemon"?(?:[@>]|$))/i.test(sender.trim())) return 'null-sender'
  return /^\s*multipart\/report\b/i.test(header.get('Content-Type') ?? '')
    ? 'bounce'
    : undefined
}
