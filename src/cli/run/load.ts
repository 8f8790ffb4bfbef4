import { UsageError } from '../../errors.ts'
import { compose, type MessageFilter } from '../../message/define-filter.ts'
import type { FilterFactory } from '../../milter/filter-object.ts'
import { optionNamed } from '../../options/table.ts'
import type { Logger } from '../../diagnostics/log.ts'
import { asObject } from '../config/server-options.ts'
import { isConfigFile } from '../config/config-file.ts'
import { loadConfigFile, type LoadedConfig } from '../config/load-config.ts'
import { defaultExport } from './module.ts'

/** What the modules on the command line export. */
export interface LoadedFilters {
  readonly factory: FilterFactory
  /** the object of `defineConfig`, if the module was a configuration */
  readonly config: object | undefined
  readonly logger: Logger | undefined
  /** the path of the configuration */
  readonly source: string
  /** what was in the configuration, if it is a text file */
  readonly file?: LoadedConfig
}

/**
 * Loads the modules on the command line: filters, or one configuration.
 *
 * @throws UsageError INVALID_OPTION if a module exports something else; also what a module throws
 */
export async function loadFilters(paths: readonly string[]): Promise<LoadedFilters> {
  const text = paths.find(isConfigFile)
  if (text !== undefined) {
    if (paths.length > 1) throw alone(text)
    return await fromFile(text)
  }
  const filters: Named[] = []
  for (const path of paths) {
    const found = await defaultExport(path)
    if (typeof found === 'function') {
      filters.push({ name: path, filter: found as FilterFactory })
      continue
    }
    if (typeof found !== 'object' || found === null || !('filters' in found)) {
      throw invalid(
        `the default export of ${path} must be a filter or the result of defineConfig({ filters: [...] }); it is ${found === undefined ? 'missing' : typeof found}`,
      )
    }
    if (paths.length > 1) throw alone(path)
    const { logger } = found as { logger?: Logger }
    return { factory: together(listed(found, path)), config: found, logger, source: path }
  }
  return { factory: together(filters), config: undefined, logger: undefined, source: '' }
}

const alone = (path: string): UsageError =>
  invalid(
    `${path} is a configuration; give it alone, and list all filters in its option filters`,
  )

/** @throws UsageError INVALID_OPTION with a line for each mistake */
async function fromFile(path: string): Promise<LoadedFilters> {
  const file = await loadConfigFile(path, process.env)
  const named = file.filters.map(({ entry, filter }) => ({
    name: `${entry.name} (${path}:${entry.place.line})`,
    filter,
  }))
  const values = [...file.options].filter(([name]) => optionNamed(name).scope !== 'process')
  return {
    factory: together(named),
    config: asObject(new Map(values)),
    logger: undefined,
    source: path,
    file,
  }
}

interface Named {
  readonly name: string
  readonly filter: FilterFactory
}

function listed(config: { readonly filters?: unknown }, path: string): Named[] {
  const { filters } = config
  if (!Array.isArray(filters) || filters.length === 0) {
    throw invalid(`the option filters of ${path}: it takes a list of one or more filters`)
  }
  return filters.map((filter: unknown, index) => {
    if (typeof filter !== 'function') {
      throw invalid(
        `the option filters of ${path}: number ${index + 1} is not a filter, but of type ${typeof filter}; a filter is the result of defineFilter, or a function that returns handlers`,
      )
    }
    return { name: `number ${index + 1} of ${path}`, filter: filter as FilterFactory }
  })
}

function together(filters: readonly Named[]): FilterFactory {
  if (filters.length === 1) return filters[0]!.filter
  const other = filters.find(({ filter }) => !('members' in filter))
  if (other !== undefined) {
    throw invalid(
      `${other.name} is not made with defineFilter, so it cannot run together with other filters in one milter; run it alone, as another milter of the mail server`,
    )
  }
  return compose(...filters.map(({ filter }) => filter as MessageFilter))
}

const invalid = (message: string): UsageError => new UsageError('INVALID_OPTION', message)
