/**
 * Composes bounces: delivery status notifications as multipart/report (RFC 3464, RFC 6522, and RFC 6533 for SMTPUTF8). The
 * message that they are about is attached as exact bytes.
 */
import { isAscii } from 'node:buffer'
import { UsageError } from '../../errors.ts'
import { fits } from '../../mime/encodings/transfer-encoding.ts'
import { LineHeaders } from '../../mime/fields/part-headers.ts'
import { buildPart, newBoundary, type NewPart } from '../../mime/tree/new-part.ts'
import { encodeText } from '../../protocol/text.ts'
import { checkAddress, type CheckedAddress } from '../smtp/outgoing-mail.ts'
import type { RecipientResult } from '../smtp/send-result.ts'
import { uniqueId } from '../unique-id.ts'
import {
  formatDate,
  replyText,
  reportFields,
  wantsNotice,
  type BounceAction,
  type BounceRecipient,
} from './report-fields.ts'
import { whyNoBounce } from './why-no-answer.ts'

/** What a bounce says. */
export interface BounceContent {
  /** the sender of the message, to whom the bounce goes */
  readonly sender: string
  /** the message, or only its header */
  readonly original: Uint8Array
  /** what of it is attached; `headers` by default, as RET=HDRS wants it. RET=FULL means `message` */
  readonly attach?: 'headers' | 'message' | 'nothing' | undefined
  /** those who the bounce is about */
  readonly recipients: readonly BounceRecipient[]
  /** the name of this mail server */
  readonly reportingMta: string
  /** the author; `Mail Delivery System <MAILER-DAEMON@reportingMta>` by default */
  readonly from?: string | undefined
  readonly subject?: string | undefined
  /** the text for a person; a list of recipients with what the servers said, by default */
  readonly text?: string | undefined
  /** the value of ENVID as it came */
  readonly envelopeId?: string | null | undefined
  /** when the message came */
  readonly arrival?: Date | undefined
  /** whether the message came with SMTPUTF8. A sender whose address is not ASCII has it, too. */
  readonly smtpUtf8?: boolean | undefined
}

/**
 * A bounce, or the reason why there must be none:
 *
 * - `null-sender`, `bounce`: see `NoAnswerReason`
 * - `not-wanted`: no recipient wants it (NOTIFY)
 */
export type ComposedBounce =
  | {
      readonly message: Buffer
      /** whether it has to be sent with SMTPUTF8 */
      readonly smtpUtf8: boolean
      readonly reason?: undefined
    }
  | {
      readonly message?: undefined
      readonly reason: 'null-sender' | 'bounce' | 'not-wanted'
    }

const CRLF = '\r\n'

/**
 * A bounce to the sender of a message. There is none for a message that has no sender, or is a bounce itself.
 *
 * Only bounce what you have accepted before, and reject at the end of message where you can: the sender of spam is
 * somebody who did not send it.
 *
 *     const bounce = composeBounce({
 *       sender: 'a@example.org',
 *       original: message,
 *       reportingMta: 'mx.example.net',
 *       recipients: [{ address: 'b@example.net', status: '5.2.2' }],
 *     })
 *
 * @throws UsageError INVALID_ADDRESS, INVALID_OPTION
 */
export function composeBounce(content: BounceContent): ComposedBounce {
  const { sender, recipients, reportingMta } = content
  const original = Buffer.from(content.original)
  const header = headerOf(original)
  const reason = whyNoBounce(sender, new LineHeaders(header, CRLF))
  if (reason !== undefined) return { reason }
  if (recipients.length === 0) {
    throw new UsageError('INVALID_OPTION', 'a bounce is about at least one recipient')
  }
  for (const { status } of recipients) {
    if (/^[245]\.\d{1,3}\.\d{1,3}$/.test(status)) continue
    throw new UsageError(
      'INVALID_OPTION',
      `status has to be an enhanced status code such as 5.1.1; it got ${JSON.stringify(status)}`,
    )
  }
  if (!recipients.every((one) => Object.hasOwn(SAYS, actionOf(one)))) {
    throw new UsageError(
      'INVALID_OPTION',
      `action has to be one of ${Object.keys(SAYS).join(', ')}`,
    )
  }
  const dates = recipients.flatMap((one) => [one.lastAttempt, one.willRetryUntil])
  if ([content.arrival, ...dates].some((date) => date && Number.isNaN(date.getTime()))) {
    throw new UsageError(
      'INVALID_OPTION',
      'arrival, lastAttempt and willRetryUntil take a time',
    )
  }
  if (!/^[!-~]{1,255}$/.test(reportingMta)) {
    throw new UsageError('INVALID_OPTION', 'reportingMta has to be a host name in ASCII')
  }
  const wanted = recipients.filter(wantsNotice)
  if (wanted.length === 0) return { reason: 'not-wanted' }

  const to = checkAddress('sender', sender)
  const utf8 = content.smtpUtf8 === true || to.ascii === undefined
  const parts = [
    buildPart({ content: content.text ?? explanation(wanted, reportingMta) }, CRLF),
    statusPart({ ...content, recipients: wanted }, utf8),
  ]
  const attached = attachment(original, header, content.attach ?? 'headers', utf8)
  if (attached !== undefined) parts.push(attached)

  const body = parts.map((part) => Buffer.concat([part.headers, Buffer.from(CRLF), part.body]))
  const boundary = newBoundary(...body)
  const head = messageHeader(content, wanted, to, utf8)
  head.append(
    'Content-Type',
    encodeText(` multipart/report; report-type=delivery-status;\n boundary="${boundary}"`),
  )
  if (body.some((bytes) => !isAscii(bytes))) head.append('Content-Transfer-Encoding', '8bit')
  const pieces = body.flatMap((bytes) => [
    Buffer.from(`${CRLF}--${boundary}${CRLF}`),
    // The CRLF before a delimiter belongs to the delimiter, so a part ends as it is.
    bytes,
  ])
  return {
    message: Buffer.concat([
      head.toBytes(),
      ...pieces,
      Buffer.from(`${CRLF}--${boundary}--${CRLF}`),
    ]),
    smtpUtf8: utf8,
  }
}

function messageHeader(
  { from, reportingMta, subject }: BounceContent,
  recipients: readonly BounceRecipient[],
  to: CheckedAddress,
  utf8: boolean,
): LineHeaders {
  const head = new LineHeaders(Buffer.alloc(0), CRLF)
  head.append('From', from ?? `Mail Delivery System <MAILER-DAEMON@${reportingMta}>`)
  // An address of the envelope need not be one of a header (dots); the bytes always fit.
  head.append('To', Buffer.concat([Buffer.from(' <'), utf8 ? to.bytes : to.ascii!, GREATER]))
  head.append('Subject', oneLine(subject ?? subjectFor(recipients)))
  head.append('Date', formatDate(new Date()))
  head.append('Message-ID', `<${uniqueId()}@${reportingMta}>`)
  // RFC 3834, section 5: no program answers it.
  head.append('Auto-Submitted', 'auto-replied')
  head.append('MIME-Version', '1.0')
  return head
}

const GREATER = Buffer.from('>')

const oneLine = (text: string): string => text.replaceAll(/[\r\n\0]+/g, ' ')

const actionOf = ({ action }: BounceRecipient): BounceAction => action ?? 'failed'

function subjectFor(recipients: readonly BounceRecipient[]): string {
  const actions = new Set(recipients.map(actionOf))
  if (actions.has('failed')) return 'Undelivered Mail Returned to Sender'
  return actions.has('delayed')
    ? 'Delayed Mail (still being retried)'
    : 'Successful Mail Delivery Report'
}

const SAYS: Readonly<Record<BounceAction, string>> = {
  failed: 'could not be delivered',
  delayed: 'could not be delivered yet, and will be tried again',
  delivered: 'was delivered',
  relayed: 'was handed on to a server that sends no reports',
  expanded: 'was delivered to a list of addresses',
}

function explanation(recipients: readonly BounceRecipient[], reportingMta: string): string {
  const list = recipients.map((one) => {
    const server = one.remoteMta === undefined ? 'the server' : oneLine(one.remoteMta)
    const said =
      one.reply === undefined ? '' : `\n    ${server} said: ${oneLine(replyText(one.reply))}`
    return `<${oneLine(one.address)}>: ${SAYS[actionOf(one)]} (${one.status})${said}\n`
  })
  return `This is the mail system at ${reportingMta}.\n\nThis is about a message that you sent:\n\n${list.join('\n')}`
}

function statusPart(content: BounceContent, utf8: boolean): ReturnType<typeof buildPart> {
  const fields = reportFields(content, utf8)
  const type = utf8 ? 'message/global-delivery-status' : 'message/delivery-status'
  return buildPart({ content: fields, type }, CRLF)
}

function attachment(
  original: Buffer,
  header: Buffer,
  attach: 'headers' | 'message' | 'nothing',
  utf8: boolean,
): ReturnType<typeof buildPart> | undefined {
  if (attach === 'nothing') return undefined
  const whole = attach === 'message'
  const content = whole ? original : header
  return buildPart(whole ? wholeMessage(content, utf8) : headersOnly(content, utf8), CRLF)
}

/**
 * A message must not be encoded (RFC 2046, section 5.2.1), and some bytes do not pass through SMTP as they are: bare CR
 * and LF, NUL, lines above 998 bytes. Such a message is attached as a file, from which the same bytes come back.
 */
function wholeMessage(content: Buffer, utf8: boolean): NewPart {
  return fits(content, '8bit', CRLF)
    ? { content, type: utf8 ? 'message/global' : 'message/rfc822' }
    : {
        content,
        type: 'application/octet-stream',
        filename: 'message.eml',
        encoding: 'base64',
      }
}

function headersOnly(content: Buffer, utf8: boolean): NewPart {
  const plain = fits(content, '7bit', CRLF)
  // message/global-headers may be encoded (RFC 6533, section 6.3), but few programs expect it.
  if (utf8 && fits(content, '8bit', CRLF)) return { content, type: 'message/global-headers' }
  return { content, type: 'text/rfc822-headers', encoding: plain ? '7bit' : 'base64' }
}

/** The header of a message with its last line end, without the empty line. */
function headerOf(message: Buffer): Buffer {
  // What comes after an empty first line is the body, which the sender of a bounce need not get.
  if (/^\r?\n/.test(message.toString('latin1', 0, 2))) return Buffer.alloc(0)
  const text = message.toString('latin1')
  const end = /(\r?\n)\r?\n/.exec(text)
  return end === null ? message : message.subarray(0, end.index + end[1]!.length)
}

/**
 * What a bounce says of a recipient, from the result of `sendMail` or `sendToMx`. `delayed` for those who may be tried
 * again.
 */
export function bounceRecipient(result: RecipientResult): BounceRecipient {
  const { recipient: address, reply, host } = result
  const base = { address, reply, remoteMta: host === undefined ? undefined : oneLine(host) }
  if (result.outcome === 'accepted') {
    return { ...base, action: 'relayed', status: result.reply.enhanced ?? '2.0.0' }
  }
  const code = reply?.code ?? 400
  const action = result.outcome === 'refused' && code >= 500 ? 'failed' : 'delayed'
  return { ...base, action, status: reply?.enhanced ?? (code >= 500 ? '5.0.0' : '4.0.0') }
}
