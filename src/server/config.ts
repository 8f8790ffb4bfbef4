import type { FilterFactory } from '../milter/filter-object.ts'
import type { Logger } from '../diagnostics/log.ts'
import type { ConfigFields } from '../options/types.ts'

/**
 * The configuration of `tsmilter run`: the filters, and how to run them. Times are milliseconds or text such as
 * '30s'. Sizes are bytes or text such as '16M'. Options that are plain values can also be given on the command line and
 * in the environment, which take precedence. docs/running.md has the table.
 */
export interface Config extends ConfigFields {
  /**
   * One filter, or several that run as one. Several filters must all be made with `defineFilter`. They are combined as
   * by `compose`.
   */
  readonly filters: readonly FilterFactory[]
  /**
   * The logger to use instead of standard output: any object with the methods of pino. If it throws, the line is lost,
   * but no mail.
   */
  readonly logger?: Logger | undefined
}

/**
 * Returns a configuration for `tsmilter run` unchanged. Use it for the default export of a module, so that your editor
 * knows the options and TypeScript checks them.
 *
 *     export default defineConfig({ listen: 'inet:8890@localhost', workers: 2, filters: [tag] })
 */
export function defineConfig(config: Config): Config {
  return config
}
