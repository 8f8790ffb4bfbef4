/** rspamd by HTTP: POST /checkv2, with what the mail server knows in fields (its page "protocol"). */
import { isPlainObject } from '../../options/plain-object.ts'
import { HttpClient, HttpFailure } from '../http/http-exchange.ts'
import { namesOf, oneLine, type Scan, type ScanResult } from './scanner.ts'
import { ScanFailure } from './scan-failure.ts'
import type { ScanEndpoint } from './scan-socket.ts'

const MAX_ANSWER = 1_048_576
const MAX_RECIPIENTS = 200
const MAX_FIELDS = 50

export function rspamd(endpoint: ScanEndpoint, password?: string): Scan {
  const client = new HttpClient({
    maxAnswer: MAX_ANSWER,
    ...('path' in endpoint && { socketPath: endpoint.path }),
  })
  const host = 'path' in endpoint ? 'localhost' : hostOf(endpoint)
  const url = new URL(`http://${host}/checkv2`)
  return async (mail, size, signal) => {
    const { connection, sender, recipients } = mail
    const given: Readonly<Record<string, string | undefined>> = {
      ip: connection.address,
      helo: connection.helo,
      hostname: connection.hostname,
      user: connection.authenticated,
      from: sender.address,
      'queue-id': mail.queueId,
      'mta-name': mail.macro('j'),
      'tls-version': connection.tls?.version,
      password,
      flags: 'milter',
    }
    const headers: Record<string, string | string[]> = {}
    for (const [name, value] of Object.entries(given)) {
      if (value !== undefined && value !== '') headers[name] = oneLine(value)
    }
    headers['rcpt'] = recipients.addresses.slice(0, MAX_RECIPIENTS).map(oneLine)
    try {
      const body = () => mail.rawChunks()
      const answer = await client.send({ method: 'POST', url, headers, size, body }, signal)
      if (answer.status !== 200) throw new ScanFailure(`rspamd answers ${answer.status}`)
      return resultOf(answer.body.toString('utf8'))
    } catch (error) {
      if (error instanceof HttpFailure) throw new ScanFailure(error.message, { cause: error })
      throw error
    }
  }
}

const hostOf = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`

/** By the actions of rspamd. */
const VERDICTS: Readonly<Record<string, ScanResult['verdict']>> = {
  'no action': 'clean',
  greylist: 'soft-reject',
  'add header': 'spam',
  'rewrite subject': 'spam',
  quarantine: 'spam',
  'soft reject': 'soft-reject',
  reject: 'reject',
}

function resultOf(text: string): ScanResult {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw new ScanFailure('the answer of rspamd is not JSON')
  }
  if (!isPlainObject(answer)) throw new ScanFailure('the answer of rspamd is no object')
  const { action, score, required_score: required, symbols, milter } = answer
  const verdict = typeof action === 'string' ? VERDICTS[action] : undefined
  if (verdict === undefined || typeof score !== 'number' || typeof required !== 'number') {
    throw new ScanFailure('the answer of rspamd has no action or no score that is known')
  }
  const changes = isPlainObject(milter) ? milter : {}
  const { add_headers: adds, remove_headers: removes } = changes
  return {
    verdict,
    score,
    required,
    names: namesOf(isPlainObject(symbols) ? Object.keys(symbols) : []),
    adds: isPlainObject(adds)
      ? Object.entries(adds)
          .flatMap(([name, value]) => fieldsOf(name, value))
          .slice(0, MAX_FIELDS)
      : [],
    removes: isPlainObject(removes) ? Object.keys(removes).slice(0, MAX_FIELDS) : [],
  }
}

/** A field has a text, an object with `value`, or a list of them. */
function fieldsOf(name: string, value: unknown): [name: string, value: string][] {
  if (Array.isArray(value)) return value.flatMap((one) => fieldsOf(name, one))
  if (typeof value === 'string') return [[name, value]]
  return isPlainObject(value) && typeof value['value'] === 'string'
    ? [[name, value['value']]]
    : []
}
