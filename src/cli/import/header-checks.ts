/** header_checks(5) of Postfix for `headerRules`, which reads the tables as they are, but not every action. */
import { UsageError } from '../../errors.ts'
import { HeaderChecks } from '../../filters/content/header-checks.ts'
import { Piece, type Source } from './piece.ts'

/** More rules than this that cannot be read are not looked for. */
const MAX_WRONG = 100

/** @param sources their paths have the kind of the table: `pcre:/etc/postfix/header_checks` */
export function importHeaderChecks(sources: readonly Source[]): Piece {
  const piece = new Piece('headerRules')
  const tables: string[] = []
  for (const source of sources) {
    const wrong = leaveWrongRules(piece, source)
    const [kind = '', ...rest] = source.path.split(':')
    if (wrong === 0) tables.push(source.path)
    else {
      tables.push(`${source.path}.tsmilter`)
      piece.notes.push(
        `Postfix keeps ${source.path}. Copy it to ${rest.join(':')}.tsmilter (${kind}:) without the rules that are named below.`,
      )
    }
  }
  piece.options['headerChecks'] = tables
  piece.notes.push(
    'Take header_checks out of main.cf when this runs, or each rule counts twice. milter_header_checks are for the fields that milters add, and stay.',
  )
  return piece
}

/** Takes rules away until the rest can be read. @returns their number */
function leaveWrongRules(piece: Piece, { path, text }: Source): number {
  const file = path.slice(path.indexOf(':') + 1)
  const lines = text.split('\n')
  for (let wrong = 0; wrong < MAX_WRONG; wrong++) {
    try {
      void new HeaderChecks(path, lines.join('\n'))
      return wrong
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      const place = /^[^]*?:(\d+): ([^]*)$/.exec(error.message.slice(file.length))
      const line = Number(place?.[1] ?? 0)
      const rule = lines[line - 1]
      if (place === null || rule === undefined || rule === '') throw error
      piece.leave(file, line, rule.trim(), place[2]!)
      // The rule goes on in lines that begin with a space.
      lines[line - 1] = ''
      for (let i = line; /^[ \t]+\S/.test(lines[i] ?? ''); i++) lines[i] = ''
    }
  }
  return MAX_WRONG
}
