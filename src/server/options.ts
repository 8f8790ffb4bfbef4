import type { FilterOptions } from '../milter/options.ts'
import { UsageError } from '../errors.ts'
import { didYouMean } from '../milter/nearest.ts'
import { invalidOption, MAX_TIMER, textList, wholeNumber } from '../milter/option-values.ts'
import type { ConnectionTimeouts } from './connection.ts'
import type { EntranceOptions } from './entrance.ts'
import type { SocketPermissions } from './unix-socket.ts'

/** How a filter is served. Times are milliseconds. */
export interface ServeOptions extends FilterOptions, EntranceOptions {
  /**
   * One address or several: `inet:8890@localhost`, `inet6:8890@::1`, `unix:/run/filter.sock`,
   * `fd:3`. See {@link parseListenAddress}.
   */
  readonly listen: string | readonly string[]
  /**
   * Mode, owner and group of unix sockets; they hold before anybody can connect.
   * @default what the umask and the user of the process give
   */
  readonly unixSocket?: SocketPermissions | undefined
  /**
   * Connections that wait to be accepted.
   * @default 511
   */
  readonly backlog?: number | undefined
  /**
   * Connections served at a time. Those beyond it are answered as `overload` says; beyond twice as many
   * they are closed. Those that have not passed `proxies` and `tls` yet count apart, up to the same
   * number.
   * @default 1000
   */
  readonly maxConnections?: number | undefined
  /**
   * `idle`: silence between two commands (mail servers wait an hour for a client, so long).
   * `frame`: for a frame that has begun, for the negotiation, and before it for PROXY header and TLS
   * handshake together. `write`: for an answer that is not
   * read.
   * @default idle 7210000, frame 60000, write 60000
   */
  readonly timeouts?: Partial<ConnectionTimeouts> | undefined
  /** Closes the server, as `close()`, when it fires. */
  readonly signal?: AbortSignal | undefined
}

/** How a server stops. */
export interface CloseOptions {
  /**
   * How long sessions may go on; then what is unanswered is answered by the error policy and the
   * connections are closed. 0 for at once.
   * @default 30000
   */
  readonly deadline?: number | undefined
  /**
   * A connection without an open message is closed when it has been silent for so long.
   * @default 2000
   */
  readonly quiet?: number | undefined
}

export interface ServerSettings {
  readonly unixSocket: SocketPermissions
  readonly backlog: number
  readonly maxConnections: number
  readonly timeouts: ConnectionTimeouts
}

/** @throws UsageError INVALID_OPTION */
export function addressList(listen: ServeOptions['listen']): readonly string[] {
  return textList(
    'listen',
    listen,
    "an address such as 'inet:8890@localhost', or a list of them",
  )
}

/** @throws UsageError INVALID_OPTION */
export function serverSettings(options: Omit<ServeOptions, 'listen'>): ServerSettings {
  const { timeouts } = options
  const mode = options.unixSocket?.mode
  if (mode !== undefined) wholeNumber('unixSocket.mode', mode, 0, 0o777)
  return {
    unixSocket: options.unixSocket ?? {},
    backlog: wholeNumber('backlog', options.backlog ?? 511, 1, 65_535),
    maxConnections: wholeNumber('maxConnections', options.maxConnections ?? 1_000, 1),
    timeouts: {
      idle: wholeNumber('timeouts.idle', timeouts?.idle ?? 7_210_000, 1, MAX_TIMER),
      frame: wholeNumber('timeouts.frame', timeouts?.frame ?? 60_000, 1, MAX_TIMER),
      write: wholeNumber('timeouts.write', timeouts?.write ?? 60_000, 1, MAX_TIMER),
    },
  }
}

/** All there are, with those within them. */
export const SERVE_OPTIONS: OptionNames<ServeOptions> = {
  listen: true,
  unixSocket: ['mode', 'owner', 'group'],
  backlog: true,
  maxConnections: true,
  timeouts: ['idle', 'frame', 'write'],
  signal: true,
  actions: true,
  requiredActions: true,
  dataSize: true,
  onError: true,
  deadlines: true,
  progressInterval: true,
  maxEdits: true,
  maxFrameSize: true,
  maxPending: true,
  maxMemory: true,
  overload: true,
  limits: true,
  logger: true,
  allow: true,
  proxies: true,
  tls: true,
}

/** True for those that are checked where they are read. */
export type OptionNames<Options> = {
  readonly [Name in keyof Options]-?: true | readonly string[]
}

/** What an option is called at another function. */
const ELSEWHERE: Readonly<Record<string, string>> = { listen: 'socket', socket: 'listen' }

/**
 * An option that is misspelt would do nothing; TypeScript says so too, JavaScript would not.
 *
 * @param what the function
 * @throws UsageError INVALID_OPTION
 */
export function checkOptions<Options extends object>(
  what: string,
  options: Options,
  names: OptionNames<Options>,
): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidOption(`s of ${what}`, options, 'an object')
  }
  refuseOthers(what, '', options, Object.keys(names))
  for (const [name, inner] of Object.entries<true | readonly string[]>(names)) {
    const value: unknown = (options as Record<string, unknown>)[name]
    if (inner === true || value === undefined) continue
    if (typeof value !== 'object' || value === null) {
      throw invalidOption(name, value, `an object with ${inner.join(', ')}`)
    }
    refuseOthers(what, `${name}.`, value, inner)
  }
}

function refuseOthers(
  what: string,
  prefix: string,
  given: object,
  names: readonly string[],
): void {
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue
    const other = ELSEWHERE[name]
    const hint =
      prefix === '' && other !== undefined && names.includes(other)
        ? `; here it is called ${other}.`
        : didYouMean(name, names)
    throw new UsageError(
      'INVALID_OPTION',
      `${prefix}${name} is no option of ${what}${hint || '.'} There are: ${names.map((one) => prefix + one).join(', ')}`,
    )
  }
}
