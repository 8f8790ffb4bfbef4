/**
 * The ready-made filter that keeps a copy of each message with its envelope. The copy is on the disk, or the server has
 * taken it, before the message is accepted.
 */
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import { readShape } from '../../options/shape.ts'
import { Networks } from '../../server/networks.ts'
import { reply, type Verdict } from '../../session/verdict.ts'
import { within } from '../../toolkit/within.ts'
import { directionOf } from '../direction.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import type { ArchiveOptions, ArchiveSettings } from '../types.ts'
import { ARCHIVE } from './archive-options.ts'
import { openSink, type ArchiveSink } from './archive-sink.ts'
import { LoopMark, MARK_FIELD } from './loop-mark.ts'
import { recordContent, recordOf, type MessageRecord } from './message-record.ts'

/**
 * What became of a message:
 *
 * - `archived`: there is a copy of it
 * - `archived-already`: there was a copy of the same message with the same queue id
 * - `marked`: another of your servers has kept it before, as its mark says
 * - `observed`: nothing was kept, because of `observe`
 * - `failed`: it could not be kept; `onFailure` decides
 */
export type ArchiveReason = 'archived' | 'archived-already' | 'marked' | 'observed' | 'failed'

interface Settings extends ArchiveSettings {
  readonly sink: ArchiveSink
  readonly mark: LoopMark | undefined
  readonly own: Networks
}

/**
 * Makes the filter.
 *
 *     await archive({ directory: '/var/lib/tsmilter/archive' })
 *
 * @throws UsageError INVALID_OPTION
 */
export async function archive(options: ArchiveOptions): Promise<MessageFilter> {
  const given = readShape(ARCHIVE, options)
  const { markKeyFile: file, name } = given
  const settings: Settings = {
    ...given,
    sink: await openSink(given),
    mark: file && new LoopMark('archive: the option markKeyFile', file, name),
    own: new Networks('networks', given.networks),
  } as Settings
  return readyMade(given, (results) => ({
    edits: settings.mark === undefined ? [] : ['headers'],
    message: (mail) => keep(mail, settings, results),
  }))
}

async function keep(
  mail: Mail,
  settings: Settings,
  results: ResultLog,
): Promise<Verdict<'tempfail' | 'reject'> | undefined> {
  const { mark, own, clock = Date.now } = settings
  const written = mark && (await mark.of(mail))
  if (mark !== undefined && directionOf(mail, own) !== 'outside' && mark.isIn(mail, written!)) {
    return results.tell(mail, 'skipped', 'marked')
  }
  if (settings.observe) return results.tell(mail, 'skipped', 'observed')
  const record = await recordOf(mail, clock())
  const path = pathOf(record)
  const { sha256, size } = record
  try {
    const copy = {
      path,
      envelope: Buffer.concat(Array.from(recordContent(record)() as Iterable<Buffer>)),
      message: () => mail.rawChunks(),
      size,
    }
    const isNew = await within(settings.deadline, mail.signal, (signal) =>
      settings.sink.put(copy, signal),
    )
    if (written !== undefined) mail.headers.prepend(MARK_FIELD, written)
    const facts = { path, sha256, size }
    if (isNew) results.tell(mail, 'passed', 'archived', facts, 'info')
    else results.tell(mail, 'passed', 'archived-already', facts, 'info')
  } catch (error) {
    if (mail.signal.aborted) throw error
    const facts = { path, why: (error as Error).message }
    if (settings.onFailure === 'pass') {
      return results.tell(mail, 'passed', 'failed', facts, 'warn')
    }
    results.tell(mail, 'deferred', 'failed', facts, 'warn')
    return reply(451, '4.3.0', 'The message cannot be archived now: try again later')
  }
  return undefined
}

/** Queue ids are used again, after some days or at once (queue_id of Postfix), so the digest is in the name. */
function pathOf({ time, queueId, sha256 }: MessageRecord): string {
  const [day = ''] = time.split('T')
  const id = (queueId ?? 'no-queue-id').replaceAll(/[^A-Za-z0-9]/g, '_').slice(0, 40)
  return `${day.replaceAll('-', '/')}/${id}-${sha256.slice(0, 16)}`
}
