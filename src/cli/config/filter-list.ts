/** The list `filters` of a text file: which filters, with which options, for which mail. */
import { CONDITION } from '../../filters/condition-options.ts'
import {
  READY_FILTERS,
  ROLE_ORDER,
  type FilterRole,
  type ReadyFilter,
} from '../../filters/registry.ts'
import type { ConditionSettings } from '../../filters/types.ts'
import { didYouMean } from '../../options/nearest.ts'
import { readObject, type AnyShape } from '../../options/shape.ts'
import {
  entryOf,
  hasFailed,
  plainOf,
  type ConfigNode,
  type MapEntry,
  type MapNode,
} from './nodes.ts'
import type { FileMistake, Place } from './place.ts'
import { readerAt, type Found } from './reader.ts'

/** One filter of the list, checked. */
export interface FilterEntry {
  readonly place: Place
  /** the name of a ready-made filter, or the path or package of another */
  readonly name: string
  /** a ready-made filter; undefined for another */
  readonly ready: ReadyFilter | undefined
  /** its checked options; undefined if it has none */
  readonly options: unknown
  /** where the options are, for places of what concerns them */
  readonly optionsNode: ConfigNode
  readonly when: { readonly condition: ConditionSettings; readonly place: Place } | undefined
}

/** What reading a list needs from its file. */
export interface ListContext extends Found {
  /** reads the list of another file */
  include(path: string, place: Place): FilterEntry[]
}

export function readFilterList(list: ConfigNode, context: ListContext): FilterEntry[] {
  const { mistakes } = context
  if (list.type === 'list') return list.items.flatMap((item) => readEntry(item, context))
  const example = list.type === 'map' ? (list.entries[0]?.key ?? 'NAME') : 'NAME'
  mistakes.push({
    place: list.place,
    text: `filters takes a list: begin each filter with "- ", as "- ${example}:"`,
  })
  return []
}

function readEntry(item: ConfigNode, context: ListContext): FilterEntry[] {
  const { mistakes } = context
  const wrong = (place: Place, text: string): FilterEntry[] => {
    mistakes.push({ place, text })
    return []
  }
  if (item.type === 'scalar' && item.failed) return []
  // A name alone is a filter without options.
  if (item.type === 'scalar' && typeof item.value === 'string') {
    const { value: key, place } = item
    return entryWith(
      { key, place, value: item },
      true,
      { ...item, type: 'map', entries: [] },
      context,
    )
  }
  if (item.type !== 'map') {
    return wrong(
      item.place,
      `is not a filter: write "- NAME:" with its options indented below it`,
    )
  }
  const include = entryOf(item, 'include')
  if (include !== undefined) {
    for (const { key, place } of item.entries) {
      if (key !== 'include')
        wrong(
          place,
          `${key} cannot stand beside include: write it in the file that is included`,
        )
    }
    const paths = include.value.type === 'list' ? include.value.items : [include.value]
    return paths.flatMap((path) =>
      path.type === 'scalar' && typeof path.value === 'string'
        ? context.include(path.value, path.place)
        : wrong(path.place, 'include takes the path of a file, or a list of paths'),
    )
  }
  const named = item.entries.filter(
    ({ key }) => key === 'use' || Object.hasOwn(READY_FILTERS, key),
  )
  const [first, second] = named
  if (second !== undefined) {
    return wrong(
      second.place,
      `${second.key} is a second filter in one entry: begin it with "- " of its own`,
    )
  }
  if (first === undefined) {
    const other = item.entries.find(({ key }) => key !== 'when' && key !== 'options')
    return other === undefined
      ? wrong(item.place, `is an entry without a filter: write "- NAME:"${NAMES_HINT}`)
      : wrong(other.place, noSuchFilter(other.key))
  }
  return entryWith(first, false, item, context)
}

const NAMES_HINT = ` with one of ${Object.keys(READY_FILTERS).join(', ')}, or "- use: PATH"`

const noSuchFilter = (key: string): string =>
  `${key} is not a ready-made filter${didYouMean(key, Object.keys(READY_FILTERS)) || '.'} There are: ${Object.keys(READY_FILTERS).join(', ')}. A filter of your own is "- use: PATH"`

/** @param bare only the name was given */
function entryWith(
  named: MapEntry,
  bare: boolean,
  item: MapNode,
  context: ListContext,
): FilterEntry[] {
  const { mistakes } = context
  const ready = Object.hasOwn(READY_FILTERS, named.key) ? READY_FILTERS[named.key] : undefined
  if (ready === undefined && named.key !== 'use') {
    mistakes.push({ place: named.place, text: noSuchFilter(named.key) })
    return []
  }
  const known = ready === undefined ? ['use', 'options', 'when'] : [named.key, 'when']
  for (const { key, place } of item.entries) {
    if (!known.includes(key))
      mistakes.push({ place, text: besides(key, named.key, ready, known) })
  }
  const condition = conditionOf(item, context)
  const facts = { place: named.place, ready, when: condition }
  if (ready === undefined) {
    const { value } = named.value as { readonly value?: unknown }
    if (named.value.type !== 'scalar' || typeof value !== 'string') {
      mistakes.push({
        place: named.place,
        text: 'use takes the path of a module, such as ./filter.ts, or the name of a package',
      })
      return []
    }
    const options = entryOf(item, 'options')?.value
    return [
      {
        ...facts,
        name: value,
        options: options === undefined ? undefined : (plainOf(options) ?? {}),
        optionsNode: options ?? named.value,
      },
    ]
  }
  const before = mistakes.length
  // Options beside the name would be missing below it: one mistake is enough.
  const options = item.entries.some(
    ({ key }) => !known.includes(key) && key in ready.shape.fields,
  )
    ? undefined
    : readReady(ready.shape, named, bare, context)
  if (mistakes.length > before) {
    // Its place in the order can still be wrong.
    return [{ ...facts, name: named.key, options: undefined, optionsNode: named.value }]
  }
  return [{ ...facts, name: named.key, options, optionsNode: named.value }]
}

function readReady(
  shape: AnyShape,
  { value, place }: MapEntry,
  bare: boolean,
  found: Found,
): unknown {
  const given = (bare ? undefined : plainOf(value)) ?? {}
  const reader = readerAt(value, place, found, shape.name)
  for (const [name, { kind }] of Object.entries(shape.fields)) {
    if (!kind.code || entryOf(value, name) === undefined) continue
    reader.report({ path: [name], atName: true, text: 'is for programs only: remove it here' })
    delete (given as Record<string, unknown>)[name]
  }
  const options = readObject(shape, given, [], reader)
  return hasFailed(value) ? undefined : options
}

function besides(
  key: string,
  filter: string,
  ready: ReadyFilter | undefined,
  known: readonly string[],
): string {
  if (ready !== undefined && key in ready.shape.fields) {
    return `${key} is an option of ${filter}: indent it further than ${filter}`
  }
  if (key === 'options')
    return `options is for filters of "use": indent its content below ${filter}`
  return `${key} cannot stand beside ${filter}${didYouMean(key, known) || '.'} There can be: ${known.join(', ')}`
}

function conditionOf(item: MapNode, found: Found): FilterEntry['when'] {
  const { mistakes } = found
  const entry = entryOf(item, 'when')
  if (entry === undefined) return undefined
  const before = mistakes.length
  const condition = readObject(
    CONDITION,
    plainOf(entry.value),
    [],
    readerAt(entry.value, entry.place, found, 'when'),
  )
  if (mistakes.length > before) return undefined
  return { condition: condition as unknown as ConditionSettings, place: entry.place }
}

/** A filter that comes too late for what it does. */
export function checkOrder(entries: readonly FilterEntry[], mistakes: FileMistake[]): void {
  const rank = (entry: FilterEntry): number => ROLE_ORDER.indexOf(entry.ready?.role ?? 'none')
  for (const [i, entry] of entries.entries()) {
    if (rank(entry) === -1) continue
    const earlier = entries
      .slice(0, i)
      .find((other) => rank(other) > rank(entry) && !areDisjoint(entry, other))
    if (earlier === undefined) continue
    const { file, line } = earlier.place
    const where = file === entry.place.file ? `line ${line}` : `${file}:${line}`
    mistakes.push({
      place: entry.place,
      text: `${entry.name} has to stand above ${earlier.name} (${where}), ${WHY[earlier.ready!.role]}: move it up`,
    })
  }
}

const WHY: Readonly<Record<FilterRole, string>> = {
  none: '',
  judge: '',
  edit: 'which changes the message that it judges',
  sign: 'which signs the message as it leaves',
  seal: 'which seals the message as it leaves',
}

/** No message can get to both. */
function areDisjoint(one: FilterEntry, other: FilterEntry): boolean {
  const [a, b] = [one.when?.condition.direction, other.when?.condition.direction]
  return a !== undefined && b !== undefined && !a.some((direction) => b.includes(direction))
}
