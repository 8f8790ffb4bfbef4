import type { QueuedAddress } from './model.ts'

/** `<a@b>` and `a@b` are the same address. */
export function bareAddress(text: string): string {
  const trimmed = text.trim()
  return trimmed.startsWith('<') && trimmed.endsWith('>') ? trimmed.slice(1, -1) : trimmed
}

/** The ESMTP parameters in one string. */
export function splitParameters(text: string | Uint8Array | undefined): string[] {
  return String(text ?? '')
    .split(' ')
    .filter((one) => one !== '')
}

/** An address with its parameters as they are in MAIL or RCPT. */
export function envelopeAddress(words: readonly string[]): QueuedAddress {
  const [address = '', ...parameters] = words
  return { address: bareAddress(address), parameters }
}

/**
 * Pieces of an address whose characters have no meaning: a quoted string, brackets, a comment (RFC 5322, section 3.2).
 */
const QUOTED = String.raw`"(?:\\.|[^"\\])*"`
const BRACKETS = `<(?:${QUOTED}|[^>"])*>`
const COMMENT = String.raw`\((?:\\.|[^()\\])*\)`
const LISTED = new RegExp(`(?:${QUOTED}|${BRACKETS}|${COMMENT}|[^,])+`, 'gs')
const ADDRESSED = new RegExp(`${QUOTED}|(${BRACKETS})|(${COMMENT})`, 'gs')

/** Splits at the commas outside quotes, brackets and comments. */
export function splitAddresses(text: string): string[] {
  return (text.match(LISTED) ?? []).map((one) => one.trim()).filter((one) => one !== '')
}

/** The address that an edit of the envelope means: the one in brackets, or else all of the text, without comments. */
export function addressIn(text: string): string {
  let bracketed: string | undefined
  const plain = text.replaceAll(ADDRESSED, (piece, inBrackets?: string, comment?: string) => {
    if (inBrackets !== undefined) bracketed = inBrackets.slice(1, -1)
    return comment === undefined ? piece : ''
  })
  return (bracketed ?? plain).trim()
}

/** Removes the route (RFC 5321, appendix C): `@a,@b:c@d` becomes `c@d`. */
export const withoutRoute = (address: string): string => address.replace(/^@[^:"]*:/, '')

/** `a@b.` becomes `a@b`. */
export const withoutFinalDot = (address: string): string =>
  address.replace(/(@[^@"]*[^@".])\.$/, '$1')

/** Quotes the local part only as far as needed. Postfix keeps it unquoted (`quote_822_local.c`). */
export function minimallyQuoted(address: string): string {
  const found = new RegExp(`^(${QUOTED})(@.*|)$`, 's').exec(address)
  if (found === null) return address
  const local = found[1]!.slice(1, -1).replaceAll(/\\(.)/gs, '$1')
  if (/^[^\s"(),:;<>@[\\\].]+(?:\.[^\s"(),:;<>@[\\\].]+)*$/.test(local))
    return local + found[2]!
  return `"${local.replaceAll(/["\\]/g, String.raw`\$&`)}"${found[2]!}`
}
