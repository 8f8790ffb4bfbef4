/**
 * The two halves of an envelope address, and one address of two halves. Inside, a local part has no quotes; in an
 * address, it has them where RFC 5321 (section 4.1.2) wants them.
 */
import { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'

/** @param address as in the envelope, with or without brackets. Undefined without a local part or a domain. */
export function splitAddress(
  address: string,
): { readonly local: string; readonly domain: string } | undefined {
  const { local, domain, address: plain } = new EnvelopeAddress([address])
  if (local === '' || domain === '') return undefined
  // The domain as it was written.
  return { local, domain: plain.slice(plain.lastIndexOf('@') + 1) }
}

/** RFC 5321, section 4.1.2: Dot-string; characters above ASCII by RFC 6531. */
const DOT_STRING = /^[^\s"(),:;<>@[\\\].\p{Cc}]+(?:\.[^\s"(),:;<>@[\\\].\p{Cc}]+)*$/u

/** @param local without quotes */
export const joinAddress = (local: string, domain: string): string =>
  DOT_STRING.test(local)
    ? `${local}@${domain}`
    : `"${local.replaceAll(/["\\]/g, '\\$&')}"@${domain}`
