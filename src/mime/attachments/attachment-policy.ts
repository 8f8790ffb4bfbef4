import { UsageError } from '../../errors.ts'
import { checkAttachments } from './attachment-findings.ts'
import { FINDING_REASONS, type AttachmentChecks, type Finding } from './finding.ts'
import { isHtmlPart } from '../html/html-parts.ts'
import { rewriteHtmlPart, sanitizeHtml } from '../html/html.ts'
import { isMessageType } from '../fields/media-type.ts'
import type { MimeMessage } from '../message.ts'
import type { MimePart } from '../tree/part.ts'
import { Turns } from '../turns.ts'

/** What to do with dangerous attachments. */
export type AttachmentAction = 'replace' | 'remove' | 'keep-aside' | 'reject' | 'quarantine'

/** A part to take out. */
export interface Removal {
  readonly part: MimePart
  /** its file names, the usual one first */
  readonly names: readonly string[]
  /** the findings in this part and in the parts in it */
  readonly findings: readonly Finding[]
}

export interface AttachmentPolicy extends AttachmentChecks {
  /**
   * `replace` puts a notice in the place of a part. `remove` takes the part out, but replaces a message, which cannot
   * be taken out. `keep-aside` gives the part to `keep`, and puts a notice in its place. `reject` and `quarantine`
   * change nothing, and you return the verdict.
   * @default `replace`
   */
  readonly action?: AttachmentAction | undefined
  /**
   * Stores the content of a part before the message is changed. It returns the place, which the notice names. If it
   * fails, {@link defang} rejects, and nothing was changed.
   */
  readonly keep?:
    | ((bytes: Buffer, removal: Removal) => Promise<string | undefined> | string | undefined)
    | undefined
  /** The text of a notice. @default {@link defaultNotice} */
  readonly notice?: ((removal: Removal, keptAt: string | undefined) => string) | undefined
  /** The name of a notice. @default `WARNING.TXT` */
  readonly noticeName?: string | undefined
  /**
   * What to do with parts that are signed or encrypted: `report` leaves them as they are, `replace` replaces
   * everything that is sealed as a whole.
   * @default `report`
   */
  readonly sealed?: 'report' | 'replace' | undefined
}

export interface Defanged {
  readonly findings: readonly Finding[]
  /** the action of the policy, or `none` if nothing was found */
  readonly action: AttachmentAction | 'none'
  /** findings that are still in the message: in another reading, in a sealed part, or only reported */
  readonly remaining: readonly Finding[]
  /** how many parts were replaced or taken out */
  readonly removed: number
  /** how many HTML parts were changed */
  readonly cleaned: number
}

const ACTIONS: readonly AttachmentAction[] = [
  'replace',
  'remove',
  'keep-aside',
  'reject',
  'quarantine',
]

/**
 * Takes dangerous attachments out of a message, as the policy says. All other bytes stay as they are. Check
 * `remaining`: some dangerous parts cannot be taken out, and it is better to reject such a message. `defang` itself
 * does not reject because of content.
 *
 * @throws UsageError INVALID_OPTION for an invalid policy; WRONG_STAGE as for all edits; and everything that `keep`,
 * `notice` and `html` throw
 */
export async function defang(
  message: MimeMessage,
  policy: AttachmentPolicy = {},
): Promise<Defanged> {
  const action = checked(policy)
  const findings = await checkAttachments(message, policy)
  return await takeOut(message, findings, { ...policy, action })
}

/** As {@link defang}, for some findings of {@link checkAttachments} and a policy that was checked. */
export async function takeOut(
  message: MimeMessage,
  findings: readonly Finding[],
  policy: AttachmentPolicy,
): Promise<Defanged> {
  const { action = 'replace' } = policy
  const edits = action !== 'reject' && action !== 'quarantine'
  const turns = new Turns()
  const removals = edits ? await removalsOf(findings, policy.sealed === 'replace', turns) : []
  // Parts are kept before any edit. If that fails, nothing is lost.
  const kept: (string | undefined)[] = []
  for (const removal of removals) {
    const keep = action === 'keep-aside' ? policy.keep : undefined
    kept.push(await keep?.(removal.part.bytes(), removal))
  }
  const notices: string[] = []
  for (const [i, removal] of removals.entries()) {
    await turns.next()
    notices.push((policy.notice ?? defaultNotice)(removal, kept[i]).toWellFormed())
  }
  for (const [i, { part }] of removals.entries()) {
    await turns.next()
    part.sealedBy?.unseal()
    if (action === 'remove' && part.parent?.isMultipart === true) part.remove()
    else {
      part.replaceWith({
        content: notices[i]!,
        type: 'text/plain',
        filename: policy.noticeName ?? 'WARNING.TXT',
        // Mail programs show it without opening a file.
        disposition: 'inline',
      })
    }
  }
  const gone = new Set(removals.flatMap((removal) => removal.findings))
  return {
    findings,
    action: findings.length === 0 ? 'none' : action,
    remaining: findings.filter((finding) => !gone.has(finding)),
    removed: removals.length,
    cleaned: edits ? await cleaned(message, policy, turns) : 0,
  }
}

function checked(policy: AttachmentPolicy): AttachmentAction {
  const { action = 'replace', keep, notice, sealed } = policy
  for (const [name, value] of Object.entries({ keep, notice })) {
    if (value !== undefined && typeof value !== 'function') {
      throw new UsageError('INVALID_OPTION', `${name} takes a function`)
    }
  }
  if (!ACTIONS.includes(action)) {
    throw new UsageError('INVALID_OPTION', `action takes one of ${ACTIONS.join(', ')}`)
  }
  if (action === 'keep-aside' && keep === undefined) {
    throw new UsageError('INVALID_OPTION', 'action "keep-aside" takes a function keep')
  }
  if (![undefined, 'report', 'replace'].includes(sealed)) {
    throw new UsageError('INVALID_OPTION', 'sealed takes "report" or "replace"')
  }
  return action
}

/** The parts to take out. A part goes together with the parts in it. */
async function removalsOf(
  findings: readonly Finding[],
  sealedToo: boolean,
  turns: Turns,
): Promise<Removal[]> {
  const targets = new Map<MimePart, Finding[]>()
  for (const finding of findings) {
    await turns.next()
    const sealed = finding.part?.sealedBy
    if (finding.part === undefined || (sealed !== undefined && !sealedToo)) continue
    const target = sealed ?? finding.part
    const list = targets.get(target)
    if (list === undefined) targets.set(target, [finding])
    else list.push(finding)
  }
  const removals: { part: MimePart; names: string[]; findings: Finding[] }[] = []
  const byPart = new Map<MimePart, (typeof removals)[number]>()
  // From the top down, so that a part comes after the part that holds it.
  const depths = Array.from(targets, ([part, list]) => ({ part, list, depth: part.depth }))
  for (const { part, list } of depths.toSorted((a, b) => a.depth - b.depth)) {
    await turns.next()
    let holder: MimePart | undefined = part.parent
    while (holder !== undefined && !byPart.has(holder)) holder = holder.parent
    if (holder !== undefined) {
      byPart.get(holder)!.findings.push(...list)
      continue
    }
    const removal = { part, names: part.filenames, findings: [...list] }
    byPart.set(part, removal)
    removals.push(removal)
  }
  return removals
}

/** Cleans the remaining HTML, but no sealed parts. */
async function cleaned(
  message: MimeMessage,
  { html, messages }: AttachmentPolicy,
  turns: Turns,
): Promise<number> {
  if (html === undefined) return 0
  const clean =
    typeof html === 'function'
      ? html
      : async (part: MimePart) =>
          await rewriteHtmlPart(part, async (text) => (await sanitizeHtml(text, html)).html)
  let count = 0
  const parts: MimePart[] = []
  for (const part of message.walk()) {
    await turns.next()
    parts.push(part)
  }
  const attached = new Set<MimePart>()
  for (const part of parts) {
    await turns.next()
    const { parent } = part
    if (parent !== undefined && (attached.has(parent) || isMessageType(parent.type))) {
      attached.add(part)
    }
    if (messages === false && attached.has(part)) continue
    if (isHtmlPart(part) && part.sealedBy === undefined && (await clean(part))) count++
  }
  return count
}

/** Maximum number of findings, and of names, in a notice. */
const MAX_LISTED = 20
const LONGEST_SHOWN = 200

/** The text of a notice: what was removed, why, and where it is kept. Names are cut after 200 characters. */
export function defaultNotice(
  { names, findings }: Removal,
  keptAt: string | undefined,
): string {
  const lines = ['An attachment of this message was removed because it may be dangerous.', '']
  if (names.length > 0) lines.push(`Name: ${names.slice(0, MAX_LISTED).map(shown).join(', ')}`)
  for (const { name, reason, path, kind } of findings.slice(0, MAX_LISTED)) {
    const where = [...path, name].filter((one) => one !== '').map(shown)
    const what = kind === undefined ? '' : ` (${kind})`
    const subject = where.length === 0 ? '' : `${where.join(' > ')}: `
    lines.push(`Reason: ${subject}${FINDING_REASONS[reason]}${what}`)
  }
  const more = findings.length - MAX_LISTED
  if (more > 0) lines.push(`Reason: ${more} more`)
  if (keptAt !== undefined) lines.push(`Kept at: ${shown(keptAt)}`)
  return `${lines.join('\n')}\n`
}

/** Names come from the sender. They must not break a line or hide the rest of it. */
const shown = (name: string): string =>
  name
    .slice(0, LONGEST_SHOWN)
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, '\ufffd')
