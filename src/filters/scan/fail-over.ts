/** Several daemons that do the same: if one fails, the next one is asked. */
import { within } from '../../toolkit/within.ts'
import { ScanFailure } from './scan-failure.ts'

/** A daemon that has failed is asked last for so long, in milliseconds. */
const REST = 30_000

export class FailOver<Result, Given extends readonly unknown[]> {
  readonly #runs: readonly ((...given: [...Given, AbortSignal]) => Promise<Result>)[]
  readonly #failed: number[]
  readonly #now: () => number

  constructor(
    runs: readonly ((...given: [...Given, AbortSignal]) => Promise<Result>)[],
    now: () => number = () => performance.now(),
  ) {
    this.#runs = runs
    this.#failed = runs.map(() => -Infinity)
    this.#now = now
  }

  /**
   * Each daemon gets an equal part of the time that is left, so that a slow one does not use up that of the others.
   *
   * @param ms for all together
   * @throws ScanFailure with what each of them has done; the reason of `signal`
   */
  async run(ms: number, signal: AbortSignal, ...given: Given): Promise<Result> {
    const end = performance.now() + ms
    const order = this.#order()
    const reasons: string[] = []
    for (const [tried, index] of order.entries()) {
      const part = Math.max(1, Math.ceil((end - performance.now()) / (order.length - tried)))
      try {
        // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other
        const result = await within(part, signal, (inner) =>
          this.#runs[index]!(...given, inner),
        )
        this.#failed[index] = -Infinity
        return result
      } catch (error) {
        signal.throwIfAborted()
        this.#failed[index] = this.#now()
        reasons.push((error as Error).message)
      }
    }
    throw new ScanFailure(reasons.join('; '))
  }

  /** In their order; those that have failed lately are at the end. */
  #order(): number[] {
    const now = this.#now()
    const rests = (index: number): number => Number(now - this.#failed[index]! < REST)
    return [...this.#runs.keys()].sort((a, b) => rests(a) - rests(b) || a - b)
  }
}
