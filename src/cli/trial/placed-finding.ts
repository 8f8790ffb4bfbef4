import type { FindingLevel } from '../../filters/inspection.ts'

/** Something that was found, with its place. */
export interface PlacedFinding {
  readonly level: FindingLevel
  /** `tsmilter.yaml:7` */
  readonly place: string
  readonly text: string
}
