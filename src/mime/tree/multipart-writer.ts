const LF = 0x0a
const CR = 0x0d

/** The body of a multipart to write. Everything that was there is written as the same bytes. */
export interface MultipartBody {
  readonly preamble: Buffer
  readonly entries: readonly MultipartEntry[]
  /** the closing delimiter; undefined if there was none */
  readonly closing: Buffer | undefined
  /** everything after that delimiter */
  readonly epilogue: Buffer
  readonly boundary: string
  readonly eol: string
}

/** A part, and the delimiter above it. */
export interface MultipartEntry {
  /** undefined above a new part */
  readonly delimiter: Buffer | undefined
  pieces(): Iterable<Buffer>
  /** whether no line end can be lost after it: see {@link MultipartWriter.delimiter} */
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
    // A new last part needs a delimiter to end it.
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

  /** The line end to write here. A CR that belongs to the content must not become part of it. */
  get lineEnd(): string {
    return this.#last === CR ? '\r\n' : this.#eol
  }

  *text(bytes: Buffer): Generator<Buffer> {
    if (bytes.length === 0) return
    // The message may have ended inside a delimiter.
    if (this.#last !== LF && this.#afterDelimiter) yield Buffer.from(this.#eol)
    this.#last = bytes.at(-1)
    this.#afterDelimiter = false
    yield bytes
  }

  /**
   * @param given the delimiter that was there; otherwise a new one is written
   * @param bare whether nothing above it could lose its line end to it
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
