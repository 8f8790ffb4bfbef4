import type { FilterValues } from '../options/settings.ts'
import { DataSize } from '../protocol/constants.ts'
import { FRAME_HEADER_SIZE } from '../protocol/frame.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { Verdict } from './verdict.ts'

export interface SessionLimits extends Pick<FilterValues, 'maxFrameSize' | 'maxPending'> {
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
