import { CONTENT_FORM } from '../../milter/message-content.ts'
import { MAX_TIMER } from '../../milter/option-values.ts'
import { Action, DataSize } from '../../protocol/constants.ts'
import { PROXIES_FORM } from '../../server/entrance.ts'
import { NETWORK_FORM } from '../../server/networks.ts'
import { LOG_FORMATS, LOG_LEVELS } from '../../telemetry/logger.ts'

/**
 * Every option of `tsmilter run`. From this table come the command line and its help, the names of the
 * environment variables, the schema of a configuration, and the table in docs/running.md.
 */
export interface OptionRow {
  /** as in a configuration; a dot goes into an object */
  readonly name: string
  readonly kind: OptionKind
  readonly default?: number | string | undefined
  /** of a number, a size or a duration */
  readonly least?: number
  readonly most?: number
  readonly text: string
  /**
   * It is about the process itself and has to be known before any code of a filter is loaded, so it is
   * not in a configuration.
   */
  readonly process?: true
}

export type OptionKind =
  | 'addresses'
  | 'networks'
  | 'proxies'
  | 'workers'
  | 'number'
  | 'size'
  | 'dataSize'
  | 'duration'
  | 'deadlines'
  | 'mode'
  | 'account'
  | 'policy'
  | 'overload'
  | 'actions'
  | 'path'
  | 'directory'
  | 'content'
  | 'logLevel'
  | 'logFormat'
  | 'httpAddress'

export const MAX_WORKERS = 1_024

const time = (name: string, fallback: number, text: string, least = 1): OptionRow => ({
  name,
  kind: 'duration',
  default: fallback,
  least,
  most: MAX_TIMER,
  text,
})
const number = (
  name: string,
  fallback: number | undefined,
  least: number,
  text: string,
  most = Number.MAX_SAFE_INTEGER,
): OptionRow => ({ name, kind: 'number', default: fallback, least, most, text })
const bytes = (
  name: string,
  fallback: number | undefined,
  least: number,
  text: string,
): OptionRow => ({ ...number(name, fallback, least, text), kind: 'size' })

export const OPTION_TABLE: readonly OptionRow[] = [
  {
    name: 'listen',
    kind: 'addresses',
    text: 'where to listen; without it on the sockets of systemd',
  },
  { name: 'workers', kind: 'workers', default: 1, text: 'processes that serve' },
  { name: 'unixSocket.mode', kind: 'mode', text: 'permissions of unix sockets' },
  { name: 'unixSocket.owner', kind: 'account', text: 'user that owns unix sockets' },
  { name: 'unixSocket.group', kind: 'account', text: 'group of unix sockets' },
  {
    name: 'allow',
    kind: 'networks',
    text: 'who may connect over TCP; without it everybody',
  },
  {
    name: 'proxies',
    kind: 'proxies',
    text: 'balancers, whose connections begin with a PROXY header',
  },
  {
    name: 'tls.cert',
    kind: 'path',
    text: 'certificate, followed by those that lead to its root; with it TCP is TLS',
  },
  { name: 'tls.key', kind: 'path', text: 'its private key' },
  {
    name: 'tls.ca',
    kind: 'path',
    text: 'CA of the certificates that clients must show; without it they need none',
  },
  number('backlog', 511, 1, 'connections waiting to be accepted', 65_535),
  number('maxConnections', 1_000, 1, 'connections of one worker at a time'),
  bytes(
    'maxMemory',
    268_435_456,
    1_048_576,
    'bytes that the messages of one worker hold in memory',
  ),
  {
    name: 'overload',
    kind: 'overload',
    default: 'tempfail',
    text: 'the answer to mail beyond maxConnections or maxMemory; accept: it passes unfiltered',
  },
  time('timeouts.idle', 7_210_000, 'silence between commands'),
  time(
    'timeouts.frame',
    60_000,
    'a frame that has begun, the negotiation, and before it PROXY header and TLS',
  ),
  time('timeouts.write', 60_000, 'an answer that is not read'),
  {
    name: 'deadlines',
    kind: 'deadlines',
    least: 0,
    most: MAX_TIMER,
    text: 'one call of a handler (8s, at end of message 270s); 0 for no limit',
  },
  time('progressInterval', 5_000, 'pace of PROGRESS at end of message; 0 for never', 0),
  number('maxEdits', 10_000, 1, 'edits of one message'),
  bytes('maxFrameSize', 1_048_576, 65_535, 'bytes of one frame'),
  bytes('maxPending', 262_144, 0, 'bytes waiting while a handler runs'),
  number('limits.headers', undefined, 0, 'header fields of one message (10000)'),
  bytes('limits.headerBytes', undefined, 0, 'bytes of the header of one message (4M)'),
  number('limits.recipients', undefined, 0, 'recipients of one message (10000)'),
  bytes('limits.bodyMemory', undefined, 0, 'bytes of one body that stay in memory (1M)'),
  bytes('limits.bodySize', undefined, 0, 'bytes of one body (1G)'),
  {
    name: 'limits.temporaryDirectory',
    kind: 'directory',
    text: 'where larger bodies are kept (that of the system)',
  },
  { name: 'actions', kind: 'actions', text: 'what filters may do to mail (all)' },
  {
    name: 'requiredActions',
    kind: 'actions',
    text: 'what they must be able to do; mail servers that do not offer it are refused (none)',
  },
  {
    name: 'dataSize',
    kind: 'dataSize',
    default: DataSize.K64,
    text: 'frame data to agree on with a mail server that offers more',
  },
  {
    name: 'onError',
    kind: 'policy',
    default: 'tempfail',
    text: 'what the mail server is told when a handler fails',
  },
  time(
    'stop.delay',
    0,
    'how long it still accepts after SIGTERM, while /readyz says stopping',
    0,
  ),
  time('stop.deadline', 30_000, 'how long sessions may go on then', 0),
  time('stop.quiet', 2_000, 'silence after which a session without a message ends', 0),
  time('reload.deadline', 600_000, 'how long sessions of the old version may go on', 0),
  time('startTimeout', 30_000, 'how long a worker may take to load'),
  time('hangTimeout', 30_000, 'a worker that stands still for so long is replaced'),
  {
    name: 'logContent',
    kind: 'content',
    text: 'content that is in the line of each message; without it none',
  },
  {
    name: 'logLevel',
    kind: 'logLevel',
    default: 'info',
    process: true,
    text: 'the least that is logged',
  },
  {
    name: 'logFormat',
    kind: 'logFormat',
    default: 'auto',
    process: true,
    text: 'how lines look; auto is text on a terminal, journal in that of systemd, else json',
  },
  {
    name: 'telemetry',
    kind: 'httpAddress',
    process: true,
    text: 'where /metrics, /healthz and /readyz are served; without it nowhere',
  },
  { name: 'pidFile', kind: 'path', process: true, text: 'file that holds the process id' },
  {
    name: 'user',
    kind: 'account',
    process: true,
    text: 'who the workers are; needs root. The sockets are opened before',
  },
  {
    name: 'group',
    kind: 'account',
    process: true,
    text: 'group of the workers, instead of that of the user',
  },
]

/** `stop.deadline` on the command line: `--stop-deadline`. */
export const flagOf = ({ name }: OptionRow): string => `--${words(name).join('-')}`

/** What the variables of all options begin with. */
export const PREFIX = 'TSMILTER_'

/** `stop.deadline` in the environment: `TSMILTER_STOP_DEADLINE`. */
export const variableOf = ({ name }: OptionRow): string =>
  `${PREFIX}${words(name).join('_').toUpperCase()}`

const words = (name: string): string[] =>
  name.split(/[.]|(?=[A-Z])/).map((word) => word.toLowerCase())

const LISTS: readonly OptionKind[] = ['addresses', 'networks', 'proxies', 'content']

/** It takes several values: on the command line one by one, in the environment with spaces between. */
export const isList = ({ kind }: OptionRow): boolean => LISTS.includes(kind)

/** What stands for the value in the help. */
export const VALUE_NAMES: Readonly<Record<OptionKind, string>> = {
  addresses: 'address',
  networks: 'network',
  proxies: 'network',
  workers: 'number',
  number: 'number',
  size: 'bytes',
  dataSize: 'bytes',
  duration: 'time',
  deadlines: 'time',
  mode: 'octal',
  account: 'name',
  policy: 'verdict',
  overload: 'verdict',
  actions: 'list',
  path: 'path',
  directory: 'path',
  content: 'name',
  logLevel: 'level',
  logFormat: 'format',
  httpAddress: 'host:port',
}

/** What an option takes, in words. */
export function takes(row: OptionRow): string {
  switch (row.kind) {
    case 'addresses':
      return 'inet:PORT@HOST, inet6:PORT@HOST, unix:PATH or fd:N; several times for several'
    case 'networks':
      return `${NETWORK_FORM}; several times for several`
    case 'proxies':
      return `${PROXIES_FORM}; several times for several`
    case 'workers':
      return `a whole number from 1 to ${MAX_WORKERS}, or auto for one for each CPU`
    case 'number':
      return row.most === Number.MAX_SAFE_INTEGER
        ? `a whole number from ${row.least} on`
        : `a whole number from ${row.least} to ${row.most}`
    case 'size':
      return `bytes (${sizeText(row.least!)} or more), or a size such as 64K, 16M or 1G`
    case 'dataSize':
      return '64K, 256K or 1M'
    case 'duration':
    case 'deadlines':
      return `milliseconds${row.least === 0 ? '' : ' (1 or more)'}, or a time such as 500ms, 30s, 5m or 1h`
    case 'mode':
      return 'octal digits, such as 0660'
    case 'account':
      return 'a name or a number'
    case 'policy':
      return 'tempfail, reject, continue or accept'
    case 'overload':
      return 'tempfail or accept'
    case 'actions':
      return `all, none, or some of ${Object.keys(Action).join(', ')}, with commas between them`
    case 'path':
      return 'the path of a file'
    case 'directory':
      return 'the path of a directory'
    case 'content':
      return `${CONTENT_FORM}; several times for several`
    case 'logLevel':
      return `${LOG_LEVELS.slice(0, -1).join(', ')} or ${LOG_LEVELS.at(-1)}`
    case 'logFormat':
      return `${LOG_FORMATS.slice(0, -1).join(', ')} or ${LOG_FORMATS.at(-1)}`
    case 'httpAddress':
      return 'HOST:PORT, or a port alone, which is on loopback'
  }
}

/** A default as one would write it. */
export function defaultText(row: OptionRow): string {
  if (row.default === undefined) return ''
  switch (row.kind) {
    case 'duration':
      return durationText(Number(row.default))
    case 'size':
      return sizeText(Number(row.default))
    case 'dataSize':
      return Object.entries(DATA_SIZES).find(([, size]) => size === row.default)![0]
    default:
      return String(row.default)
  }
}

/** As they are called; the numbers are one less. */
export const DATA_SIZES: Readonly<Record<string, DataSize>> = {
  '64K': DataSize.K64,
  '256K': DataSize.K256,
  '1M': DataSize.M1,
}

export const SIZE_UNITS: readonly (readonly [string, number])[] = [
  ['G', 1_073_741_824],
  ['M', 1_048_576],
  ['K', 1_024],
  ['', 1],
]

export function sizeText(size: number): string {
  const [unit, one] =
    SIZE_UNITS.find(([, least]) => size >= least && size % least === 0) ?? SIZE_UNITS.at(-1)!
  return `${size / one}${unit}`
}

export const UNITS: readonly (readonly [string, number])[] = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
]

export function durationText(milliseconds: number): string {
  const [unit, size] =
    UNITS.find(([, length]) => milliseconds > length && milliseconds % length === 0) ??
    UNITS.at(-1)!
  return `${milliseconds / size}${unit}`
}
