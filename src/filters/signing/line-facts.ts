/**
 * What a later server may have to change in a message, which breaks its signature: lines that are too long are broken
 * (RFC 5321, section 4.5.3.1.6), and 8-bit text is encoded for servers without 8BITMIME (RFC 6152).
 */
import { isAscii } from 'node:buffer'

const LF = 0x0a
/** without CRLF */
const MAX_LINE = 998

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
