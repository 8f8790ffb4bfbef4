import { setImmediate } from 'node:timers/promises'

/** Maximum number of milliseconds of work before other work has a turn. */
const LONGEST = 10

/** Divides long work, so that other work of the process has its turns. */
export class Turns {
  #since = performance.now()

  /** Gives other work a turn, if it is time. Otherwise this only reads the clock. */
  async next(): Promise<void> {
    if (performance.now() - this.#since < LONGEST) return
    await setImmediate()
    this.#since = performance.now()
  }
}
