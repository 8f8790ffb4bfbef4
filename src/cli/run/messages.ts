import type { MetricsSnapshot } from '../../telemetry/metrics.ts'
import type { RunSettings } from '../../options/settings.ts'
import type { Given } from './settings.ts'

/** The user and group that a worker changes to before it loads code of a filter. */
export interface Identity {
  readonly uid: number | undefined
  readonly gid: number
  /** name of the user; the worker also gets the user's other groups */
  readonly name: string | undefined
  /** the user's home directory */
  readonly home?: string | undefined
  /** command that starts workers as this user, if Node cannot change the user itself */
  readonly setpriv?: readonly string[] | undefined
}

/** How sessions end, in milliseconds. */
export interface Stop {
  readonly deadline: number
  readonly quiet: number
}

/** From the primary to a worker. */
export type ToWorker =
  | {
      readonly type: 'load'
      readonly filters: readonly string[]
      readonly given: readonly Given[]
      readonly identity: Identity | undefined
      /** looks at what the configuration names, and plays messages through its filters, before it loads */
      readonly tries: boolean
    }
  /** comes with the socket */
  | { readonly type: 'connection'; readonly id: number }
  /** The worker sends it back. Then everything sent before has arrived, or never will. */
  | { readonly type: 'echo'; readonly id: number }
  | ({ readonly type: 'stop' } & Stop)
  | { readonly type: 'count' }

/** From a worker to the primary. */
export type FromWorker =
  | { readonly type: 'loaded'; readonly settings: RunSettings; readonly name: string }
  | { readonly type: 'failed'; readonly reason: string; readonly misused: boolean }
  /** the heartbeat */
  | { readonly type: 'alive'; readonly healthy: boolean }
  | { readonly type: 'echo'; readonly id: number }
  /** the answer to `count`, and the last message before the worker ends */
  | { readonly type: 'counted'; readonly metrics: MetricsSnapshot }
  /** the connection has arrived, and the worker serves it from now on */
  | { readonly type: 'taken'; readonly id: number }
