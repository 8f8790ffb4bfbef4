import type { Logger, LogLevel } from './log.ts'

/** Milliseconds in which so many lines of one kind are written. */
const INTERVAL = 60_000

interface Kind {
  began: number
  written: number
  leftOut: number
}

/**
 * Lines of the log that anybody who reaches the port can cause, as often as they like: of each kind so
 * many a minute, and with the next one the number of those that were left out.
 */
export class RateLimitedLog {
  readonly #kinds = new Map<string, Kind>()
  readonly #clock: () => number

  /** @param clock milliseconds */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock
  }

  /**
   * @param message with the level it is the kind: each is remembered, so it has to be a constant
   * @param most lines in a minute
   */
  write(log: Logger, level: LogLevel, fields: object, message: string, most: number = 1): void {
    const name = `${level} ${message}`
    const now = this.#clock()
    let kind = this.#kinds.get(name)
    if (kind === undefined) {
      kind = { began: now, written: 0, leftOut: 0 }
      this.#kinds.set(name, kind)
    } else if (now - kind.began >= INTERVAL) {
      kind.began = now
      kind.written = 0
    }
    if (kind.written >= most) {
      kind.leftOut++
      return
    }
    kind.written++
    const { leftOut } = kind
    kind.leftOut = 0
    log[level](leftOut === 0 ? fields : { ...fields, leftOut }, message)
  }
}
