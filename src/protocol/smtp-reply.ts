import { UsageError } from '../errors.ts'
import { decodeText, encodeText } from './text.ts'

/**
 * The text of a REPLYCODE frame: a whole SMTP reply, with CRLF between lines and one NUL at the end. Sendmail uses it
 * as a format string, so each `%` is doubled on the wire; Postfix undoes that (`smtpd/smtpd_milter.c`). Filters never
 * see the doubling.
 */
export interface SmtpReply {
  /** 400 to 599 */
  readonly code: number
  /** enhanced status code `class.subject.detail` (RFC 3463), if any */
  readonly enhanced: string | undefined
  /** the text of each line, without code and enhanced code */
  readonly lines: readonly string[]
}

/** The maximum number of lines, as in libmilter's `smfi_setmlreply`. */
export const MAX_REPLY_LINES = 32
/** The maximum bytes of text in a line, as in libmilter. RFC 5321 guarantees clients only 512 with the code. */
export const MAX_REPLY_LINE = 980

/**
 * Checks that both Sendmail and Postfix accept a reply, and completes it. Without a text it gets a neutral one. If a
 * missing enhanced code would change the meaning, it gets `x.0.0`.
 * @throws UsageError INVALID_REPLY
 */
export function makeSmtpReply(
  code: number | string,
  enhanced: string | null | undefined,
  lines: readonly string[],
): SmtpReply {
  const digits = String(code)
  if (!/^[45][0-9][0-9]$/.test(digits)) {
    throw invalid(
      `the code ${JSON.stringify(code)} is not 4xx or 5xx; a filter can only defer (4xx) or refuse (5xx) with a text, to let mail pass return CONTINUE or ACCEPT`,
    )
  }
  let status = enhanced ?? undefined
  if (status !== undefined) {
    if (!/^[245]\.[0-9]{1,3}\.[0-9]{1,3}$/.test(status)) {
      throw invalid(
        `${JSON.stringify(status)} is not an enhanced status code; write for example ${digits[0]}.7.1, or null for none`,
      )
    }
    if (status[0] !== digits[0]) {
      // Postfix drops the filter for this ("malformed reply").
      throw invalid(
        `the enhanced code ${status} does not fit the code ${digits}; it must begin with ${digits[0]}`,
      )
    }
  }
  if (lines.length > MAX_REPLY_LINES) {
    throw invalid(`${lines.length} lines; a reply has at most ${MAX_REPLY_LINES}`)
  }
  for (const [index, line] of lines.entries()) checkLine(line, index)
  const text =
    lines.length > 0
      ? lines
      : [digits[0] === '4' ? 'Service unavailable - try again later' : 'Command rejected']
  // Postfix takes a digit after the code for an enhanced code, and wants something after it.
  if (status === undefined && text.some((line) => line === '' || /^[0-9]/.test(line))) {
    status = `${digits[0]}.0.0`
  }
  return { code: Number(digits), enhanced: status, lines: text }
}

function checkLine(line: unknown, index: number): void {
  const where = `line ${index + 1} of the reply`
  if (typeof line !== 'string') {
    throw invalid(`${where} is of type ${typeof line}; the text must be strings`)
  }
  const bad = /[^\t\x20-\x7e\x80-\u{10ffff}]/u.exec(line)
  if (bad !== null) {
    const unit = bad[0].codePointAt(0)!
    throw invalid(
      unit === 10 || unit === 13
        ? `${where} holds a line break; pass each line as an argument of its own`
        : `${where} holds the control character U+${unit.toString(16).padStart(4, '0').toUpperCase()}`,
    )
  }
  const size = encodeText(line).length
  if (size > MAX_REPLY_LINE) {
    throw invalid(`${where} has ${size} bytes; a line has at most ${MAX_REPLY_LINE}`)
  }
}

/** Bytes of text that leave room for both codes and CRLF in the 512 of RFC 5321, section 4.5.3.1.5. */
const SAFE_LINE = 490

/**
 * Splits any text into lines that `reply` takes, such as text of a message, an error or another program. Long
 * lines are wrapped and empty lines are left out. Control characters become spaces, and lone surrogates become question
 * marks. After 32 lines the text is cut off, and ends in `...`. If the text is empty there are no lines, and the reply
 * gets a neutral text.
 *
 *     return reply(550, '5.7.1', ...replyLines(`Refused: ${subject}`))
 */
export function replyLines(text: string): string[] {
  const lines: string[] = []
  // Text that does not fit into all lines is not read.
  const maximum = text.slice(0, 2 * MAX_REPLY_LINES * SAFE_LINE).toWellFormed()
  for (const one of maximum.replaceAll('\ufffd', '?').split(/[\r\n\v\f\x85\u2028\u2029]+/)) {
    const line = one.replaceAll(/[^\x20-\x7e\xa0-\u{10ffff}]+/gu, ' ').trim()
    if (line !== '') lines.push(...wrapped(line))
  }
  if (lines.length <= MAX_REPLY_LINES && maximum.length >= text.length) return lines
  const last = lines.slice(0, MAX_REPLY_LINES)
  last[last.length - 1] += '...'
  return last
}

/** The pieces of a line, each of at most {@link SAFE_LINE} bytes. It is broken at a space if there is one. */
function wrapped(line: string): string[] {
  const pieces: string[] = []
  let rest = line
  while (encodeText(rest).length > SAFE_LINE) {
    let end = 0
    let size = 0
    for (const one of rest) {
      size += encodeText(one).length
      if (size > SAFE_LINE) break
      end += one.length
    }
    const space = rest.lastIndexOf(' ', end)
    if (space > end / 2) end = space
    pieces.push(rest.slice(0, end).trimEnd())
    rest = rest.slice(end).trimStart()
  }
  if (rest !== '') pieces.push(rest)
  return pieces
}

function invalid(why: string): UsageError {
  return new UsageError('INVALID_REPLY', `invalid SMTP reply: ${why}`)
}

/** The reply as the client gets it, with CRLF between lines. */
export function formatSmtpReply(reply: SmtpReply): string {
  const last = reply.lines.length - 1
  const status = reply.enhanced === undefined ? '' : `${reply.enhanced} `
  return reply.lines
    .map((line, i) => `${reply.code}${i < last ? '-' : ' '}${status}${line}`)
    .join('\r\n')
}

/** The payload of a REPLYCODE frame: `%` doubled, NUL at the end. */
export function encodeSmtpReply(reply: SmtpReply): Buffer {
  const text = encodeText(formatSmtpReply(reply).replaceAll('%', '%%'))
  return Buffer.concat([text, Buffer.of(0)])
}

/**
 * Reads a REPLYCODE payload as a mail server does: `%%` is `%`, a single `%` is dropped, and the NUL may be missing.
 * Returns undefined if it is not an SMTP reply of class 4 or 5.
 */
export function decodeSmtpReply(bytes: Uint8Array): SmtpReply | undefined {
  const buffer = encodeText(bytes)
  const nul = buffer.indexOf(0)
  const text = decodeText(buffer, 0, nul === -1 ? buffer.length : nul)
    .replaceAll(/%(%?)/g, '$1')
    .replace(/\r?\n$/, '')
  const lines: string[] = []
  let code: string | undefined
  let enhanced: string | undefined
  for (const line of text.split(/\r?\n/)) {
    const match =
      /^([45][0-9][0-9])(?:[ -](?:([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$))?(.*))?$/s.exec(line)
    if (match === null || (code !== undefined && match[1] !== code)) return undefined
    code = match[1]!
    if (lines.length === 0) enhanced = match[2]
    lines.push(match[3] ?? '')
  }
  return code === undefined ? undefined : { code: Number(code), enhanced, lines }
}
