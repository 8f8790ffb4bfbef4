/** What `tsmilter check-config` finds when it looks at what options name. */
import type { Path } from '../options/mistake.ts'
import type { DnsSession } from '../toolkit/dns/dns-session.ts'

/**
 * - `ok`: it is as it should be
 * - `warning`: it works, but not as it should, or it could not be looked at
 * - `error`: mail would suffer. A reload keeps the old version
 */
export type FindingLevel = 'ok' | 'warning' | 'error'

export interface Finding {
  readonly level: FindingLevel
  /** one sentence: what was found, and what to do about it */
  readonly text: string
  /** the option it is about */
  readonly path: Path
}

/** What an inspection may use. */
export interface InspectionTools {
  readonly dns: DnsSession
  /** Fires when the time is up. What was not looked at then is a warning. */
  readonly signal: AbortSignal
}

/** Looks at what the settings of a filter name. It changes nothing, and does not throw for what it finds. */
export type Inspection<Settings> = (
  settings: Settings,
  tools: InspectionTools,
) => AsyncIterable<Finding>
