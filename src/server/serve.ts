import type { Filter } from '../milter/filter-object.ts'
import type { Exact, NotWeak } from '../milter/handlers.ts'
import type { ServeOptions } from './options.ts'
import { startServer, type MilterServer } from './server.ts'

/**
 * Serves a filter. It listens, and calls `factory` once for each SMTP session. The factory returns the handlers of that
 * session, or an object of a class that extends `Base`. The promise resolves when all addresses are open. `serve`
 * installs no signal handlers. To run a filter as a program, use {@link runMilter}.
 *
 *     const server = await serve(() => ({ eom: (ctx) => ctx.addHeader('X-Seen', 'yes') }),
 *       { listen: 'inet:8890@localhost' })
 *     process.once('SIGTERM', () => void server.close())
 *
 * @throws ListenError if it cannot listen on an address; then it listens on none of them
 * @throws UsageError INVALID_OPTION
 */
export function serve<F extends Filter & NotWeak>(
  factory: () => F & Exact<F>,
  options: ServeOptions,
): Promise<MilterServer> {
  return startServer(factory, options)
}
