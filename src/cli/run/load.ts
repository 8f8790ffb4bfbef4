import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MilterError, UsageError } from '../../errors.ts'
import { compose, type MessageFilter } from '../../message/define-filter.ts'
import type { FilterFactory } from '../../milter/filter-object.ts'
import type { Logger } from '../../diagnostics/log.ts'

/** What the modules on the command line export. */
export interface LoadedFilters {
  readonly factory: FilterFactory
  /** the object of `defineConfig`, if the module was a configuration */
  readonly config: object | undefined
  readonly logger: Logger | undefined
  /** the path of the configuration */
  readonly source: string
}

/**
 * Loads the modules on the command line: filters, or one configuration.
 *
 * @throws UsageError INVALID_OPTION if a module exports something else; also what a module throws
 */
export async function loadFilters(paths: readonly string[]): Promise<LoadedFilters> {
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
    if (paths.length > 1) {
      throw invalid(
        `${path} is a configuration; give it alone, and list all filters in its option filters`,
      )
    }
    const { logger } = found as { logger?: Logger }
    return { factory: together(listed(found, path)), config: found, logger, source: path }
  }
  return { factory: together(filters), config: undefined, logger: undefined, source: '' }
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

/** Node strips types itself since 22.18. @types/node 20 does not have this feature. */
const stripsTypes = Boolean((process.features as { typescript?: unknown }).typescript)

async function defaultExport(path: string): Promise<unknown> {
  const file = resolve(path)
  if (!existsSync(file)) throw invalid(`${path}: there is no such file`)
  try {
    return (await load(file)).default
  } catch (error) {
    throw new LoadError(`${path} does not load: ${explain(error)}${moduleHint(error, file)}`, {
      cause: error,
    })
  }
}

/** jiti loads TypeScript if Node does not strip types. */
async function load(file: string): Promise<{ readonly default?: unknown }> {
  if (!/\.[cm]?ts$/.test(file) || stripsTypes) {
    return (await import(pathToFileURL(file).href)) as { default?: unknown }
  }
  const { createJiti } = await import('jiti')
  // No file cache: the user who runs filters may not be allowed to write beside them. Node loads the package itself, so
  // that there is only one copy of it in the process.
  const jiti = createJiti(import.meta.url, {
    fsCache: false,
    interopDefault: false,
    nativeModules: ['tsmilter'],
  })
  return await jiti.import<{ default?: unknown }>(file)
}

/** A module threw while it was loaded, or has a syntax error. */
class LoadError extends Error {}

/** Says in one line why filters cannot run. */
export function oneLine(error: unknown): string {
  if (error instanceof MilterError && error.code === 'FACTORY_FAILED')
    return explain(error.cause)
  return error instanceof LoadError || error instanceof UsageError
    ? flat(error.message)
    : explain(error)
}

/** Says what was thrown and where. A SyntaxError has no place. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return flat(`it threw ${String(error)}`)
  const frame = /^ +at .*?(file:\/\/[^\s()]+?:\d+|(?<=[ (])\/[^\s()]+?:\d+):\d+\)?$/m
  const place = frame.exec(error.stack ?? '')?.[1]
  const where = place?.startsWith('file:') ? fileURLToPath(place) : place
  const hint =
    (error as { code?: unknown }).code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' ? ERASABLE : ''
  return flat(
    `${error.name}: ${error.message}${hint}${where === undefined ? '' : ` (${where})`}`,
  )
}

/** Node reads a file as CommonJS if package.json says so. Since npm 11, the one that `npm init` writes does. */
function moduleHint(error: unknown, file: string): string {
  if (!(error instanceof SyntaxError) || /\.[cm][jt]s$/.test(file)) return ''
  if (!/^Cannot use import statement|^Unexpected token 'export'/.test(error.message)) return ''
  const name = basename(file).replace(/([jt]s)$/, 'm$1')
  return `; package.json says that it is CommonJS, but it is an ES module: run "npm pkg set type=module" in its folder, or name it ${name}`
}

const ERASABLE = `; Node ${process.versions.node} only strips the types of TypeScript, so it does not support enums, namespaces and parameter properties: write an object with "as const", or compile the filter ("erasableSyntaxOnly" in tsconfig.json finds them)`

const flat = (text: string): string => text.replaceAll(/\s+/g, ' ').trim().slice(0, 1_000)

const invalid = (message: string): UsageError => new UsageError('INVALID_OPTION', message)
