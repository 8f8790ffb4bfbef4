import type { FilterFactory } from '../milter/filter-object.ts'
import type { FilterOptions } from '../milter/options.ts'
import type { Action, DataSize } from '../protocol/constants.ts'
import type { CloseOptions, ServeOptions } from './options.ts'

/**
 * What `tsmilter run` needs to know: the filters, and how they are run. Times are milliseconds or text
 * such as '30s'. Each option can also be given on the command line and in the environment, which both
 * go before this one; docs/running.md has the table.
 */
export interface Config
  extends
    Pick<FilterOptions, 'deadlines' | 'logger' | 'maxEdits' | 'onError' | 'overload'>,
    Pick<ServeOptions, 'allow' | 'backlog' | 'maxConnections' | 'proxies'> {
  /**
   * One filter, or several that run as one: then all of them are of `defineFilter`, and do to a message
   * what `compose` says.
   */
  readonly filters: readonly FilterFactory[]
  /**
   * One address or several, as `listen` of {@link serve}.
   * @default the sockets of systemd
   */
  readonly listen?: string | readonly string[] | undefined
  /** Mode (a number, or octal digits as text), owner and group of unix sockets. */
  readonly unixSocket?:
    | {
        readonly mode?: number | string | undefined
        readonly owner?: string | number | undefined
        readonly group?: string | number | undefined
      }
    | undefined
  /**
   * TLS on all TCP connections: paths of PEM files, which the workers read, and again at each reload.
   * With `ca` clients need a certificate that one of those in the file has signed.
   */
  readonly tls?:
    | { readonly cert: string; readonly key: string; readonly ca?: string | undefined }
    | undefined
  /**
   * Processes that serve: a number, or 'auto' for one for each CPU.
   * @default 1
   */
  readonly workers?: number | 'auto' | undefined
  /** At least 1 MiB, of each worker. @default 268435456 */
  readonly maxMemory?: Size | undefined
  readonly maxFrameSize?: Size | undefined
  readonly maxPending?: Size | undefined
  /** What one message may hold. It goes before what filters of `defineFilter` say. */
  readonly limits?:
    | {
        readonly headers?: number | undefined
        readonly headerBytes?: Size | undefined
        readonly recipients?: number | undefined
        readonly bodyMemory?: Size | undefined
        readonly bodySize?: Size | undefined
        readonly temporaryDirectory?: string | undefined
      }
    | undefined
  /** {@link Action} bits, or their names. @default all */
  readonly actions?: Actions | undefined
  /** @default none */
  readonly requiredActions?: Actions | undefined
  readonly dataSize?: DataSize | '64K' | '256K' | '1M' | undefined
  readonly progressInterval?: Duration | undefined
  readonly timeouts?:
    | {
        readonly idle?: Duration | undefined
        readonly frame?: Duration | undefined
        readonly write?: Duration | undefined
      }
    | undefined
  /**
   * How it stops. `delay`: how long it still accepts connections, while `/readyz` says `stopping`, so
   * that a load balancer sends no more of them. The rest is how it treats sessions then.
   * @default delay 0, deadline 30000, quiet 2000
   */
  readonly stop?: Durations<CloseOptions & { readonly delay?: number }> | undefined
  readonly reload?:
    | {
        /** how long sessions of the version before may go on. @default 600000 */
        readonly deadline?: Duration | undefined
      }
    | undefined
  /**
   * Content that is in the log line of each message: `recipients`, and names of header fields.
   * @default none
   */
  readonly logContent?: string | readonly string[] | undefined
  /** How long a worker may take to load the filters. @default 30000 */
  readonly startTimeout?: Duration | undefined
  /** A worker whose event loop stands still for so long is killed and replaced. @default 30000 */
  readonly hangTimeout?: Duration | undefined
}

/** Milliseconds, or text such as '500ms', '30s', '5m' or '1h'. */
export type Duration = number | string

/** Bytes, or text such as '64K', '16M' or '1G'. */
export type Size = number | string

type Actions = number | readonly (keyof typeof Action)[]

type Durations<T> = { readonly [K in keyof T]?: Duration | undefined }

/**
 * The configuration of `tsmilter run`, to be the default export of a module. Gives it back as it is;
 * what it is good for is that an editor knows the options, and TypeScript checks them.
 *
 *     export default defineConfig({ listen: 'inet:8890@localhost', workers: 2, filters: [tag] })
 */
export function defineConfig(config: Config): Config {
  return config
}
