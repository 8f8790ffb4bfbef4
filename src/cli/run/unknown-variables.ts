import { PREFIX, variableOf } from '../../options/names.ts'
import { nearest } from '../../options/nearest.ts'
import { OPTIONS } from '../../options/table.ts'
import { READS_VARIABLE } from '../../server/shared-reads.ts'

/** A variable that looks like an option, and is none. */
export interface UnknownVariable {
  readonly variable: string
  /** what was meant, if it is nearly written so */
  readonly meant: string | undefined
}

/** The modules to run if the command line names none, with spaces between them. */
export const FILTERS_VARIABLE = 'TSMILTER_FILTERS'
/** Where to listen if nobody says so, neither the command line, nor a configuration, nor systemd. */
export const LISTEN_VARIABLE = 'TSMILTER_LISTEN_DEFAULT'

export const words = (text: string | undefined): string[] =>
  text?.split(/\s+/).filter((word) => word !== '') ?? []

/** Not options, and read all the same. */
const OTHERS = [FILTERS_VARIABLE, LISTEN_VARIABLE, READS_VARIABLE]

/** Variables that begin as options do and are not read by anybody: mistakes in writing, mostly. */
export function unknownVariables(
  environment: Readonly<Record<string, string | undefined>>,
): UnknownVariable[] {
  const known = [...OPTIONS.map(variableOf), ...OTHERS]
  return Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name))
    .map((variable) => ({ variable, meant: nearestVariable(variable, known) }))
}

/** The prefix is right, or it would not be here. */
function nearestVariable(variable: string, known: readonly string[]): string | undefined {
  const rest = (name: string): string => name.slice(PREFIX.length)
  const meant = nearest(rest(variable), known.map(rest))
  return meant === undefined ? undefined : PREFIX + meant
}
