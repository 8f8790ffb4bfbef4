/**
 * The ready-made filter that keeps messages in a directory of its own. What other filters want held comes here, and not
 * into the hold queue of the mail server, from which no filter can release it.
 */
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import { readShape } from '../../options/shape.ts'
import { replyLines } from '../../protocol/smtp-reply.ts'
import { DISCARD, reply, type Verdict } from '../../session/verdict.ts'
import { within } from '../../toolkit/within.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import type { QuarantineOptions, QuarantineSettings } from '../types.ts'
import { recordOf } from './message-record.ts'
import { QUARANTINE } from './quarantine-options.ts'
import { QuarantineFull, QuarantineWriter } from './quarantine-store.ts'

/**
 * What became of a message:
 *
 * - `kept`: it is in the directory, and nobody else gets it
 * - `not-held`: no filter wants it held
 * - `full`: there is no room; `whenFull` decides
 * - `failed`: it could not be kept; `onFailure` decides
 */
export type QuarantineReason = 'kept' | 'not-held' | 'full' | 'failed'

interface Settings extends QuarantineSettings {
  readonly writer: QuarantineWriter
}

/**
 * Makes the filter.
 *
 *     compose(attachments({ action: 'quarantine' }), await quarantine({ directory: '/var/lib/tsmilter/quarantine' }))
 *
 * @throws UsageError INVALID_OPTION
 */
export async function quarantine(options: QuarantineOptions): Promise<MessageFilter> {
  const given = readShape(QUARANTINE, options)
  const writer = await QuarantineWriter.open(given.directory, given, given.clock ?? Date.now)
  const holds = given.whenFull === 'hold' || given.onFailure === 'hold'
  return readyMade(given, (results) => ({
    edits: holds ? ['quarantine'] : [],
    message: (mail) => judge(mail, { ...given, writer }, results),
  }))
}

type Answer = Verdict<'reject' | 'tempfail' | 'discard'> | undefined

async function judge(mail: Mail, settings: Settings, results: ResultLog): Promise<Answer> {
  const { take, name, observe, deadline, writer, clock = Date.now } = settings
  const reason = mail.quarantineReason ?? (take === 'all' ? name : undefined)
  if (reason === undefined) return results.tell(mail, 'skipped', 'not-held')
  if (observe) return results.tell(mail, 'held', 'kept', { why: reason })
  try {
    const record = { ...(await recordOf(mail, clock())), reason }
    const { id, removed } = await within(deadline, mail.signal, (signal) =>
      writer.put(record, () => mail.rawChunks(), signal),
    )
    const level = removed > 0 ? 'warn' : 'info'
    const facts = { id, why: reason, ...(removed > 0 && { removed }) }
    results.tell(mail, 'held', 'kept', facts, level)
  } catch (error) {
    if (mail.signal.aborted) throw error
    return instead(mail, error as Error, reason, settings, results)
  }
  return settings.answer === 'accept'
    ? DISCARD
    : reply(550, '5.7.1', ...replyLines(settings.reply))
}

function instead(
  mail: Mail,
  error: Error,
  why: string,
  { whenFull, onFailure }: Settings,
  results: ResultLog,
): Answer {
  const isFull = error instanceof QuarantineFull
  const told = isFull ? 'full' : 'failed'
  if ((isFull ? whenFull : onFailure) === 'hold') {
    mail.quarantine(why)
    return results.tell(mail, 'held', told, { why: error.message }, 'warn')
  }
  results.tell(mail, 'deferred', told, { why: error.message }, 'warn')
  return reply(451, '4.3.0', 'The message cannot be held for a review now: try again later')
}
