import { cpus } from 'node:os'
import { UsageError } from '../../errors.ts'
import { flagOf, variableOf } from '../../options/names.ts'
import { didYouMean } from '../../options/nearest.ts'
import { MAX_WORKERS, OPTIONS, optionsOf } from '../../options/table.ts'
import type { ProcessSettings, RunSettings } from '../../options/settings.ts'
import { show } from '../../options/show.ts'
import { firstUnknown, put, readOption, valueAt } from '../../options/validate.ts'

/** An option that was given outside the configuration. */
export interface Given {
  readonly name: string
  readonly value: unknown
}

/** Fields of a configuration that hold code. */
const OF_CODE = ['filters', 'logger']

/**
 * Reads the options of the command line and the environment. The command line takes precedence.
 *
 * @param flags raw values by option name
 * @param ofProcess options of a text file; those that must be known before code of a filter is loaded are taken
 * @throws UsageError INVALID_OPTION
 */
export function givenOptions(
  flags: ReadonlyMap<string, unknown>,
  environment: Readonly<Record<string, string | undefined>>,
  ofProcess: ReadonlyMap<string, unknown> = new Map(),
): Given[] {
  const given: Given[] = []
  for (const option of OPTIONS) {
    const { name, kind } = option
    const variable = environment[variableOf(option)]
    let value: unknown = option.scope === 'process' ? ofProcess.get(name) : undefined
    // A mistake in a variable is an error even if the command line takes precedence.
    if (variable !== undefined && variable !== '') {
      const source = `the environment (${variableOf(option)})`
      value = readOption(option, kind.list ? variable.trim().split(/\s+/) : variable, source)
    }
    const flag = flags.get(name)
    if (flag !== undefined) {
      value = readOption(option, flag, `the command line (${flagOf(option)})`)
    }
    if (value !== undefined) given.push({ name, value })
  }
  return given
}

const OF_PROCESS = optionsOf('process')
const OF_CONFIG = OPTIONS.filter((option) => !OF_PROCESS.includes(option))

export function processSettings(given: readonly Given[]): ProcessSettings {
  const names = OF_PROCESS.map(({ name }) => name)
  return Object.fromEntries(
    given.filter(({ name }) => names.includes(name)).map(({ name, value }) => [name, value]),
  )
}

/**
 * Every option: its value is the one given outside the configuration, else that of the configuration, else the default.
 *
 * @param config the object of `defineConfig`, or undefined
 * @param source the name of its file, for errors
 * @throws UsageError INVALID_OPTION
 */
export function runSettings(
  given: readonly Given[],
  config: object | undefined,
  source: string,
): RunSettings {
  if (config !== undefined) refuseUnknownKeys(config, source)
  const settings = {}
  for (const option of OF_CONFIG) {
    const found = config === undefined ? undefined : valueAt(config, option.name)
    // A mistake in the configuration is an error even if another source takes precedence.
    const configured = found === undefined ? undefined : readOption(option, found, source)
    const usual = option.unset ? undefined : option.default
    const value = given.find(({ name }) => name === option.name)?.value ?? configured ?? usual
    if (value !== undefined) put(settings, option.name, value)
  }
  // `tls` without values, such as from a variable that is not set, must not mean a connection without TLS.
  if (config !== undefined && valueAt(config, 'tls') !== undefined && !('tls' in settings)) {
    put(settings, 'tls', {})
  }
  const { workers } = settings as { workers: number | 'auto' }
  put(
    settings,
    'workers',
    workers === 'auto' ? Math.min(cpus().length || 1, MAX_WORKERS) : workers,
  )
  return settings as RunSettings
}

const CONFIG_NAMES = [...OF_CODE, ...OF_CONFIG.map(({ name }) => name)]

function refuseUnknownKeys(config: object, source: string): void {
  const unknown = firstUnknown(config, CONFIG_NAMES)
  if (unknown === undefined) return
  const option = OF_PROCESS.find(({ name }) => name === unknown.name)
  throw new UsageError(
    'INVALID_OPTION',
    `the option ${unknown.name} of ${source}: ${
      option !== undefined
        ? `it must be known before the configuration is loaded; use ${flagOf(option)} or ${variableOf(option)}`
        : 'inside' in unknown
          ? `it takes an object with ${unknown.inside.join(', ')}; it got ${show(unknown.value)}`
          : `there is no such option${didYouMean(unknown.name, unknown.there) || '.'} The options are: ${unknown.there.join(', ')}`
    }`,
  )
}
