/** The ready-made filter that asks a scanner: clamd, spamd or rspamd, each by its own protocol. */
import { parseHostAndPort } from '../../net/host-port.ts'
import { UsageError } from '../../errors.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import { readShape } from '../../options/shape.ts'
import { replyLines } from '../../protocol/smtp-reply.ts'
import { reply, type Verdict } from '../../session/verdict.ts'
import { readSecret } from '../http/http-options.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import type { ScanOptions, ScanSettings } from '../types.ts'
import { clamd } from './clamd.ts'
import { FailOver } from './fail-over.ts'
import { rspamd } from './rspamd.ts'
import { ScanFailure } from './scan-failure.ts'
import { SCAN } from './scan-options.ts'
import type { ScanEndpoint } from './scan-socket.ts'
import type { Scan, ScanResult } from './scanner.ts'
import { spamd } from './spamd.ts'

/**
 * What became of a message:
 *
 * - `clean`: the scanner has nothing against it
 * - `infected`: clamd has found something
 * - `spam`: the score is high, or the scanner says so
 * - `soft-reject`: rspamd wants it deferred
 * - `too-large`: it was not scanned; `tooLarge` decides
 * - `failed`: no scanner has given a result; `onFailure` decides
 */
export type ScanReason = 'clean' | 'infected' | 'spam' | 'soft-reject' | 'too-large' | 'failed'

type Scanners = FailOver<ScanResult, [Mail, number]>
type Action = 'pass' | 'tag' | 'quarantine' | 'refuse' | 'defer'
type Answer = Verdict<'reject' | 'tempfail'> | undefined

/** Fields that this filter and others of its kind write. Those that come with a message say nothing. */
const VIRUS_FIELDS: readonly string[] = ['X-Virus-Status', 'X-Virus-Scanned']
const SPAM_FIELDS: readonly string[] = [
  'X-Spam-Flag',
  'X-Spam-Status',
  'X-Spam-Score',
  'X-Spam-Level',
  'X-Spam',
]

/**
 * Makes the filter.
 *
 *     compose(authenticate(), scan({ clamd: '/run/clamav/clamd.ctl' }), scan({ rspamd: '127.0.0.1:11333' }))
 *
 * @throws UsageError INVALID_OPTION
 */
export function scan(options: ScanOptions): MessageFilter {
  const settings = readShape(SCAN, options)
  const scanners: Scanners = new FailOver(scansOf(settings))
  return readyMade(settings, (results) => ({
    edits: ['headers', 'quarantine'],
    message: (mail) => judge(mail, settings, scanners, results),
  }))
}

function scansOf({
  clamd: viruses,
  spamd: spam,
  rspamd: both,
  user,
  passwordFile,
}: ScanSettings): Scan[] {
  if (viruses !== undefined) return viruses.map((one) => clamd(endpointOf(one)))
  if (spam !== undefined) return spam.map((one) => spamd(endpointOf(one), user))
  const password =
    passwordFile === undefined
      ? undefined
      : readSecret('scan: the option passwordFile', passwordFile)
  return both!.map((one) => rspamd(endpointOf(one), password))
}

/** @internal */
export function endpointOf(given: string): ScanEndpoint {
  return given.startsWith('/') ? { path: given } : parseHostAndPort(given)!
}

async function judge(
  mail: Mail,
  settings: ScanSettings,
  scanners: Scanners,
  results: ResultLog,
): Promise<Answer> {
  // First of all: what is not scanned must not look as if it were.
  const forged = removeForged(mail, settings)
  const size = mail.rawHeader().length + 2 + mail.body.size
  const facts = { size, ...(forged > 0 && { forged }) }
  if (size > settings.maxSize) return tooLarge(mail, settings, facts, results)
  let result: ScanResult
  try {
    result = await scanners.run(settings.deadline, mail.signal, mail, size)
  } catch (error) {
    if (!(error instanceof ScanFailure)) throw error
    const why = { ...facts, why: error.message }
    if (settings.onFailure === 'pass') {
      return results.tell(mail, 'passed', 'failed', why, 'warn')
    }
    results.tell(mail, 'deferred', 'failed', why, 'warn')
    return reply(451, '4.7.1', 'The message cannot be scanned now: try again later')
  }
  return act(mail, result, settings, facts, results)
}

function removeForged(mail: Mail, { clamd: viruses }: ScanSettings): number {
  let forged = 0
  for (const name of viruses === undefined ? SPAM_FIELDS : VIRUS_FIELDS) {
    forged += mail.headers.fields(name).length
    mail.headers.delete(name)
  }
  return forged
}

function tooLarge(
  mail: Mail,
  { tooLarge: action, maxSize }: ScanSettings,
  facts: object,
  results: ResultLog,
): Answer {
  if (action === 'pass') return results.tell(mail, 'skipped', 'too-large', facts, 'info')
  if (action === 'quarantine') {
    mail.quarantine('too large to be scanned')
    return results.tell(mail, 'held', 'too-large', facts)
  }
  results.tell(mail, 'refused', 'too-large', facts)
  return reply(
    552,
    '5.3.4',
    `Messages of more than ${maxSize} bytes are not scanned, so they are not accepted`,
  )
}

function act(
  mail: Mail,
  result: ScanResult,
  settings: ScanSettings,
  facts: object,
  results: ResultLog,
): Answer {
  const action = actionOf(result, settings)
  const { names, score, verdict } = result
  const said = { ...facts, names, ...(score !== undefined && { score }) }
  const reason: ScanReason =
    action === 'defer' ? 'soft-reject' : verdict === 'infected' ? 'infected' : 'spam'
  if (action === 'refuse') {
    results.tell(mail, 'refused', reason, said)
    const text =
      verdict === 'infected'
        ? `The message has a virus: ${names.join(' ')}`
        : 'The message looks like spam'
    return reply(550, '5.7.1', ...replyLines(text))
  }
  if (action === 'defer') {
    results.tell(mail, 'deferred', reason, said)
    return reply(451, '4.7.1', 'The message is not accepted now: try again later')
  }
  writeFields(mail, result, settings, action)
  if (action === 'quarantine') {
    mail.quarantine(`${reason}: ${names.slice(0, 5).join(' ')}`)
    return results.tell(mail, 'held', reason, said)
  }
  if (action === 'tag') return results.tell(mail, 'changed', reason, said)
  return results.tell(mail, 'passed', 'clean', said)
}

function actionOf({ verdict, score = 0 }: ScanResult, settings: ScanSettings): Action {
  const { infected, tagAt, quarantineAt, refuseAt, followActions } = settings
  if (verdict === 'infected') return infected
  if (refuseAt !== undefined && score >= refuseAt) return 'refuse'
  if (followActions && verdict === 'reject') return 'refuse'
  if (quarantineAt !== undefined && score >= quarantineAt) return 'quarantine'
  if (followActions && verdict === 'soft-reject') return 'defer'
  const isSpam =
    tagAt === undefined ? verdict === 'spam' || verdict === 'reject' : score >= tagAt
  return isSpam ? 'tag' : 'pass'
}

function writeFields(
  mail: Mail,
  result: ScanResult,
  settings: ScanSettings,
  action: Action,
): void {
  const { names, score, required, adds = [], removes = [] } = result
  if (settings.clamd !== undefined) {
    const said = result.verdict === 'infected' ? `Infected (${names.join(' ')})` : 'Clean'
    mail.headers.append('X-Virus-Status', said)
    return
  }
  if (settings.followFields) changeFields(mail, removes, adds)
  const isSpam = action !== 'pass'
  const at = settings.tagAt ?? required
  if (isSpam) mail.headers.set('X-Spam-Flag', 'YES')
  mail.headers.set(
    'X-Spam-Status',
    `${isSpam ? 'Yes' : 'No'}, score=${score} required=${at} tests=${names.slice(0, 30).join(',') || 'none'}`,
  )
}

/** A field that no mail server takes is not worth the message. */
function changeFields(
  mail: Mail,
  removes: readonly string[],
  adds: readonly (readonly [name: string, value: string])[],
): void {
  const tried = (name: string, change: () => void): void => {
    try {
      change()
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      mail.log.warn({ field: name, why: error.message }, 'a field of rspamd is left out')
    }
  }
  for (const name of removes) tried(name, () => void mail.headers.delete(name))
  for (const [name, value] of adds) {
    tried(name, () => void mail.headers.prepend(name, value.replaceAll(/\r?\n/g, '\r\n')))
  }
}
