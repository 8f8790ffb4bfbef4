/**
 * The two forms in which a message is hashed (RFC 6376, section 3.4). `simple` takes the bytes as they are; `relaxed`
 * forgives changes of white space, of the case of names, and of folds. Everything here is pure and works on bytes.
 */
import type { Hash } from 'node:crypto'

export type Canonicalization = 'simple' | 'relaxed'

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const CRLF = Buffer.from('\r\n')

/** What hashes are made of; a `Hash` of `node:crypto` is one. */
export type Sink = Pick<Hash, 'update'>

/**
 * A field of the header in canonical form, with CRLF at its end.
 *
 * @param name as it stands before the colon
 * @param value everything after the colon, with CRLF in folds
 */
export function canonicalField(
  name: Uint8Array,
  value: Uint8Array,
  form: Canonicalization,
): Buffer {
  if (form === 'simple') return Buffer.concat([name, COLON, value, CRLF])
  return Buffer.from(`${relaxedName(name)}:${relaxedValue(value)}\r\n`, 'latin1')
}

const COLON = Buffer.from(':')

/**
 * The name of a field for comparisons. RFC 5322 (4.5.2) once allowed spaces before the colon. toLowerCase would change
 * letters above ASCII too.
 */
export const relaxedName = (name: Uint8Array): string =>
  latin1(name)
    .replace(/[ \t]+$/, '')
    .replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())

/** Section 3.4.2: unfolded, white space as one space, none at the ends. */
export const relaxedValue = (value: Uint8Array): string =>
  latin1(value)
    .replaceAll('\r\n', '')
    .replaceAll(/[ \t]+/g, ' ')
    .replaceAll(/^ | $/g, '')

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')

/**
 * A body in canonical form, piece by piece. Pieces may be cut anywhere, also between CR and LF.
 *
 *     const body = new CanonicalBody('relaxed', hash)
 *     for await (const piece of pieces) body.update(piece)
 *     body.end()
 */
export class CanonicalBody {
  readonly #sink: Sink
  readonly #relaxed: boolean
  /** line ends that count only if something follows */
  #lines = 0
  /** a CR whose LF may be in the next piece */
  #cr = false
  /** white space that counts only if something follows in its line */
  #space = false
  #isEmpty = true

  constructor(form: Canonicalization, sink: Sink) {
    this.#relaxed = form === 'relaxed'
    this.#sink = sink
  }

  update(piece: Uint8Array): void {
    if (this.#relaxed) this.#relax(piece)
    else this.#keep(piece)
  }

  /** The body is complete. */
  end(): void {
    if (this.#cr) this.#data(this.#space ? SPACE_CR : CR_ALONE)
    // Section 3.4.3: an empty body is a line end, section 3.4.4: or nothing.
    if (!this.#isEmpty || !this.#relaxed) this.#sink.update(CRLF)
  }

  /** All but the line ends at its end, which wait. */
  #keep(piece: Uint8Array): void {
    let end = piece.length
    let lines = 0
    const isCut = end > 0 && piece[end - 1] === CR
    if (isCut) end--
    while (end >= 2 && piece[end - 1] === LF && piece[end - 2] === CR) {
      end -= 2
      lines++
    }
    let start = 0
    if (this.#cr && piece.length > 0) {
      this.#cr = false
      if (piece[0] === LF) {
        this.#lines++
        start = 1
      } else this.#data(CR_ALONE)
    }
    if (end > start) this.#data(piece.subarray(start, end))
    this.#lines += lines
    this.#cr ||= isCut
  }

  #relax(piece: Uint8Array): void {
    // At most: each byte, a space before the first, a CR before the first; line ends that waited go out before.
    const out = Buffer.allocUnsafe(piece.length + 2)
    let size = 0
    let lines = this.#lines
    let cr = this.#cr
    let space = this.#space
    const flush = (): void => {
      if (lines > 0) {
        if (size > 0) this.#write(out.subarray(0, size))
        size = 0
        this.#writeLines(lines)
        lines = 0
      }
      if (space) {
        out[size++] = SPACE
        space = false
      }
    }
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i]!
      if (cr) {
        cr = false
        if (byte === LF) {
          lines++
          space = false
          continue
        }
        flush()
        out[size++] = CR
      }
      if (byte === CR) cr = true
      else if (byte === SPACE || byte === TAB) space = true
      else {
        if (lines > 0 || space) flush()
        out[size++] = byte
      }
    }
    if (size > 0) this.#write(out.subarray(0, size))
    this.#lines = lines
    this.#cr = cr
    this.#space = space
  }

  #data(bytes: Uint8Array): void {
    this.#writeLines(this.#lines)
    this.#lines = 0
    this.#write(bytes)
  }

  #write(bytes: Uint8Array): void {
    this.#isEmpty = false
    this.#sink.update(bytes)
  }

  #writeLines(count: number): void {
    for (let left = count; left > 0; left -= MANY_LINES) {
      this.#write(LINES.subarray(0, 2 * Math.min(left, MANY_LINES)))
    }
  }
}

const CR_ALONE = Buffer.from('\r')
const SPACE_CR = Buffer.from(' \r')
const MANY_LINES = 4096
const LINES = Buffer.from('\r\n'.repeat(MANY_LINES))
