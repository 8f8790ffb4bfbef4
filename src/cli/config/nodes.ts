/** The content of a configuration file, with the place of each name and each value. */
import type { Path } from '../../options/mistake.ts'
import type { Place } from './place.ts'

interface Located {
  readonly place: Place
  /** number of values in it, with what aliases stand for */
  readonly size: number
}

export interface ScalarNode extends Located {
  readonly type: 'scalar'
  readonly value: string | number | boolean | null
  /** a number as it is written */
  readonly source?: string
  /** where a secret comes from; no message shows its value */
  readonly secret?: string
  /** it could not be read, which is reported already */
  readonly failed?: true
}

export interface ListNode extends Located {
  readonly type: 'list'
  readonly items: readonly ConfigNode[]
}

export interface MapEntry {
  readonly key: string
  readonly place: Place
  readonly value: ConfigNode
}

export interface MapNode extends Located {
  readonly type: 'map'
  readonly entries: readonly MapEntry[]
}

export type ConfigNode = ScalarNode | ListNode | MapNode

/** The value as a program would have it. Nothing (`listen:`) is null. */
export function plainOf(node: ConfigNode): unknown {
  if (node.type === 'scalar') return node.value
  if (node.type === 'list') return node.items.map(plainOf)
  // Without a prototype, so that a name such as __proto__ is only a name.
  const object = Object.create(null) as Record<string, unknown>
  for (const { key, value } of node.entries) object[key] = plainOf(value)
  return object
}

export const entryOf = (node: ConfigNode, key: string): MapEntry | undefined =>
  node.type === 'map' ? node.entries.find((entry) => entry.key === key) : undefined

/** What a path leads to, as far as it exists. */
export function nodeAt(
  root: ConfigNode,
  path: Path,
): { readonly node: ConfigNode; readonly namePlace: Place } {
  let [node, namePlace] = [root, root.place]
  for (const part of path) {
    if (typeof part === 'number') {
      const item = node.type === 'list' ? node.items[part] : undefined
      if (item === undefined) break
      node = item
      namePlace = item.place
      continue
    }
    const entry = entryOf(node, part)
    if (entry === undefined) break
    node = entry.value
    namePlace = entry.place
  }
  return { node, namePlace }
}

/** The source of the secret at a path, or in what is there. */
export function secretAt(root: ConfigNode, path: Path): string | undefined {
  const { node } = nodeAt(root, path)
  return scalarIn(node, ({ secret }) => secret !== undefined)?.secret
}

/** Whether something in it could not be read. */
export const hasFailed = (node: ConfigNode): boolean =>
  scalarIn(node, ({ failed }) => failed === true) !== undefined

/** The first value in it of some kind. */
export function scalarIn(
  node: ConfigNode,
  is: (scalar: ScalarNode) => boolean,
): ScalarNode | undefined {
  if (node.type === 'scalar') return is(node) ? node : undefined
  const children = node.type === 'list' ? node.items : node.entries.map(({ value }) => value)
  for (const child of children) {
    const found = scalarIn(child, is)
    if (found !== undefined) return found
  }
  return undefined
}
