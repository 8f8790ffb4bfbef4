import type { MetricsSnapshot } from '../../telemetry/metrics.ts'
import type { RunSettings } from '../../options/settings.ts'
import type { Given } from './settings.ts'

/** Who a worker becomes before it loads anything of a filter. */
export interface Identity {
  readonly uid: number | undefined
  readonly gid: number
  /** the user's name, whose further groups it gets */
  readonly name: string | undefined
  /** the user's home directory */
  readonly home?: string | undefined
  /** the command that starts workers as this user, where Node itself does not change users */
  readonly setpriv?: readonly string[] | undefined
}

/** How sessions end; milliseconds. */
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
    }
  /** comes with the socket */
  | { readonly type: 'connection'; readonly id: number }
  /** to be sent back: then everything before it has arrived that ever will */
  | { readonly type: 'echo'; readonly id: number }
  | ({ readonly type: 'stop' } & Stop)
  | { readonly type: 'count' }

/** From a worker to the primary. */
export type FromWorker =
  | { readonly type: 'loaded'; readonly settings: RunSettings; readonly name: string }
  | { readonly type: 'failed'; readonly reason: string; readonly misused: boolean }
  /** again and again */
  | { readonly type: 'alive'; readonly healthy: boolean }
  | { readonly type: 'echo'; readonly id: number }
  /** when it is asked to, and before it ends */
  | { readonly type: 'counted'; readonly metrics: MetricsSnapshot }
  /** the connection has arrived; from now on it is this worker's alone */
  | { readonly type: 'taken'; readonly id: number }
