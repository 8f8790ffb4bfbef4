/** Makes the filters of a text file. Here their code is loaded, so only workers and the commands that try it do this. */
import { dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { UsageError } from '../../errors.ts'
import type { FilterFactory } from '../../milter/filter-object.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import { when } from '../../filters/when.ts'
import { defaultExport, oneLine } from '../run/module.ts'
import { ConfigFileError } from './config-file-error.ts'
import { readConfigFile, type ConfigFile } from './config-file.ts'
import type { FilterEntry } from './filter-list.ts'
import { lateEdits } from './late-edits.ts'
import { scalarIn } from './nodes.ts'
import type { Place } from './place.ts'

export interface LoadedFilter {
  readonly entry: FilterEntry
  readonly filter: FilterFactory
}

/** A text file without mistakes, with its filters. */
export interface LoadedConfig extends Omit<ConfigFile, 'filters'> {
  readonly filters: readonly LoadedFilter[]
}

/** @throws ConfigFileError for all mistakes at once, those of filters that cannot be made too */
export async function loadConfigFile(
  path: string,
  environment: NodeJS.ProcessEnv,
): Promise<LoadedConfig> {
  const file = readConfigFile(path, environment)
  const mistakes = [...file.mistakes]
  const filters: LoadedFilter[] = []
  // Filters whose options are right are made even if others are wrong, to find all mistakes.
  const whole = file.mistakes.length === 0
  for (const entry of file.filters) {
    if (!whole && entry.ready !== undefined && entry.options === undefined) continue
    try {
      // oxlint-disable-next-line eslint/no-await-in-loop -- in the order of the file, so that mistakes are too
      filters.push({ entry, filter: await makeFilter(entry) })
    } catch (error) {
      const text = `${entry.name} cannot be made: ${oneLine(error)}`
      mistakes.push({ place: placeOf(entry, text), text })
    }
  }
  const alone = filters.find(({ filter }) => !('members' in filter))
  if (alone !== undefined && file.filters.length > 1) {
    const { name, place } = alone.entry
    const text = `${name} is not made with defineFilter, so it cannot run together with other filters: run it alone, as another milter of the mail server`
    mistakes.push({ place, text })
  }
  mistakes.push(...lateEdits(filters))
  if (mistakes.length > 0) throw new ConfigFileError(mistakes)
  return { ...file, filters }
}

/** The place of the file that a message names, if the options have it, else of the filter. */
function placeOf({ place, optionsNode }: FilterEntry, message: string): Place {
  const named = scalarIn(
    optionsNode,
    ({ value, secret, place: at }) =>
      typeof value === 'string' &&
      secret === undefined &&
      value.length > 1 &&
      message.includes(resolve(dirname(at.file), value)),
  )
  return named?.place ?? place
}

/** Adds the condition. @throws whatever the filter throws */
async function makeFilter(entry: FilterEntry): Promise<FilterFactory> {
  const filter = entry.ready === undefined ? await ownFilter(entry) : await readyFilter(entry)
  if (entry.when === undefined) return filter
  if (!('members' in filter)) {
    throw new UsageError(
      'INVALID_OPTION',
      'it is not made with defineFilter, so it cannot have "when": remove that, or ask in its handlers',
    )
  }
  return when(entry.when.condition, filter as unknown as MessageFilter)
}

const readyFilter = async ({ ready, options }: FilterEntry): Promise<FilterFactory> => {
  const make = await ready!.load()
  return await make(options as never)
}

/** A filter of a module or a package, or of a function there that makes one of options. */
async function ownFilter({ name, place, options }: FilterEntry): Promise<FilterFactory> {
  const found = await defaultExport(await moduleAt(name, place.file))
  if (typeof found !== 'function') {
    throw new UsageError(
      'INVALID_OPTION',
      `its default export is ${found === undefined ? 'missing' : `of type ${typeof found}`}; it has to be a filter, or a function that makes a filter of its options`,
    )
  }
  if (options === undefined) return found as FilterFactory
  if ('members' in found) {
    throw new UsageError(
      'INVALID_OPTION',
      'its default export is a filter, which takes no options: remove them, or export a function that makes the filter',
    )
  }
  const made: unknown = await (found as (options: unknown) => unknown)(options)
  if (typeof made === 'function') return made as FilterFactory
  throw new UsageError(
    'INVALID_OPTION',
    `its default export has to return a filter; it has returned ${made === null ? 'null' : typeof made}`,
  )
}

/** `./filter.ts` begins at the folder of the file that names it; other names are packages, as that folder sees them. */
async function moduleAt(name: string, file: string): Promise<string> {
  if (/^\.{0,2}\//.test(name) || /^\.\.?$/.test(name)) return resolve(dirname(file), name)
  const { createJiti } = await import('jiti')
  const from = pathToFileURL(resolve(file)).href
  const found = createJiti(from, { fsCache: false }).esmResolve(name, { try: true })
  if (found === undefined) {
    throw new UsageError(
      'INVALID_OPTION',
      `there is no package ${name} in node_modules of ${dirname(resolve(file))} or above: install it there, or write ./${name} for a file`,
    )
  }
  return found.startsWith('file:') ? fileURLToPath(found) : found
}
