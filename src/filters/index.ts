import '../node-version.ts'

export { arcSeal } from './arc/arc-seal.ts'
export type { NotSealedReason } from './arc/arc-seal.ts'
export { archive } from './delivery/archive.ts'
export type { ArchiveReason } from './delivery/archive.ts'
export { authenticate } from './authentication/authenticate.ts'
export { bcc } from './delivery/bcc.ts'
export type { BccReason } from './delivery/bcc.ts'
export { dkimSign } from './dkim/dkim-sign.ts'
export type { NotSignedReason } from './dkim/dkim-sign.ts'
export { dnsbl } from './lists/dnsbl.ts'
export type { DnsblReason } from './lists/dnsbl.ts'
export { greylist } from './limits/greylist.ts'
export type { GreylistReason } from './limits/greylist.ts'
export { quarantine } from './delivery/quarantine.ts'
export type { QuarantineReason } from './delivery/quarantine.ts'
export { rateLimit } from './limits/rate-limit.ts'
export type { RateLimitReason } from './limits/rate-limit.ts'
export { recipientCheck } from './envelope/recipient-check.ts'
export type { RecipientCheckReason } from './envelope/recipient-check.ts'
export { rewrite } from './envelope/rewrite.ts'
export type { RewriteReason } from './envelope/rewrite.ts'
export { scan } from './scan/scan.ts'
export type { ScanReason } from './scan/scan.ts'
export { senderAcl } from './envelope/sender-acl.ts'
export type { SenderAclReason } from './envelope/sender-acl.ts'
export { attachments } from './content/attachments.ts'
export type { AttachmentsReason } from './content/attachments.ts'
export { disclaimer } from './content/disclaimer.ts'
export type { DisclaimerReason } from './content/disclaimer.ts'
export { externalTag } from './content/external-tag.ts'
export type { ExternalTagReason } from './content/external-tag.ts'
export { headerRules } from './content/header-rules.ts'
export type { HeaderRulesReason } from './content/header-rules.ts'
export { OVERSIGNED_FIELDS, SIGNED_FIELDS } from './signing/signed-fields.ts'
export { closeStores } from './store-option.ts'
export { webhook } from './webhook/webhook.ts'
export type { WebhookReason } from './webhook/webhook.ts'
export type { WebhookAnswer, WebhookEdit } from './webhook/webhook-answer.ts'
export type { WebhookRequest } from './webhook/webhook-request.ts'
export { when } from './when.ts'
export type {
  ArcSealOptions,
  ArchiveLimits,
  ArchiveOptions,
  ArchiveServer,
  AttachmentAllowance,
  AttachmentsOptions,
  AuthenticateOptions,
  BccOptions,
  BccRule,
  CallForward,
  Condition,
  ConditionParts,
  DkimKey,
  DkimSignOptions,
  DnsblOptions,
  DnsblZone,
  GreylistOptions,
  DisclaimerOptions,
  DisclaimerRule,
  ExternalBanner,
  ExternalTagOptions,
  HeaderCondition,
  HeaderRule,
  HeaderRulesOptions,
  OpenDkimTables,
  QuarantineOptions,
  RateLimitNotice,
  RateLimitOptions,
  RateLimits,
  RecipientCheckOptions,
  RewriteOptions,
  ScanOptions,
  SenderAclOptions,
  SrsPlace,
  StorePlace,
  WebhookOptions,
} from './types.ts'
