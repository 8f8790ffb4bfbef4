/**
 * A configuration in a text file. All its mistakes are found in one go, with their places. Reading it loads no code of
 * filters, so the primary of `tsmilter run` can do it, too.
 */
import { dirname, join, isAbsolute, resolve } from 'node:path'
import {
  checkOrder,
  readFilterList,
  type FilterEntry,
  type ListContext,
} from './filter-list.ts'
import { readConfig, secretsOf } from './input-file.ts'
import { entryOf, type ConfigNode } from './nodes.ts'
import type { FileMistake, Place } from './place.ts'
import { readerAt, type Found, type SecretPlace } from './reader.ts'
import { readServerOptions, type OptionValues } from './server-options.ts'
import { readYaml, type TagReader } from './yaml.ts'

export interface ConfigFile {
  /** the path as it was given */
  readonly path: string
  /** values of the options of the server, by their names in the table */
  readonly options: OptionValues
  readonly filters: readonly FilterEntry[]
  /** where secrets stand, and in which files */
  readonly secrets: readonly SecretPlace[]
  /** If there are any, the rest is not complete. */
  readonly mistakes: readonly FileMistake[]
}

/** How far files can include others, and how many there can be. */
const MAX_INCLUDES = 100
const MAX_INCLUDED = 10

export const isConfigFile = (path: string): boolean => /\.ya?ml$/i.test(path)

/** @param environment for `!env` */
export function readConfigFile(path: string, environment: NodeJS.ProcessEnv): ConfigFile {
  const mistakes: FileMistake[] = []
  const secrets: SecretPlace[] = []
  const found = { mistakes, secrets }
  const nothing = { path, options: new Map<string, unknown>(), filters: [], ...found }
  const read = new FileReader(environment, found)
  const root = read.root(path, { file: path, line: 1, column: 1 })
  if (root === undefined) return nothing
  if (root.type !== 'map') {
    const text =
      'a configuration is an object: write NAME: VALUE, and "filters:" with the list of filters'
    mistakes.push({ place: root.place, text })
    return nothing
  }
  const reader = readerAt(root, root.place, found, 'the configuration')
  const options = readServerOptions(root, reader)
  const list = entryOf(root, 'filters')
  const before = mistakes.length
  if (list === undefined) {
    mistakes.push({ place: root.place, text: 'needs filters: write "filters:" with a list' })
  }
  const filters = list === undefined ? [] : read.list(list.value, path)
  if (list !== undefined && filters.length === 0 && mistakes.length === before) {
    mistakes.push({
      place: list.place,
      text: 'filters has no filter: write at least one "- NAME:"',
    })
  }
  checkOrder(filters, mistakes)
  return { path, options, filters, ...found }
}

class FileReader {
  readonly #environment: NodeJS.ProcessEnv
  readonly #found: Found
  /** the files that are being read, by their absolute paths */
  readonly #open: string[] = []
  #count = 0

  constructor(environment: NodeJS.ProcessEnv, found: Found) {
    this.#environment = environment
    this.#found = found
  }

  /** @param from where the file is named */
  root(path: string, from: Place): ConfigNode | undefined {
    const content = readConfig(path)
    if ('wrong' in content) {
      const text =
        from.file === path ? content.wrong : `include names ${path}, which ${content.wrong}`
      this.#found.mistakes.push({ place: from, text })
      return undefined
    }
    const { root, mistakes } = readYaml(content.bytes, path, this.#tags(path))
    this.#found.mistakes.push(...mistakes)
    if (root === undefined && mistakes.length === 0) {
      const place = { file: path, line: 1, column: 1 }
      this.#found.mistakes.push({
        place,
        text: 'is empty: write "filters:" with a list of filters',
      })
    }
    return root
  }

  list(list: ConfigNode, path: string): FilterEntry[] {
    this.#open.push(resolve(path))
    const context: ListContext = {
      ...this.#found,
      include: (included, place) => this.#include(included, place),
    }
    const entries = readFilterList(list, context)
    this.#open.pop()
    return entries
  }

  #tags(path: string): TagReader {
    const read = secretsOf(path, this.#environment)
    return (tag, text, place) => {
      const value = read(tag, text, place)
      if ('file' in value) this.#found.secrets.push({ place, file: value.file })
      return value
    }
  }

  #include(name: string, place: Place): FilterEntry[] {
    const wrong = (text: string): FilterEntry[] => {
      this.#found.mistakes.push({ place, text })
      return []
    }
    const path = isAbsolute(name) ? name : join(dirname(place.file), name)
    if (this.#open.includes(resolve(path))) {
      return wrong(`include names ${path}, which includes this file: remove one of them`)
    }
    if (this.#open.length >= MAX_INCLUDED) {
      return wrong(
        `include is in more than ${MAX_INCLUDED} files, one in the other: include fewer`,
      )
    }
    if (++this.#count > MAX_INCLUDES) {
      return wrong(
        `there are more than ${MAX_INCLUDES} files to include: put their filters into fewer`,
      )
    }
    const root = this.root(path, place)
    if (root === undefined) return []
    if (root.type !== 'map') return this.list(root, path)
    const list = entryOf(root, 'filters')
    for (const { key, place: at } of root.entries) {
      if (key === 'filters') continue
      const text = `${key} does not belong into a file that is included: it has filters only`
      this.#found.mistakes.push({ place: at, text })
    }
    return list === undefined ? [] : this.list(list.value, path)
  }
}
