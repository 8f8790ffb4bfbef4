/** Encodes and decodes the content of a part by its Content-Transfer-Encoding (RFC 2045, section 6). */
import { isAscii } from 'node:buffer'
import { BASE64_VALUES, HEX_VALUES } from './digits.ts'
import { hasLines, mustNotBeEncoded } from '../fields/media-type.ts'
import type { Turns } from '../turns.ts'

export type TransferEncoding = '7bit' | '8bit' | 'binary' | 'quoted-printable' | 'base64'

/** The meaning of a field, or undefined for an unknown name, whose bytes count as they are. */
export function transferEncoding(field: string): TransferEncoding | undefined {
  const plain = NAMES.get(field)
  if (plain !== undefined) return plain
  // Comments may be before and after it, also on lines of their own (RFC 5322, section 3.2.2).
  const name = /^(?:[ \t\r\n]|\([^()]*\))*([^ \t\r\n;(]*)/.exec(field)![1]!
  return NAMES.get(name.toLowerCase())
}

const NAMES: ReadonlyMap<string, TransferEncoding> = new Map([
  ['', '7bit'],
  ['7bit', '7bit'],
  ['7-bit', '7bit'],
  ['8bit', '8bit'],
  ['8-bit', '8bit'],
  ['binary', 'binary'],
  ['quoted-printable', 'quoted-printable'],
  ['base64', 'base64'],
])

export const isIdentity = (encoding: TransferEncoding): boolean =>
  encoding !== 'base64' && encoding !== 'quoted-printable'

export function decodeTransfer(bytes: Buffer, encoding: TransferEncoding): Buffer {
  if (encoding === 'base64') return decodeBase64(bytes)
  return encoding === 'quoted-printable' ? decodeQuotedPrintable(bytes) : bytes
}

/** The size of encoded pieces that are decoded at once. */
const PIECE = 65_536

/** The same in pieces of at most 64 KiB, for large parts. */
export function* decodeTransferInPieces(
  bytes: Buffer,
  encoding: TransferEncoding,
): Generator<Buffer> {
  if (encoding === 'base64') {
    yield* base64Pieces(bytes)
    return
  }
  for (let start = 0; start < bytes.length;) {
    let end = Math.min(start + PIECE, bytes.length)
    if (encoding === 'quoted-printable' && end < bytes.length) {
      // Each line can be decoded by itself.
      const feed = bytes.lastIndexOf(LF, end - 1)
      if (feed >= start) end = feed + 1
      else {
        const next = bytes.indexOf(LF, end)
        end = next === -1 ? bytes.length : next + 1
      }
    }
    const piece = bytes.subarray(start, end)
    if (encoding === 'quoted-printable') yield* inPieces(decodeQuotedPrintable(piece))
    else yield piece
    start = end
  }
}

/** Smaller content is decoded at once. */
const AT_ONCE = 262_144

/** All of it, in turns with other work of the process. */
export async function decodeTransferInTurns(
  bytes: Buffer,
  encoding: TransferEncoding,
  turns: Turns,
): Promise<Buffer> {
  if (isIdentity(encoding) || bytes.length < AT_ONCE) return decodeTransfer(bytes, encoding)
  const pieces: Buffer[] = []
  for (const piece of decodeTransferInPieces(bytes, encoding)) {
    pieces.push(piece)
    await turns.next()
  }
  return Buffer.concat(pieces)
}

const LF = 0x0a
const CR = 0x0d
const EQUALS = 0x3d
const SPACE = 0x20
const TAB = 0x09
const DOT = 0x2e
const DASH = 0x2d

/**
 * Bytes that are not digits are ignored (RFC 2045, section 6.8). Padding ends a group of digits, but not the content,
 * because pieces may have been joined.
 */
function decodeBase64(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  // Node stops at the first padding and takes `-` and `_` for digits; for the rest it is much faster.
  const odd = text.search(/[^A-Za-z0-9+/\r\n \t]/)
  if (odd === -1 || /^=[=\r\n \t]*$/.test(text.slice(odd))) return Buffer.from(text, 'base64')
  const out = Buffer.allocUnsafe(Math.ceil((bytes.length * 3) / 4))
  let size = 0
  let bits = 0
  let digits = 0
  for (const byte of bytes) {
    const digit = BASE64_VALUES[byte]!
    if (digit !== -1) {
      bits = (bits << 6) | digit
      digits++
      // The first digit of a group gives no byte; each other one does.
      if (digits > 1) out[size++] = bits >> ((4 - digits) * 2)
      if (digits === 4) bits = digits = 0
    } else if (byte === EQUALS) bits = digits = 0
  }
  return out.subarray(0, size)
}

/** Removes every byte that is not a digit. */
const base64Digits = (bytes: Buffer): string =>
  bytes.toString('latin1').replaceAll(/[^A-Za-z0-9+/]+/g, '')

function* base64Pieces(bytes: Buffer): Generator<Buffer> {
  let rest = ''
  for (let start = 0; start < bytes.length; start += PIECE) {
    let piece = bytes.subarray(start, start + PIECE)
    const padding = piece.lastIndexOf(EQUALS)
    if (padding !== -1) {
      // After padding it begins again.
      const before = piece.subarray(0, padding + 1)
      const decoded = decodeBase64(Buffer.concat([Buffer.from(rest, 'latin1'), before]))
      if (decoded.length > 0) yield decoded
      rest = ''
      piece = piece.subarray(padding + 1)
    }
    const digits = rest + base64Digits(piece)
    const whole = digits.length - (digits.length % 4)
    rest = digits.slice(whole)
    if (whole > 0) yield Buffer.from(digits.slice(0, whole), 'base64')
  }
  if (rest.length > 1) yield Buffer.from(rest, 'base64')
}

function* inPieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE)
}

/** Invalid escapes stay as they are (RFC 2045, section 6.7). Spaces and tabs at the end of a line are removed. */
function decodeQuotedPrintable(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(bytes.length)
  let size = 0
  /** the end of the output without spaces and tabs at the end of a line */
  let solid = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte === EQUALS) {
      const high = HEX_VALUES[bytes[i + 1] ?? 0]!
      const low = HEX_VALUES[bytes[i + 2] ?? 0]!
      if (high !== -1 && low !== -1) {
        out[size++] = high * 16 + low
        solid = size
        i += 2
        continue
      }
      const end = softBreak(bytes, i + 1)
      if (end !== -1) {
        solid = size
        i = end - 1
        continue
      }
    }
    if (byte === LF || (byte === CR && bytes[i + 1] === LF)) size = solid
    out[size++] = byte
    if (byte !== SPACE && byte !== TAB) solid = size
  }
  return out.subarray(0, solid)
}

/** The offset after the line end that follows a `=`, with optional spaces between them, or -1 if there is none. */
function softBreak(bytes: Buffer, at: number): number {
  let i = at
  while (bytes[i] === SPACE || bytes[i] === TAB) i++
  if (i === bytes.length) return i
  if (bytes[i] === LF) return i + 1
  return bytes[i] === CR && bytes[i + 1] === LF ? i + 2 : -1
}

/** The maximum length of a line of text, without its end (RFC 5322, section 2.1.1). */
const LONGEST_LINE = 998

/** The maximum length of an encoded line, without its end (RFC 2045, section 6.7 and 6.8). */
const LINE = 76

/** Bytes as they are written in a message. @param lines as for {@link isCanonical} */
export function encodeTransfer(
  bytes: Buffer,
  encoding: TransferEncoding,
  eol: string,
  lines = true,
): Buffer {
  if (encoding === 'base64') return encodeBase64(bytes, eol)
  return encoding === 'quoted-printable' ? encodeQuotedPrintable(bytes, eol, lines) : bytes
}

function encodeBase64(bytes: Buffer, eol: string): Buffer {
  const text = bytes.toString('base64')
  const lines: string[] = []
  for (let i = 0; i < text.length; i += LINE) lines.push(text.slice(i, i + LINE))
  return Buffer.from(lines.map((line) => line + eol).join(''), 'latin1')
}

/** The characters that are written as they are. All others are escaped. */
const isPlain = (byte: number): boolean =>
  (byte >= SPACE && byte < 0x7f && byte !== EQUALS) || byte === TAB

const HEX_DIGITS = Buffer.from('0123456789ABCDEF')

/**
 * Line ends of the given kind stay line ends. All others are bytes of the content. They are escaped, so that the
 * content comes back as it was (RFC 2045, section 6.7, rule 4). `From ` at the start of a line, a lone dot and `--` are
 * escaped, too, so that no program on the way takes them for something else.
 */
function encodeQuotedPrintable(bytes: Buffer, eol: string, hasLineEnds: boolean): Buffer {
  const lines = new QuotedLines(bytes, eol)
  // A LF that stays becomes CRLF on the way.
  const inLines = hasLineEnds || eol === '\r\n'
  for (let at = 0; ;) {
    const end = inLines ? nextLineEnd(bytes, eol, at) : bytes.length
    lines.add(at, end)
    if (end === bytes.length) return lines.toBytes()
    lines.end()
    at = end + eol.length
  }
}

/** The offset of the next line end of that kind, or of the end of the bytes. */
function nextLineEnd(bytes: Buffer, eol: string, from: number): number {
  // A number is found much faster than a string.
  for (let at = from; ; at++) {
    at = bytes.indexOf(LF, at)
    if (at === -1) return bytes.length
    if (eol === '\n') return at
    if (at > from && bytes[at - 1] === CR) return at - 1
  }
}

/** Written byte by byte: a string for each piece of a line was most of the work. */
class QuotedLines {
  readonly #bytes: Buffer
  readonly #eol: Buffer
  readonly #out: Buffer
  #size = 0

  constructor(bytes: Buffer, eol: string) {
    this.#bytes = bytes
    this.#eol = Buffer.from(eol, 'latin1')
    // Every byte is escaped, and each full line has a soft break. A full line has at least LINE - 3 bytes.
    const escaped = 3 * bytes.length
    const breaks = Math.ceil(escaped / (LINE - 3)) * (1 + eol.length)
    this.#out = Buffer.allocUnsafe(escaped + breaks)
  }

  /** A line without its end. */
  add(from: number, to: number): void {
    const bytes = this.#bytes
    const out = this.#out
    let size = this.#size
    let column = 0
    for (let at = from; at < to; at++) {
      const byte = bytes[at]!
      const last = at === to - 1
      const isSpaceAtEnd = last && (byte === SPACE || byte === TAB)
      const plain = isPlain(byte) && !isSpaceAtEnd
      let isEscaped = !plain || (column === 0 && risky(bytes, at, to))
      // The `=` of a soft break needs room, except after the last one.
      if (column + (isEscaped ? 3 : 1) > (last ? LINE : LINE - 1)) {
        out[size++] = EQUALS
        for (const one of this.#eol) out[size++] = one
        column = 0
        isEscaped = !plain || risky(bytes, at, to)
      }
      if (isEscaped) {
        out[size++] = EQUALS
        out[size++] = HEX_DIGITS[byte >> 4]!
        out[size++] = HEX_DIGITS[byte & 0xf]!
        column += 3
      } else {
        out[size++] = byte
        column++
      }
    }
    this.#size = size
  }

  end(): void {
    for (const one of this.#eol) this.#out[this.#size++] = one
  }

  /** No more memory than it has bytes. */
  toBytes(): Buffer {
    return Buffer.from(this.#out.subarray(0, this.#size))
  }
}

const FROM = Buffer.from('From ')

/** At the start of a line that is written, also after a soft break. */
function risky(bytes: Buffer, at: number, end: number): boolean {
  const byte = bytes[at]
  if (byte === DOT) return at === end - 1
  if (byte === DASH) return at + 1 < end && bytes[at + 1] === DASH
  return (
    byte === FROM[0] &&
    at + FROM.length <= end &&
    bytes.compare(FROM, 0, FROM.length, at, at + FROM.length) === 0
  )
}

/** Whether it has lines of at most 998 bytes, no NUL and no bare CR (RFC 2045, section 2.8). */
export function isText(bytes: Buffer): boolean {
  let start = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === LF) {
      if (at - start - (bytes[at - 1] === CR ? 1 : 0) > LONGEST_LINE) return false
      start = at + 1
    } else if (byte === 0 || (byte === CR && bytes[at + 1] !== LF)) return false
  }
  return bytes.length - start <= LONGEST_LINE
}

/**
 * Whether each line ends like the lines of the message. A mail server makes CRLF of a bare LF (RFC 2045, section 2.7
 * and 2.8), so content with one has to be encoded. In a message with LF line ends, that is right for content with
 * lines.
 * @param lines whether the content has lines ({@link hasLines})
 */
export function isCanonical(bytes: Buffer, eol: string, lines = true): boolean {
  if (eol !== '\r\n') return lines || !bytes.includes(LF)
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === LF && bytes[at - 1] !== CR) return false
  }
  return true
}

/**
 * The simplest encoding that carries the bytes through any mail server, in a message with these line ends.
 * @param lines as for {@link isCanonical}
 */
export function simplestEncoding(bytes: Buffer, eol = '\n', lines = true): TransferEncoding {
  const odd = oddBytes(bytes)
  if (odd === 0 && isText(bytes) && isCanonical(bytes, eol, lines)) return '7bit'
  return odd * 6 > bytes.length || bytes.includes(0) ? 'base64' : 'quoted-printable'
}

/** The number of bytes other than printable ASCII, spaces, tabs and line ends. */
function oddBytes(bytes: Buffer): number {
  let odd = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte >= SPACE ? byte >= 0x7f : byte !== TAB && byte !== CR && byte !== LF) odd++
  }
  return odd
}

/** Whether bytes can be in a message without an encoding, labelled 7bit or 8bit. */
export const fits = (bytes: Buffer, encoding: TransferEncoding, eol: string): boolean =>
  isText(bytes) && isCanonical(bytes, eol) && (encoding !== '7bit' || isAscii(bytes))

/**
 * The label of content that must not be encoded: 7bit or 8bit, or undefined if neither can carry it (RFC 2045, section
 * 2.7 and 2.8).
 */
export function plainEncoding(bytes: Buffer): '7bit' | '8bit' | undefined {
  if (!isText(bytes)) return undefined
  return isAscii(bytes) ? '7bit' : '8bit'
}

const WIDTH: Readonly<Partial<Record<TransferEncoding, number>>> = { '8bit': 1, binary: 2 }

/** Whether one encoding is wider than another. */
export const isWider = (one: TransferEncoding, other: TransferEncoding): boolean =>
  (WIDTH[one] ?? 0) > (WIDTH[other] ?? 0)

/**
 * The encoding for new bytes in a part. It stays if it can carry them. Not every mail server takes `binary` (RFC 3030),
 * so lines that are too long for the others are encoded even there, unless the old content had such lines.
 */
export function nextEncoding(
  bytes: Buffer,
  now: { readonly type: string; readonly encoding: TransferEncoding; readonly raw: Buffer },
  eol: string,
): TransferEncoding {
  const { encoding, raw } = now
  if (mustNotBeEncoded(now.type)) {
    if (encoding === 'binary' || (isIdentity(encoding) && fits(bytes, encoding, '\n'))) {
      return encoding
    }
    return plainEncoding(bytes) ?? 'binary'
  }
  if (!isIdentity(encoding)) return encoding
  const lines = hasLines(now.type)
  const sameEnds = isCanonical(bytes, eol, lines) || !isCanonical(raw, eol, lines)
  const carried =
    encoding === 'binary'
      ? isText(bytes) || !isText(raw)
      : encoding === '7bit'
        ? isText(bytes) && oddBytes(bytes) === 0
        : isText(bytes)
  return carried && sameEnds ? encoding : simplestEncoding(bytes, eol, lines)
}

/** @param raw everything after the colon */
export const isKnownEncoding = (raw: Buffer): boolean =>
  transferEncoding(raw.toString('latin1')) !== undefined
