/** How a ready-made filter says what it did: a line in the log, and an event that is counted. */
import { channels, type FilterResult } from '../diagnostics/channels.ts'
import type { StageContext } from '../message/stage-context.ts'

/** Results that change nothing are only of interest to somebody who looks for them. */
const LEVELS: Readonly<Record<FilterResult, 'debug' | 'info'>> = {
  passed: 'debug',
  changed: 'info',
  refused: 'info',
  deferred: 'info',
  discarded: 'info',
  held: 'info',
  skipped: 'debug',
}

export class ResultLog {
  readonly #filter: string
  readonly #observes: boolean

  constructor(filter: string, observes: boolean) {
    this.#filter = filter
    this.#observes = observes
  }

  /**
   * Tells one result.
   *
   * @param reason a word of the filter from a fixed list; it is a label of the metrics
   * @param facts more for the log line
   * @param level of the line, if it is not the usual one
   * @returns nothing, which lets a message pass
   */
  tell(
    ctx: StageContext,
    result: FilterResult,
    reason: string,
    facts: object = {},
    level: 'debug' | 'info' | 'warn' = LEVELS[result],
  ): undefined {
    const observed = this.#observes
    const done = result === 'passed' || result === 'skipped'
    ctx.log[level]({ reason, ...facts }, observed && !done ? `would be ${result}` : result)
    if (channels.filterResult.hasSubscribers) {
      channels.filterResult.publish({
        connection: ctx.id,
        queueId: ctx.queueId,
        filter: this.#filter,
        result,
        reason,
        observed,
      })
    }
    return undefined
  }
}
