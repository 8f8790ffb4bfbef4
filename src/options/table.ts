// Every option there is. From this table come the defaults, the checks, the TypeScript types (types.ts),
// the command line and its help, the variables of the environment, the JSON Schema of a configuration and
// the tables of the documentation. After a change, run scripts/options.js, which writes what is generated.
import type { ErrorCode } from '../errors.ts'
import { ALL_ACTIONS, DataSize } from '../protocol/constants.ts'
import {
  account,
  actions,
  addresses,
  byStage,
  bytes,
  choice,
  content,
  count,
  countOrAuto,
  dataSize,
  directory,
  file,
  httpAddress,
  milliseconds,
  mode,
  networks,
  proxies,
  type Kind,
} from './kinds.ts'

/**
 * Who takes an option:
 *
 * - `filter`: everything that runs a filter, `deliver` of the test kit included
 * - `server`: `serve`, `runMilter` and `tsmilter run`
 * - `close`: `close` of a server, and the option `stop` of `runMilter` and `tsmilter run`
 * - `run`: `tsmilter run`
 * - `process`: `tsmilter run`, but no configuration: it has to be known before any code of a filter is loaded
 */
export type Scope = 'filter' | 'server' | 'close' | 'run' | 'process'

export interface Option {
  /** as in a configuration; a dot goes into an object */
  readonly name: string
  readonly scope: Scope
  readonly kind: Kind
  readonly default?: unknown
  /**
   * The settings of `tsmilter run` hold it only if it was given: where it was not, the server has the default,
   * or what its filters say.
   */
  readonly unset?: true
  /** its object has to have it */
  readonly required?: true
  /** what it is, in one sentence without a full stop; the help and the documentation show it */
  readonly text: string
  /** what else an editor shows */
  readonly more?: string
  /** of a bound: what happens when it is exceeded */
  readonly exceeded?: string
  /** the error code of that */
  readonly code?: ErrorCode
}

/** An object of several options. */
export interface Group {
  readonly text: string
  readonly more?: string
  /** the type that programs can import */
  readonly type?: string
  /** that type is of settings, with nothing left out */
  readonly complete?: true
}

export const GROUPS: Readonly<Record<string, Group>> = {
  unixSocket: {
    text: 'mode, owner and group of unix sockets',
    more: 'They hold before anybody can connect. The mail server needs permission to write.',
    type: 'SocketPermissions',
  },
  tls: {
    text: 'TLS on all TCP connections, from PEM files',
    more: 'The workers read the files, again at each reload.',
  },
  timeouts: {
    text: 'how long a connection may be silent',
    type: 'ConnectionTimeouts',
    complete: true,
  },
  limits: {
    text: 'what one message may hold, for filters of `defineFilter`',
    more: 'What is given to the server goes before what the filters say. A message above a limit is answered by `onError`, with the error MESSAGE_TOO_LARGE.',
    type: 'MessageLimits',
    complete: true,
  },
  stop: { text: 'how a server stops', type: 'CloseOptions' },
  reload: { text: 'how the version before ends after a reload' },
}

export const MAX_WORKERS = 1_024
/** The words of the log's levels and formats. */
export const LOG_LEVELS: readonly string[] = ['debug', 'info', 'warn', 'error', 'silent']
export const LOG_FORMATS: readonly string[] = ['auto', 'json', 'text', 'journal']

const time: Kind = milliseconds({ from: 1 })
const timeOrNone: Kind = milliseconds({ from: 0 })

export const OPTIONS: readonly Option[] = [
  {
    name: 'listen',
    scope: 'run',
    kind: addresses,
    text: 'where to listen; by default on the sockets of systemd',
  },
  {
    name: 'workers',
    scope: 'run',
    kind: countOrAuto({ from: 1, to: MAX_WORKERS }, 'one for each CPU'),
    default: 1,
    text: 'processes that serve',
  },
  {
    name: 'unixSocket.mode',
    scope: 'server',
    kind: mode,
    text: 'permissions of unix sockets',
    more: 'By default what the umask gives.',
  },
  {
    name: 'unixSocket.owner',
    scope: 'server',
    kind: account,
    text: 'user that owns unix sockets',
  },
  {
    name: 'unixSocket.group',
    scope: 'server',
    kind: account,
    text: 'group of unix sockets',
  },
  {
    name: 'allow',
    scope: 'server',
    kind: networks,
    text: 'clients that may connect over TCP; by default all',
    more: 'Other connections are closed without an answer. Behind a balancer of `proxies` the address of its client counts.',
  },
  {
    name: 'proxies',
    scope: 'server',
    kind: proxies,
    text: 'balancers, whose connections begin with a PROXY header',
    more: 'The header is that of the PROXY protocol of haproxy, version 1 or 2. If there are any, all other TCP connections are closed. `unix` in the list means that connections over unix sockets begin with a header, too; with `unix` alone, those over TCP have none.',
  },
  {
    name: 'tls.cert',
    scope: 'run',
    kind: file,
    required: true,
    text: 'certificate, followed by those that lead to its root; with it TCP is TLS',
  },
  {
    name: 'tls.key',
    scope: 'run',
    kind: file,
    required: true,
    text: 'private key of the certificate',
  },
  {
    name: 'tls.ca',
    scope: 'run',
    kind: file,
    text: 'CA of the certificates that clients must show; by default they need none',
  },
  {
    name: 'backlog',
    scope: 'server',
    kind: count({ from: 1, to: 65_535 }),
    default: 511,
    text: 'connections that wait to be accepted',
    exceeded: 'the system lets them wait, or refuses them',
  },
  {
    name: 'maxConnections',
    scope: 'server',
    kind: count({ from: 1 }),
    default: 1_000,
    text: 'connections of one server or worker at a time',
    more: 'Further ones are answered as `overload` says; above twice as many they are closed. Connections that have not yet passed `proxies` and `tls` count apart, up to the same number.',
    exceeded:
      'idle ones make room; then answered as `overload` says; above twice as many closed',
  },
  {
    name: 'maxMemory',
    scope: 'filter',
    kind: bytes({ from: 1_048_576 }),
    default: 268_435_456,
    text: 'memory that all messages of one server or worker hold together',
    more: 'Bodies, header fields and envelopes count. Bodies go to files when three quarters are in use; a message for whose other parts there is no room is answered as `overload` says (MEMORY_EXHAUSTED). What filters keep does not count, such as a body they ask for in one piece. The minimum is 1 MiB.',
    exceeded: 'bodies go to files; then messages are answered as `overload` says',
    code: 'MEMORY_EXHAUSTED',
  },
  {
    name: 'overload',
    scope: 'filter',
    kind: choice(['tempfail', 'accept'], 'OverloadAnswer'),
    default: 'tempfail',
    text: 'answer to mail above maxConnections or maxMemory; with accept it passes unfiltered',
    more: 'With `tempfail` the mail server tries again later.',
  },
  {
    name: 'timeouts.idle',
    scope: 'server',
    kind: time,
    default: 7_210_000,
    text: 'longest silence between two commands',
    more: 'Mail servers wait an hour for a client.',
    exceeded: 'the connection is closed',
  },
  {
    name: 'timeouts.frame',
    scope: 'server',
    kind: time,
    default: 60_000,
    text: 'time for a frame that has begun, for the negotiation, and for PROXY header and TLS',
    exceeded: 'the connection is closed',
  },
  {
    name: 'timeouts.write',
    scope: 'server',
    kind: time,
    default: 60_000,
    text: 'time in which the other side has to read an answer',
    exceeded: 'the connection is closed',
  },
  {
    name: 'deadlines',
    scope: 'filter',
    kind: byStage(timeOrNone),
    default: { others: 8_000, eom: 270_000 },
    unset: true,
    text: 'time for one call of a handler; 0 for no limit',
    more: 'One time for all stages, or by stage. Without a limit, handlers of `abort` and `close` have 8 seconds once the server stops. The defaults lie below what mail servers wait: Sendmail 10 seconds for a reply, 300 in all at end of message.',
    exceeded: '`onError`',
    code: 'DEADLINE_EXCEEDED',
  },
  {
    name: 'progressInterval',
    scope: 'filter',
    kind: timeOrNone,
    default: 5_000,
    text: 'how often PROGRESS is sent while a handler runs at end of message; 0 for never',
  },
  {
    name: 'maxEdits',
    scope: 'filter',
    kind: count({ from: 1 }),
    default: 10_000,
    text: 'edits of one message',
    exceeded: 'the edit throws',
    code: 'TOO_MANY_EDITS',
  },
  {
    name: 'maxFrameSize',
    scope: 'filter',
    kind: bytes({ from: DataSize.K64 }),
    default: 1_048_576,
    text: 'bytes of one frame',
    exceeded: 'the connection is closed',
    code: 'FRAME_TOO_LARGE',
  },
  {
    name: 'maxPending',
    scope: 'filter',
    kind: bytes({ from: 0 }),
    default: 262_144,
    text: 'bytes that wait while a handler runs',
    exceeded: 'they are not read until it is done',
  },
  {
    name: 'limits.headers',
    scope: 'filter',
    kind: count({ from: 0 }),
    default: 10_000,
    unset: true,
    text: 'header fields of one message',
    exceeded: '`onError` of each filter',
    code: 'MESSAGE_TOO_LARGE',
  },
  {
    name: 'limits.headerBytes',
    scope: 'filter',
    kind: bytes({ from: 0 }),
    default: 4_194_304,
    unset: true,
    text: 'bytes of the header of one message',
    exceeded: '`onError` of each filter',
    code: 'MESSAGE_TOO_LARGE',
  },
  {
    name: 'limits.recipients',
    scope: 'filter',
    kind: count({ from: 0 }),
    default: 10_000,
    unset: true,
    text: 'recipients of one message',
    more: 'For `ctx.recipients` of events and `Base`, too.',
    exceeded: '452 for the others; without a stage `recipient` `onError` of each filter',
    code: 'MESSAGE_TOO_LARGE',
  },
  {
    name: 'limits.bodyMemory',
    scope: 'filter',
    kind: bytes({ from: 0 }),
    default: 1_048_576,
    unset: true,
    text: 'bytes of one body that stay in memory',
    exceeded: 'it goes to a file; if that cannot be, `onError`',
    code: 'SPILL_FAILED',
  },
  {
    name: 'limits.bodySize',
    scope: 'filter',
    kind: bytes({ from: 0 }),
    default: 1_073_741_824,
    unset: true,
    text: 'bytes of one body, as it came or as it becomes',
    exceeded: '`onError` of each filter',
    code: 'MESSAGE_TOO_LARGE',
  },
  {
    name: 'limits.temporaryDirectory',
    scope: 'filter',
    kind: directory,
    unset: true,
    text: 'where larger bodies are kept; by default in that of the system',
    more: 'The files have no name there.',
  },
  {
    name: 'actions',
    scope: 'filter',
    kind: actions,
    default: ALL_ACTIONS,
    unset: true,
    text: 'what filters may do to mail',
    more: '{@link Action} bits. Others are not asked for, and their edits throw ACTION_NOT_NEGOTIATED.',
    exceeded: 'the edit throws',
    code: 'ACTION_NOT_NEGOTIATED',
  },
  {
    name: 'requiredActions',
    scope: 'filter',
    kind: actions,
    default: 0,
    unset: true,
    text: 'what filters must be able to do to mail',
    more: '{@link Action} bits. A mail server that does not offer them is refused (ACTIONS_NOT_OFFERED).',
    exceeded: 'a mail server that does not offer it is refused',
    code: 'ACTIONS_NOT_OFFERED',
  },
  {
    name: 'dataSize',
    scope: 'filter',
    kind: dataSize,
    default: DataSize.K64,
    text: 'frame data to agree on with a mail server that offers more',
    more: 'Only Sendmail built for it does.',
    exceeded: 'an edit that needs more throws',
    code: 'TOO_LONG',
  },
  {
    name: 'onError',
    scope: 'filter',
    kind: choice(['tempfail', 'reject', 'continue', 'accept'], 'ErrorPolicy'),
    default: 'tempfail',
    text: 'answer to mail when a handler fails',
    more: 'A handler fails if it throws, rejects, returns something that is no verdict, or misses its deadline. The cause goes to the log, never to the client.',
  },
  {
    name: 'stop.delay',
    scope: 'run',
    kind: timeOrNone,
    default: 0,
    text: 'how long connections are still accepted after SIGTERM, while /readyz says stopping',
  },
  {
    name: 'stop.deadline',
    scope: 'close',
    kind: timeOrNone,
    default: 30_000,
    text: 'how long sessions may go on after SIGTERM',
    more: 'Then what is unanswered is answered by the error policy, and the connections are closed. 0 for at once.',
    exceeded: 'what is unanswered is answered by `onError`',
    code: 'SHUTTING_DOWN',
  },
  {
    name: 'stop.quiet',
    scope: 'close',
    kind: timeOrNone,
    default: 2_000,
    text: 'silence after which a session without a message ends then',
    exceeded: 'the connection is closed',
  },
  {
    name: 'reload.deadline',
    scope: 'run',
    kind: timeOrNone,
    default: 600_000,
    text: 'how long sessions of the old version may go on',
    exceeded: 'what is unanswered is answered by `onError`',
    code: 'SHUTTING_DOWN',
  },
  {
    name: 'startTimeout',
    scope: 'run',
    kind: time,
    default: 30_000,
    text: 'how long a worker may take to load',
    exceeded: 'it is killed; the start, or the reload, has failed',
  },
  {
    name: 'hangTimeout',
    scope: 'run',
    kind: time,
    default: 30_000,
    text: 'how long the event loop of a worker may stand still',
    exceeded: 'it is killed and replaced',
  },
  {
    name: 'logContent',
    scope: 'run',
    kind: content,
    text: 'content that is in the line of each message; by default none',
  },
  {
    name: 'logLevel',
    scope: 'process',
    kind: choice(LOG_LEVELS, undefined, 'level'),
    default: 'info',
    text: 'the lowest level that is logged',
  },
  {
    name: 'logFormat',
    scope: 'process',
    kind: choice(LOG_FORMATS, undefined, 'format'),
    default: 'auto',
    text: 'how lines look; auto is text on a terminal, journal in that of systemd, else json',
  },
  {
    name: 'telemetry',
    scope: 'process',
    kind: httpAddress,
    text: 'where /metrics, /healthz and /readyz are served; by default nowhere',
  },
  {
    name: 'pidFile',
    scope: 'process',
    kind: file,
    text: 'file that holds the process id',
  },
  {
    name: 'user',
    scope: 'process',
    kind: account,
    text: 'user of the workers; needs root, and the sockets are opened before',
  },
  {
    name: 'group',
    scope: 'process',
    kind: account,
    text: 'group of the workers, instead of that of the user',
  },
]

export const optionsOf = (...scopes: readonly Scope[]): readonly Option[] =>
  OPTIONS.filter(({ scope }) => scopes.includes(scope))

export const optionNamed = (name: string): Option =>
  OPTIONS.find((option) => option.name === name)!

/** Those of one object. */
export const optionsIn = (group: string): readonly Option[] =>
  OPTIONS.filter(({ name }) => name.startsWith(`${group}.`))
