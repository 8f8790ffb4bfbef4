/** Of the budget, what bodies leave to what has nowhere else to go. */
const KEPT_BACK = 1 / 4

/**
 * The bytes that the messages and connections of one server hold in memory, all together, and how many
 * they may. Nothing is known here of who holds them: who reserves bytes releases as many.
 */
export class MemoryBudget {
  /** bytes */
  readonly limit: number
  readonly #limitForBodies: number
  #reserved = 0
  #passing = 0
  /**
   * Called when all of it is in use, each time that more comes. It should only take note: somebody is in the
   * middle of something.
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

  /** Whoever can wait should. */
  get exhausted(): boolean {
    return this.used >= this.limit
  }

  /**
   * For what can only be in memory; false if there is no room, and then nothing is reserved. Bytes that
   * pass through do not count here: a burst of input must not keep messages out.
   */
  reserve(bytes: number): boolean {
    if (this.#reserved + bytes > this.limit) return false
    this.#reserved += bytes
    if (this.exhausted) this.onExhausted()
    return true
  }

  /**
   * For what could go to a file as well, which is bodies. They leave a quarter of the budget to what
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
   * Counts what is there already and soon will not be: input that waits, pieces on their way to a file.
   * Negative when it has passed.
   */
  pass(bytes: number): void {
    this.#passing += bytes
    if (bytes > 0 && this.exhausted) this.onExhausted()
  }
}
