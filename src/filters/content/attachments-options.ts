/** The options of `attachments`. */
import { choice, count, inputFile, type Kind } from '../../options/kinds.ts'
import { listOf, mapOf, object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { dnsName, line, text, yesNo } from '../../options/value-kinds.ts'
import { FINDING_REASONS } from '../../mime/attachments/finding.ts'
import { ZIP_LIMITS } from '../../mime/attachments/zip-budget.ts'
import { commonFields } from '../common-fields.ts'
import { localNetworks } from '../local-networks.ts'
import type {
  ArchiveLimits,
  ArchiveLimitsSettings,
  AttachmentAllowance,
  AttachmentAllowanceSettings,
  AttachmentsOptions,
  AttachmentsSettings,
} from '../types.ts'
import { addressPattern } from './address-patterns.ts'

const matching = (takes: string, pattern: RegExp): Kind => ({
  ...line,
  takes,
  takesText: takes,
  wrong: (value) => (typeof value === 'string' && pattern.test(value) ? undefined : {}),
  schema: { type: 'string', pattern: pattern.source },
})

const extension: Kind = {
  ...matching('an extension, such as exe', /^\.?[A-Za-z0-9_~-]{1,30}$/),
  setting: (value) => (value as string).replace(/^\./, '').toLowerCase(),
}

const mediaType: Kind = {
  ...matching(
    'a media type, such as application/pdf or video/*',
    /^[\w.+-]+\/(?:\*|[\w.+-]+)$/,
  ),
  setting: (value) => (value as string).toLowerCase(),
}

const REASON = choice(Object.keys(FINDING_REASONS))
const ACTIONS = ['refuse', 'replace', 'quarantine'] as const
const HOLD_OR_REFUSE = ['refuse', 'quarantine'] as const

const ALLOWANCE: Shape<AttachmentAllowance, AttachmentAllowanceSettings> = {
  name: 'allow',
  type: 'AttachmentAllowance',
  isEntry: true,
  text: 'what authors may send, if they have logged in, are local, or DMARC has passed',
  fields: {
    from: { kind: listOf(addressPattern), required: true, text: 'the authors (field From)' },
    extensions: {
      kind: listOf(extension),
      text: 'files with these extensions, programs among them',
    },
    reasons: { kind: listOf(REASON), text: 'what is found for these reasons' },
  },
}

const limit = (name: keyof typeof ZIP_LIMITS, what: string) => ({
  kind: count({ from: 1 }),
  default: ZIP_LIMITS[name],
  text: what,
})

const LIMITS: Shape<ArchiveLimits, ArchiveLimitsSettings> = {
  name: 'limits',
  type: 'ArchiveLimits',
  isEntry: true,
  text: 'the limits for all archives of a message together; an archive above them is a finding',
  fields: {
    entries: limit('entries', 'maximum number of files'),
    depth: limit('depth', 'how deep archives may be in archives'),
    bytes: limit('bytes', 'maximum number of bytes that are unpacked'),
    ratio: limit('ratio', 'how many times larger than packed an archive in an archive may be'),
  },
}

export const ATTACHMENTS: Shape<AttachmentsOptions, AttachmentsSettings> = {
  name: 'attachments',
  type: 'Attachments',
  text: 'refuses, replaces or holds dangerous attachments; it never discards mail',
  fields: {
    action: {
      kind: choice(ACTIONS),
      default: 'refuse',
      text: 'what to do with a dangerous attachment',
      more: '`refuse`: the message gets a 550. `replace`: a notice takes the place of the attachment. `quarantine`: the mail server holds the message.',
    },
    unremovable: {
      kind: choice(HOLD_OR_REFUSE),
      default: 'refuse',
      text: 'what to do if an attachment cannot be replaced: it is signed, or only some programs see it',
    },
    ambiguous: {
      kind: choice(['refuse', 'quarantine', 'pass']),
      default: 'refuse',
      text: 'what to do with a message that programs divide into different parts',
    },
    reasons: {
      kind: mapOf(REASON, choice([...ACTIONS, 'pass'])),
      text: 'another action for some reasons, such as ZIP_ENCRYPTED: pass',
    },
    extensions: {
      kind: listOf(extension),
      text: 'the extensions of dangerous files; by default a list of about 500',
    },
    addExtensions: {
      kind: listOf(extension, { min: 0 }),
      default: [],
      text: 'more extensions, beside those of the list',
    },
    allowExtensions: {
      kind: listOf(extension, { min: 0 }),
      default: [],
      text: 'extensions that are not dangerous here',
    },
    types: {
      kind: listOf(mediaType, { min: 0 }),
      default: [],
      text: 'media types that are not accepted',
    },
    allow: {
      kind: listOf(object(ALLOWANCE), { min: 0 }),
      default: [],
      text: 'what some authors may send',
    },
    networks: localNetworks('clients that are local, for `allow`'),
    authservId: {
      kind: dnsName,
      text: 'the name in `Authentication-Results`; by default that of the mail server (macro `j`)',
    },
    archives: {
      kind: yesNo,
      default: true,
      text: 'look at the files in archives',
    },
    limits: { kind: object(LIMITS), text: 'limits for archives' },
    reply: {
      kind: line,
      default: 'Attachment not accepted',
      text: 'the text of a refusal; the file and the reason follow',
    },
    notice: {
      kind: text,
      text: 'the text in the place of an attachment; it may have {names} and {reasons}',
    },
    noticeFile: { kind: inputFile, text: 'a file with that text, in UTF-8' },
    noticeName: { kind: line, default: 'WARNING.TXT', text: 'the file name of the notice' },
    ...commonFields('attachments'),
  },
  check({ notice, noticeFile, extensions, allowExtensions, addExtensions }, report) {
    if (notice !== undefined && noticeFile !== undefined) {
      report({ path: ['noticeFile'], atName: true, text: 'cannot stand beside notice' })
    }
    const at = allowExtensions.findIndex(
      (one) => addExtensions.includes(one) || extensions?.includes(one) === true,
    )
    if (at !== -1) {
      report({ path: ['allowExtensions', at], text: 'is also in extensions or addExtensions' })
    }
  },
}
