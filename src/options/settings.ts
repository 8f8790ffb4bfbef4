// Written by scripts/options.js from table.ts: change that, and run it.
import type { Stage } from '../protocol/stages.ts'
import type { DataSize } from '../protocol/constants.ts'
import type {
  OverloadAnswer,
  ErrorPolicy,
  SocketPermissions,
  ConnectionTimeouts,
  MessageLimits,
} from './types.ts'

/** Options of a filter with nothing left out. */
export interface FilterValues {
  readonly maxMemory: number
  readonly overload: OverloadAnswer
  readonly deadlines: number | Partial<Record<Stage, number>>
  readonly progressInterval: number
  readonly maxEdits: number
  readonly maxFrameSize: number
  readonly maxPending: number
  readonly limits: Partial<MessageLimits>
  readonly actions: number
  readonly requiredActions: number
  readonly dataSize: DataSize
  readonly onError: ErrorPolicy
}

/** Options of a server with nothing left out. */
export interface ServerValues {
  readonly unixSocket: SocketPermissions
  readonly allow?: string | readonly string[]
  readonly proxies?: string | readonly string[]
  readonly backlog: number
  readonly maxConnections: number
  readonly timeouts: ConnectionTimeouts
}

/** How a server stops, with nothing left out. */
export interface CloseSettings {
  readonly deadline: number
  readonly quiet: number
}

/**
 * All options of `tsmilter run`, with nothing left out that has a default. Plain data: it goes between
 * processes.
 */
export interface RunSettings {
  readonly listen?: readonly string[]
  readonly workers: number
  readonly unixSocket?: {
    readonly mode?: number
    readonly owner?: string | number
    readonly group?: string | number
  }
  readonly allow?: readonly string[]
  readonly proxies?: readonly string[]
  readonly tls?: {
    readonly cert?: string
    readonly key?: string
    readonly ca?: string
  }
  readonly backlog: number
  readonly maxConnections: number
  readonly maxMemory: number
  readonly overload: OverloadAnswer
  readonly timeouts: {
    readonly idle: number
    readonly frame: number
    readonly write: number
  }
  readonly deadlines?: number | Partial<Record<Stage, number>>
  readonly progressInterval: number
  readonly maxEdits: number
  readonly maxFrameSize: number
  readonly maxPending: number
  readonly limits?: {
    readonly headers?: number
    readonly headerBytes?: number
    readonly recipients?: number
    readonly bodyMemory?: number
    readonly bodySize?: number
    readonly temporaryDirectory?: string
  }
  readonly actions?: number
  readonly requiredActions?: number
  readonly dataSize: DataSize
  readonly onError: ErrorPolicy
  readonly stop: {
    readonly delay: number
    readonly deadline: number
    readonly quiet: number
  }
  readonly reload: {
    readonly deadline: number
  }
  readonly startTimeout: number
  readonly hangTimeout: number
  readonly logContent?: readonly string[]
}

/** What is known before any code of a filter is loaded. */
export interface ProcessSettings {
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly logFormat?: 'auto' | 'json' | 'text' | 'journal'
  readonly telemetry?: string
  readonly pidFile?: string
  readonly user?: string | number
  readonly group?: string | number
}
