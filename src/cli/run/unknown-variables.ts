import { READS_VARIABLE } from '../../server/shared-reads.ts'
import { OPTION_TABLE, PREFIX, variableOf } from './option-table.ts'

/** A variable that looks like an option, and is none. */
export interface UnknownVariable {
  readonly variable: string
  /** what was meant, if it is nearly written so */
  readonly meant: string | undefined
}

/** Not options, and read all the same. */
const OTHERS = [READS_VARIABLE]

/** Variables that begin as options do and are not read by anybody: mistakes in writing, mostly. */
export function unknownVariables(
  environment: Readonly<Record<string, string | undefined>>,
): UnknownVariable[] {
  const known = [...OPTION_TABLE.map(variableOf), ...OTHERS]
  return Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name))
    .map((variable) => ({ variable, meant: nearest(variable, known) }))
}

/** The name that needs the fewest letters changed, if they are few and no other name needs as few. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const [first, second] = known
    .map((other) => ({ other, changes: changesBetween(name, other) }))
    .sort((a, b) => a.changes - b.changes)
  const few = Math.floor((name.length - PREFIX.length) / 3)
  const obvious = first!.changes <= few && first!.changes < second!.changes
  return obvious ? first!.other : undefined
}

/** Letters that have to be added, taken out or replaced to make one of the other (Levenshtein). */
function changesBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const replaced = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[other.length]!
}
