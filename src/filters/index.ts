import '../node-version.ts'

export { arcSeal } from './arc/arc-seal.ts'
export type { NotSealedReason } from './arc/arc-seal.ts'
export { authenticate } from './authentication/authenticate.ts'
export { dkimSign } from './dkim/dkim-sign.ts'
export type { NotSignedReason } from './dkim/dkim-sign.ts'
export { OVERSIGNED_FIELDS, SIGNED_FIELDS } from './signing/signed-fields.ts'
export { when } from './when.ts'
export type {
  ArcSealOptions,
  AuthenticateOptions,
  Condition,
  ConditionParts,
  DkimKey,
  DkimSignOptions,
  OpenDkimTables,
} from './types.ts'
