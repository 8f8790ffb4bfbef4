/**
 * What a later server may have to change in a message, which breaks its signature: lines that are too long are broken
 * (RFC 5321, section 4.5.3.1.6), and 8-bit text is encoded for servers without 8BITMIME (RFC 6152).
 */
import { isAscii } from 'node:buffer'

const LF = 0x0a
const SPACE = 0x20
const TAB = 0x09
/** without CRLF (RFC 5322, section 2.1.1) */
const MAX_LINE = 998
const FOLD = Buffer.from('\r\n')

export class LineFacts {
  /** bytes of the longest line so far, without CRLF */
  longest = 0
  /** whether there are bytes above ASCII */
  hasEightBits = false
  /** bytes of the line that goes on in the next piece */
  #open = 0

  update(piece: Uint8Array): void {
    this.hasEightBits ||= !isAscii(piece)
    let start = 0
    for (let end = piece.indexOf(LF); end !== -1; end = piece.indexOf(LF, start)) {
      const cr = end > 0 && piece[end - 1] === 0x0d ? 1 : 0
      this.#line(this.#open + end - start - cr)
      this.#open = 0
      start = end + 1
    }
    this.#open += piece.length - start
    this.#line(this.#open)
  }

  /** A line ends without CRLF. */
  endLine(): void {
    this.#open = 0
  }

  #line(size: number): void {
    if (size > this.longest) this.longest = size
  }
}

/** What may break the signature of a message; empty for most. */
export function risksOf(header: LineFacts, body: LineFacts): string[] {
  const risks = []
  if (header.longest > MAX_LINE) risks.push(`a header line of ${header.longest} bytes`)
  if (body.longest > MAX_LINE) risks.push(`a body line of ${body.longest} bytes`)
  if (header.hasEightBits) risks.push('8-bit text in the header')
  if (body.hasEightBits) risks.push('8-bit text in the body')
  return risks
}

/**
 * The value of a field, with folds in lines that are too long. The unfolded text is the same (RFC 5322, section 2.2.3):
 * a fold is a line break before white space that is there. A line without white space stays too long.
 *
 * @param value everything after the colon, with CRLF in folds
 * @returns undefined if there is nothing to fold
 */
export function foldLongLines(name: Uint8Array, value: Uint8Array): Buffer | undefined {
  const pieces: Uint8Array[] = []
  let start = 0
  /** the last place for a fold in this line: white space with text on both sides */
  let place = -1
  let hasText = true
  let size = name.length + 1
  for (const [i, byte] of value.entries()) {
    if (byte === LF) {
      size = 0
      place = -1
      hasText = false
      continue
    }
    const isSpace = byte === SPACE || byte === TAB
    if (isSpace && hasText && isText(value[i + 1])) place = i
    if (!isSpace && byte !== 0x0d) hasText = true
    size++
    if (size <= MAX_LINE || byte === 0x0d || place === -1) continue
    pieces.push(value.subarray(start, place), FOLD)
    start = place
    size = i + 1 - place
    place = -1
  }
  if (start === 0) return undefined
  pieces.push(value.subarray(start))
  return Buffer.concat(pieces)
}

const isText = (byte: number | undefined): boolean =>
  byte !== undefined && byte !== SPACE && byte !== TAB && byte !== 0x0d && byte !== LF
