import { decodeText, encodeText, type TextOrBytes } from '../../protocol/text.ts'

const NAMES: readonly string[] = ['to', 'cc', 'bcc', 'apparently-to']
const LONGEST = Math.max(...NAMES.map(({ length }) => length))

/**
 * Header fields of one message that a mail server merges (`sendmail-merges-additions`), and how many of each
 * it has: a change of one that is not there would be an addition.
 */
export class MergedFields {
  readonly #counts = new Map<string, number>()
  /** all fields of the message were counted */
  complete = false

  /** One is there, or was put there. */
  count(name: TextOrBytes): void {
    const key = keyOf(name)
    if (key !== undefined) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  has(name: TextOrBytes): boolean {
    return keyOf(name) !== undefined
  }

  /** It is known that there are fewer. A deleted field keeps its number. */
  lacks(name: TextOrBytes, index: number): boolean {
    const key = keyOf(name)
    return this.complete && key !== undefined && index > (this.#counts.get(key) ?? 0)
  }
}

function keyOf(name: TextOrBytes): string | undefined {
  if (name.length > LONGEST) return undefined
  const key = (typeof name === 'string' ? name : decodeText(encodeText(name))).toLowerCase()
  return NAMES.includes(key) ? key : undefined
}
