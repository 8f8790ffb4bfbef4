import {
  mergeMetrics,
  sumMetrics,
  totalsOf,
  type MetricsSnapshot,
} from '../../telemetry/metrics.ts'

/**
 * The metrics of workers that have ended. Without them the sums would fall at every reload, and Prometheus would take
 * that for a restart.
 */
export class PastMetrics {
  #past: Promise<MetricsSnapshot> = Promise.resolve([])

  keep(metrics: MetricsSnapshot): void {
    // A worker of another version may have metrics that cannot be added. That must neither end the primary nor
    // lose what was counted before.
    const before = this.#past
    this.#past = before
      .then(async (past) => await sumMetrics([past, totalsOf(metrics)]))
      .catch(() => before)
  }

  /** The text for `/metrics`: the past, and the workers that are running. */
  async with(present: Promise<readonly MetricsSnapshot[]>): Promise<string> {
    // Read first: a worker that ends while the others are asked is in `present`, and must not count twice.
    const past = this.#past
    return await mergeMetrics([await past, ...(await present)])
  }
}
