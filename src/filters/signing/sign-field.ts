/** One field that signs: `DKIM-Signature`, `ARC-Message-Signature` or `ARC-Seal`. */
import { canonicalField, type Canonicalization } from './canonicalization.ts'
import type { SignedField } from './signed-fields.ts'
import type { SigningKey } from './signing-key.ts'
import { writeBase64, writeTags } from './tag-list.ts'

/**
 * What is signed: fields in canonical form, and the signing field itself at the end, with an empty b= and without CRLF
 * (RFC 6376, section 3.7; RFC 8617, section 5.1.1).
 *
 * @param own the value of the signing field up to and with `b=`
 */
export function signingInput(
  covered: readonly SignedField[],
  name: Uint8Array,
  own: Uint8Array,
  form: Canonicalization,
): Buffer {
  const last = canonicalField(name, own, form)
  return Buffer.concat([
    ...covered.map((field) => canonicalField(field.name, field.value, form)),
    last.subarray(0, last.length - 2),
  ])
}

/**
 * Makes the value of a signing field, with the space after its colon and CRLF in folds.
 *
 * @param tags all but b=, which is the last
 * @param covered the fields that are signed, in the order of the signature
 */
export async function signField(
  key: SigningKey,
  name: string,
  tags: readonly (readonly [string, string])[],
  covered: readonly SignedField[],
  form: Canonicalization,
): Promise<Buffer> {
  const unsigned = `${writeTags(name, tags)}\r\n\tb=`
  const data = signingInput(covered, Buffer.from(name), Buffer.from(unsigned, 'latin1'), form)
  const signature = (await key.sign(data)).toString('base64')
  return Buffer.from(unsigned + writeBase64(signature), 'latin1')
}
