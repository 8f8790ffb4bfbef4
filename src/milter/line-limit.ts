/**
 * For lines of the log that strangers can cause, as often as they like: so many are let through in a
 * while, and the first after that says how many were left out.
 */
export class LineLimit {
  readonly #most: number
  readonly #interval: number
  #began = -Infinity
  #passed = 0
  #leftOut = 0

  /**
   * @param most lines in an interval
   * @param interval milliseconds
   */
  constructor(most: number = 1, interval: number = 60_000) {
    this.#most = most
    this.#interval = interval
  }

  /**
   * Undefined: this line is left out. Otherwise fields to be added to it.
   *
   * @param now milliseconds, on any clock
   */
  pass(now: number = performance.now()): { readonly leftOut?: number } | undefined {
    if (now - this.#began >= this.#interval) {
      this.#began = now
      this.#passed = 0
    }
    if (this.#passed >= this.#most) {
      this.#leftOut++
      return undefined
    }
    this.#passed++
    const leftOut = this.#leftOut
    this.#leftOut = 0
    return leftOut === 0 ? {} : { leftOut }
  }
}
