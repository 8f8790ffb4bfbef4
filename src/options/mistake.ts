/** Mistakes in options: where each one is, and what to write. A file can have many, and all of them are reported. */
import { didYouMean } from './nearest.ts'
import { show } from './show.ts'

/** The way from a whole configuration to one of its values: names of options, numbers of list entries. */
export type Path = readonly (string | number)[]

export interface Mistake {
  readonly path: Path
  /** it is about the name at the end of the path, and not about its value */
  readonly atName?: true
  /** what is wrong and what to write, as the rest of a sentence that begins with the name */
  readonly text: string
  /** more about what is wrong, which may quote the value */
  readonly reason?: string
  /** what was given, if the message is to show it */
  readonly got?: { readonly value: unknown }
  /** the valid names, if the value is an unknown name */
  readonly known?: readonly string[]
}

export type Report = (mistake: Mistake) => void

/** What reads options wants to know. */
export interface Reader {
  readonly report: Report
  /**
   * Makes of a path what it stands for, and reports a file that is not there.
   *
   * @param needed the file is read when the configuration is loaded
   */
  readonly file?: (path: string, at: Path, needed: boolean) => string
  /** Is told of each secret. @param file the file that has it, if it is not where the value stands */
  readonly secret?: (at: Path, file?: string) => void
  /** the values stand in a text file */
  readonly isFile?: boolean
}

/** `keys[0].domain` */
export const pathText = (path: Path): string =>
  path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join('')

/**
 * The mistake in one line, without its place.
 *
 * @param hidden where the value comes from, if no message may show it
 */
export function mistakeText(
  { path, text, reason, got, known = [] }: Mistake,
  name: string = pathText(path),
  hidden?: string,
): string {
  const said = `${name} ${text}`
  if (hidden !== undefined) {
    return got === undefined ? said : `${said}; what ${hidden} has is not shown`
  }
  if (reason !== undefined) return `${said}: ${reason}`
  if (got === undefined) return said
  const { value } = got
  const meant = typeof value === 'string' ? didYouMean(value, known) : ''
  return `${said}; it got ${show(value)}${meant}`
}
