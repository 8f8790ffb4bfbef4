import { setImmediate } from 'node:timers/promises'

/** Longest work at one go, in milliseconds; then others have a turn. */
const LONGEST = 10

/** Long work in turns with all else the process does. */
export class Turns {
  #since = performance.now()

  /** Costs a look at the clock where it is not time yet. */
  async next(): Promise<void> {
    if (performance.now() - this.#since < LONGEST) return
    await setImmediate()
    this.#since = performance.now()
  }
}
