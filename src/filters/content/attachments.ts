/**
 * The ready-made filter that refuses, replaces or holds dangerous attachments. It reads a message in every way in which
 * mail programs read it. It never discards mail.
 */
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import { checkAttachments } from '../../mime/attachments/attachment-findings.ts'
import {
  defaultNotice,
  takeOut,
  type Removal,
} from '../../mime/attachments/attachment-policy.ts'
import { DANGEROUS_EXTENSIONS } from '../../mime/attachments/file-extensions.ts'
import { extensionOf } from '../../mime/attachments/file-names.ts'
import {
  FINDING_REASONS,
  type AttachmentChecks,
  type Finding,
  type FindingReason,
} from '../../mime/attachments/finding.ts'
import type { MimeMessage } from '../../mime/message.ts'
import type { MimeProblemCode } from '../../mime/tree/problems.ts'
import { readShape } from '../../options/shape.ts'
import { replyLines } from '../../protocol/smtp-reply.ts'
import { Networks } from '../../server/networks.ts'
import { reply, type Verdict } from '../../session/verdict.ts'
import { directionOf } from '../direction.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import type { AttachmentsOptions, AttachmentsSettings } from '../types.ts'
import { AddressPatterns } from './address-patterns.ts'
import { ATTACHMENTS } from './attachments-options.ts'
import { dmarcPassed, onlyAuthor } from './author.ts'
import { readOptionFile } from './option-files.ts'
import { Template } from './template.ts'

/**
 * What became of a message, and why: the reason of the finding that decided, in capitals, or
 *
 * - `AMBIGUOUS_STRUCTURE`: programs divide the message into different parts
 * - `clean`: nothing was found
 * - `allowed`: all that was found may pass, by `reasons`, `allow` or `ambiguous`
 */
export type AttachmentsReason = FindingReason | 'AMBIGUOUS_STRUCTURE' | 'clean' | 'allowed'

type Action = 'refuse' | 'quarantine' | 'replace' | 'pass'

/** What was found, in a message or in its structure. */
interface Found {
  readonly finding: Finding | undefined
  readonly name: string
  readonly reason: FindingReason | 'AMBIGUOUS_STRUCTURE'
  readonly action: Action
}

interface Allowance {
  readonly from: AddressPatterns
  readonly extensions: readonly string[] | undefined
  readonly reasons: readonly string[] | undefined
}

interface Settings extends Omit<AttachmentsSettings, 'allow'> {
  readonly checks: AttachmentChecks
  readonly local: Networks
  readonly allow: readonly Allowance[]
  readonly template: Template | undefined
}

/** Programs take such messages apart in different ways. */
const AMBIGUOUS: ReadonlySet<MimeProblemCode> = new Set<MimeProblemCode>([
  'SEVERAL_TYPES',
  'SEVERAL_ENCODINGS',
  'SEVERAL_BOUNDARIES',
  'BOUNDARY_OF_LEAF',
  'ENCODED_MULTIPART',
])
const AMBIGUOUS_TEXT = 'programs read the parts of this message in different ways'

const VARIABLES: readonly string[] = ['names', 'reasons']

/**
 * Makes the filter. Without options, it refuses mail with dangerous attachments.
 *
 *     attachments({ action: 'replace', reasons: { ZIP_ENCRYPTED: 'quarantine' } })
 *
 * @throws UsageError INVALID_OPTION
 */
export function attachments(options: AttachmentsOptions = {}): MessageFilter {
  const given = readShape(ATTACHMENTS, options)
  const option = 'attachments: the option notice'
  const notice =
    given.noticeFile === undefined
      ? given.notice
      : readOptionFile(`${option}File`, given.noticeFile)
  const settings: Settings = {
    ...given,
    checks: {
      extensions: extensionsOf(given),
      types: given.types,
      zips: given.archives,
      ...(given.limits && { limits: given.limits }),
    },
    local: new Networks('networks', given.networks),
    allow: given.allow.map(({ from, extensions, reasons }) => ({
      from: new AddressPatterns(from),
      extensions,
      reasons,
    })),
    template: notice === undefined ? undefined : new Template(notice, option, VARIABLES),
  }
  const actions = new Set<Action>([
    given.action,
    given.ambiguous,
    ...(given.reasons?.values() ?? []),
  ])
  if (actions.has('replace')) actions.add(given.unremovable)
  return readyMade(given, (results) => ({
    edits: [
      ...(actions.has('replace') ? (['headers', 'body'] as const) : []),
      ...(actions.has('quarantine') ? (['quarantine'] as const) : []),
    ],
    message: (mail) => check(mail, settings, results),
  }))
}

function extensionsOf({
  extensions = DANGEROUS_EXTENSIONS,
  addExtensions,
  allowExtensions,
}: AttachmentsSettings): readonly string[] {
  const all = new Set([...extensions, ...addExtensions])
  for (const one of allowExtensions) all.delete(one)
  return [...all]
}

async function check(
  mail: Mail,
  settings: Settings,
  results: ResultLog,
): Promise<Verdict<'reject' | 'tempfail'> | undefined> {
  const tree = await mail.mime()
  const all = await findingsOf(mail, tree, settings)
  const found = all.filter(({ action }) => action !== 'pass')
  const [first] = all
  if (first === undefined) return results.tell(mail, 'passed', 'clean')
  if (found.length === 0) {
    return results.tell(mail, 'passed', 'allowed', factsOf(all), 'info')
  }
  const refused = found.find(({ action }) => action === 'refuse')
  if (refused !== undefined) return refuse(mail, refused, found, settings, results)
  // What is held stays as it came, so that somebody can look at it.
  const held = found.find(({ action }) => action === 'quarantine')
  if (held !== undefined) return hold(mail, held, found, results)

  const left = found.find(({ finding }) => finding !== undefined && !isRemovable(finding))
  if (left !== undefined) {
    if (settings.unremovable === 'refuse') return refuse(mail, left, found, settings, results)
    return hold(mail, left, found, results)
  }
  const dangerous = found.flatMap(({ finding }) => finding ?? [])
  const { removed } = await takeOut(tree, dangerous, {
    action: 'replace',
    noticeName: settings.noticeName,
    notice: (removal) => noticeOf(removal, settings.template),
  })
  const facts = { removed, ...factsOf(found) }
  return results.tell(mail, 'changed', found[0]!.reason, facts)
}

/** As `defang` sees it: nothing in a signed part, and nothing that only another reading of the message has. */
const isRemovable = ({ part }: Finding): boolean =>
  part !== undefined && part.sealedBy === undefined

async function findingsOf(mail: Mail, tree: MimeMessage, settings: Settings): Promise<Found[]> {
  const { action, ambiguous, reasons, checks } = settings
  const allowances = allowancesOf(mail, settings)
  const found: Found[] = (await checkAttachments(tree, checks)).map((finding) => {
    const { name, reason } = finding
    const passes = allowances.some((one) => isAllowed(finding, one))
    return { finding, name, reason, action: passes ? 'pass' : (reasons?.get(reason) ?? action) }
  })
  if (tree.problems.some(({ code }) => AMBIGUOUS.has(code))) {
    const reason = 'AMBIGUOUS_STRUCTURE'
    found.push({ finding: undefined, name: '', reason, action: ambiguous })
  }
  return found
}

/** Everybody can write any address into `From`, so it has to be proved. */
function allowancesOf(mail: Mail, settings: Settings): readonly Allowance[] {
  if (settings.allow.length === 0) return []
  const author = onlyAuthor(mail)
  if (author === undefined) return []
  const ours = settings.allow.filter(({ from }) => from.has(author))
  const isProved = (): boolean =>
    directionOf(mail, settings.local) !== 'outside' ||
    dmarcPassed(mail, author.domain, settings.authservId)
  return ours.length > 0 && isProved() ? ours : []
}

/** Reasons that a file is dangerous by what it is, and not by how it is hidden. */
const BY_KIND: ReadonlySet<FindingReason> = new Set<FindingReason>([
  'DANGEROUS_EXTENSION',
  'PROGRAM',
  'UNLISTED_ARCHIVE',
])

function isAllowed({ name, reason }: Finding, { extensions, reasons }: Allowance): boolean {
  if (extensions === undefined && reasons === undefined) return true
  if (reasons?.includes(reason) === true) return true
  const extension = extensionOf(name)
  return (
    extension !== undefined && extensions?.includes(extension) === true && BY_KIND.has(reason)
  )
}

function refuse(
  mail: Mail,
  cause: Found,
  found: readonly Found[],
  settings: Settings,
  results: ResultLog,
): Verdict<'reject' | 'tempfail'> {
  results.tell(mail, 'refused', cause.reason, factsOf(found))
  return reply(550, '5.7.1', ...replyLines(`${settings.reply}: ${explained(cause)}`))
}

function hold(
  mail: Mail,
  cause: Found,
  found: readonly Found[],
  results: ResultLog,
): undefined {
  mail.quarantine(`attachment: ${explained(cause)}`)
  return results.tell(mail, 'held', cause.reason, factsOf(found))
}

/** A name comes from the sender, and a reply is ASCII. */
function explained({ name, reason }: Found): string {
  const text = reason === 'AMBIGUOUS_STRUCTURE' ? AMBIGUOUS_TEXT : FINDING_REASONS[reason]
  const shown = name.slice(0, 100).replaceAll(/[^ -~]/g, '?')
  return shown === '' ? text : `${shown}: ${text}`
}

/** Of a message with thousands of findings, the log has some. */
const MAX_TOLD = 10

const factsOf = (found: readonly Found[]): object => ({
  found: found.slice(0, MAX_TOLD).map(({ finding, name, reason }) =>
    [...(finding?.path ?? []), name, reason]
      .filter((word) => word !== '')
      .map((word) => word.slice(0, 200))
      .join(' > '),
  ),
  ...(found.length > MAX_TOLD && { more: found.length - MAX_TOLD }),
})

function noticeOf(removal: Removal, template: Template | undefined): string {
  if (template === undefined) return defaultNotice(removal, undefined)
  const reasons = new Set(removal.findings.map(({ reason }) => FINDING_REASONS[reason]))
  return template.asText(
    new Map([
      ['names', removal.names.slice(0, MAX_TOLD).join(', ')],
      ['reasons', [...reasons].join('; ')],
    ]),
  )
}
