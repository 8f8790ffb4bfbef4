import type { Filter } from '../milter/filter-object.ts'
import type { Exact, NotWeak } from '../milter/handlers.ts'
import { childLogger, textLogger } from '../diagnostics/log.ts'
import type { CloseOptions } from '../options/types.ts'
import { checkNames } from '../options/validate.ts'
import { RUN_OPTIONS, stopSettings, type ServeOptions } from './options.ts'
import { startServer } from './server.ts'

/** Options of {@link runMilter}. */
export interface RunOptions<F extends Filter = Filter> extends Omit<ServeOptions, 'signal'> {
  /** called once for each SMTP session */
  readonly factory: () => F
  /** how long SIGTERM and SIGHUP wait for sessions */
  readonly stop?: CloseOptions | undefined
}

const GRACEFUL: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP']
const AT_ONCE: readonly NodeJS.Signals[] = ['SIGINT']

/** Milliseconds until the program exits after it was stopped at once. */
const EXIT_AFTER = 1_000

/**
 * Runs a filter as a program. It listens, and resolves when it has stopped. Like libmilter, it handles signals while it
 * runs:
 *
 * - SIGTERM and SIGHUP stop it gracefully: sessions in progress may finish.
 * - SIGINT, or a second signal, stops it at once. The process then exits a second later, even if a handler that was cut
 *   off is still waiting for something.
 *
 *     await runMilter('tag', { factory: tag, listen: 'inet:8890@localhost' })
 *
 * @param name appears in every log line; with Sendmail, it is usually the name in the `Xname` line
 * @throws ListenError, UsageError as {@link serve}
 */
export async function runMilter<F extends Filter & NotWeak>(
  name: string,
  options: RunOptions<F & Exact<F>>,
): Promise<void> {
  checkNames('runMilter', options, RUN_OPTIONS)
  const { factory, stop, ...rest } = options
  const graceful = stopSettings(stop)
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
    void server.close(atOnce ? { deadline: 0 } : graceful)
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
