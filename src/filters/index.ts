import '../node-version.ts'

export { dkimSign } from './dkim/dkim-sign.ts'
export type { DkimSignOptions, NotSignedReason } from './dkim/dkim-sign.ts'
export type { Canonicalization } from './signing/canonicalization.ts'
export type { DkimKey } from './signing/domain-keys.ts'
export type { OwnMailOptions } from './signing/own-mail.ts'
export { OVERSIGNED_FIELDS, SIGNED_FIELDS } from './signing/signed-fields.ts'
