/**
 * All ready-made filters by name. The text file, `tsmilter check-config`, the JSON Schema and the documentation read this
 * table, so a new filter is a row here, and the file with its options.
 */
import type { MessageFilter } from '../message/define-filter.ts'
import type { AnyShape, Shape } from '../options/shape.ts'
import type { Inspection } from './inspection.ts'
import { ARC_SEAL } from './arc/arc-seal-options.ts'
import { AUTHENTICATE } from './authentication/authenticate-options.ts'
import { ATTACHMENTS } from './content/attachments-options.ts'
import { DISCLAIMER } from './content/disclaimer-options.ts'
import { EXTERNAL_TAG } from './content/external-tag-options.ts'
import { HEADER_RULES } from './content/header-rules-options.ts'
import { ARCHIVE } from './delivery/archive-options.ts'
import { BCC } from './delivery/bcc-options.ts'
import { QUARANTINE } from './delivery/quarantine-options.ts'
import { DKIM_SIGN } from './dkim/sign-options.ts'
import { RECIPIENT_CHECK } from './envelope/recipient-check-options.ts'
import { REWRITE } from './envelope/rewrite-options.ts'
import { SENDER_ACL } from './envelope/sender-acl-options.ts'
import { GREYLIST } from './limits/greylist-options.ts'
import { RATE_LIMIT } from './limits/rate-limit-options.ts'
import { DNSBL } from './lists/dnsbl-options.ts'
import { SCAN } from './scan/scan-options.ts'
import { WEBHOOK } from './webhook/webhook-options.ts'

/**
 * What a filter does to the message, which decides about its place. `judge` needs the message as it came, `edit` changes
 * it, `sign` and `seal` sign what leaves. `none` can stand anywhere.
 */
export type FilterRole = 'none' | 'judge' | 'edit' | 'sign' | 'seal'

/** In this order they stand in a list. */
export const ROLE_ORDER: readonly FilterRole[] = ['judge', 'edit', 'sign', 'seal']

export interface ReadyFilter {
  readonly shape: AnyShape
  readonly role: FilterRole
  /** the function that makes it; loaded when a configuration names the filter */
  readonly load: () => Promise<(options: never) => MessageFilter | Promise<MessageFilter>>
  /** looks at what the options name: keys, tables, stores, records in DNS */
  readonly inspect?: () => Promise<Inspection<never>>
  /** what it does to the world outside of the message, if `check-config` must not play messages through it */
  readonly effect?: string | ((settings: never) => string | undefined)
}

/** Checks that function, options and settings of a row belong together. */
const ready = <Options, Settings>(
  shape: Shape<Options, Settings>,
  row: Omit<ReadyFilter, 'shape' | 'load' | 'inspect' | 'effect'> & {
    readonly load: () => Promise<(options: Options) => MessageFilter | Promise<MessageFilter>>
    readonly inspect?: () => Promise<Inspection<Settings>>
    readonly effect?: string | ((settings: Settings) => string | undefined)
  },
): ReadyFilter => ({ ...row, shape })

export const READY_FILTERS: Readonly<Record<string, ReadyFilter>> = {
  arcSeal: ready(ARC_SEAL, {
    role: 'seal',
    load: async () => (await import('./arc/arc-seal.ts')).arcSeal,
    inspect: async () => (await import('./arc/inspect-arc-seal.ts')).inspectArcSeal,
  }),
  archive: ready(ARCHIVE, {
    role: 'none',
    load: async () => (await import('./delivery/archive.ts')).archive,
    inspect: async () => (await import('./delivery/inspect-delivery.ts')).inspectArchive,
    effect: 'keeps copies',
  }),
  attachments: ready(ATTACHMENTS, {
    role: 'edit',
    load: async () => (await import('./content/attachments.ts')).attachments,
  }),
  authenticate: ready(AUTHENTICATE, {
    role: 'judge',
    load: async () => (await import('./authentication/authenticate.ts')).authenticate,
    inspect: async () =>
      (await import('./authentication/inspect-authenticate.ts')).inspectAuthenticate,
  }),
  bcc: ready(BCC, {
    role: 'none',
    load: async () => (await import('./delivery/bcc.ts')).bcc,
    inspect: async () => (await import('./delivery/inspect-delivery.ts')).inspectBcc,
  }),
  disclaimer: ready(DISCLAIMER, {
    role: 'edit',
    load: async () => (await import('./content/disclaimer.ts')).disclaimer,
    inspect: async () => (await import('./content/inspect-disclaimer.ts')).inspectDisclaimer,
  }),
  dkimSign: ready(DKIM_SIGN, {
    role: 'sign',
    load: async () => (await import('./dkim/dkim-sign.ts')).dkimSign,
    inspect: async () => (await import('./dkim/inspect-keys.ts')).inspectKeys,
  }),
  dnsbl: ready(DNSBL, {
    role: 'none',
    load: async () => (await import('./lists/dnsbl.ts')).dnsbl,
    inspect: async () => (await import('./lists/inspect-dnsbl.ts')).inspectDnsbl,
  }),
  externalTag: ready(EXTERNAL_TAG, {
    role: 'edit',
    load: async () => (await import('./content/external-tag.ts')).externalTag,
    inspect: async () => (await import('./content/inspect-external-tag.ts')).inspectExternalTag,
  }),
  greylist: ready(GREYLIST, {
    role: 'none',
    load: async () => (await import('./limits/greylist.ts')).greylist,
    inspect: async () => (await import('./store-option.ts')).inspectStore,
    effect: 'remembers deliveries in its store',
  }),
  headerRules: ready(HEADER_RULES, {
    role: 'edit',
    load: async () => (await import('./content/header-rules.ts')).headerRules,
  }),
  quarantine: ready(QUARANTINE, {
    role: 'none',
    load: async () => (await import('./delivery/quarantine.ts')).quarantine,
    inspect: async () => (await import('./delivery/inspect-delivery.ts')).inspectQuarantine,
    effect: 'keeps messages',
  }),
  rateLimit: ready(RATE_LIMIT, {
    role: 'none',
    load: async () => (await import('./limits/rate-limit.ts')).rateLimit,
    inspect: async () => (await import('./envelope/inspect-envelope.ts')).inspectRateLimit,
    effect: 'counts messages in its store',
  }),
  recipientCheck: ready(RECIPIENT_CHECK, {
    role: 'none',
    load: async () => (await import('./envelope/recipient-check.ts')).recipientCheck,
    inspect: async () => (await import('./envelope/inspect-envelope.ts')).inspectRecipientCheck,
    effect: ({ callForward }) =>
      callForward && 'asks a server, and remembers its answers in its store',
  }),
  rewrite: ready(REWRITE, {
    role: 'none',
    load: async () => (await import('./envelope/rewrite.ts')).rewrite,
    inspect: async () => (await import('./envelope/inspect-envelope.ts')).inspectRewrite,
  }),
  scan: ready(SCAN, {
    role: 'edit',
    load: async () => (await import('./scan/scan.ts')).scan,
    inspect: async () => (await import('./scan/inspect-scan.ts')).inspectScan,
    effect: 'sends messages to a scanner',
  }),
  senderAcl: ready(SENDER_ACL, {
    role: 'none',
    load: async () => (await import('./envelope/sender-acl.ts')).senderAcl,
    inspect: async () => (await import('./envelope/inspect-envelope.ts')).inspectSenderAcl,
  }),
  webhook: ready(WEBHOOK, {
    role: 'edit',
    load: async () => (await import('./webhook/webhook.ts')).webhook,
    inspect: async () => (await import('./webhook/inspect-webhook.ts')).inspectWebhook,
    effect: 'sends messages to a service',
  }),
}
