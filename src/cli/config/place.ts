/** Places in configuration files, and mistakes there: one line each, with what to write instead. */

import { printable } from '../../diagnostics/printable.ts'

export interface Place {
  /** path as it was given, or as the file that includes it has it */
  readonly file: string
  /** from 1 */
  readonly line: number
  readonly column: number
}

export interface FileMistake {
  readonly place: Place
  /** what is wrong, and what to write */
  readonly text: string
}

/** Above this number, only the number of the other mistakes is said. */
export const MAX_SHOWN = 100

export const placeText = ({ file, line, column }: Place): string => `${file}:${line}:${column}`

/** `tsmilter.yaml:3` */
export const lineText = ({ file, line }: Place): string => `${file}:${line}`

/** `tsmilter.yaml:3:5: wrokers is not an option; did you mean workers?` */
export const lineOf = ({ place, text }: FileMistake): string =>
  `${placeText(place)}: ${printable(text.replaceAll(/\s+/g, ' '))}`

/** In the order of the files. */
export function inOrder(mistakes: readonly FileMistake[]): FileMistake[] {
  const files = [...new Set(mistakes.map(({ place }) => place.file))]
  return mistakes.toSorted(
    ({ place: a }, { place: b }) =>
      files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  )
}

/** A line for each mistake, in the order of the files. */
export function linesOf(mistakes: readonly FileMistake[]): string[] {
  const lines = [...new Set(inOrder(mistakes).map(lineOf))]
  return lines.length <= MAX_SHOWN
    ? lines
    : [...lines.slice(0, MAX_SHOWN), `and ${lines.length - MAX_SHOWN} more mistakes`]
}
