/**
 * How much of one thing a worker may still send. It grows a little each second, up to what a busy worker may have
 * put off, and by what it is asked for, up to `most`.
 */
export class Allowance {
  readonly #perSecond: number
  readonly #unasked: number
  readonly #maximum: number
  #left: number
  #refilled = performance.now()

  constructor(sizes: {
    readonly perSecond: number
    /** grows to this by itself; what it begins with */
    readonly unasked: number
    readonly maximum: number
  }) {
    this.#perSecond = sizes.perSecond
    this.#unasked = sizes.unasked
    this.#maximum = sizes.maximum
    this.#left = sizes.unasked
  }

  /** It was asked for this much. */
  add(amount: number): void {
    this.#left = Math.min(this.#left + amount, this.#maximum)
  }

  /** @returns whether it was there */
  take(amount: number): boolean {
    const now = performance.now()
    const grown = this.#left + ((now - this.#refilled) / 1_000) * this.#perSecond
    this.#refilled = now
    this.#left = Math.max(this.#left, Math.min(grown, this.#unasked)) - amount
    return this.#left >= 0
  }
}
