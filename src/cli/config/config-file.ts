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
import { readerAt } from './reader.ts'
import { readServerOptions, type OptionValues } from './server-options.ts'
import { readYaml } from './yaml.ts'

export interface ConfigFile {
  /** the path as it was given */
  readonly path: string
  /** values of the options of the server, by their names in the table */
  readonly options: OptionValues
  readonly filters: readonly FilterEntry[]
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
  const read = new FileReader(environment, mistakes)
  const root = read.root(path, { file: path, line: 1, column: 1 })
  if (root === undefined) return { path, options: new Map(), filters: [], mistakes }
  if (root.type !== 'map') {
    const text =
      'a configuration is an object: write NAME: VALUE, and "filters:" with the list of filters'
    mistakes.push({ place: root.place, text })
    return { path, options: new Map(), filters: [], mistakes }
  }
  const reader = readerAt(root, root.place, mistakes, 'the configuration')
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
  return { path, options, filters, mistakes }
}

class FileReader {
  readonly #environment: NodeJS.ProcessEnv
  readonly #mistakes: FileMistake[]
  /** the files that are being read, by their absolute paths */
  readonly #open: string[] = []
  #count = 0

  constructor(environment: NodeJS.ProcessEnv, mistakes: FileMistake[]) {
    this.#environment = environment
    this.#mistakes = mistakes
  }

  /** @param from where the file is named */
  root(path: string, from: Place): ConfigNode | undefined {
    const content = readConfig(path)
    if ('wrong' in content) {
      const text =
        from.file === path ? content.wrong : `include names ${path}, which ${content.wrong}`
      this.#mistakes.push({ place: from, text })
      return undefined
    }
    const { root, mistakes } = readYaml(content.bytes, path, secretsOf(path, this.#environment))
    this.#mistakes.push(...mistakes)
    if (root === undefined && mistakes.length === 0) {
      const place = { file: path, line: 1, column: 1 }
      this.#mistakes.push({ place, text: 'is empty: write "filters:" with a list of filters' })
    }
    return root
  }

  list(list: ConfigNode, path: string): FilterEntry[] {
    this.#open.push(resolve(path))
    const context: ListContext = {
      mistakes: this.#mistakes,
      include: (included, place) => this.#include(included, place),
    }
    const entries = readFilterList(list, context)
    this.#open.pop()
    return entries
  }

  #include(name: string, place: Place): FilterEntry[] {
    const wrong = (text: string): FilterEntry[] => {
      this.#mistakes.push({ place, text })
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
      this.#mistakes.push({ place: at, text })
    }
    return list === undefined ? [] : this.list(list.value, path)
  }
}
