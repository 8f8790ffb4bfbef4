const LF = 0x0a
const CR = 0x0d

/** Writes parts and delimiters one after the other, each delimiter on a line of its own. */
export class MultipartWriter {
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
