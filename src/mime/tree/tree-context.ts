import type { Reading } from './parser.ts'
import type { MimeLimits } from './problems.ts'

/** What the parts of one tree share. */
export interface TreeContext {
  readonly bytes: Buffer
  readonly eol: string
  readonly limits: MimeLimits
  readonly reading: Reading
  /** is asked before each edit, and may throw */
  readonly permit: (what: string) => void
}
