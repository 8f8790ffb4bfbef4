// All options. This table is the source of the defaults, the checks, the TypeScript types (types.ts), the command
// line and its help, the environment variables, the JSON Schema of a configuration and the tables of the
// documentation. After a change, run scripts/options.js, which writes the generated files.
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
  inputFile,
  secretFile,
  milliseconds,
  mode,
  networks,
  proxies,
  type Kind,
} from './kinds.ts'

/**
 * Where an option can be given:
 *
 * - `filter`: everything that runs a filter, including `deliver` of the test kit
 * - `server`: `serve`, `runMilter` and `tsmilter run`
 * - `close`: `close` of a server, and the option `stop` of `runMilter` and `tsmilter run`
 * - `run`: `tsmilter run`
 * - `process`: `tsmilter run`, but not in a configuration, because it must be known before code of a filter is loaded
 */
export type Scope = 'filter' | 'server' | 'close' | 'run' | 'process'

export interface Option {
  /** name in a configuration; a dot separates an object and its field */
  readonly name: string
  readonly scope: Scope
  readonly kind: Kind
  readonly default?: unknown
  /**
   * The settings of `tsmilter run` have it only if it was given. Otherwise the server uses the values of its filters,
   * or the default.
   */
  readonly unset?: true
  /** its object must have it */
  readonly required?: true
  /** description in one sentence without a full stop; the help and the documentation show it */
  readonly text: string
  /** further sentences that an editor shows */
  readonly more?: string
  /** what happens when this bound is exceeded */
  readonly exceeded?: string
  /** the error code in that case */
  readonly code?: ErrorCode
}

/** An object that groups several options. */
export interface Group {
  readonly text: string
  readonly more?: string
  /** the type that programs can import */
  readonly type?: string
  /** all fields of that type are required */
  readonly complete?: true
}

export const GROUPS: Readonly<Record<string, Group>> = {
  unixSocket: {
    text: 'mode, owner and group of unix sockets',
    more: 'They are set before any program can connect. The mail server needs write permission.',
    type: 'SocketPermissions',
  },
  tls: {
    text: 'TLS on all TCP connections, from PEM files',
    more: 'The workers read the files when they start, and again at each reload.',
  },
  timeouts: {
    text: 'how long a connection may be silent',
    type: 'ConnectionTimeouts',
    complete: true,
  },
  limits: {
    text: 'what one message may hold, for filters of `defineFilter`',
    more: 'Limits set for the server override those of the filters. The answer to a message above a limit is `onError`, with the error MESSAGE_TOO_LARGE.',
    type: 'MessageLimits',
    complete: true,
  },
  stop: { text: 'how a server stops', type: 'CloseOptions' },
  reload: { text: 'how the old version ends after a reload' },
}

export const MAX_WORKERS = 1_024
/** The levels and formats of the log. */
export const LOG_LEVELS: readonly string[] = ['debug', 'info', 'warn', 'error', 'silent']
export const LOG_FORMATS: readonly string[] = ['auto', 'json', 'text', 'journal']

const time: Kind = milliseconds({ from: 1 })
const timeOrNone: Kind = milliseconds({ from: 0 })

export const OPTIONS: readonly Option[] = [
  {
    name: 'listen',
    scope: 'run',
    kind: addresses,
    text: 'addresses to listen on; by default the sockets that systemd passes',
  },
  {
    name: 'workers',
    scope: 'run',
    kind: countOrAuto({ from: 1, to: MAX_WORKERS }, 'one for each CPU'),
    default: 1,
    text: 'number of worker processes',
  },
  {
    name: 'unixSocket.mode',
    scope: 'server',
    kind: mode,
    text: 'permissions of unix sockets',
    more: 'By default, the umask decides.',
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
    text: 'clients that may connect over TCP; by default, all',
    more: 'Other connections are closed without an answer. Behind a balancer in `proxies`, the address in the PROXY header counts.',
  },
  {
    name: 'proxies',
    scope: 'server',
    kind: proxies,
    text: 'load balancers; their connections begin with a PROXY header',
    more: 'The header is that of the PROXY protocol of HAProxy, version 1 or 2. If the list has addresses, all other TCP connections are closed. `unix` in the list means that connections over unix sockets begin with a header, too. With `unix` alone, TCP connections have no header.',
  },
  {
    name: 'tls.cert',
    scope: 'run',
    kind: inputFile,
    required: true,
    text: 'certificate and its intermediate CAs; TCP connections then use TLS',
  },
  {
    name: 'tls.key',
    scope: 'run',
    kind: secretFile,
    required: true,
    text: 'private key of the certificate',
  },
  {
    name: 'tls.ca',
    scope: 'run',
    kind: inputFile,
    text: 'CA of client certificates; clients must then present one',
  },
  {
    name: 'backlog',
    scope: 'server',
    kind: count({ from: 1, to: 65_535 }),
    default: 511,
    text: 'maximum number of connections that wait to be accepted',
    exceeded: 'the system lets further ones wait, or refuses them',
  },
  {
    name: 'maxConnections',
    scope: 'server',
    kind: count({ from: 1 }),
    default: 1_000,
    text: 'maximum number of connections to one server or worker at a time',
    more: 'Further ones get the answer of `overload`; above twice the number, they are closed. Connections that have not yet passed `proxies` and `tls` are counted separately, up to the same number.',
    exceeded:
      'idle ones are closed; then further ones get the answer of `overload`; above twice the number, they are closed',
  },
  {
    name: 'maxMemory',
    scope: 'filter',
    kind: bytes({ from: 1_048_576 }),
    default: 268_435_456,
    text: 'maximum memory of all messages of one server or worker together',
    more: 'Bodies, header fields and envelopes count. When three quarters are in use, bodies go to files. If there is no room for the rest of a message, it gets the answer of `overload` (MEMORY_EXHAUSTED). What filters keep does not count, such as a body that they read as a whole. The minimum is 1 MiB.',
    exceeded: 'bodies go to files; then messages get the answer of `overload`',
    code: 'MEMORY_EXHAUSTED',
  },
  {
    name: 'overload',
    scope: 'filter',
    kind: choice(['tempfail', 'accept'], 'OverloadAnswer'),
    default: 'tempfail',
    text: 'answer to mail above maxConnections or maxMemory; with accept, it passes unfiltered',
    more: 'With `tempfail`, the client tries again later.',
  },
  {
    name: 'timeouts.idle',
    scope: 'server',
    kind: time,
    default: 7_210_000,
    text: 'maximum silence between two commands',
    more: 'Mail servers wait up to an hour for a client.',
    exceeded: 'the connection is closed',
  },
  {
    name: 'timeouts.frame',
    scope: 'server',
    kind: time,
    default: 60_000,
    text: 'maximum time to receive a frame, for the negotiation, and for PROXY header and TLS',
    exceeded: 'the connection is closed',
  },
  {
    name: 'timeouts.write',
    scope: 'server',
    kind: time,
    default: 60_000,
    text: 'maximum time until the other side has read an answer',
    exceeded: 'the connection is closed',
  },
  {
    name: 'deadlines',
    scope: 'filter',
    kind: byStage(timeOrNone),
    default: { others: 8_000, eom: 270_000 },
    unset: true,
    text: 'maximum time for one call of a handler; 0 for no limit',
    more: 'One time for all stages, or one for each stage. Without a limit, handlers of `abort` and `close` have 8 seconds once the server stops. The defaults are below the timeouts of mail servers: Sendmail waits 10 seconds for a reply, and 300 in all at end of message.',
    exceeded: '`onError`',
    code: 'DEADLINE_EXCEEDED',
  },
  {
    name: 'progressInterval',
    scope: 'filter',
    kind: timeOrNone,
    default: 5_000,
    text: 'interval of PROGRESS while a handler runs at end of message; 0 for never',
  },
  {
    name: 'maxEdits',
    scope: 'filter',
    kind: count({ from: 1 }),
    default: 10_000,
    text: 'maximum number of edits of one message',
    exceeded: 'the edit throws',
    code: 'TOO_MANY_EDITS',
  },
  {
    name: 'maxFrameSize',
    scope: 'filter',
    kind: bytes({ from: DataSize.K64 }),
    default: 1_048_576,
    text: 'maximum size of one frame',
    exceeded: 'the connection is closed',
    code: 'FRAME_TOO_LARGE',
  },
  {
    name: 'maxPending',
    scope: 'filter',
    kind: bytes({ from: 0 }),
    default: 262_144,
    text: 'maximum input that waits while a handler runs',
    exceeded: 'further input is not read until the handler is done',
  },
  {
    name: 'limits.headers',
    scope: 'filter',
    kind: count({ from: 0 }),
    default: 10_000,
    unset: true,
    text: 'maximum number of header fields of one message',
    exceeded: '`onError` of each filter',
    code: 'MESSAGE_TOO_LARGE',
  },
  {
    name: 'limits.headerBytes',
    scope: 'filter',
    kind: bytes({ from: 0 }),
    default: 4_194_304,
    unset: true,
    text: 'maximum size of the header of one message',
    exceeded: '`onError` of each filter',
    code: 'MESSAGE_TOO_LARGE',
  },
  {
    name: 'limits.recipients',
    scope: 'filter',
    kind: count({ from: 0 }),
    default: 10_000,
    unset: true,
    text: 'maximum number of recipients of one message',
    more: 'It also applies to `ctx.recipients` of events and `Base`.',
    exceeded: '452 for the others; without a stage `recipient`, `onError` of each filter',
    code: 'MESSAGE_TOO_LARGE',
  },
  {
    name: 'limits.bodyMemory',
    scope: 'filter',
    kind: bytes({ from: 0 }),
    default: 1_048_576,
    unset: true,
    text: 'maximum size of a body that stays in memory',
    exceeded: 'the body goes to a file; if that fails, `onError`',
    code: 'SPILL_FAILED',
  },
  {
    name: 'limits.bodySize',
    scope: 'filter',
    kind: bytes({ from: 0 }),
    default: 1_073_741_824,
    unset: true,
    text: 'maximum size of a body, before and after edits',
    exceeded: '`onError` of each filter',
    code: 'MESSAGE_TOO_LARGE',
  },
  {
    name: 'limits.temporaryDirectory',
    scope: 'filter',
    kind: directory,
    unset: true,
    text: 'directory for larger bodies; by default that of the system',
    more: 'The files are unlinked as soon as they are open.',
  },
  {
    name: 'actions',
    scope: 'filter',
    kind: actions,
    default: ALL_ACTIONS,
    unset: true,
    text: 'what filters may do to mail',
    more: 'Names, such as `ADDHDRS`, or {@link Action} bits. Other actions are not negotiated, and their edits throw ACTION_NOT_NEGOTIATED.',
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
    more: 'Names, such as `ADDHDRS`, or {@link Action} bits. A mail server that does not offer them is refused (ACTIONS_NOT_OFFERED).',
    exceeded: 'a mail server that does not offer it is refused',
    code: 'ACTIONS_NOT_OFFERED',
  },
  {
    name: 'dataSize',
    scope: 'filter',
    kind: dataSize,
    default: DataSize.K64,
    text: 'maximum frame data to negotiate with a mail server that offers more',
    more: 'Only a Sendmail that is built for it offers more.',
    exceeded: 'an edit that needs more throws',
    code: 'TOO_LONG',
  },
  {
    name: 'onError',
    scope: 'filter',
    kind: choice(['tempfail', 'reject', 'continue', 'accept'], 'ErrorPolicy'),
    default: 'tempfail',
    text: 'answer to mail when a handler fails',
    more: 'A handler fails if it throws, rejects, returns something that is not a verdict, or misses its deadline. The cause goes to the log, never to the client.',
  },
  {
    name: 'stop.delay',
    scope: 'run',
    kind: timeOrNone,
    default: 0,
    text: 'how long connections are still accepted after SIGTERM, while /readyz returns 503',
  },
  {
    name: 'stop.deadline',
    scope: 'close',
    kind: timeOrNone,
    default: 30_000,
    text: 'how long sessions may go on after SIGTERM',
    more: 'Whatever is unanswered then gets the answer of `onError`, and the connections are closed. 0 means at once.',
    exceeded: 'whatever is unanswered gets the answer of `onError`',
    code: 'SHUTTING_DOWN',
  },
  {
    name: 'stop.quiet',
    scope: 'close',
    kind: timeOrNone,
    default: 2_000,
    text: 'after SIGTERM, a session without a message ends after this silence',
    exceeded: 'the connection is closed',
  },
  {
    name: 'reload.deadline',
    scope: 'run',
    kind: timeOrNone,
    default: 600_000,
    text: 'how long sessions of the old version may go on after a reload',
    exceeded: 'whatever is unanswered gets the answer of `onError`',
    code: 'SHUTTING_DOWN',
  },
  {
    name: 'startTimeout',
    scope: 'run',
    kind: time,
    default: 30_000,
    text: 'how long a worker may take to load',
    exceeded: 'the worker is killed; the start or the reload fails',
  },
  {
    name: 'hangTimeout',
    scope: 'run',
    kind: time,
    default: 30_000,
    text: 'how long the event loop of a worker may be blocked',
    exceeded: 'the worker is killed and replaced',
  },
  {
    name: 'logContent',
    scope: 'run',
    kind: content,
    text: 'content of mail in the log line of each message; by default none',
  },
  {
    name: 'logLevel',
    scope: 'process',
    kind: choice(LOG_LEVELS, undefined, 'level'),
    default: 'info',
    text: 'lowest level that is logged',
  },
  {
    name: 'logFormat',
    scope: 'process',
    kind: choice(LOG_FORMATS, undefined, 'format'),
    default: 'auto',
    text: 'format of log lines; auto is text on a terminal, journal in the systemd journal, else json',
  },
  {
    name: 'telemetry',
    scope: 'process',
    kind: httpAddress,
    text: 'address that serves /metrics, /healthz and /readyz; by default none',
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
    text: 'user of the workers; start as root, which opens the sockets',
  },
  {
    name: 'group',
    scope: 'process',
    kind: account,
    text: 'group of the workers; by default that of the user',
  },
]

export const optionsOf = (...scopes: readonly Scope[]): readonly Option[] =>
  OPTIONS.filter(({ scope }) => scopes.includes(scope))

export const optionNamed = (name: string): Option =>
  OPTIONS.find((option) => option.name === name)!

/** The options of one object. */
export const optionsIn = (group: string): readonly Option[] =>
  OPTIONS.filter(({ name }) => name.startsWith(`${group}.`))
