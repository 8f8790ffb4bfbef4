/**
 * UTF-7 (RFC 2152), and its variant in IMAP (RFC 3501, section 5.1.3). iconv-lite knows them, too, but makes three
 * objects for each sequence. For a megabyte of short ones, this takes most of a second without a pause.
 */
import { BASE64_VALUES } from './digits.ts'

const MINUS = 0x2d
const PLUS = 0x2b
const AMPERSAND = 0x26
const COMMA = 0x2c
const MARK = 0xfeff
const REPLACEMENT = 0xfffd

const IMAP_DIGITS = Int8Array.from(BASE64_VALUES).fill(63, COMMA, COMMA + 1)

/** As iconv-lite reads it: a minus may be missing, and a mark at the start of a sequence means nothing. */
export function decodeUtf7(bytes: Buffer, imap = false): string {
  const shift = imap ? AMPERSAND : PLUS
  const digits = imap ? IMAP_DIGITS : BASE64_VALUES
  // No unit comes of less than a byte.
  const units = Buffer.allocUnsafe(2 * bytes.length)
  let size = 0
  const put = (unit: number): void => {
    units[size++] = unit & 0xff
    units[size++] = unit >> 8
  }
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte !== shift) {
      put(byte < 0x80 ? byte : REPLACEMENT)
      continue
    }
    if (bytes[at + 1] === MINUS) {
      put(shift)
      at++
      continue
    }
    let bits = 0
    let count = 0
    let isFirst = true
    for (let digit = digits[bytes[at + 1] ?? 0]!; digit !== -1;) {
      bits = ((bits << 6) | digit) & 0x3f_ffff
      count += 6
      if (count >= 16) {
        count -= 16
        const unit = (bits >> count) & 0xffff
        if (!isFirst || unit !== MARK) put(unit)
        isFirst = false
      }
      at++
      digit = digits[bytes[at + 1] ?? 0]!
    }
    if (bytes[at + 1] === MINUS) at++
  }
  const text = units.toString('utf16le', 0, size)
  return text.charCodeAt(0) === MARK ? text.slice(1) : text
}

const NAMES: ReadonlyMap<string, (bytes: Buffer) => string> = new Map([
  ['utf7', (bytes) => decodeUtf7(bytes)],
  ['unicode11utf7', (bytes) => decodeUtf7(bytes)],
  ['utf7imap', (bytes) => decodeUtf7(bytes, true)],
])

/** By the names that iconv-lite has for them. @param name in lower case */
export const utf7Decoder = (name: string): ((bytes: Buffer) => string) | undefined =>
  NAMES.get(name.replaceAll(/:\d{4}$|[^0-9a-z]/g, ''))
