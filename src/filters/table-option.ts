/** Tables as options: the name that a table has in the configuration of Postfix, or in a program any `Table`. */
import { FileError, UsageError } from '../errors.ts'
import type { Kind } from '../options/kinds.ts'
import { table } from '../options/value-kinds.ts'
import { openTableSync } from '../toolkit/tables/open-table.ts'
import type { Table } from '../toolkit/tables/table.ts'

const FORM = 'the name of a table, such as hash:/etc/postfix/virtual'

export const lookupTable: Kind = {
  ...table,
  takes: `${FORM}, or a Table of tsmilter/toolkit`,
  takesText: FORM,
  wrong: (value) => (isTable(value) ? undefined : table.wrong(value)),
  type: 'string | Table',
}

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && 'lookup' in value

/**
 * Opens the table of an option.
 *
 * @param option the filter and the option, for the error: `externalTag: the option forwardedTable`
 * @throws UsageError INVALID_OPTION if its file cannot be read, INVALID_ENTRY with file and line
 */
export function openTableOption(option: string, given: string | Table): Table {
  if (typeof given !== 'string') return given
  try {
    return openTableSync(given)
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause
    throw new UsageError('INVALID_OPTION', `${option}: ${cause.message}`, { cause })
  }
}
