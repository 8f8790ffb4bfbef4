/** Names of domains as DNS takes them. */
import { domainToASCII } from 'node:url'

/** Bytes of a name and of one label (RFC 1035, 2.3.4), without the dot at the end. */
const MAX_NAME = 253
const MAX_LABEL = 63
/** No name in Unicode is longer: each of its characters takes at least one byte in ASCII. */
const MAX_TEXT = 1_024
/**
 * A backslash is left out, because c-ares takes it as the escape of the next character: it would ask for another name
 * than the one in our cache.
 */
const LABELS = /^[!-[\]-~]+$/
/** The dots of IDNA (RFC 3490, 3.1). */
const DOTS = /[.\u3002\uff0e\uff61]/

/**
 * A name in the form in which it is asked for: in lower case, without the dot at its end, with labels in Unicode as
 * A-labels (`bücher.example` is `xn--bcher-kva.example`). Undefined for a text that is not a name: it has a label of 0 or
 * above 63 bytes, more than 253 bytes, a space, a control character, a backslash, or a label that IDNA does not allow.
 *
 *     domainName('Mail.Example.ORG.') // 'mail.example.org'
 */
export function domainName(text: string): string | undefined {
  if (text.length > MAX_TEXT) return undefined
  // oxlint-disable-next-line no-control-regex
  const ascii = /^[\0-\x7f]*$/.test(text) ? text : text.split(DOTS).map(aLabel).join('.')
  const name = (ascii.endsWith('.') ? ascii.slice(0, -1) : ascii).toLowerCase()
  if (name.length > MAX_NAME || !LABELS.test(name)) return undefined
  return name.split('.').every(isLabel) ? name : undefined
}

const isLabel = (label: string): boolean => label.length > 0 && label.length <= MAX_LABEL

/**
 * One label in ASCII. Node's function reads a whole host of a URL: it decodes `%41`, ends at `/`, and makes an address
 * of a last label of digits. So the label is not the last one, and has no other characters than those of host names. A
 * label in ASCII stays as it is (`_dmarc`). What IDNA does not allow becomes a space, which no name may have.
 */
function aLabel(label: string): string {
  // oxlint-disable-next-line no-control-regex
  if (/^[\0-\x7f]*$/.test(label)) return label
  // oxlint-disable-next-line no-control-regex
  if (!/^(?:[\w-]|[^\0-\x7f])*$/.test(label)) return ' '
  const [ascii, x, ...more] = domainToASCII(`${label}.x`).split('.')
  return x === 'x' && more.length === 0 ? ascii! : ' '
}
