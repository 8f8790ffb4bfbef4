/**
 * Checks addresses of the envelope by RFC 5321, section 4.1.2. Mail servers do not check the addresses of a filter:
 * Sendmail makes two recipients of `a@b, c@d`.
 *
 * More than the RFC is allowed: dots anywhere in a local part, as some carriers have them; a local part of words and
 * quoted strings; characters that are not ASCII (RFC 6531, section 3.3, and bytes that came so); and a local name
 * without a domain, such as `postmaster`.
 */
import { UsageError } from '../../errors.ts'

const ATOM = String.raw`[!#$%&'*+\-/0-9=?A-Z^_\x60a-z{|}~\x80-\xff]+`
const WORD = String.raw`(?:${ATOM}|"(?:[^"\\]|\\.)*")`
const LOCAL = String.raw`\.*${WORD}(?:\.+${WORD})*\.*`
const LABEL = String.raw`[\-0-9A-Z_a-z\x80-\xff]+`
const DOMAIN = String.raw`(?:${LABEL}(?:\.${LABEL})*\.?|\[[!-Z^-~]+\])`
const MAILBOX = new RegExp(String.raw`^${LOCAL}(?:@${DOMAIN})?$`, 's')
const ROUTE = new RegExp(String.raw`^@${DOMAIN}(?:,@${DOMAIN})*:(?=.*@)`, 's')
/** RFC 5321, section 4.1.2: esmtp-keyword, esmtp-value. */
const PARAMETER = /^[0-9A-Za-z][-0-9A-Za-z]*(?:=[!-<>-~\x80-\xff]+)?$/

/**
 * @param what for the error message: `sender` or `recipient`
 * @param bytes with brackets or without
 * @throws UsageError INVALID_ADDRESS
 */
export function checkPath(what: 'sender' | 'recipient', bytes: Buffer): void {
  const text = bytes.toString('latin1')
  const bracketed = text.startsWith('<') && text.endsWith('>')
  const inner = bracketed ? text.slice(1, -1) : text
  if (inner === '') {
    if (what === 'sender') return
    throw new UsageError(
      'INVALID_ADDRESS',
      'the recipient is empty; only a sender can be empty',
    )
  }
  if (MAILBOX.test(inner.replace(ROUTE, ''))) return
  throw new UsageError(
    'INVALID_ADDRESS',
    `the ${what} ${JSON.stringify(short(bytes))} is not one address; give the address alone, such as a@example.org, without names, lists and parameters, and a local part with other characters in quotes ("a b"@example.org)`,
  )
}

/**
 * @param word one parameter: `NAME` or `NAME=value`
 * @throws UsageError INVALID_ADDRESS
 */
export function checkParameter(word: Buffer): void {
  if (PARAMETER.test(word.toString('latin1'))) return
  const control = word.find((byte) => byte < 0x20 || byte === 0x7f)
  const holds = control === undefined ? '' : ` (it holds the byte ${hex(control)})`
  throw new UsageError(
    'INVALID_ADDRESS',
    `${JSON.stringify(short(word))} is not an ESMTP parameter${holds}; write NAME or NAME=value with a space between two, and spaces, "=" and "+" in values as xtext (RFC 3461, section 4)`,
  )
}

const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`

const short = (bytes: Buffer): string => {
  const text = bytes.toString('utf8')
  return text.length > 80 ? `${text.slice(0, 80)}...` : text
}
