import type { FilterFactory } from '../milter/filter-object.ts'
import type { Logger } from '../diagnostics/log.ts'
import type { ConfigFields } from '../options/types.ts'

/**
 * What `tsmilter run` needs to know: the filters, and how they are run. Times are milliseconds or text
 * such as '30s', sizes bytes or text such as '16M'. The command line and the environment have each option that is
 * a plain value, too, and go before this one; docs/running.md has the table.
 */
export interface Config extends ConfigFields {
  /**
   * One filter, or several that run as one: then all of them are of `defineFilter`, and do to a message
   * what `compose` says.
   */
  readonly filters: readonly FilterFactory[]
  /**
   * Where log lines go, instead of standard output: anything with the methods of pino. One that throws costs
   * lines, and no mail.
   */
  readonly logger?: Logger | undefined
}

/**
 * The configuration of `tsmilter run`, to be the default export of a module. Gives it back as it is;
 * what it is good for is that an editor knows the options, and TypeScript checks them.
 *
 *     export default defineConfig({ listen: 'inet:8890@localhost', workers: 2, filters: [tag] })
 */
export function defineConfig(config: Config): Config {
  return config
}
