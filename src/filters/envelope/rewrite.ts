/** The ready-made filter that rewrites the envelope: senders and recipients by tables, senders of forwarded mail by SRS. */
import { TableError } from '../../errors.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import type { RecipientStageContext } from '../../message/stage-context.ts'
import { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import { readShape } from '../../options/shape.ts'
import { reply, type Verdict } from '../../session/verdict.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import { openTables, type Lookup } from '../sources/lookup.ts'
import type { RewriteOptions, RewriteSettings } from '../types.ts'
import { REWRITE } from './rewrite-options.ts'
import { SrsRewriting } from './srs-rewriting.ts'
import { rewritten } from './table-rewriting.ts'

/**
 * What became of an envelope:
 *
 * - `sender`, `recipient`: rewritten by a table
 * - `srs-sender`: rewritten, because the message is forwarded
 * - `srs-recipient`: a bounce finds its way back
 * - `srs-invalid`: a recipient is a forged or expired SRS address; refused, or left as it is
 * - `unchanged`: nothing to do
 * - `failed`: a table could not be asked; `onFailure` decides
 */
export type RewriteReason =
  | 'sender'
  | 'recipient'
  | 'srs-sender'
  | 'srs-recipient'
  | 'srs-invalid'
  | 'unchanged'
  | 'failed'

/**
 * Makes the filter.
 *
 *     await rewrite({
 *       srs: { domain: 'srs.example.org', secretsFile: '/etc/postsrsd.secret', localDomains: 'example.org' },
 *     })
 *
 * @throws UsageError INVALID_OPTION
 */
export async function rewrite(options: RewriteOptions): Promise<MessageFilter> {
  const given = readShape(REWRITE, options)
  const { senders, recipients, srs, delimiter, now } = given
  const settings: Settings = {
    ...given,
    bySender: senders && (await openTables('senders', senders)),
    byRecipient: recipients && (await openTables('recipients', recipients)),
    bySrs: srs && (await SrsRewriting.open(srs, delimiter, now)),
  }
  const changesRecipients = recipients !== undefined || srs !== undefined
  const changesSender = senders !== undefined || srs !== undefined
  return readyMade(given, (results) => ({
    reads: [],
    edits: [
      ...(changesSender ? (['sender'] as const) : []),
      ...(changesRecipients ? (['recipients'] as const) : []),
    ],
    ...(srs?.invalid === 'refuse' && {
      recipient: (recipient: EnvelopeAddress, ctx: RecipientStageContext) =>
        refuseForged(recipient, ctx, settings, results),
    }),
    message: async (mail) => await rewriteAll(mail, settings, results),
  }))
}

interface Settings extends RewriteSettings {
  readonly bySender: Lookup | undefined
  readonly byRecipient: Lookup | undefined
  readonly bySrs: SrsRewriting | undefined
}

function refuseForged(
  recipient: EnvelopeAddress,
  ctx: RecipientStageContext,
  { bySrs }: Settings,
  log: ResultLog,
): Verdict<'reject' | 'tempfail'> | undefined {
  if (!bySrs!.isSrs(recipient)) return undefined
  const found = bySrs!.reverse(recipient, ctx)
  if (found.address !== undefined) return undefined
  log.tell(ctx, 'refused', 'srs-invalid', { recipient: recipient.address, why: found.reason })
  return reply(550, '5.1.1', 'This address of a forwarded sender is not valid (any more)')
}

async function rewriteAll(
  mail: Mail,
  settings: Settings,
  log: ResultLog,
): Promise<Verdict<'reject' | 'tempfail'> | undefined> {
  const { onFailure } = settings
  let plan: Plan
  try {
    plan = await planOf(mail, settings, log)
  } catch (error) {
    if (!(error instanceof TableError)) throw error
    const facts = { why: error.message }
    if (onFailure === 'pass') return log.tell(mail, 'passed', 'failed', facts, 'warn')
    log.tell(mail, 'deferred', 'failed', facts, 'warn')
    return reply(451, '4.3.0', 'Addresses cannot be looked up now: try again later')
  }
  for (const { reason, from, to } of plan.changes) {
    if (reason === 'sender' || reason === 'srs-sender') mail.sender.replace(to[0]!)
    else replaceRecipient(mail, from, to)
    log.tell(mail, 'changed', reason, { from: from.address, to: to.join(' ') })
  }
  if (plan.changes.length === 0) log.tell(mail, 'passed', 'unchanged', plan.facts)
  return undefined
}

interface Change {
  readonly reason: RewriteReason
  readonly from: EnvelopeAddress
  readonly to: readonly string[]
}

interface Plan {
  readonly changes: readonly Change[]
  readonly facts: object
}

/** All that is to be done, before any of it is: a table that fails leaves nothing half done. */
async function planOf(
  mail: Mail,
  { bySender, byRecipient, bySrs, delimiter }: Settings,
  log: ResultLog,
): Promise<Plan> {
  const changes: Change[] = []
  const all: EnvelopeAddress[] = []
  for (const from of mail.recipients) {
    const back = bySrs?.isSrs(from) === true ? bySrs.reverse(from, mail) : undefined
    if (back !== undefined && back.address === undefined) {
      log.tell(mail, 'skipped', 'srs-invalid', { recipient: from.address, why: back.reason })
    }
    // oxlint-disable-next-line eslint/no-await-in-loop -- in their order, one question at a time
    const by = byRecipient && (await rewritten(from, byRecipient, delimiter, mail))
    const to = back?.address === undefined ? by : [back.address]
    if (to !== undefined && !(to.length === 1 && from.is(to[0]!))) {
      changes.push({
        reason: back?.address === undefined ? 'recipient' : 'srs-recipient',
        from,
        to,
      })
    }
    all.push(...(to?.map((one) => EnvelopeAddress.of(one)) ?? [from]))
  }
  let sender = EnvelopeAddress.of(mail.sender.address)
  const [newSender] = (bySender && (await rewritten(sender, bySender, delimiter, mail))) ?? []
  if (newSender !== undefined && !sender.is(newSender)) {
    changes.push({ reason: 'sender', from: sender, to: [newSender] })
    sender = EnvelopeAddress.of(newSender)
  }
  const srs = bySrs && (await forwarded(sender, all, bySrs, mail))
  if (typeof srs === 'object') changes.push(srs)
  return { changes, facts: typeof srs === 'string' ? { srs } : {} }
}

/** The sender for mail that leaves; a text says why it stays. */
async function forwarded(
  sender: EnvelopeAddress,
  recipients: readonly EnvelopeAddress[],
  srs: SrsRewriting,
  mail: Mail,
): Promise<Change | string> {
  let leaves = false
  for (const recipient of recipients) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- the first one that leaves decides
    leaves ||= await srs.leaves(recipient, mail)
  }
  if (!leaves) return 'all recipients are local'
  const answer = srs.forward(sender, mail)
  return answer.address === undefined
    ? answer.reason
    : { reason: 'srs-sender', from: sender, to: [answer.address] }
}

/** Keeps what the client said about notifications (RFC 3461). */
function replaceRecipient(mail: Mail, from: EnvelopeAddress, to: readonly string[]): void {
  const words = [...from.parameters]
    .filter(([name]) => name === 'NOTIFY' || name === 'ORCPT')
    .map(([name, value]) => `${name}=${value}`)
  if (!to.some((one) => from.is(one))) mail.recipients.remove(from)
  for (const one of to) {
    if (words.length === 0) mail.recipients.add(one)
    else mail.recipients.add(one, words.join(' '))
  }
}
