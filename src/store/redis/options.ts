/** The options of a store in Redis, checked, and where it is. No message has a password in it. */
import { readFileSync } from 'node:fs'
import { UsageError } from '../../errors.ts'
import { textLogger, type Logger } from '../../diagnostics/log.ts'
import { parseHostAndPort, type HostAndPort } from '../../net/host-port.ts'
import type { ClientTls } from '../../mta/channel.ts'
import { invalidOption } from '../../options/invalid-option.ts'
import { show } from '../../options/show.ts'
import { checkNames, wholeNumber } from '../../options/validate.ts'

/** Where the store is (one of `url`, `sentinels` and `cluster`), and how it is used. */
export interface RedisStoreOptions {
  /**
   * One server: `redis://host:port`, `rediss://host:port` with TLS, or `unix:/path` of a socket. A user, a password and
   * the number of a database may be in it: `redis://user:password@host:6379/1`.
   */
  readonly url?: string | undefined
  /** Sentinels, as `host:port`. They say which server is the primary. */
  readonly sentinels?: readonly string[] | undefined
  /** The name by which the Sentinels know the primary. @default 'mymaster' */
  readonly primary?: string | undefined
  /** Some nodes of a Cluster, as `host:port`. They name the others. */
  readonly cluster?: readonly string[] | undefined
  /** @default 'default', or the one of `url` */
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** A file with the password in its first line. It is read for each new connection. */
  readonly passwordFile?: string | undefined
  readonly sentinelUsername?: string | undefined
  readonly sentinelPassword?: string | undefined
  /** Number of the database; a Cluster has only 0. @default 0, or the one of `url` */
  readonly database?: number | undefined
  /** TLS to all servers, Sentinels included. @default only with rediss: */
  readonly tls?: true | ClientTls | undefined
  /** What the names of all keys in Redis begin with: printable ASCII without braces. @default 'tsmilter:' */
  readonly prefix?: string | undefined
  /** Milliseconds in which each call has ended, whatever happens to the server. @default 500 */
  readonly deadline?: number | undefined
  /**
   * How many replicas must have a step before it counts as made. With 1 or more, a failover loses nothing that was
   * acknowledged, and a step waits for a replica too. Not in a Cluster.
   * @default 0
   */
  readonly replicas?: number | undefined
  /** Calls that may wait for an answer at a time; further ones fail at once. @default 10000 */
  readonly maxCalls?: number | undefined
  /** Bytes that these calls may hold. @default 16777216 */
  readonly maxBytes?: number | undefined
  /** Told when the server is lost, why, and when it is back. @default textLogger() */
  readonly logger?: Logger | undefined
}

const NAMES = [
  'url',
  'sentinels',
  'primary',
  'cluster',
  'username',
  'password',
  'passwordFile',
  'sentinelUsername',
  'sentinelPassword',
  'database',
  'tls',
  'prefix',
  'deadline',
  'replicas',
  'maxCalls',
  'maxBytes',
  'logger',
] satisfies (keyof RedisStoreOptions)[]

export type Place =
  | { readonly type: 'server'; readonly host: string; readonly port: number }
  | { readonly type: 'socket'; readonly path: string }
  | {
      readonly type: 'sentinels'
      readonly sentinels: readonly HostAndPort[]
      readonly primary: string
    }
  | { readonly type: 'cluster'; readonly nodes: readonly HostAndPort[] }

/** Checked options, with defaults. */
export interface Settings {
  readonly place: Place
  /** the place, for messages */
  readonly name: string
  readonly database: number
  readonly username: string | undefined
  readonly sentinelUsername: string | undefined
  readonly sentinelPassword: string | undefined
  /** Reads the password. @throws an error of the file system */
  readonly password: () => string | undefined
  readonly tls: ClientTls | undefined
  readonly prefix: string
  readonly deadline: number
  readonly replicas: number
  readonly maxCalls: number
  readonly maxBytes: number
  readonly logger: Logger
}

/** @throws UsageError INVALID_OPTION */
export function redisSettings(options: RedisStoreOptions): Settings {
  checkNames('openRedisStore', options, NAMES)
  const { url, sentinels, cluster, passwordFile } = options
  if ([url, sentinels, cluster].filter((one) => one !== undefined).length !== 1) {
    throw new UsageError(
      'INVALID_OPTION',
      'openRedisStore takes one of the options url, sentinels and cluster, such as url: "redis://127.0.0.1:6379"',
    )
  }
  if (options.password !== undefined && passwordFile !== undefined) {
    throw new UsageError(
      'INVALID_OPTION',
      'openRedisStore takes password or passwordFile, not both',
    )
  }
  const from = url === undefined ? {} : readUrl(url)
  const place: Place =
    sentinels !== undefined
      ? {
          type: 'sentinels',
          sentinels: addresses('sentinels', sentinels),
          primary: text('primary', options.primary) ?? 'mymaster',
        }
      : cluster !== undefined
        ? { type: 'cluster', nodes: addresses('cluster', cluster) }
        : from.place!
  const given = text('password', options.password, true) ?? from.password
  const settings: Settings = {
    place,
    name: nameOf(place),
    database: wholeNumber('database', options.database ?? from.database ?? 0, 0, 65_535),
    username: text('username', options.username) ?? from.username,
    sentinelUsername: text('sentinelUsername', options.sentinelUsername),
    sentinelPassword: text('sentinelPassword', options.sentinelPassword, true),
    password: passwordFile === undefined ? () => given : passwordIn(passwordFile),
    tls: tlsOf(options.tls) ?? (from.tls === true ? {} : undefined),
    prefix: prefixOf(options.prefix),
    deadline: wholeNumber('deadline', options.deadline ?? 500, 1, 60_000),
    replicas: wholeNumber('replicas', options.replicas ?? 0, 0, 100),
    maxCalls: wholeNumber('maxCalls', options.maxCalls ?? 10_000, 1),
    maxBytes: wholeNumber('maxBytes', options.maxBytes ?? 16_777_216, 1_048_576),
    logger: options.logger ?? textLogger(),
  }
  if (place.type === 'cluster') {
    if (settings.database !== 0)
      throw invalidOption('database', settings.database, '0 in a Cluster')
    if (settings.replicas !== 0)
      throw invalidOption('replicas', settings.replicas, '0 in a Cluster')
  }
  return settings
}

interface FromUrl {
  readonly place?: Place
  readonly tls?: boolean
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly database?: number | undefined
}

function readUrl(given: string): FromUrl {
  // It may have a password, so no error shows it.
  const wrong = (): UsageError =>
    new UsageError(
      'INVALID_OPTION',
      'the option url takes redis://host:port, rediss://host:port or unix:/path, where a database may follow as /1 and user:password@ may be before the host',
    )
  if (typeof given !== 'string') throw wrong()
  if (given.startsWith('unix:')) {
    const path = given.slice(5)
    if (!path.startsWith('/') || path.startsWith('//') || path.includes('\0')) throw wrong()
    return { place: { type: 'socket', path } }
  }
  const url = URL.canParse(given) ? new URL(given) : undefined
  const database = /^\/?(\d{0,5})$/.exec(url?.pathname ?? '?')?.[1]
  if (
    url === undefined ||
    !/^rediss?:$/.test(url.protocol) ||
    url.hostname === '' ||
    database === undefined ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw wrong()
  }
  try {
    return {
      place: {
        type: 'server',
        host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: url.port === '' ? 6_379 : Number(url.port),
      },
      tls: url.protocol === 'rediss:',
      username: decodeURIComponent(url.username) || undefined,
      password: decodeURIComponent(url.password) || undefined,
      database: database === '' ? undefined : Number(database),
    }
  } catch {
    throw wrong()
  }
}

function addresses(name: string, given: readonly string[]): HostAndPort[] {
  if (!Array.isArray(given) || given.length === 0) {
    throw invalidOption(name, given, 'a list of host:port')
  }
  return (given as readonly unknown[]).map((one) => {
    const address = typeof one === 'string' ? parseHostAndPort(one) : undefined
    if (address === undefined) throw invalidOption(name, one, 'a list of host:port')
    return address
  })
}

function text(name: string, given: string | undefined, secret = false): string | undefined {
  if (given === undefined || (typeof given === 'string' && given !== '')) return given
  throw new UsageError(
    'INVALID_OPTION',
    `the option ${name} takes text, and not the empty one${secret ? '' : `; it got ${show(given)}`}`,
  )
}

/** @throws UsageError INVALID_OPTION if the file cannot be read now */
function passwordIn(path: string): () => string | undefined {
  const read = (): string | undefined =>
    /^[^\r\n]+/.exec(readFileSync(path, 'utf8'))?.[0] ?? undefined
  let found: string | undefined
  try {
    found = read()
  } catch (cause) {
    throw new UsageError(
      'INVALID_OPTION',
      `the option passwordFile takes the path of a file with the password: ${(cause as Error).message}`,
      { cause },
    )
  }
  if (found === undefined) {
    throw invalidOption(
      'passwordFile',
      path,
      'the path of a file with the password in its first line',
    )
  }
  return read
}

function tlsOf(given: true | ClientTls | undefined): ClientTls | undefined {
  if (given === undefined || given === true) return given && {}
  checkNames('tls', given, ['ca', 'cert', 'key', 'name'])
  return given
}

function prefixOf(given = 'tsmilter:'): string {
  if (typeof given === 'string' && /^[!-z|~]{0,100}$/.test(given)) return given
  throw invalidOption('prefix', given, 'up to 100 printable ASCII characters, without braces')
}

const shown = ({ host, port }: HostAndPort): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

function nameOf(place: Place): string {
  switch (place.type) {
    case 'server':
      return `Redis at ${shown(place)}`
    case 'socket':
      return `Redis at ${place.path}`
    case 'sentinels':
      return `Redis (${place.primary} of the Sentinels ${place.sentinels.map(shown).join(', ')})`
    case 'cluster':
      return `Redis (Cluster of ${place.nodes.map(shown).join(', ')})`
  }
}
