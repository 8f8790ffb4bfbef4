import type { MimePart } from '../../src/mime/index.ts'
import type { PartSpan } from '../../src/mime/tree/span.ts'

/** How tests look at a tree. */

export interface Seen {
  readonly type: string
  readonly encoding: string
  readonly names: readonly string[]
  /** the decoded content, as Latin-1; of a part that holds others undefined */
  readonly content: string | undefined
  readonly children: readonly Seen[]
}

export function see(part: MimePart): Seen {
  const { children } = part
  return {
    type: part.type,
    encoding: part.encoding,
    names: part.filenames,
    content: children.length > 0 ? undefined : part.bytes().toString('latin1'),
    children: children.map(see),
  }
}

/** Where a part is: the number of each child on the way down. */
export function pathOf(part: MimePart): number[] {
  const path: number[] = []
  for (let one = part; one.parent !== undefined; one = one.parent) {
    path.unshift(one.parent.children.indexOf(one))
  }
  return path
}

export function partAt(root: MimePart, path: readonly number[]): MimePart {
  let part = root
  for (const i of path) part = part.children[i]!
  return part
}

/** The spans on the way down; it ends at a message in base64, in which nothing has a place. */
export function spansAt(root: PartSpan, path: readonly number[]): PartSpan[] {
  const spans = [root]
  for (const i of path) {
    const next = spans.at(-1)!.children[i]
    if (next === undefined) break
    spans.push(next)
  }
  return spans
}

/** The same tree with what is at a path taken out. */
export function without(seen: Seen, path: readonly number[]): Seen | undefined {
  const [i, ...rest] = path
  if (i === undefined) return undefined
  return {
    ...seen,
    children: seen.children.flatMap((child, k) =>
      k === i ? (without(child, rest) ?? []) : child,
    ),
  }
}
