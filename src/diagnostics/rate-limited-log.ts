import type { Logger, LogLevel } from './log.ts'

/** Milliseconds to which the maximum number of lines of one kind applies. */
const INTERVAL = 60_000

interface Kind {
  began: number
  written: number
  leftOut: number
}

/**
 * A log for lines that any client of the port can cause as often as it likes. It writes a limited number of lines of
 * each kind in a minute. The next line has the number of lines that were left out.
 */
export class RateLimitedLog {
  readonly #kinds = new Map<string, Kind>()
  readonly #clock: () => number

  /** @param clock milliseconds */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock
  }

  /**
   * @param message the kind of the line, together with its level; must be a constant, because each kind is remembered
   * @param maximum the maximum number of lines in a minute
   */
  write(
    log: Logger,
    level: LogLevel,
    fields: object,
    message: string,
    maximum: number = 1,
  ): void {
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
    if (kind.written >= maximum) {
      kind.leftOut++
      return
    }
    kind.written++
    const { leftOut } = kind
    kind.leftOut = 0
    log[level](leftOut === 0 ? fields : { ...fields, leftOut }, message)
  }
}
