// Written by scripts/options.js from table.ts: change that, and run it.
import type { Stage } from '../protocol/stages.ts'
import type { Action, DataSize } from '../protocol/constants.ts'
import type { Duration, Size } from './units.ts'

/** The option `overload`: answer to mail above maxConnections or maxMemory; with accept, it passes unfiltered. */
export type OverloadAnswer = 'tempfail' | 'accept'

/** The option `onError`: answer to mail when a handler fails. */
export type ErrorPolicy = 'tempfail' | 'reject' | 'continue' | 'accept'

/**
 * Mode, owner and group of unix sockets. They are set before any program can connect. The mail server
 * needs write permission.
 */
export interface SocketPermissions {
  /** Permissions of unix sockets. By default, the umask decides. */
  readonly mode?: number | undefined
  /** User that owns unix sockets. */
  readonly owner?: string | number | undefined
  /** Group of unix sockets. */
  readonly group?: string | number | undefined
}

/** How long a connection may be silent. */
export interface ConnectionTimeouts {
  /**
   * Maximum silence between two commands. Mail servers wait up to an hour for a client.
   * @default 7210000
   */
  readonly idle: number
  /**
   * Maximum time to receive a frame, for the negotiation, and for PROXY header and TLS. When it is
   * exceeded: the connection is closed.
   * @default 60000
   */
  readonly frame: number
  /**
   * Maximum time until the other side has read an answer. When it is exceeded: the connection is closed.
   * @default 60000
   */
  readonly write: number
}

/**
 * What one message may hold, for filters of `defineFilter`. Limits set for the server override those of
 * the filters. The answer to a message above a limit is `onError`, with the error MESSAGE_TOO_LARGE.
 */
export interface MessageLimits {
  /**
   * Maximum number of header fields of one message. When it is exceeded: `onError` of each filter
   * (MESSAGE_TOO_LARGE).
   * @default 10000
   */
  readonly headers: number
  /**
   * Maximum size of the header of one message. When it is exceeded: `onError` of each filter
   * (MESSAGE_TOO_LARGE).
   * @default 4194304
   */
  readonly headerBytes: number
  /**
   * Maximum number of recipients of one message. It also applies to `ctx.recipients` of events and
   * `Base`. When it is exceeded: 452 for the others; without a stage `recipient`, `onError` of each
   * filter (MESSAGE_TOO_LARGE).
   * @default 10000
   */
  readonly recipients: number
  /**
   * Maximum size of a body that stays in memory. When it is exceeded: the body goes to a file; if that
   * fails, `onError` (SPILL_FAILED).
   * @default 1048576
   */
  readonly bodyMemory: number
  /**
   * Maximum size of a body, before and after edits. When it is exceeded: `onError` of each filter
   * (MESSAGE_TOO_LARGE).
   * @default 1073741824
   */
  readonly bodySize: number
  /**
   * Directory for larger bodies; by default that of the system. The files are unlinked as soon as they
   * are open.
   */
  readonly temporaryDirectory: string
}

/** How a server stops. */
export interface CloseOptions {
  /**
   * How long sessions may go on after SIGTERM. Whatever is unanswered then gets the answer of `onError`,
   * and the connections are closed. 0 means at once. When it is exceeded: whatever is unanswered gets the
   * answer of `onError` (SHUTTING_DOWN).
   * @default 30000
   */
  readonly deadline?: number | undefined
  /**
   * After SIGTERM, a session without a message ends after this silence. When it is exceeded: the
   * connection is closed.
   * @default 2000
   */
  readonly quiet?: number | undefined
}

/** Options of a filter, wherever it runs. Times are milliseconds, sizes bytes. */
export interface FilterFields {
  /**
   * Maximum memory of all messages of one server or worker together. Bodies, header fields and envelopes
   * count. When three quarters are in use, bodies go to files. If there is no room for the rest of a
   * message, it gets the answer of `overload` (MEMORY_EXHAUSTED). What filters keep does not count, such
   * as a body that they read as a whole. The minimum is 1 MiB.
   * @default 268435456
   */
  readonly maxMemory?: number | undefined
  /**
   * Answer to mail above maxConnections or maxMemory; with accept, it passes unfiltered. With `tempfail`,
   * the client tries again later.
   * @default 'tempfail'
   */
  readonly overload?: OverloadAnswer | undefined
  /**
   * Maximum time for one call of a handler; 0 for no limit. One time for all stages, or one for each
   * stage. Without a limit, handlers of `abort` and `close` have 8 seconds once the server stops. The
   * defaults are below the timeouts of mail servers: Sendmail waits 10 seconds for a reply, and 300 in
   * all at end of message. When it is exceeded: `onError` (DEADLINE_EXCEEDED).
   * @default 8000, eom 270000
   */
  readonly deadlines?: number | Partial<Record<Stage, number>> | undefined
  /**
   * Interval of PROGRESS while a handler runs at end of message; 0 for never.
   * @default 5000
   */
  readonly progressInterval?: number | undefined
  /**
   * Maximum number of edits of one message. When it is exceeded: the edit throws (TOO_MANY_EDITS).
   * @default 10000
   */
  readonly maxEdits?: number | undefined
  /**
   * Maximum size of one frame. When it is exceeded: the connection is closed (FRAME_TOO_LARGE).
   * @default 1048576
   */
  readonly maxFrameSize?: number | undefined
  /**
   * Maximum input that waits while a handler runs. When it is exceeded: further input is not read until
   * the handler is done.
   * @default 262144
   */
  readonly maxPending?: number | undefined
  /**
   * What one message may hold, for filters of `defineFilter`. Limits set for the server override those of
   * the filters. The answer to a message above a limit is `onError`, with the error MESSAGE_TOO_LARGE.
   * @default headers 10000, headerBytes 4194304, recipients 10000, bodyMemory 1048576, bodySize 1073741824
   */
  readonly limits?: Partial<MessageLimits> | undefined
  /**
   * What filters may do to mail. Names, such as `ADDHDRS`, or {@link Action} bits. Other actions are not
   * negotiated, and their edits throw ACTION_NOT_NEGOTIATED.
   * @default all
   */
  readonly actions?: number | readonly (keyof typeof Action)[] | undefined
  /**
   * What filters must be able to do to mail. Names, such as `ADDHDRS`, or {@link Action} bits. A mail
   * server that does not offer them is refused (ACTIONS_NOT_OFFERED).
   * @default none
   */
  readonly requiredActions?: number | readonly (keyof typeof Action)[] | undefined
  /**
   * Maximum frame data to negotiate with a mail server that offers more. Only a Sendmail that is built
   * for it offers more. When it is exceeded: an edit that needs more throws (TOO_LONG).
   * @default 65535
   */
  readonly dataSize?: DataSize | undefined
  /**
   * Answer to mail when a handler fails. A handler fails if it throws, rejects, returns something that is
   * not a verdict, or misses its deadline. The cause goes to the log, never to the client.
   * @default 'tempfail'
   */
  readonly onError?: ErrorPolicy | undefined
}

/** Options of a server that are plain values. Times are milliseconds. */
export interface ServerFields {
  /**
   * Mode, owner and group of unix sockets. They are set before any program can connect. The mail server
   * needs write permission.
   */
  readonly unixSocket?: SocketPermissions | undefined
  /**
   * Clients that may connect over TCP; by default, all. Other connections are closed without an answer.
   * Behind a balancer in `proxies`, the address in the PROXY header counts.
   */
  readonly allow?: string | readonly string[] | undefined
  /**
   * Load balancers; their connections begin with a PROXY header. The header is that of the PROXY protocol
   * of HAProxy, version 1 or 2. If the list has addresses, all other TCP connections are closed. `unix`
   * in the list means that connections over unix sockets begin with a header, too. With `unix` alone, TCP
   * connections have no header.
   */
  readonly proxies?: string | readonly string[] | undefined
  /**
   * Maximum number of connections that wait to be accepted. When it is exceeded: the system lets further
   * ones wait, or refuses them.
   * @default 511
   */
  readonly backlog?: number | undefined
  /**
   * Maximum number of connections to one server or worker at a time. Further ones get the answer of
   * `overload`; above twice the number, they are closed. Connections that have not yet passed `proxies`
   * and `tls` are counted separately, up to the same number.
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
  /** Addresses to listen on; by default the sockets that systemd passes. */
  readonly listen?: string | readonly string[] | undefined
  /**
   * Number of worker processes.
   * @default 1
   */
  readonly workers?: number | 'auto' | undefined
  /**
   * Mode, owner and group of unix sockets. They are set before any program can connect. The mail server
   * needs write permission.
   */
  readonly unixSocket?:
    | {
        /** Permissions of unix sockets. By default, the umask decides. */
        readonly mode?: number | string | undefined
        /** User that owns unix sockets. */
        readonly owner?: string | number | undefined
        /** Group of unix sockets. */
        readonly group?: string | number | undefined
      }
    | undefined
  /**
   * Clients that may connect over TCP; by default, all. Other connections are closed without an answer.
   * Behind a balancer in `proxies`, the address in the PROXY header counts.
   */
  readonly allow?: string | readonly string[] | undefined
  /**
   * Load balancers; their connections begin with a PROXY header. The header is that of the PROXY protocol
   * of HAProxy, version 1 or 2. If the list has addresses, all other TCP connections are closed. `unix`
   * in the list means that connections over unix sockets begin with a header, too. With `unix` alone, TCP
   * connections have no header.
   */
  readonly proxies?: string | readonly string[] | undefined
  /**
   * TLS on all TCP connections, from PEM files. The workers read the files when they start, and again at
   * each reload.
   */
  readonly tls?:
    | {
        /** Certificate and its intermediate CAs; TCP connections then use TLS. */
        readonly cert: string
        /** Private key of the certificate. */
        readonly key: string
        /** CA of client certificates; clients must then present one. */
        readonly ca?: string | undefined
      }
    | undefined
  /**
   * Maximum number of connections that wait to be accepted. When it is exceeded: the system lets further
   * ones wait, or refuses them.
   * @default 511
   */
  readonly backlog?: number | undefined
  /**
   * Maximum number of connections to one server or worker at a time. Further ones get the answer of
   * `overload`; above twice the number, they are closed. Connections that have not yet passed `proxies`
   * and `tls` are counted separately, up to the same number.
   * @default 1000
   */
  readonly maxConnections?: number | undefined
  /**
   * Maximum memory of all messages of one server or worker together. Bodies, header fields and envelopes
   * count. When three quarters are in use, bodies go to files. If there is no room for the rest of a
   * message, it gets the answer of `overload` (MEMORY_EXHAUSTED). What filters keep does not count, such
   * as a body that they read as a whole. The minimum is 1 MiB.
   * @default 256M
   */
  readonly maxMemory?: Size | undefined
  /**
   * Answer to mail above maxConnections or maxMemory; with accept, it passes unfiltered. With `tempfail`,
   * the client tries again later.
   * @default tempfail
   */
  readonly overload?: OverloadAnswer | undefined
  /** How long a connection may be silent. */
  readonly timeouts?:
    | {
        /**
         * Maximum silence between two commands. Mail servers wait up to an hour for a client.
         * @default 7210s
         */
        readonly idle?: Duration | undefined
        /**
         * Maximum time to receive a frame, for the negotiation, and for PROXY header and TLS. When it is
         * exceeded: the connection is closed.
         * @default 60s
         */
        readonly frame?: Duration | undefined
        /**
         * Maximum time until the other side has read an answer. When it is exceeded: the connection is closed.
         * @default 60s
         */
        readonly write?: Duration | undefined
      }
    | undefined
  /**
   * Maximum time for one call of a handler; 0 for no limit. One time for all stages, or one for each
   * stage. Without a limit, handlers of `abort` and `close` have 8 seconds once the server stops. The
   * defaults are below the timeouts of mail servers: Sendmail waits 10 seconds for a reply, and 300 in
   * all at end of message. When it is exceeded: `onError` (DEADLINE_EXCEEDED).
   * @default 8s, eom 270s
   */
  readonly deadlines?: Duration | Partial<Record<Stage, Duration>> | undefined
  /**
   * Interval of PROGRESS while a handler runs at end of message; 0 for never.
   * @default 5s
   */
  readonly progressInterval?: Duration | undefined
  /**
   * Maximum number of edits of one message. When it is exceeded: the edit throws (TOO_MANY_EDITS).
   * @default 10000
   */
  readonly maxEdits?: number | undefined
  /**
   * Maximum size of one frame. When it is exceeded: the connection is closed (FRAME_TOO_LARGE).
   * @default 1M
   */
  readonly maxFrameSize?: Size | undefined
  /**
   * Maximum input that waits while a handler runs. When it is exceeded: further input is not read until
   * the handler is done.
   * @default 256K
   */
  readonly maxPending?: Size | undefined
  /**
   * What one message may hold, for filters of `defineFilter`. Limits set for the server override those of
   * the filters. The answer to a message above a limit is `onError`, with the error MESSAGE_TOO_LARGE.
   */
  readonly limits?:
    | {
        /**
         * Maximum number of header fields of one message. When it is exceeded: `onError` of each filter
         * (MESSAGE_TOO_LARGE).
         * @default 10000
         */
        readonly headers?: number | undefined
        /**
         * Maximum size of the header of one message. When it is exceeded: `onError` of each filter
         * (MESSAGE_TOO_LARGE).
         * @default 4M
         */
        readonly headerBytes?: Size | undefined
        /**
         * Maximum number of recipients of one message. It also applies to `ctx.recipients` of events and
         * `Base`. When it is exceeded: 452 for the others; without a stage `recipient`, `onError` of each
         * filter (MESSAGE_TOO_LARGE).
         * @default 10000
         */
        readonly recipients?: number | undefined
        /**
         * Maximum size of a body that stays in memory. When it is exceeded: the body goes to a file; if that
         * fails, `onError` (SPILL_FAILED).
         * @default 1M
         */
        readonly bodyMemory?: Size | undefined
        /**
         * Maximum size of a body, before and after edits. When it is exceeded: `onError` of each filter
         * (MESSAGE_TOO_LARGE).
         * @default 1G
         */
        readonly bodySize?: Size | undefined
        /**
         * Directory for larger bodies; by default that of the system. The files are unlinked as soon as they
         * are open.
         */
        readonly temporaryDirectory?: string | undefined
      }
    | undefined
  /**
   * What filters may do to mail. Names, such as `ADDHDRS`, or {@link Action} bits. Other actions are not
   * negotiated, and their edits throw ACTION_NOT_NEGOTIATED.
   * @default all
   */
  readonly actions?: number | readonly (keyof typeof Action)[] | undefined
  /**
   * What filters must be able to do to mail. Names, such as `ADDHDRS`, or {@link Action} bits. A mail
   * server that does not offer them is refused (ACTIONS_NOT_OFFERED).
   * @default none
   */
  readonly requiredActions?: number | readonly (keyof typeof Action)[] | undefined
  /**
   * Maximum frame data to negotiate with a mail server that offers more. Only a Sendmail that is built
   * for it offers more. When it is exceeded: an edit that needs more throws (TOO_LONG).
   * @default 64K
   */
  readonly dataSize?: DataSize | '64K' | '256K' | '1M' | undefined
  /**
   * Answer to mail when a handler fails. A handler fails if it throws, rejects, returns something that is
   * not a verdict, or misses its deadline. The cause goes to the log, never to the client.
   * @default tempfail
   */
  readonly onError?: ErrorPolicy | undefined
  /** How a server stops. */
  readonly stop?:
    | {
        /**
         * How long connections are still accepted after SIGTERM, while /readyz returns 503.
         * @default 0ms
         */
        readonly delay?: Duration | undefined
        /**
         * How long sessions may go on after SIGTERM. Whatever is unanswered then gets the answer of `onError`,
         * and the connections are closed. 0 means at once. When it is exceeded: whatever is unanswered gets the
         * answer of `onError` (SHUTTING_DOWN).
         * @default 30s
         */
        readonly deadline?: Duration | undefined
        /**
         * After SIGTERM, a session without a message ends after this silence. When it is exceeded: the
         * connection is closed.
         * @default 2s
         */
        readonly quiet?: Duration | undefined
      }
    | undefined
  /** How the old version ends after a reload. */
  readonly reload?:
    | {
        /**
         * How long sessions of the old version may go on after a reload. When it is exceeded: whatever is
         * unanswered gets the answer of `onError` (SHUTTING_DOWN).
         * @default 10m
         */
        readonly deadline?: Duration | undefined
      }
    | undefined
  /**
   * How long a worker may take to load. When it is exceeded: the worker is killed; the start or the
   * reload fails.
   * @default 30s
   */
  readonly startTimeout?: Duration | undefined
  /**
   * How long the event loop of a worker may be blocked. When it is exceeded: the worker is killed and
   * replaced.
   * @default 30s
   */
  readonly hangTimeout?: Duration | undefined
  /** Content of mail in the log line of each message; by default none. */
  readonly logContent?: string | readonly string[] | undefined
}
