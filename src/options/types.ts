// Written by scripts/options.js from table.ts: change that, and run it.
import type { Stage } from '../protocol/stages.ts'
import type { Action, DataSize } from '../protocol/constants.ts'
import type { Duration, Size } from './units.ts'

export type OverloadAnswer = 'tempfail' | 'accept'

export type ErrorPolicy = 'tempfail' | 'reject' | 'continue' | 'accept'

/**
 * Mode, owner and group of unix sockets. They hold before anybody can connect. The mail server needs
 * permission to write.
 */
export interface SocketPermissions {
  /** Permissions of unix sockets. By default what the umask gives. */
  readonly mode?: number | undefined
  /** User that owns unix sockets. */
  readonly owner?: string | number | undefined
  /** Group of unix sockets. */
  readonly group?: string | number | undefined
}

/** How long a connection may be silent. */
export interface ConnectionTimeouts {
  /**
   * Longest silence between two commands. Mail servers wait an hour for a client.
   * @default 7210000
   */
  readonly idle: number
  /**
   * Time for a frame that has begun, for the negotiation, and for PROXY header and TLS. When it is
   * exceeded: the connection is closed.
   * @default 60000
   */
  readonly frame: number
  /**
   * Time in which the other side has to read an answer. When it is exceeded: the connection is closed.
   * @default 60000
   */
  readonly write: number
}

/**
 * What one message may hold, for filters of `defineFilter`. What is given to the server goes before
 * what the filters say. A message above a limit is answered by `onError`, with the error
 * MESSAGE_TOO_LARGE.
 */
export interface MessageLimits {
  /**
   * Header fields of one message. When it is exceeded: `onError` of each filter (MESSAGE_TOO_LARGE).
   * @default 10000
   */
  readonly headers: number
  /**
   * Bytes of the header of one message. When it is exceeded: `onError` of each filter
   * (MESSAGE_TOO_LARGE).
   * @default 4194304
   */
  readonly headerBytes: number
  /**
   * Recipients of one message. For `ctx.recipients` of events and `Base`, too. When it is exceeded: 452
   * for the others; without a stage `recipient` `onError` of each filter (MESSAGE_TOO_LARGE).
   * @default 10000
   */
  readonly recipients: number
  /**
   * Bytes of one body that stay in memory. When it is exceeded: it goes to a file; if that cannot be,
   * `onError` (SPILL_FAILED).
   * @default 1048576
   */
  readonly bodyMemory: number
  /**
   * Bytes of one body, as it came or as it becomes. When it is exceeded: `onError` of each filter
   * (MESSAGE_TOO_LARGE).
   * @default 1073741824
   */
  readonly bodySize: number
  /** Where larger bodies are kept; by default in that of the system. The files have no name there. */
  readonly temporaryDirectory: string
}

/** How a server stops. */
export interface CloseOptions {
  /**
   * How long sessions may go on after SIGTERM. Then what is unanswered is answered by the error policy,
   * and the connections are closed. 0 for at once. When it is exceeded: what is unanswered is answered by
   * `onError` (SHUTTING_DOWN).
   * @default 30000
   */
  readonly deadline?: number | undefined
  /**
   * Silence after which a session without a message ends then. When it is exceeded: the connection is
   * closed.
   * @default 2000
   */
  readonly quiet?: number | undefined
}

/** Options of a filter, wherever it runs. Times are milliseconds, sizes bytes. */
export interface FilterFields {
  /**
   * Memory that all messages of one server or worker hold together. Bodies, header fields and envelopes
   * count. Bodies go to files when three quarters are in use; a message for whose other parts there is no
   * room is answered as `overload` says (MEMORY_EXHAUSTED). What filters keep does not count, such as a
   * body they ask for in one piece. The minimum is 1 MiB.
   * @default 268435456
   */
  readonly maxMemory?: number | undefined
  /**
   * Answer to mail above maxConnections or maxMemory; with accept it passes unfiltered. With `tempfail`
   * the mail server tries again later.
   * @default 'tempfail'
   */
  readonly overload?: OverloadAnswer | undefined
  /**
   * Time for one call of a handler; 0 for no limit. One time for all stages, or by stage. Without a
   * limit, handlers of `abort` and `close` have 8 seconds once the server stops. The defaults lie below
   * what mail servers wait: Sendmail 10 seconds for a reply, 300 in all at end of message. When it is
   * exceeded: `onError` (DEADLINE_EXCEEDED).
   * @default 8000, eom 270000
   */
  readonly deadlines?: number | Partial<Record<Stage, number>> | undefined
  /**
   * How often PROGRESS is sent while a handler runs at end of message; 0 for never.
   * @default 5000
   */
  readonly progressInterval?: number | undefined
  /**
   * Edits of one message. When it is exceeded: the edit throws (TOO_MANY_EDITS).
   * @default 10000
   */
  readonly maxEdits?: number | undefined
  /**
   * Bytes of one frame. When it is exceeded: the connection is closed (FRAME_TOO_LARGE).
   * @default 1048576
   */
  readonly maxFrameSize?: number | undefined
  /**
   * Bytes that wait while a handler runs. When it is exceeded: they are not read until it is done.
   * @default 262144
   */
  readonly maxPending?: number | undefined
  /**
   * What one message may hold, for filters of `defineFilter`. What is given to the server goes before
   * what the filters say. A message above a limit is answered by `onError`, with the error
   * MESSAGE_TOO_LARGE.
   * @default headers 10000, headerBytes 4194304, recipients 10000, bodyMemory 1048576, bodySize 1073741824
   */
  readonly limits?: Partial<MessageLimits> | undefined
  /**
   * What filters may do to mail. {@link Action} bits. Others are not asked for, and their edits throw
   * ACTION_NOT_NEGOTIATED.
   * @default all
   */
  readonly actions?: number | undefined
  /**
   * What filters must be able to do to mail. {@link Action} bits. A mail server that does not offer them
   * is refused (ACTIONS_NOT_OFFERED).
   * @default 0
   */
  readonly requiredActions?: number | undefined
  /**
   * Frame data to agree on with a mail server that offers more. Only Sendmail built for it does. When it
   * is exceeded: an edit that needs more throws (TOO_LONG).
   * @default 65535
   */
  readonly dataSize?: DataSize | undefined
  /**
   * Answer to mail when a handler fails. A handler fails if it throws, rejects, returns something that is
   * no verdict, or misses its deadline. The cause goes to the log, never to the client.
   * @default 'tempfail'
   */
  readonly onError?: ErrorPolicy | undefined
}

/** Options of a server that are plain values. Times are milliseconds. */
export interface ServerFields {
  /**
   * Mode, owner and group of unix sockets. They hold before anybody can connect. The mail server needs
   * permission to write.
   */
  readonly unixSocket?: SocketPermissions | undefined
  /**
   * Clients that may connect over TCP; by default all. Other connections are closed without an answer.
   * Behind a balancer of `proxies` the address of its client counts.
   */
  readonly allow?: string | readonly string[] | undefined
  /**
   * Balancers, whose connections begin with a PROXY header. The header is that of the PROXY protocol of
   * haproxy, version 1 or 2. If there are any, all other TCP connections are closed. `unix` in the list
   * means that connections over unix sockets begin with a header, too; with `unix` alone, those over TCP
   * have none.
   */
  readonly proxies?: string | readonly string[] | undefined
  /**
   * Connections that wait to be accepted. When it is exceeded: the system lets them wait, or refuses
   * them.
   * @default 511
   */
  readonly backlog?: number | undefined
  /**
   * Connections of one server or worker at a time. Further ones are answered as `overload` says; above
   * twice as many they are closed. Connections that have not yet passed `proxies` and `tls` count apart,
   * up to the same number.
   * @default 1000
   */
  readonly maxConnections?: number | undefined
  /**
   * How long a connection may be silent.
   * @default idle 7210000, frame 60000, write 60000
   */
  readonly timeouts?: Partial<ConnectionTimeouts> | undefined
}

/** Options of a configuration that are plain values. */
export interface ConfigFields {
  /** Where to listen; by default on the sockets of systemd. */
  readonly listen?: string | readonly string[] | undefined
  /**
   * Processes that serve.
   * @default 1
   */
  readonly workers?: number | 'auto' | undefined
  /**
   * Mode, owner and group of unix sockets. They hold before anybody can connect. The mail server needs
   * permission to write.
   */
  readonly unixSocket?:
    | {
        /** Permissions of unix sockets. By default what the umask gives. */
        readonly mode?: number | string | undefined
        /** User that owns unix sockets. */
        readonly owner?: string | number | undefined
        /** Group of unix sockets. */
        readonly group?: string | number | undefined
      }
    | undefined
  /**
   * Clients that may connect over TCP; by default all. Other connections are closed without an answer.
   * Behind a balancer of `proxies` the address of its client counts.
   */
  readonly allow?: string | readonly string[] | undefined
  /**
   * Balancers, whose connections begin with a PROXY header. The header is that of the PROXY protocol of
   * haproxy, version 1 or 2. If there are any, all other TCP connections are closed. `unix` in the list
   * means that connections over unix sockets begin with a header, too; with `unix` alone, those over TCP
   * have none.
   */
  readonly proxies?: string | readonly string[] | undefined
  /** TLS on all TCP connections, from PEM files. The workers read the files, again at each reload. */
  readonly tls?:
    | {
        /** Certificate, followed by those that lead to its root; with it TCP is TLS. */
        readonly cert: string
        /** Private key of the certificate. */
        readonly key: string
        /** CA of the certificates that clients must show; by default they need none. */
        readonly ca?: string | undefined
      }
    | undefined
  /**
   * Connections that wait to be accepted. When it is exceeded: the system lets them wait, or refuses
   * them.
   * @default 511
   */
  readonly backlog?: number | undefined
  /**
   * Connections of one server or worker at a time. Further ones are answered as `overload` says; above
   * twice as many they are closed. Connections that have not yet passed `proxies` and `tls` count apart,
   * up to the same number.
   * @default 1000
   */
  readonly maxConnections?: number | undefined
  /**
   * Memory that all messages of one server or worker hold together. Bodies, header fields and envelopes
   * count. Bodies go to files when three quarters are in use; a message for whose other parts there is no
   * room is answered as `overload` says (MEMORY_EXHAUSTED). What filters keep does not count, such as a
   * body they ask for in one piece. The minimum is 1 MiB.
   * @default 256M
   */
  readonly maxMemory?: Size | undefined
  /**
   * Answer to mail above maxConnections or maxMemory; with accept it passes unfiltered. With `tempfail`
   * the mail server tries again later.
   * @default tempfail
   */
  readonly overload?: OverloadAnswer | undefined
  /** How long a connection may be silent. */
  readonly timeouts?:
    | {
        /**
         * Longest silence between two commands. Mail servers wait an hour for a client.
         * @default 7210s
         */
        readonly idle?: Duration | undefined
        /**
         * Time for a frame that has begun, for the negotiation, and for PROXY header and TLS. When it is
         * exceeded: the connection is closed.
         * @default 60s
         */
        readonly frame?: Duration | undefined
        /**
         * Time in which the other side has to read an answer. When it is exceeded: the connection is closed.
         * @default 60s
         */
        readonly write?: Duration | undefined
      }
    | undefined
  /**
   * Time for one call of a handler; 0 for no limit. One time for all stages, or by stage. Without a
   * limit, handlers of `abort` and `close` have 8 seconds once the server stops. The defaults lie below
   * what mail servers wait: Sendmail 10 seconds for a reply, 300 in all at end of message. When it is
   * exceeded: `onError` (DEADLINE_EXCEEDED).
   * @default 8s, eom 270s
   */
  readonly deadlines?: Duration | Partial<Record<Stage, Duration>> | undefined
  /**
   * How often PROGRESS is sent while a handler runs at end of message; 0 for never.
   * @default 5s
   */
  readonly progressInterval?: Duration | undefined
  /**
   * Edits of one message. When it is exceeded: the edit throws (TOO_MANY_EDITS).
   * @default 10000
   */
  readonly maxEdits?: number | undefined
  /**
   * Bytes of one frame. When it is exceeded: the connection is closed (FRAME_TOO_LARGE).
   * @default 1M
   */
  readonly maxFrameSize?: Size | undefined
  /**
   * Bytes that wait while a handler runs. When it is exceeded: they are not read until it is done.
   * @default 256K
   */
  readonly maxPending?: Size | undefined
  /**
   * What one message may hold, for filters of `defineFilter`. What is given to the server goes before
   * what the filters say. A message above a limit is answered by `onError`, with the error
   * MESSAGE_TOO_LARGE.
   */
  readonly limits?:
    | {
        /**
         * Header fields of one message. When it is exceeded: `onError` of each filter (MESSAGE_TOO_LARGE).
         * @default 10000
         */
        readonly headers?: number | undefined
        /**
         * Bytes of the header of one message. When it is exceeded: `onError` of each filter
         * (MESSAGE_TOO_LARGE).
         * @default 4M
         */
        readonly headerBytes?: Size | undefined
        /**
         * Recipients of one message. For `ctx.recipients` of events and `Base`, too. When it is exceeded: 452
         * for the others; without a stage `recipient` `onError` of each filter (MESSAGE_TOO_LARGE).
         * @default 10000
         */
        readonly recipients?: number | undefined
        /**
         * Bytes of one body that stay in memory. When it is exceeded: it goes to a file; if that cannot be,
         * `onError` (SPILL_FAILED).
         * @default 1M
         */
        readonly bodyMemory?: Size | undefined
        /**
         * Bytes of one body, as it came or as it becomes. When it is exceeded: `onError` of each filter
         * (MESSAGE_TOO_LARGE).
         * @default 1G
         */
        readonly bodySize?: Size | undefined
        /** Where larger bodies are kept; by default in that of the system. The files have no name there. */
        readonly temporaryDirectory?: string | undefined
      }
    | undefined
  /**
   * What filters may do to mail. {@link Action} bits. Others are not asked for, and their edits throw
   * ACTION_NOT_NEGOTIATED.
   * @default all
   */
  readonly actions?: number | readonly (keyof typeof Action)[] | undefined
  /**
   * What filters must be able to do to mail. {@link Action} bits. A mail server that does not offer them
   * is refused (ACTIONS_NOT_OFFERED).
   * @default none
   */
  readonly requiredActions?: number | readonly (keyof typeof Action)[] | undefined
  /**
   * Frame data to agree on with a mail server that offers more. Only Sendmail built for it does. When it
   * is exceeded: an edit that needs more throws (TOO_LONG).
   * @default 64K
   */
  readonly dataSize?: DataSize | '64K' | '256K' | '1M' | undefined
  /**
   * Answer to mail when a handler fails. A handler fails if it throws, rejects, returns something that is
   * no verdict, or misses its deadline. The cause goes to the log, never to the client.
   * @default tempfail
   */
  readonly onError?: ErrorPolicy | undefined
  /** How a server stops. */
  readonly stop?:
    | {
        /**
         * How long connections are still accepted after SIGTERM, while /readyz says stopping.
         * @default 0ms
         */
        readonly delay?: Duration | undefined
        /**
         * How long sessions may go on after SIGTERM. Then what is unanswered is answered by the error policy,
         * and the connections are closed. 0 for at once. When it is exceeded: what is unanswered is answered by
         * `onError` (SHUTTING_DOWN).
         * @default 30s
         */
        readonly deadline?: Duration | undefined
        /**
         * Silence after which a session without a message ends then. When it is exceeded: the connection is
         * closed.
         * @default 2s
         */
        readonly quiet?: Duration | undefined
      }
    | undefined
  /** How the version before ends after a reload. */
  readonly reload?:
    | {
        /**
         * How long sessions of the old version may go on. When it is exceeded: what is unanswered is answered
         * by `onError` (SHUTTING_DOWN).
         * @default 10m
         */
        readonly deadline?: Duration | undefined
      }
    | undefined
  /**
   * How long a worker may take to load. When it is exceeded: it is killed; the start, or the reload, has
   * failed.
   * @default 30s
   */
  readonly startTimeout?: Duration | undefined
  /**
   * How long the event loop of a worker may stand still. When it is exceeded: it is killed and replaced.
   * @default 30s
   */
  readonly hangTimeout?: Duration | undefined
  /** Content that is in the line of each message; by default none. */
  readonly logContent?: string | readonly string[] | undefined
}
