/** Lines of tables as Postfix reads them (postmap(1), Postfix's readllines.c). */
import { invalidEntry, shown, type Place } from '../entry.ts'

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
  for (const [i, line] of physicalLines(text).entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue
    if (!/^\s/.test(line)) {
      if (open !== undefined) yield { file, line: open.line, text: open.text.trim() }
      open = { text: line, line: i + 1 }
    } else if (open === undefined) {
      throw invalidEntry(
        { file, line: i + 1 },
        `the first entry ${shown(line.trim())} begins with a space`,
        'a space at the beginning continues the line before; remove it',
      )
    } else open.text += line
  }
  if (open !== undefined) yield { file, line: open.line, text: open.text.trim() }
}

export const physicalLines = (text: string): string[] => text.split(/\r?\n/)
