import { PREFIX, variableOf } from '../../options/names.ts'
import { nearest } from '../../options/nearest.ts'
import { OPTIONS } from '../../options/table.ts'
import { READS_VARIABLE } from '../../server/shared-reads.ts'

/** A variable that looks like an option, but is not. */
export interface UnknownVariable {
  readonly variable: string
  /** the variable that was probably meant, if one has nearly the same name */
  readonly meant: string | undefined
}

/** The modules to run if the command line names none, separated by spaces. */
export const FILTERS_VARIABLE = 'TSMILTER_FILTERS'
/** Addresses to listen on if neither the command line, nor a configuration, nor systemd gives any. */
export const LISTEN_VARIABLE = 'TSMILTER_LISTEN_DEFAULT'

export const words = (text: string | undefined): string[] =>
  text?.split(/\s+/).filter((word) => word !== '') ?? []

/** Variables that are read, but are not options. */
const OTHERS = [FILTERS_VARIABLE, LISTEN_VARIABLE, READS_VARIABLE]

/** Variables with the prefix of options that nothing reads. Most of them are spelling mistakes. */
export function unknownVariables(
  environment: Readonly<Record<string, string | undefined>>,
): UnknownVariable[] {
  const known = [...OPTIONS.map(variableOf), ...OTHERS]
  return Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name))
    .map((variable) => ({ variable, meant: nearestVariable(variable, known) }))
}

/** All variables here have the prefix, so only the rest is compared. */
function nearestVariable(variable: string, known: readonly string[]): string | undefined {
  const rest = (name: string): string => name.slice(PREFIX.length)
  const meant = nearest(rest(variable), known.map(rest))
  return meant === undefined ? undefined : PREFIX + meant
}
