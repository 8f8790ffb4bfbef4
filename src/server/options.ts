import { FILTER_OPTIONS, type FilterOptions } from '../milter/options.ts'
import { optionsOf } from '../options/table.ts'
import type { CloseSettings, ServerValues } from '../options/settings.ts'
import type { CloseOptions, ServerFields } from '../options/types.ts'
import { checkNames, readOptions, textList } from '../options/validate.ts'
import type { AccessOptions } from './access-control.ts'

/** Options of `serve`. Times are milliseconds, sizes are bytes. */
export interface ServeOptions extends FilterOptions, ServerFields, AccessOptions {
  /**
   * One address or several: `inet:8890@localhost`, `inet6:8890@::1`, `unix:/run/filter.sock`,
   * `fd:3`. See {@link parseListenAddress}.
   */
  readonly listen: string | readonly string[]
  /** Closes the server when it is aborted, as `close()` does. */
  readonly signal?: AbortSignal | undefined
}

/** @throws UsageError INVALID_OPTION */
export function addressList(listen: ServeOptions['listen']): readonly string[] {
  return textList(
    'listen',
    listen,
    "an address such as 'inet:8890@localhost', or a list of them",
  )
}

const OPTIONS = optionsOf('server')

const STOP = optionsOf('close')
/** The same without the name of their object, which `close` has not. */
const CLOSE = STOP.map((option) => ({ ...option, name: option.name.replace('stop.', '') }))

/** How `close` stops a server. @throws UsageError INVALID_OPTION */
export function closeSettings(options: CloseOptions): CloseSettings {
  checkNames(
    'close',
    options,
    CLOSE.map(({ name }) => name),
  )
  return readOptions(CLOSE, options) as unknown as CloseSettings
}

/** The option `stop` of `runMilter`. @throws UsageError INVALID_OPTION */
export function stopSettings(stop: CloseOptions | undefined): CloseSettings {
  return readOptions(STOP, { stop })['stop'] as CloseSettings
}

/** @throws UsageError INVALID_OPTION */
export function serverSettings(options: ServerFields): ServerValues {
  return { unixSocket: {}, ...readOptions(OPTIONS, options) } as unknown as ServerValues
}

/** All options of `serve`, including those that are not plain values. */
export const SERVE_OPTIONS: readonly string[] = [
  'listen',
  ...optionsOf('server').map(({ name }) => name),
  ...FILTER_OPTIONS,
  'tls',
  'signal',
]

/** All options of `runMilter`. */
export const RUN_OPTIONS: readonly string[] = [
  ...SERVE_OPTIONS.filter((name) => name !== 'signal'),
  'factory',
  ...STOP.map(({ name }) => name),
]
