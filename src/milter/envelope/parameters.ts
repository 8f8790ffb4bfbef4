import { UsageError } from '../../errors.ts'
import { decodeText, encodeText } from '../../protocol/text.ts'
import { checkedEditParameters, nameAndValue } from './edit-parameters.ts'
import { checkParameter } from './envelope-path.ts'

/**
 * ESMTP parameters for an edit, in one of three forms: words in one string (`RET=HDRS ENVID=1`), a list of words, or a
 * map like the `parameters` of an address, with null for a parameter without a value. A recipient can have NOTIFY and
 * ORCPT only.
 */
export type EsmtpParameters =
  string | Uint8Array | Iterable<string | readonly [name: string, value: string | null]>

/**
 * ESMTP parameters as a map: `SIZE=100` is `SIZE` -> `100`, a word without `=` is `null`. Names are
 * in upper case, as they mean the same in either (RFC 5321, 4.1.1.11); values are left alone.
 */
export function esmtpParameters(words: Iterable<string>): Map<string, string | null> {
  return new Map(Array.from(words, nameAndValue))
}

/**
 * Parameters of an edit as they are sent; undefined for none.
 * @param what the address they belong to
 * @throws UsageError INVALID_ADDRESS
 */
export function envelopeParameters(
  what: 'sender' | 'recipient',
  given: EsmtpParameters | undefined,
): Buffer | undefined {
  if (given === undefined || given === '') return undefined
  const words = typeof given === 'string' || given instanceof Uint8Array ? split(given) : given
  const single = Array.from(listed(words), (word) => {
    const bytes = encodeText(wordOf(word))
    checkParameter(bytes)
    return bytes.toString('latin1')
  })
  const checked = checkedEditParameters(what, single)
  return checked.length === 0 ? undefined : Buffer.from(checked.join(' '), 'latin1')
}

/** Bytes are text too: those that are not UTF-8 come back unchanged. */
const split = (text: string | Uint8Array): string[] =>
  (typeof text === 'string' ? text : decodeText(encodeText(text)))
    .split(' ')
    .filter((word) => word !== '')

function listed(words: unknown): Iterable<unknown> {
  if (typeof words === 'object' && words !== null && Symbol.iterator in words) {
    return words as Iterable<unknown>
  }
  throw notParameters(words)
}

function wordOf(entry: unknown): string {
  if (typeof entry === 'string') return entry
  if (!Array.isArray(entry)) throw notParameters(entry)
  const [name, value] = entry as unknown[]
  if (typeof name !== 'string') throw notParameters(name)
  if (value === null) return name
  if (typeof value !== 'string') throw notParameters(value)
  return `${name}=${value}`
}

const notParameters = (given: unknown): UsageError =>
  new UsageError(
    'INVALID_ADDRESS',
    `ESMTP parameters are words in a string, a list of words, or a map of names and values; this is ${given === null ? 'null' : `of type ${typeof given}`}`,
  )

/**
 * An envelope address without its angle brackets and source route; the null sender is the empty
 * string. Local submission through Postfix comes without brackets.
 */
export function envelopeAddress(raw: string): string {
  const inner = raw.startsWith('<') && raw.endsWith('>') ? raw.slice(1, -1) : raw
  return inner.startsWith('@') ? inner.replace(/^@[^:"]*:/, '') : inner
}
