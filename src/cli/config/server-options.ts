/** The options of the server in a text file: all of the table, those of the process too. */
import { flagOf } from '../../options/names.ts'
import type { Reader } from '../../options/mistake.ts'
import { didYouMean } from '../../options/nearest.ts'
import { readValue } from '../../options/shape.ts'
import { OPTIONS, optionsIn, type Option } from '../../options/table.ts'
import { put } from '../../options/validate.ts'
import { READY_FILTERS } from '../../filters/registry.ts'
import { plainOf, type ConfigNode, type MapNode } from './nodes.ts'

const TOPS = [...new Set(OPTIONS.map(({ name }) => name.split('.')[0]!))]
const NAMES = ['filters', ...TOPS]

/** Checked values of options, by their names in the table. */
export type OptionValues = ReadonlyMap<string, unknown>

export function readServerOptions(root: MapNode, reader: Reader): OptionValues {
  const values = new Map<string, unknown>()
  for (const { key, value } of root.entries) {
    if (key === 'filters') continue
    const members = optionsIn(key)
    const option = OPTIONS.find(({ name }) => name === key)
    if (option !== undefined) readOne(option, value, values, reader)
    else if (members.length > 0) readGroup(key, members, value, values, reader)
    else reader.report({ path: [key], atName: true, text: whatInstead(key) })
  }
  return values
}

function readOne(
  option: Option,
  node: ConfigNode,
  values: Map<string, unknown>,
  reader: Reader,
): void {
  const path = option.name.split('.')
  if (node.type === 'scalar' && node.failed) return
  const written = option.kind.asWritten && node.type === 'scalar' ? node.source : undefined
  const given = written ?? plainOf(node)
  if (given === null) {
    const takes = option.kind.list ? `${option.kind.takes}, or a list` : option.kind.takesText
    return reader.report({ path, text: `has no value; it takes ${takes}` })
  }
  let wrong = false
  const value = readValue(option.kind, given, path, {
    ...reader,
    report: (mistake) => {
      wrong = true
      reader.report(mistake)
    },
  })
  if (!wrong) values.set(option.name, value)
}

function readGroup(
  group: string,
  members: readonly Option[],
  node: ConfigNode,
  values: Map<string, unknown>,
  reader: Reader,
): void {
  const names = members.map(({ name }) => name.slice(group.length + 1))
  if (node.type !== 'map') {
    const got = { value: plainOf(node) }
    return reader.report({
      path: [group],
      text: `takes an object with ${names.join(', ')}`,
      got,
    })
  }
  for (const { key, value } of node.entries) {
    const option = members[names.indexOf(key)]
    if (option !== undefined) readOne(option, value, values, reader)
    else {
      const text = `is not an option of ${group}${didYouMean(key, names) || '.'} The options are: ${names.join(', ')}`
      reader.report({ path: [group, key], atName: true, text })
    }
  }
  for (const option of members) {
    if (!option.required || node.entries.some(({ key }) => option.name === `${group}.${key}`))
      continue
    const text = `needs ${option.name.slice(group.length + 1)}: ${option.text}`
    reader.report({ path: [group], text })
  }
}

/** What somebody wanted who wrote a name that is not an option. */
function whatInstead(key: string): string {
  if (Object.hasOwn(READY_FILTERS, key)) {
    return `is a filter: write it in the list filters, as "- ${key}:"`
  }
  if (key === 'use' || key === 'include' || key === 'when') {
    return `belongs in the list filters, as "- ${key === 'when' ? 'NAME: ..., when:' : `${key}:`}"`
  }
  if (key === 'logger') {
    return 'is code: write a module with defineConfig, or use logLevel and logFormat'
  }
  const flat = (name: string): string => name.replaceAll(/[-_.\s]/g, '').toLowerCase()
  const bare = flat(key.replace(/^(?:--|TSMILTER_)/, ''))
  const same = OPTIONS.find((option) => flat(option.name) === bare || flagOf(option) === key)
  if (same !== undefined) {
    const [top, member] = same.name.split('.')
    return `is not an option; write ${member === undefined ? `${top}:` : `"${top}:" and, indented below it, "${member}:"`}`
  }
  const inside = OPTIONS.filter(({ name }) => name.endsWith(`.${key}`))
  if (inside.length > 0) {
    const groups = inside.map(({ name }) => name.slice(0, -key.length - 1))
    return `is not an option here, but inside of ${groups.join(' and ')}: indent it below "${groups[0]}:"`
  }
  const inFilter = Object.entries(READY_FILTERS).filter(([, { shape }]) => key in shape.fields)
  if (inFilter.length > 0) {
    return `is an option of ${inFilter.map(([name]) => name).join(', ')}: indent it below its name in the list filters`
  }
  return `is not an option${didYouMean(key, NAMES) || '.'} The options are: ${NAMES.join(', ')}`
}

/** The options as an object of objects, as `defineConfig` takes them. */
export function asObject(values: OptionValues): object {
  const object = {}
  for (const [name, value] of values) put(object, name, value)
  return object
}
