import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MilterError, UsageError } from '../../errors.ts'
import { compose, type MessageFilter } from '../../message/define-filter.ts'
import type { FilterFactory } from '../../milter/filter-object.ts'
import type { Logger } from '../../diagnostics/log.ts'

/** What the modules on the command line have said. */
export interface LoadedFilters {
  readonly factory: FilterFactory
  /** the object of `defineConfig`, if it was one */
  readonly config: object | undefined
  readonly logger: Logger | undefined
  /** where the configuration was found */
  readonly source: string
}

/**
 * Loads what was named on the command line: filters, or one configuration.
 *
 * @throws UsageError INVALID_OPTION for modules that are something else; and whatever a module throws
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
        `${path} must have a filter as its default export, or what defineConfig({ filters: [...] }) has made; it has ${found === undefined ? 'none' : typeof found}`,
      )
    }
    if (paths.length > 1) {
      throw invalid(`${path} is a configuration; it is given alone, and names all its filters`)
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
    throw invalid(`the option filters of ${path}: it takes a list of filters, one or more`)
  }
  return filters.map((filter: unknown, index) => {
    if (typeof filter !== 'function') {
      throw invalid(
        `the option filters of ${path}: number ${index + 1} is no filter but of type ${typeof filter}; it takes what defineFilter has made, or a function that makes handlers`,
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
      `${other.name} is not of defineFilter, so it cannot run together with others in one milter; run it by itself, as another milter of the mail server`,
    )
  }
  return compose(...filters.map(({ filter }) => filter as MessageFilter))
}

/** Node does it itself from 22.18 on; @types/node 20 does not know that. */
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

/** TypeScript goes through jiti where Node does not strip types. */
async function load(file: string): Promise<{ readonly default?: unknown }> {
  if (!/\.[cm]?ts$/.test(file) || stripsTypes) {
    return (await import(pathToFileURL(file).href)) as { default?: unknown }
  }
  const { createJiti } = await import('jiti')
  // Without a cache of files: who runs filters need not be who may write beside them. The package
  // itself is left to Node, so that there is one of it in the process.
  const jiti = createJiti(import.meta.url, {
    fsCache: false,
    interopDefault: false,
    nativeModules: ['tsmilter'],
  })
  return await jiti.import<{ default?: unknown }>(file)
}

/** A module has thrown while it was loaded, or is not understood. */
class LoadError extends Error {}

/** Why filters cannot be run, in one line. */
export function oneLine(error: unknown): string {
  if (error instanceof MilterError && error.code === 'FACTORY_FAILED')
    return explain(error.cause)
  return error instanceof LoadError || error instanceof UsageError
    ? flat(error.message)
    : explain(error)
}

/** What was thrown and where; a SyntaxError does not say where. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return flat(`it has thrown ${String(error)}`)
  const frame = /^ +at .*?(file:\/\/[^\s()]+?:\d+|(?<=[ (])\/[^\s()]+?:\d+):\d+\)?$/m
  const place = frame.exec(error.stack ?? '')?.[1]
  const where = place?.startsWith('file:') ? fileURLToPath(place) : place
  const hint =
    (error as { code?: unknown }).code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' ? ERASABLE : ''
  return flat(
    `${error.name}: ${error.message}${hint}${where === undefined ? '' : ` (${where})`}`,
  )
}

/** Node reads a file as CommonJS if package.json says so, as that of `npm init` does from npm 11 on. */
function moduleHint(error: unknown, file: string): string {
  if (!(error instanceof SyntaxError) || /\.[cm][jt]s$/.test(file)) return ''
  if (!/^Cannot use import statement|^Unexpected token 'export'/.test(error.message)) return ''
  const name = basename(file).replace(/([jt]s)$/, 'm$1')
  return `; package.json says that it is CommonJS, and it is an ES module: run "npm pkg set type=module" in its folder, or name it ${name}`
}

const ERASABLE = `; Node ${process.versions.node} runs TypeScript by taking its types away, so there are no enums, namespaces and parameter properties: write an object with "as const", or compile the filter ("erasableSyntaxOnly" of tsconfig.json finds them)`

const flat = (text: string): string => text.replaceAll(/\s+/g, ' ').trim().slice(0, 1_000)

const invalid = (message: string): UsageError => new UsageError('INVALID_OPTION', message)
