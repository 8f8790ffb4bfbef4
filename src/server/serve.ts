import type { Filter } from '../milter/filter-object.ts'
import type { Exact, NotWeak } from '../milter/handlers.ts'
import type { ServeOptions } from './options.ts'
import { startServer, type MilterServer } from './server.ts'

/**
 * Serves a filter: listens, and calls `factory` for each SMTP session; what it returns are the
 * handlers of that session, or an object of a class that extends `Base`. Resolves when all addresses
 * are open. Installs no signal handlers; {@link runMilter} does, for a whole program.
 *
 *     const server = await serve(() => ({ eom: (ctx) => ctx.addHeader('X-Seen', 'yes') }),
 *       { listen: 'inet:8890@localhost' })
 *     process.once('SIGTERM', () => void server.close())
 *
 * @throws ListenError when an address cannot be had; then none of them is
 * @throws UsageError INVALID_OPTION
 */
export function serve<F extends Filter & NotWeak>(
  factory: () => F & Exact<F>,
  options: ServeOptions,
): Promise<MilterServer> {
  return startServer(factory, options)
}
