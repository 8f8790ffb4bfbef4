/** The same request again, if the first try has failed for a reason that may pass. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HttpFailure, isTemporary, type HttpAnswer } from './http-exchange.ts'

/** Pauses before the second and the third try, in milliseconds. */
const PAUSES = [200, 1_000]

/**
 * @param pauses for tests
 * @returns the last answer
 * @throws HttpFailure of the last try; the reason of `signal`
 */
export async function withRetries(
  send: () => Promise<HttpAnswer>,
  signal: AbortSignal,
  pauses: readonly number[] = PAUSES,
): Promise<HttpAnswer> {
  for (let tries = 0; ; tries++) {
    const pause = pauses[tries]
    try {
      // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other
      const answer = await send()
      if (pause === undefined || !isTemporary(answer.status)) return answer
    } catch (error) {
      const isWorthIt = error instanceof HttpFailure && error.reason !== 'too-large'
      if (pause === undefined || !isWorthIt) throw error
    }
    // oxlint-disable-next-line eslint/no-await-in-loop -- as above
    await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}
