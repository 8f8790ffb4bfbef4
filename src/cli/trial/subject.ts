/** What is tried: the filters of a configuration, one by one, each with its place. */
import type { FilterFactory } from '../../milter/filter-object.ts'
import { memberOf, type MessageFilter } from '../../message/define-filter.ts'
import type { ConfigNode } from '../config/nodes.ts'
import { lineText } from '../config/place.ts'
import type { FilterEntry } from '../config/filter-list.ts'
import type { SecretPlace } from '../config/reader.ts'
import { optionsOf } from '../../options/table.ts'
import { valueAt, put } from '../../options/validate.ts'
import { loadFilters, type LoadedFilters } from '../run/load.ts'
import { runSettings } from '../run/settings.ts'

/** One filter. */
export interface Subject {
  readonly name: string
  /** `tsmilter.yaml:7`; of a module only its path */
  readonly place: string
  readonly filter: FilterFactory
  /** its entry in a text file */
  readonly entry: FilterEntry | undefined
  /** its options in a text file */
  readonly options: ConfigNode | undefined
}

export interface Trial {
  readonly path: string
  readonly subjects: readonly Subject[]
  /** options that change what a filter does: limits, deadlines, `onError` */
  readonly filterOptions: object
  readonly listen: readonly string[]
  /** where a text file has secrets */
  readonly secrets: readonly SecretPlace[]
}

/** @throws ConfigFileError, UsageError, and what a module throws */
export async function trialOf(path: string): Promise<Trial> {
  return trialOfLoaded(path, await loadFilters([path]))
}

export function trialOfLoaded(path: string, loaded: LoadedFilters): Trial {
  const { factory, config, source, file } = loaded
  const settings = runSettings([], config, source)
  const filterOptions = {}
  for (const { name } of optionsOf('filter')) {
    const value = valueAt(settings, name)
    if (value !== undefined) put(filterOptions, name, value)
  }
  return {
    path,
    filterOptions,
    listen: settings.listen ?? [],
    secrets: file?.secrets ?? [],
    subjects:
      file?.filters.map(({ entry, filter }) => ({
        name: entry.name,
        place: lineText(entry.place),
        filter,
        entry,
        options: entry.optionsNode,
      })) ?? ofModule(path, factory),
  }
}

/** The filters that a module has composed. */
function ofModule(path: string, factory: FilterFactory): Subject[] {
  const common = { place: path, entry: undefined, options: undefined }
  const { members } = factory as Partial<MessageFilter>
  if (members === undefined) return [{ ...common, name: factory.name || path, filter: factory }]
  return members.map((member, i) => ({
    ...common,
    name: member.name,
    filter: memberOf(factory as unknown as MessageFilter, i) as unknown as FilterFactory,
  }))
}
