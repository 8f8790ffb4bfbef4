import '../node-version.ts'

export { arcSeal } from './arc/arc-seal.ts'
export type { NotSealedReason } from './arc/arc-seal.ts'
export { authenticate } from './authentication/authenticate.ts'
export { dkimSign } from './dkim/dkim-sign.ts'
export type { NotSignedReason } from './dkim/dkim-sign.ts'
export { greylist } from './limits/greylist.ts'
export type { GreylistReason } from './limits/greylist.ts'
export { OVERSIGNED_FIELDS, SIGNED_FIELDS } from './signing/signed-fields.ts'
export { closeStores } from './store-option.ts'
export { when } from './when.ts'
export type {
  ArcSealOptions,
  AuthenticateOptions,
  Condition,
  ConditionParts,
  DkimKey,
  DkimSignOptions,
  GreylistOptions,
  OpenDkimTables,
  StorePlace,
} from './types.ts'
