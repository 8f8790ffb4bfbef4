/**
 * The keys of the store in Redis. In a Cluster, all keys of a script have to be in one slot, which the text in the first
 * braces decides ("hash tag"):
 *
 *     <prefix>v{.<key>}              a value
 *     <prefix>i{.<key>}<id>          the memory of an increment, with its value
 *     {<prefix>.}b<key>              a bucket; all buckets of a prefix are together, since a step takes from several
 *     {<prefix>.}t<hash>             the memory of a take, by the keys of its buckets and its id
 *     {<prefix>.}p                   written by each new connection
 *
 * The dot keeps a tag from being empty, which would not count as one (a key may begin with a brace). A prefix has no
 * braces.
 */
import { createHash } from 'node:crypto'

export const valueKey = (prefix: string, key: string): string => `${prefix}v{.${key}}`
export const incrementKey = (prefix: string, key: string, id: string): string =>
  `${prefix}i{.${key}}${id}`
export const bucketKey = (prefix: string, key: string): string => `{${prefix}.}b${key}`
export const probeKey = (prefix: string): string => `{${prefix}.}p`

/** A hash, because the keys of many buckets are long. */
export function takeKey(prefix: string, keys: readonly string[], id: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([keys, id]))
    .digest('base64url')
  return `{${prefix}.}t${hash}`
}

/** The glob pattern of SCAN for all values whose key begins with `start`. */
export const valuePattern = (prefix: string, start: string): string =>
  `${`${prefix}v{.${start}`.replaceAll(/[*?[\]\\]/g, String.raw`\$&`)}*}`

/** The key of a value, as the store was given it. */
export const keyOf = (prefix: string, found: string): string =>
  found.slice(prefix.length + 3, -1)
