const LF = 0x0a
const CR = 0x0d

/** The body of a multipart, as it is to be written. What was there goes out as the same bytes. */
export interface MultipartBody {
  readonly preamble: Buffer
  readonly entries: readonly MultipartEntry[]
  /** the delimiter at the end; undefined if there was none */
  readonly closing: Buffer | undefined
  /** behind that delimiter */
  readonly epilogue: Buffer
  readonly boundary: string
  readonly eol: string
}

/** A part, and the delimiter above it. */
export interface MultipartEntry {
  /** undefined above a new part */
  readonly delimiter: Buffer | undefined
  pieces(): Iterable<Buffer>
  /** no line end can be lost behind it: {@link MultipartWriter.delimiter} */
  endsBare(): boolean
}

export function* multipartPieces(body: MultipartBody): Generator<Buffer> {
  const { entries, closing, boundary, eol } = body
  const writer = new MultipartWriter(eol, boundary)
  yield* writer.text(body.preamble)
  let above: MultipartEntry | undefined
  for (const entry of entries) {
    yield* writer.delimiter(entry.delimiter, above === undefined || above.endsBare())
    above = entry
    for (const piece of entry.pieces()) yield* writer.text(piece)
  }
  if (above === undefined) {
    yield* writer.delimiter(undefined, true)
    yield* writer.text(Buffer.from(`Content-Type: text/plain${eol}${eol}`))
  }
  if (closing !== undefined) {
    yield* writer.delimiter(closing, above === undefined || above.endsBare())
    yield body.epilogue
  } else if (above?.delimiter === undefined) {
    // A new part at the end would have no end.
    yield Buffer.from(`${writer.lineEnd}--${boundary}--${eol}`, 'latin1')
  }
}

/** Writes parts and delimiters one after the other, each delimiter on a line of its own. */
class MultipartWriter {
  readonly #eol: string
  readonly #boundary: string
  /** the byte written last; undefined at the start of the body */
  #last: number | undefined
  #afterDelimiter = false

  constructor(eol: string, boundary: string) {
    this.#eol = eol
    this.#boundary = boundary
  }

  /** What ends a line here. A CR that belongs to the content must not become a part of it. */
  get lineEnd(): string {
    return this.#last === CR ? '\r\n' : this.#eol
  }

  *text(bytes: Buffer): Generator<Buffer> {
    if (bytes.length === 0) return
    // A delimiter that was cut off at the end of the message.
    if (this.#last !== LF && this.#afterDelimiter) yield Buffer.from(this.#eol)
    this.#last = bytes.at(-1)
    this.#afterDelimiter = false
    yield bytes
  }

  /**
   * @param given one that was there; else it is a new one
   * @param bare whether nothing stands above it that could lose its line end to it
   */
  *delimiter(given: Buffer | undefined, bare: boolean): Generator<Buffer> {
    if (given === undefined) {
      // The line end above a delimiter is part of it.
      const above = this.#last === undefined ? '' : this.lineEnd
      yield Buffer.from(`${above}--${this.#boundary}${this.#eol}`, 'latin1')
      this.#last = LF
      return
    }
    const first = given[0]
    const cut = !bare || (this.#last !== undefined && this.#last !== LF)
    if (cut && first !== CR && first !== LF) {
      yield Buffer.from(this.lineEnd)
    }
    this.#last = given.at(-1)
    this.#afterDelimiter = true
    yield given
  }
}
