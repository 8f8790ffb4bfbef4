/** The fields of message/delivery-status (RFC 3464, RFC 6533): what a program reads of a bounce. */
import { encodeText } from '../../protocol/text.ts'
import type { ServerReply } from '../smtp/server-reply.ts'

/** What became of a message (RFC 3464, section 2.3.3). */
export type BounceAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

export interface BounceRecipient {
  readonly address: string
  /** `failed` by default */
  readonly action?: BounceAction | undefined
  /** the enhanced status code (RFC 3463), such as `5.1.1` */
  readonly status: string
  /** the reply of the server that refused the message */
  readonly reply?: Pick<ServerReply, 'code' | 'text' | 'enhanced'> | undefined
  /** its name or address */
  readonly remoteMta?: string | undefined
  /** the value of ORCPT as it came, such as `rfc822;bob+2Btag@example.org` (xtext) */
  readonly originalRecipient?: string | null | undefined
  /** the value of NOTIFY as it came. A recipient who does not want this notice is left out */
  readonly notify?: string | null | undefined
  readonly lastAttempt?: Date | undefined
  /** for `delayed` */
  readonly willRetryUntil?: Date | undefined
}

export interface ReportFacts {
  readonly reportingMta: string
  /** the value of ENVID as it came (xtext) */
  readonly envelopeId?: string | null | undefined
  readonly arrival?: Date | undefined
  readonly recipients: readonly BounceRecipient[]
}

/** A line of a report, without its CRLF (RFC 5322, section 2.1.1), and where it is folded. */
const LONGEST = 990
const FOLD = 76

/** The content of the report, with CRLF. It is ASCII, unless `utf8` is set. */
export function reportFields(facts: ReportFacts, utf8: boolean): Buffer {
  const write = (name: string, value: string | undefined): string =>
    value === undefined ? '' : field(name, value, utf8)
  const groups = [
    write('Original-Envelope-Id', fromXtext(facts.envelopeId)) +
      write('Reporting-MTA', `dns; ${facts.reportingMta}`) +
      write('Arrival-Date', dateOf(facts.arrival)),
    ...facts.recipients.map((one) => {
      const { reply } = one
      return (
        write('Original-Recipient', originalOf(one.originalRecipient, utf8)) +
        write('Final-Recipient', typedAddress(one.address, utf8)) +
        write('Action', one.action ?? 'failed') +
        write('Status', one.status) +
        write('Remote-MTA', one.remoteMta === undefined ? undefined : `dns; ${one.remoteMta}`) +
        write('Diagnostic-Code', reply && `smtp; ${replyText(reply)}`) +
        write('Last-Attempt-Date', dateOf(one.lastAttempt)) +
        write('Will-Retry-Until', dateOf(one.willRetryUntil))
      )
    }),
  ]
  return encodeText(groups.join('\r\n'))
}

/** A reply on one line. */
export const replyText = ({
  code,
  enhanced,
  text,
}: Pick<ServerReply, 'code' | 'text' | 'enhanced'>): string =>
  [code, enhanced, text].filter((part) => part !== undefined && part !== '').join(' ')

/** Whether somebody who gave this NOTIFY wants to know (RFC 3461, section 4.1). */
export function wantsNotice({ notify, action = 'failed' }: BounceRecipient): boolean {
  const wanted = notify?.toUpperCase().split(',')
  if (wanted === undefined) return action === 'failed' || action === 'delayed'
  if (wanted.includes('NEVER')) return false
  const word = action === 'failed' ? 'FAILURE' : action === 'delayed' ? 'DELAY' : 'SUCCESS'
  return wanted.includes(word)
}

function field(name: string, value: string, utf8: boolean): string {
  const clean = utf8 ? plainLine(value) : plainLine(value).replaceAll(/[^ -~]/gu, '?')
  let text = `${name}:`
  let column = text.length
  for (const word of clean.split(' ').filter((one) => one !== '')) {
    const size = Buffer.byteLength(word) + 1
    const folds = column + size > FOLD && column > name.length + 1
    text += folds ? `\r\n ${word}` : ` ${word}`
    column = folds ? size : column + size
  }
  return `${text}\r\n`
}

/** One line that is not too long. A server's text has no bound of its own. */
const plainLine = (value: string): string => {
  // oxlint-disable-next-line no-control-regex
  const line = value.slice(0, LONGEST).replaceAll(/[\0-\x1f\x7f]+/g, ' ')
  const bytes = Buffer.from(line.toWellFormed())
  if (value.length <= LONGEST && bytes.length <= LONGEST - 40) return bytes.toString()
  let end = Math.min(bytes.length, LONGEST - 40)
  // Not in the middle of a character (RFC 3629, section 3).
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return `${bytes.subarray(0, end).toString()}...`
}

/** RFC 6533, section 3: in ASCII, an address in UTF-8 has escapes. */
const typedAddress = (address: string, utf8: boolean): string => {
  if (/^[ -~]*$/.test(address)) return `rfc822; ${address}`
  return `utf-8; ${utf8 ? address : utf8Xtext(address)}`
}

/** `utf-8-addr-xtext` of RFC 6533. */
const utf8Xtext = (address: string): string =>
  address
    .toWellFormed()
    .replaceAll(
      /[^!-~]|[+=\\]/gu,
      (character) => `\\x{${character.codePointAt(0)!.toString(16).toUpperCase()}}`,
    )

function originalOf(given: string | null | undefined, utf8: boolean): string | undefined {
  const text = fromXtext(given)
  const match = /^([\w-]+);\s*(.*)$/s.exec(text ?? '')
  if (match === null) return undefined
  const [, type, address] = match
  return /^[ -~]*$/.test(address!) ? `${type}; ${address}` : typedAddress(address!, utf8)
}

/** The text of an xtext (RFC 3461, section 4). */
const fromXtext = (text: string | null | undefined): string | undefined =>
  text === null || text === undefined
    ? undefined
    : text.replaceAll(/\+([0-9A-F]{2})/g, (_all, hex: string) =>
        String.fromCharCode(parseInt(hex, 16)),
      )

const dateOf = (date: Date | undefined): string | undefined => date && formatDate(date)

/** A date as RFC 5322, section 3.3, has it, in UTC. */
export const formatDate = (date: Date): string => date.toUTCString().replace('GMT', '+0000')
