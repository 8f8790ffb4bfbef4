/**
 * How much a worker may still send. The allowance grows with time, up to `unasked`: a busy worker may send late what
 * it owes. It also grows with each request, up to `maximum`.
 */
export class Allowance {
  readonly #perSecond: number
  readonly #unasked: number
  readonly #maximum: number
  #left: number
  #refilled = performance.now()

  constructor(sizes: {
    readonly perSecond: number
    /** start value, and maximum that it grows to with time */
    readonly unasked: number
    readonly maximum: number
  }) {
    this.#perSecond = sizes.perSecond
    this.#unasked = sizes.unasked
    this.#maximum = sizes.maximum
    this.#left = sizes.unasked
  }

  /** The worker was asked for this much. */
  add(amount: number): void {
    this.#left = Math.min(this.#left + amount, this.#maximum)
  }

  /** @returns whether the allowance was sufficient */
  take(amount: number): boolean {
    const now = performance.now()
    const grown = this.#left + ((now - this.#refilled) / 1_000) * this.#perSecond
    this.#refilled = now
    this.#left = Math.max(this.#left, Math.min(grown, this.#unasked)) - amount
    return this.#left >= 0
  }
}
