/**
 * Keys of a store. What makes up a key often comes from a stranger (addresses, names), so a key has to be bounded, and
 * two lists of parts must never give the same key.
 */
import { createHash } from 'node:crypto'
import { encodeText } from '../protocol/text.ts'

/** Longer keys are cut and get a hash. */
const READABLE = 200

/**
 * One key of several parts, in text that each store takes.
 *
 * Parts are joined by `:`. In a part, each byte that is not a printable ASCII character is written as `%XX`, and so are
 * `:`, `%`, `{` and `}`. A key above 200 characters keeps its beginning and ends with a SHA-256 of the whole.
 *
 *     storeKey('grey', '192.0.2.0/24', 'a@example.org') // 'grey:192.0.2.0/24:a@example.org'
 */
export function storeKey(...parts: readonly string[]): string {
  const key = parts.map(escaped).join(':')
  if (key.length <= READABLE) return key
  const hash = createHash('sha256').update(key).digest('base64url')
  return `${key.slice(0, READABLE - hash.length - 1)}~${hash}`
}

const escaped = (part: string): string =>
  /^[!-~]*$/.test(part) && !/[:%{}~]/.test(part)
    ? part
    : encodeText(part)
        .toString('latin1')
        .replaceAll(
          /[^!-~]|[:%{}~]/g,
          (character) =>
            `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
        )
