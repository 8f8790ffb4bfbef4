/** Waits for what other people's code does: never longer than a deadline, and never longer than the caller does. */

/**
 * Calls a function and waits for it until the deadline or the end of the signal. Afterwards, the signal it got is
 * aborted in any case, so that what still runs can stop.
 *
 * @param ms milliseconds
 * @returns what the function returns; rejects with its error, with the reason of `signal`, or with an Error that names
 *   the time
 */
export async function within<T>(
  ms: number,
  signal: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  const scope = new AbortController()
  let reject!: (reason: unknown) => void
  const ended = new Promise<never>((_, rejected) => (reject = rejected))
  const end = (reason: unknown): void => {
    reject(reason)
    scope.abort(reason)
  }
  const timer = setTimeout(() => end(new Error(`there was no answer within ${ms} ms`)), ms)
  const follow = (): void => end(signal?.reason)
  signal?.addEventListener('abort', follow, { once: true })
  try {
    return await Promise.race([run(scope.signal), ended])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', follow)
    scope.abort()
  }
}
