const LF = 0x0a
const CR = 0x0d

/** Writes parts and delimiters one after the other, each delimiter on a line of its own. */
export class MultipartWriter {
  readonly #eol: string
  readonly #boundary: string
  /** the byte written last; undefined at the start of the body */
  #last: number | undefined

  constructor(eol: string, boundary: string) {
    this.#eol = eol
    this.#boundary = boundary
  }

  *text(bytes: Buffer): Generator<Buffer> {
    if (bytes.length === 0) return
    this.#last = bytes.at(-1)
    yield bytes
  }

  /** @param given one that was there; else it is a new one */
  *delimiter(given: Buffer | undefined): Generator<Buffer> {
    if (given === undefined) {
      // The line end above a delimiter is part of it.
      const above = this.#last === undefined ? '' : this.#eol
      yield Buffer.from(`${above}--${this.#boundary}${this.#eol}`, 'latin1')
      this.#last = LF
      return
    }
    const first = given[0]
    if (this.#last !== undefined && this.#last !== LF && first !== CR && first !== LF) {
      yield Buffer.from(this.#eol)
    }
    this.#last = given.at(-1)
    yield given
  }
}
