/** A piece of tsmilter.yaml that is made of the configuration of another program. */
import { stringify } from 'yaml'
import { printable } from '../../diagnostics/printable.ts'

/** A setting that is not in the piece, and why. */
export interface LeftOut {
  readonly file: string
  readonly line: number
  /** the setting, without secrets */
  readonly what: string
  readonly why: string
}

/** A file to read. */
export interface Source {
  readonly path: string
  readonly text: string
}

/** Collects the options of one filter, and what could not be taken over. */
export class Piece {
  readonly filter: string
  readonly options: Record<string, unknown> = {}
  readonly leftOut: LeftOut[] = []
  /** what the administrator has to know or do, a sentence each */
  readonly notes: string[] = []

  constructor(filter: string) {
    this.filter = filter
  }

  leave(file: string, line: number, what: string, why: string): void {
    this.leftOut.push({ file, line, what, why })
  }

  /** The text of the piece. Without options, it has comments only. */
  toString(): string {
    const { filter, options, notes } = this
    const body =
      Object.keys(options).length === 0
        ? [`# Nothing of it is an option of ${filter}.`]
        : [
            'filters:',
            ...stringify([{ [filter]: options }], {
              lineWidth: 0,
              version: '1.2',
              aliasDuplicateObjects: false,
            })
              .trimEnd()
              .split('\n')
              .map((line) => `  ${line}`),
          ]
    const left = this.leftOut.map(
      ({ file, line, what, why }) => `${file}:${line}: ${what}: ${why}`,
    )
    return [
      ...notes.map(comment),
      ...body,
      ...(left.length === 0 ? [] : ['# Not taken over:', ...left.map(comment)]),
      '',
    ].join('\n')
  }
}

/** One line: what other files have must not end the comment. */
const comment = (text: string): string => `# ${printable(text.replaceAll(/\s+/g, ' '))}`

/** Lines with their numbers, without comments and empty lines. `#` begins a comment at the start of a line only. */
export function* linesIn({ text }: Source): Generator<{ line: number; text: string }> {
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const one = raw.trim()
    if (one !== '' && !one.startsWith('#')) yield { line: i + 1, text: one }
  }
}
