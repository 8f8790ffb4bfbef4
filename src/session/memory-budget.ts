/** The part of the budget that bodies leave to data that can only be in memory. */
const KEPT_BACK = 1 / 4

/**
 * The bytes that all messages and connections of one server hold in memory, and the limit for them. It does not know
 * the holders: the code that reserves bytes must release as many.
 */
export class MemoryBudget {
  /** bytes */
  readonly limit: number
  readonly #limitForBodies: number
  #reserved = 0
  #passing = 0
  /**
   * Called when the budget is used up, each time that more bytes come. It should only take note, because its caller is
   * in the middle of other work.
   */
  onExhausted: () => void = () => {}

  constructor(limit: number) {
    this.limit = limit
    this.#limitForBodies = Math.floor(limit * (1 - KEPT_BACK))
  }

  /** Bytes that are held now. */
  get used(): number {
    return this.#reserved + this.#passing
  }

  /** Whether the budget is used up. Work that can wait should wait. */
  get exhausted(): boolean {
    return this.used >= this.limit
  }

  /**
   * Reserves bytes for data that can only be in memory. Returns false, and reserves nothing, if there is no room. Bytes
   * that pass through do not count here: a burst of input must not keep messages out.
   */
  reserve(bytes: number): boolean {
    if (this.#reserved + bytes > this.limit) return false
    this.#reserved += bytes
    if (this.exhausted) this.onExhausted()
    return true
  }

  /**
   * Reserves bytes for a body, which could go to a file as well. Bodies leave a quarter of the budget to data that
   * cannot, so that large mail never keeps small mail out.
   */
  reserveForBody(bytes: number): boolean {
    if (this.used + bytes > this.#limitForBodies) return false
    this.#reserved += bytes
    return true
  }

  release(bytes: number): void {
    this.#reserved -= bytes
  }

  /**
   * Counts bytes that are in memory for a short time: input that waits, pieces on their way to a file. Give a negative
   * number when they have gone.
   */
  pass(bytes: number): void {
    this.#passing += bytes
    if (bytes > 0 && this.exhausted) this.onExhausted()
  }
}
