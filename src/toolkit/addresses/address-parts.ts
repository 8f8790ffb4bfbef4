/**
 * The two halves of an envelope address, and one address of two halves. Inside, a local part has no quotes; in an
 * address, it has them where RFC 5321 (section 4.1.2) wants them.
 */
import { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'

export interface AddressParts {
  /** without quotes and escapes; empty for the null sender */
  readonly local: string
  /** as it was written, also in its case; empty in `user@`, undefined for an address without a domain */
  readonly domain: string | undefined
}

/**
 * The parts of an envelope address, as `parse_addr` of pymilter reads it: with or without brackets and spaces around
 * it, with or without a source route. It reads any text. A bracket without its partner is left out.
 *
 *     addressParts('<@mx.example.com:"user@bar"@example.com>') // { local: 'user@bar', domain: 'example.com' }
 *     addressParts('postmaster') // { local: 'postmaster', domain: undefined }
 */
export function addressParts(address: string): AddressParts {
  const inner = address.trim().replace(/^</, '').replace(/>$/, '')
  const { local, address: plain } = new EnvelopeAddress([`<${inner}>`])
  // An address that ends with a quote has only a local part.
  if (plain.endsWith('"') || !plain.includes('@')) return { local, domain: undefined }
  return { local, domain: plain.slice(plain.lastIndexOf('@') + 1) }
}

/** @param address as in the envelope, with or without brackets. Undefined without a local part or a domain. */
export function splitAddress(
  address: string,
): { readonly local: string; readonly domain: string } | undefined {
  const { local, domain } = addressParts(address)
  return local === '' || domain === undefined || domain === '' ? undefined : { local, domain }
}

/** RFC 5321, section 4.1.2: Dot-string; characters above ASCII by RFC 6531. */
const DOT_STRING = /^[^\s"(),:;<>@[\\\].\p{Cc}]+(?:\.[^\s"(),:;<>@[\\\].\p{Cc}]+)*$/u

/**
 * One envelope address of two parts, without brackets.
 *
 *     joinAddress('a b', 'example.org') // '"a b"@example.org'
 *
 * @param local without quotes; it gets them if it needs them
 */
export const joinAddress = (local: string, domain: string): string =>
  `${quotedLocal(local)}@${domain}`

/** A local part as it stands in an address: with quotes only if it needs them. */
export const quotedLocal = (local: string): string =>
  DOT_STRING.test(local) ? local : `"${local.replaceAll(/["\\]/g, '\\$&')}"`
