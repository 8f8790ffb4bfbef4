/** Whether a message has a good signature by a key of ours already: it came through here before. */
import { relaxedName, type Canonicalization } from '../signing/canonicalization.ts'
import { signingInput } from '../signing/sign-field.ts'
import { chosenFields, type SignedField } from '../signing/signed-fields.ts'
import type { SigningKey } from '../signing/signing-key.ts'
import { readTags } from '../signing/tag-list.ts'

/** A message can have many signatures. Those below the first ones are not ours: we sign on top. */
const MAX_LOOKED_AT = 20

export interface SignedMessage {
  /** the header, from the top to the bottom */
  readonly fields: readonly SignedField[]
  /** SHA-256 of the body in `bodyForm` */
  readonly bodyHash: Buffer
  readonly bodyForm: Canonicalization
  /** Unix time in seconds */
  readonly time: number
}

/**
 * Whether one of the keys has signed the message as it is now. A signature that somebody has broken since, by a tag in
 * the subject for instance, is not one, and neither is one that has expired or covers only a part of the body.
 */
export function isSignedBy(keys: readonly SigningKey[], message: SignedMessage): boolean {
  const own = message.fields.filter(({ name }) => relaxedName(name) === 'dkim-signature')
  return own.slice(0, MAX_LOOKED_AT).some((field) => verifies(field, keys, message))
}

function verifies(
  field: SignedField,
  keys: readonly SigningKey[],
  { fields, bodyHash, bodyForm, time }: SignedMessage,
): boolean {
  const text = Buffer.from(field.value).toString('latin1')
  const tags = readTags(text)
  if (tags === undefined) return false
  const tag = (name: string): string => withoutSpaces(tags.get(name) ?? '')
  const key = keys.find(
    ({ domain, selector, algorithm }) =>
      tag('d').toLowerCase() === domain && tag('s') === selector && tag('a') === algorithm,
  )
  if (key === undefined || tag('bh') !== bodyHash.toString('base64')) return false
  const [headerForm = 'simple', form = 'simple'] = tag('c').split('/')
  if (form !== bodyForm || (headerForm !== 'simple' && headerForm !== 'relaxed')) return false
  if (tags.has('l') || (tags.has('x') && !(Number(tag('x')) > time))) return false
  const names = tag('h').toLowerCase().split(':')
  // It does not sign itself as another field (section 3.5).
  const others = fields.filter((one) => one !== field)
  const data = signingInput(
    chosenFields(others, names),
    field.name,
    Buffer.from(withoutSignature(text), 'latin1'),
    headerForm,
  )
  return key.verify(data, Buffer.from(tag('b'), 'base64'))
}

const withoutSpaces = (text: string): string => text.replaceAll(/[ \t\r\n]+/g, '')

/** Section 3.5: the value of b= is removed, with the spaces in it. */
const withoutSignature = (text: string): string =>
  text.replace(/((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*/, '$1')
