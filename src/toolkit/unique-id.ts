/** Ids that no other process gives. */
import { randomBytes } from 'node:crypto'

/**
 * An id for a message, a file or a step of a store: 26 characters of `0-9` and `a-v`. Ids made later sort later, to the
 * millisecond. 80 bits of it are random, so no two processes give the same.
 *
 *     uniqueId() // '1hn6k0q2b8' and 16 more characters
 */
export function uniqueId(): string {
  const time = Date.now().toString(32).padStart(10, '0')
  let random = ''
  // 256 is a multiple of 32, so each digit is as likely as the others.
  for (const byte of randomBytes(16)) random += (byte & 31).toString(32)
  return time + random
}
