/** Lines of tables as Postfix reads them (postmap(1), Postfix's readllines.c). */
import { invalidEntry, shown, type Place } from '../entry.ts'

/** What is a space for Postfix (`ISSPACE`) and makemap. That of Unicode, such as U+00A0, is part of a key. */
export const isSpace = (char: string | undefined): boolean =>
  char !== undefined && char !== '' && ' \t\v\f\r\n'.includes(char)

/** Without the spaces at both ends. */
export function trimmed(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text[start])) start++
  while (end > start && isSpace(text[end - 1])) end--
  return text.slice(start, end)
}

export interface TableLine extends Place {
  readonly text: string
}

/**
 * Logical lines: a line that begins with a space continues the one before it. Lines that are empty or begin with `#` do
 * not count, also between a line and its continuation.
 *
 * @throws UsageError INVALID_ENTRY
 */
export function* logicalLines(text: string, file: string): Generator<TableLine> {
  let open: { text: string; readonly line: number } | undefined
  for (const [i, line] of physicalLines(text, file).entries()) {
    const said = trimmed(line)
    if (said === '' || said.startsWith('#')) continue
    if (!isSpace(line[0])) {
      if (open !== undefined) yield { file, line: open.line, text: trimmed(open.text) }
      open = { text: line, line: i + 1 }
    } else if (open === undefined) {
      throw invalidEntry(
        { file, line: i + 1 },
        `the first entry ${shown(said)} begins with a space`,
        'a space at the beginning continues the line before; remove it',
      )
    } else open.text += line
  }
  if (open !== undefined) yield { file, line: open.line, text: trimmed(open.text) }
}

/** @throws UsageError INVALID_ENTRY for a byte order mark, which would be part of the first key */
export function physicalLines(text: string, file: string): string[] {
  if (text.startsWith('\uFEFF')) {
    throw invalidEntry(
      { file, line: 1 },
      'the text begins with a byte order mark (U+FEFF)',
      'save it as UTF-8 without one',
    )
  }
  return text.split(/\r?\n/)
}
