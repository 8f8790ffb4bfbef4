/** What went wrong with a server, as an error of a store, and in words that say what to do. */
import { StoreError } from '../../errors.ts'
import { printable } from '../../diagnostics/printable.ts'
import { codeOf, reasonOf } from '../../net/system-error.ts'

/** A reply that no server with these scripts gives. */
export class MalformedReply extends Error {}

/** The longest text of a server in a message. */
const LONGEST = 300

const ADVICE: Readonly<Record<string, string>> = {
  NOAUTH: 'it wants a password: set password or passwordFile',
  WRONGPASS: 'it refuses username or password',
  NOPERM: 'the user lacks a permission; docs/stores-redis.md lists what it needs',
  READONLY: 'it is a replica, which takes no changes',
  LOADING: 'it is still loading its data',
  MASTERDOWN: 'it is a replica without a primary',
  MOVED: 'it is a node of a Cluster: use the option cluster',
  ASK: 'it is a node of a Cluster: use the option cluster',
  CLUSTERDOWN: 'the Cluster does not serve all keys',
  NOREPLICAS: 'it has fewer replicas than min-replicas-to-write asks for',
  MISCONF: 'it takes no changes, because it cannot write to its disk',
  NOSCRIPT: 'it forgot the script',
  BUSY: 'another script blocks it',
}
const CODES: readonly string[] = ['OOM', ...Object.keys(ADVICE)]

/** The code of an error reply, such as `READONLY`. Redis 6 has errors within a script in the middle of the text. */
export function replyCode({ message }: Error): string {
  const first = /^-?([A-Z]+)/.exec(message)?.[1] ?? ''
  if (CODES.includes(first)) return first
  const within = /: -([A-Z]+) /.exec(message)?.[1] ?? ''
  return CODES.includes(within) ? within : first
}

/** Why a server cannot be used, without `secrets`. */
export function reasonFor(error: Error, secrets: readonly (string | undefined)[]): string {
  const advice = ADVICE[replyCode(error)]
  // Errors of several addresses of one name have no message of their own.
  const text = reasonOf(error) || codeOf(error) || error.name
  // ioredis does not tell why a node could not be connected.
  const said = text === 'Connection is closed.' ? 'no connection could be made' : text
  const reason = advice === undefined ? said : `${advice} (${said})`
  const clean = secrets.reduce<string>(
    (kept, secret) => (secret === undefined ? kept : kept.replaceAll(secret, '***')),
    reason,
  )
  const safe = printable(clean.slice(0, LONGEST))
  return safe.length > LONGEST ? `${safe.slice(0, LONGEST)}...` : safe
}

/** The error of a call that the server refused, or that was lost with the connection. */
export function failure(
  name: string,
  error: Error,
  secrets: readonly (string | undefined)[],
): StoreError {
  const reason = reasonFor(error, secrets)
  return replyCode(error) === 'OOM'
    ? new StoreError(
        'STORE_FULL',
        `${name} is full: raise its maxmemory, or shorten the times of values (${reason})`,
      )
    : new StoreError('STORE_UNAVAILABLE', `${name}: ${reason}`)
}
