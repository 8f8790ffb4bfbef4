import '../node-version.ts'

export { DnsCache, type DnsCacheOptions } from './dns/dns-cache.ts'
export {
  DnsSession,
  SPF_LIMITS,
  type DnsLimits,
  type DnsSessionOptions,
} from './dns/dns-session.ts'
export type { DnsAnswer, DnsFailure, Failed, Found, None, NoRecords } from './dns/answer.ts'
export type { DnsRecords, MxRecord, RecordType, SrvRecord } from './dns/records.ts'
export type { Alias, DnsResolver, ResolverAnswer } from './dns/resolver.ts'
export { NodeResolver, type NodeResolverOptions } from './dns/node-resolver.ts'
export {
  nodeStyleResolver,
  type LookupError,
  type NodeRecords,
  type NodeStyleResolver,
} from './dns/node-style-resolver.ts'
export { domainName } from './dns/domain-name.ts'
export {
  Dnsbl,
  type DnsblOptions,
  type DnsblResult,
  type ListFailure,
  type ListResult,
} from './dns/dnsbl.ts'
export type { DnsblList, DnsblSubject } from './dns/dnsbl-list.ts'
export type { DnsblChecked } from '../diagnostics/channels.ts'
export {
  organizationalDomainByTreeWalk,
  type DmarcRecord,
  type TreeWalkReason,
  type TreeWalkResult,
} from './dns/tree-walk.ts'
export {
  loadPublicSuffixList,
  type OrganizationalDomainByPublicSuffix,
  type PublicSuffixOptions,
  type PublicSuffixResult,
} from './dns/public-suffix.ts'
export { isDynamicHostName } from './dns/dynamic-host-name.ts'
export { reverseLabels, reverseName } from './dns/reverse-name.ts'
export { uniqueId } from './unique-id.ts'

// Addresses
export { addressParts, joinAddress, type AddressParts } from './addresses/address-parts.ts'
export { decodeWords, firstMailbox, mailboxes } from './addresses/header-text.ts'

// Lists of IP addresses
export { IpList, type HostResolver, type IpListOptions } from './ip/ip-list.ts'
export { ipFromBytes, ipToBytes } from './ip/ip-address.ts'

// Tables
export {
  functionTable,
  LocalTable,
  lookupFirst,
  type FunctionTableOptions,
  type LookupOptions,
  type Table,
} from './tables/table.ts'
export { openTable, openTableSync } from './tables/open-table.ts'
export { TextTable, type TextTableOptions } from './tables/text-table.ts'
export { CidrTable } from './tables/cidr-table.ts'
export { PatternTable, type PatternTableOptions } from './tables/pattern-table.ts'
export { AccessMap, type AccessMapOptions } from './tables/access-map.ts'
export {
  accessKeys,
  domainKeys,
  networkKeys,
  transportKeys,
  type AddressKeyOptions,
} from './tables/address-keys.ts'

// Files
export { FileLock, type FileLockOptions } from './files/file-lock.ts'
export { updateFile, type UpdateOptions } from './files/update-file.ts'
export {
  AddressCache,
  type AddressCacheOptions,
  type CachedAddress,
} from './files/address-cache.ts'
export {
  readAddressDict,
  readAddressSet,
  readList,
  type AddressDict,
  type FileEntryOptions,
} from './config-lists.ts'

export { FileError, TableError } from '../errors.ts'

// Senders that are rewritten
export { readSrsSecrets, Srs } from './rewriting/srs.ts'
export type {
  SrsForwarded,
  SrsForwardReason,
  SrsOptions,
  SrsReversed,
  SrsReverseReason,
} from './rewriting/srs.ts'
export { StoredSrs, type StoredSrsOptions } from './rewriting/stored-srs.ts'
export { unsignSes, type SesOptions, type SesUnsigned } from './rewriting/ses.ts'

// Limits and greylisting
export { Greylist, POSTGREY_TIMING } from './limits/greylist.ts'
export type {
  Greylisted,
  GreylistOptions,
  GreylistTiming,
  ImportResult,
  Triple,
} from './limits/greylist.ts'
export { RateLimiter } from './limits/rate-limiter.ts'
export type {
  Limit,
  Limited,
  LimitOptions,
  RateLimiterOptions,
  Subjects,
} from './limits/rate-limiter.ts'

// Sending mail
export { sendMail, sendToMx, type MxOptions, type SmtpServer } from './smtp/send-mail.ts'
export type { SmtpOptions, SmtpTimeouts, SmtpTls } from './smtp/smtp-options.ts'
export { xtext, type OutgoingAddress, type OutgoingMail } from './smtp/outgoing-mail.ts'
export { localAddresses } from './smtp/own-addresses.ts'
export type { MxAnswer, MxResolver } from './smtp/mx-resolver.ts'
export type {
  RecipientAccepted,
  RecipientFailed,
  RecipientRefused,
  RecipientResult,
  SendResult,
  SmtpStep,
} from './smtp/send-result.ts'
export type { SmtpServerFacts } from './smtp/conversation.ts'
export type { SmtpFailureReason } from './smtp/smtp-failure.ts'
export type { ServerReply } from './smtp/server-reply.ts'

// Bounces and call-backs
export { callBack, type CallBackOptions } from './bounces/call-back.ts'
export {
  storedCallBacks,
  type CallBackCache,
  type StoredCallBackOptions,
} from './bounces/call-back-cache.ts'
export { sendBounce, type SendBounceOptions } from './bounces/send-bounce.ts'
export type {
  BounceFailed,
  BounceRefused,
  BounceResult,
  BounceTaken,
  Refusal,
} from './bounces/bounce-result.ts'
export {
  bounceRecipient,
  composeBounce,
  type BounceContent,
  type ComposedBounce,
} from './bounces/compose-bounce.ts'
export type { BounceAction, BounceRecipient } from './bounces/report-fields.ts'
export { composeNotice, type NoticeValues } from './bounces/compose-notice.ts'
export { whyNoAnswer, type HeaderText, type NoAnswerReason } from './bounces/why-no-answer.ts'
