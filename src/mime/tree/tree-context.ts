import type { Reading } from './parser.ts'
import type { MimeLimits } from './problems.ts'

/** Everything that the parts of one tree share. */
export interface TreeContext {
  readonly bytes: Buffer
  readonly eol: string
  readonly limits: MimeLimits
  readonly reading: Reading
  /** called before each edit; it may throw */
  readonly permit: (what: string) => void
}
