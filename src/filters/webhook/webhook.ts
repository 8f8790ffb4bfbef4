/** The ready-made filter that asks an HTTP service about each message. */
import { UsageError } from '../../errors.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import { readShape } from '../../options/shape.ts'
import { replyLines } from '../../protocol/smtp-reply.ts'
import { DISCARD, reply, type Verdict } from '../../session/verdict.ts'
import { uniqueId } from '../../toolkit/unique-id.ts'
import { within } from '../../toolkit/within.ts'
import { AddressPolicy } from '../http/address-policy.ts'
import { HttpClient } from '../http/http-exchange.ts'
import { readSecret, readWhole } from '../http/http-options.ts'
import { withRetries } from '../http/retries.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import type { WebhookOptions, WebhookSettings } from '../types.ts'
import { readAnswer, type WebhookAnswer, type WebhookEdit } from './webhook-answer.ts'
import { WEBHOOK } from './webhook-options.ts'
import { factsOf, requestContent, signatureFields } from './webhook-request.ts'

/**
 * What became of a message:
 *
 * - `passed`, `edited`, `refused`, `deferred`, `held`, `discarded`: as the service has answered
 * - `failed`: there is no answer, or one that cannot be used; `onFailure` decides
 * - `edit-failed`: an edit could not be made, so none is; deferred
 */
export type WebhookReason =
  'passed' | 'edited' | 'refused' | 'deferred' | 'held' | 'discarded' | 'failed' | 'edit-failed'

interface Settings extends WebhookSettings {
  readonly target: URL
  readonly key: Buffer
  readonly client: HttpClient
}

type Answer = Verdict<'reject' | 'tempfail' | 'discard'> | undefined

/**
 * Makes the filter.
 *
 *     webhook({ url: 'https://filter.example.org/mail', secretFile: '/etc/tsmilter/webhook-secret' })
 *
 * @throws UsageError INVALID_OPTION
 */
export function webhook(options: WebhookOptions): MessageFilter {
  const given = readShape(WEBHOOK, options)
  const { url, secretFile, caFile, maxAnswer, allow, content, allowAddresses, lookup } = given
  const settings: Settings = {
    ...given,
    target: new URL(url),
    key: keyOf(readSecret('webhook: the option secretFile', secretFile), secretFile),
    client: new HttpClient({
      maxAnswer,
      ca: caFile === undefined ? undefined : readWhole('webhook: the option caFile', caFile),
      lookup: new AddressPolicy(allowAddresses).lookup(lookup),
    }),
  }
  return readyMade(given, (results) => ({
    edits: [
      ...(allow.includes('fields') ? (['headers'] as const) : []),
      ...(allow.includes('recipients') ? (['recipients'] as const) : []),
      ...(allow.includes('sender') ? (['sender'] as const) : []),
      ...(allow.includes('quarantine') ? (['quarantine'] as const) : []),
    ],
    reads: content === 'none' ? [] : content === 'header' ? ['headers'] : ['headers', 'body'],
    message: (mail) => consult(mail, settings, results),
  }))
}

const MIN_SECRET = 16

/** Secrets of Standard Webhooks are base64 after `whsec_`. */
function keyOf(secret: string, file: string): Buffer {
  const key = secret.startsWith('whsec_')
    ? Buffer.from(secret.slice('whsec_'.length), 'base64')
    : Buffer.from(secret)
  if (key.length >= MIN_SECRET) return key
  throw new UsageError(
    'INVALID_OPTION',
    `webhook: the option secretFile: ${file} has a secret of ${key.length} bytes; it needs ${MIN_SECRET} or more. Make one with: openssl rand -hex 32`,
  )
}

async function consult(mail: Mail, settings: Settings, results: ResultLog): Promise<Answer> {
  const id = uniqueId()
  let answer: WebhookAnswer
  try {
    answer = await within(settings.deadline, mail.signal, (signal) =>
      ask(mail, id, settings, signal),
    )
  } catch (error) {
    if (mail.signal.aborted) throw error
    const facts = { id, why: (error as Error).message }
    if (settings.onFailure === 'pass') {
      return results.tell(mail, 'passed', 'failed', facts, 'warn')
    }
    results.tell(mail, 'deferred', 'failed', facts, 'warn')
    return reply(451, '4.7.1', 'The message cannot be checked now: try again later')
  }
  return act(mail, answer, id, results)
}

/** One question with its tries. Each try has the same id, and a signature with a time of its own. */
async function ask(
  mail: Mail,
  id: string,
  settings: Settings,
  signal: AbortSignal,
): Promise<WebhookAnswer> {
  const { name, observe, target, key, client, maxSize, allow } = settings
  let { content } = settings
  let size = content === 'none' ? 0 : mail.rawHeader().length
  if (content === 'whole') {
    const whole = size + 2 + mail.body.size
    if (whole > maxSize) content = 'header'
    else size = whole
  }
  const facts = factsOf(mail, { id, filter: name, observe, content })
  const request = requestContent(mail, facts, size)
  const answer = await withRetries(async () => {
    const seconds = Math.floor(Date.now() / 1_000)
    const headers = {
      'content-type': 'application/json',
      ...(await signatureFields(key, id, seconds, request.body())),
    }
    return await client.send({ method: 'POST', url: target, headers, ...request }, signal)
  }, signal)
  return readAnswer(answer, { allow, content: settings.content })
}

function act(mail: Mail, answer: WebhookAnswer, id: string, results: ResultLog): Answer {
  const { verdict = 'pass', text, edits = [] } = answer
  const facts = { id, ...(text !== undefined && { text }) }
  if (verdict === 'refuse') {
    results.tell(mail, 'refused', 'refused', facts)
    return reply(550, '5.7.1', ...replyLines(text ?? 'The message is not accepted'))
  }
  if (verdict === 'defer') {
    results.tell(mail, 'deferred', 'deferred', facts)
    return reply(451, '4.7.1', ...replyLines(text ?? 'Try again later'))
  }
  if (verdict === 'discard') {
    results.tell(mail, 'discarded', 'discarded', facts)
    return DISCARD
  }
  try {
    for (const edit of edits) make(mail, edit)
    if (verdict === 'quarantine') mail.quarantine(text ?? 'held by a service')
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    // Half of the edits must not count.
    results.tell(mail, 'deferred', 'edit-failed', { ...facts, why: error.message }, 'warn')
    return reply(451, '4.7.1', 'The message cannot be checked now: try again later')
  }
  if (verdict === 'quarantine') return results.tell(mail, 'held', 'held', facts)
  if (edits.length === 0) return results.tell(mail, 'passed', 'passed', facts)
  return results.tell(mail, 'changed', 'edited', { ...facts, edits: edits.length })
}

function make(mail: Mail, edit: WebhookEdit): void {
  switch (edit.edit) {
    case 'addField':
      mail.headers.append(edit.name, edit.value)
      break
    case 'setField':
      mail.headers.set(edit.name, edit.value)
      break
    case 'removeField':
      mail.headers.delete(edit.name)
      break
    case 'addRecipient':
      mail.recipients.add(edit.address)
      break
    case 'removeRecipient':
      mail.recipients.remove(edit.address)
      break
    default:
      mail.sender.replace(edit.address)
  }
}
