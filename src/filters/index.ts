import '../node-version.ts'

export { dkimSign, OVERSIGNED_FIELDS, SIGNED_FIELDS } from './dkim/dkim-sign.ts'
export type { DkimSignOptions, NotSignedReason } from './dkim/dkim-sign.ts'
export type { Canonicalization } from './dkim/canonicalization.ts'
export type { DkimKey } from './dkim/key-list.ts'
