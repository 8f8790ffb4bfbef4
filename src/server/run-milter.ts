import type { Filter } from '../milter/filter-object.ts'
import type { Exact, NotWeak } from '../milter/handlers.ts'
import { childLogger, textLogger } from '../diagnostics/log.ts'
import type { CloseOptions } from '../options/types.ts'
import { checkNames } from '../options/validate.ts'
import { RUN_OPTIONS, type ServeOptions } from './options.ts'
import { startServer } from './server.ts'

export interface RunOptions<F extends Filter = Filter> extends Omit<ServeOptions, 'signal'> {
  /** called once for each SMTP session */
  readonly factory: () => F
  /** how long SIGTERM and SIGHUP wait for sessions */
  readonly stop?: CloseOptions | undefined
}

const GRACEFUL: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP']
const AT_ONCE: readonly NodeJS.Signals[] = ['SIGINT']

/** Milliseconds that are left to the program after it was stopped at once. */
const EXIT_AFTER = 1_000

/**
 * Runs a filter as a program: listens, and resolves when it has stopped. It owns the signals while it
 * runs, as libmilter does: SIGTERM and SIGHUP stop gracefully (what is in progress is finished),
 * SIGINT at once, and so does any second signal; then the process ends a second later, even if a
 * handler that was cut off still has something to wait for.
 *
 * @param name stands in every log line; with Sendmail the name of its `Xname` line by custom
 * @throws ListenError, UsageError as {@link serve}
 */
export async function runMilter<F extends Filter & NotWeak>(
  name: string,
  options: RunOptions<F & Exact<F>>,
): Promise<void> {
  checkNames('runMilter', options, RUN_OPTIONS)
  const { factory, stop, ...rest } = options
  const logger = childLogger(options.logger ?? textLogger('info'), { filter: name })
  const server = await startServer(factory, { ...rest, logger })
  logger.info({ addresses: server.addresses.join(' ') }, 'listening')

  let stopping = false
  let atOnce = false
  const onSignal = (signal: NodeJS.Signals): void => {
    atOnce = stopping || AT_ONCE.includes(signal)
    stopping = true
    logger.info(
      { signal, connections: server.connections },
      atOnce ? 'stopping at once' : 'stopping',
    )
    void server.close(atOnce ? { deadline: 0 } : stop)
  }
  for (const signal of [...GRACEFUL, ...AT_ONCE]) process.on(signal, onSignal)
  try {
    await server.finished
  } finally {
    for (const signal of [...GRACEFUL, ...AT_ONCE]) process.off(signal, onSignal)
  }
  logger.info('stopped')
  // Handlers that were cut off may still run and would keep the process alive.
  if (atOnce) setTimeout(() => process.exit(), EXIT_AFTER).unref()
}
