import {
  mergeMetrics,
  sumMetrics,
  totalsOf,
  type MetricsSnapshot,
} from '../../telemetry/metrics.ts'

/**
 * What workers have counted that have ended. Without it the sums would fall with every reload, and who
 * reads them would take that for a restart.
 */
export class PastMetrics {
  #past: Promise<MetricsSnapshot> = Promise.resolve([])

  keep(metrics: MetricsSnapshot): void {
    // A worker of another version may have counted what cannot be added up. That must neither end the
    // primary nor take away what is there.
    const before = this.#past
    this.#past = before
      .then(async (past) => await sumMetrics([past, totalsOf(metrics)]))
      .catch(() => before)
  }

  /** The text for `/metrics` of the past and of those that are still there. */
  async with(present: Promise<readonly MetricsSnapshot[]>): Promise<string> {
    // Of now: whoever ends while the others are asked is among those present, and not counted twice.
    const past = this.#past
    return await mergeMetrics([await past, ...(await present)])
  }
}
