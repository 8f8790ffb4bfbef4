/** The time that a whole task may take, and what cuts it off. Each wait has a limit of its own, too. */
import { SmtpFailure } from './smtp-failure.ts'

export class Waits {
  readonly #end: number
  readonly #signal: AbortSignal | undefined

  /** @param total milliseconds for all waits together */
  constructor(total: number, signal?: AbortSignal) {
    this.#end = performance.now() + total
    this.#signal = signal
  }

  /**
   * @param ms for this wait
   * @param what what is waited for, for the text of the failure
   * @throws SmtpFailure `timeout`, `time-over`
   * @throws the reason of the signal
   */
  async within<Value>(ms: number, what: string, call: () => Promise<Value>): Promise<Value> {
    const signal = this.#signal
    signal?.throwIfAborted()
    const left = this.#end - performance.now()
    if (left <= 0) throw new SmtpFailure('time-over', `no time is left for ${what}`)
    let timer: NodeJS.Timeout | undefined
    let abort = (): void => {}
    try {
      return await new Promise<Value>((resolve, reject) => {
        timer = setTimeout(
          () =>
            reject(
              left <= ms
                ? new SmtpFailure('time-over', `no time is left for ${what}`)
                : new SmtpFailure('timeout', `${what} took longer than ${ms} ms`),
            ),
          Math.ceil(Math.min(left, ms)),
        )
        abort = () => reject(signal?.reason as Error)
        signal?.addEventListener('abort', abort)
        call().then(resolve, reject)
      })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }
}
