import { DataSize } from '../protocol/constants.ts'
import { FRAME_HEADER_SIZE } from '../protocol/frame.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { Verdict } from './verdict.ts'

export interface SessionLimits {
  /** the longest frame data that is taken, in bytes */
  readonly maxFrameSize: number
  /** bytes that may wait while a handler runs, before reading stops */
  readonly maxPending: number
  /** where the bytes that are held are counted */
  readonly memory: MemoryBudget
  /** the answer where there is no memory for a frame */
  readonly overload: { readonly verdict: Verdict }
}

/**
 * Bytes a connection may hold though there is no memory left: a frame of the usual size that is being
 * put together, and as much again.
 */
export const ALWAYS_HELD: number = 2 * (DataSize.K64 + FRAME_HEADER_SIZE)
