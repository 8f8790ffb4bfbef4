/** The field `DKIM-Signature` (RFC 6376, section 3.5) over the bytes of a header and the hash of a body. */
import type { Canonicalization } from '../signing/canonicalization.ts'
import { signField } from '../signing/sign-field.ts'
import { chosenFields, type SignedField } from '../signing/signed-fields.ts'
import type { SigningKey } from '../signing/signing-key.ts'
import { quotedPrintable } from '../signing/tag-list.ts'

export interface SignatureOptions {
  readonly key: SigningKey
  readonly headerForm: Canonicalization
  readonly bodyForm: Canonicalization
  /** the header, from the top to the bottom */
  readonly fields: readonly SignedField[]
  /** h=, as `signedNames` makes it */
  readonly names: readonly string[]
  /** SHA-256 of the body in `bodyForm` */
  readonly bodyHash: Buffer
  /** i=: the user or subdomain that the signer answers for; undefined for the domain alone */
  readonly identity?: string | undefined
  /** t=, Unix time in seconds */
  readonly time?: number | undefined
  /** x=, Unix time in seconds */
  readonly expires?: number | undefined
}

export const SIGNATURE_NAME = 'DKIM-Signature'

/** Makes the value of the field, with the space after its colon and CRLF in folds. */
export function makeSignature(options: SignatureOptions): Promise<Buffer> {
  const { key, headerForm, bodyForm, fields, names, bodyHash } = options
  const { identity, time, expires } = options
  const tags: [string, string][] = [
    ['v', '1'],
    ['a', key.algorithm],
    ['c', `${headerForm}/${bodyForm}`],
    ['d', key.domain],
    ['s', key.selector],
  ]
  if (identity !== undefined) tags.push(['i', quotedPrintable(identity)])
  if (time !== undefined) tags.push(['t', String(time)])
  if (expires !== undefined) tags.push(['x', String(expires)])
  tags.push(['h', names.join(':')], ['bh', bodyHash.toString('base64')])
  return signField(key, SIGNATURE_NAME, tags, chosenFields(fields, names), headerForm)
}
