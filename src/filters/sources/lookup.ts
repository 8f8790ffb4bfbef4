/**
 * Tables as options: the names that they have in the configuration of Postfix, or in a program any `Table`, such as that of
 * `functionTable`. Files are read again when they change.
 */
import type { StageContext } from '../../message/stage-context.ts'
import type { Kind } from '../../options/kinds.ts'
import type { Path } from '../../options/mistake.ts'
import { listOf } from '../../options/part-kinds.ts'
import { openTable } from '../../toolkit/tables/open-table.ts'
import type { Table } from '../../toolkit/tables/table.ts'
import type { Finding } from '../inspection.ts'
import { lookupTable } from '../table-option.ts'
import { Renewed } from './renewed.ts'

/** One table or several, which are asked in their order. */
export const lookupTables: Kind = listOf(lookupTable)

/**
 * Looks up keys in their order, each of them in all tables, until one is there. In tables of whole keys (patterns, networks)
 * only the first key is looked up. This is what Postfix does (mail_addr_find, maps_find).
 *
 * @throws TableError LOOKUP_FAILED; the reason of the signal
 */
export type Lookup = (
  keys: Iterable<string>,
  ctx: Pick<StageContext, 'signal' | 'log'>,
) => Promise<{ readonly key: string; readonly value: string } | undefined>

/**
 * Opens tables, and reads their files again when they change.
 *
 * @throws UsageError INVALID_OPTION if one cannot be read
 */
export async function openTables(
  option: string,
  given: readonly (string | Table)[],
): Promise<Lookup> {
  const read = async (): Promise<readonly Table[]> =>
    await Promise.all(
      given.map(async (one) => (typeof one === 'string' ? await openTable(one) : one)),
    )
  const tables = await Renewed.open(option, given.flatMap(fileOf), read)
  return async (keys, { signal, log }) => await lookUp(tables.current(log), keys, signal)
}

async function lookUp(
  tables: readonly Table[],
  keys: Iterable<string>,
  signal: AbortSignal,
): ReturnType<Lookup> {
  let first = true
  for (const key of keys) {
    for (const one of tables) {
      if (!first && one.wholeKeys === true) continue
      // oxlint-disable-next-line eslint/no-await-in-loop -- the first that is there
      const value = await one.lookup(key, { signal })
      if (value !== undefined) return { key, value }
    }
    first = false
  }
  return undefined
}

/** The file of a table; `inline:` and `static:` have none. */
const fileOf = (given: string | Table): readonly string[] => {
  if (typeof given !== 'string') return []
  const [, type, path] = /^([a-z]+):([^]*)$/.exec(given) ?? []
  return path === undefined || type === 'inline' || type === 'static' ? [] : [path]
}

/** Reads tables, and tells what is probably a mistake in them. */
export async function* inspectTables(
  tables: readonly (string | Table)[] | undefined,
  path: Path,
): AsyncGenerator<Finding> {
  for (const name of tables ?? []) {
    if (typeof name !== 'string') continue
    try {
      // oxlint-disable-next-line eslint/no-await-in-loop -- in the order of the option
      const { problems } = await openTable(name)
      for (const text of problems) yield { level: 'warning', path, text }
      if (problems.length === 0) yield { level: 'ok', path, text: `${name} can be read` }
    } catch (error) {
      yield { level: 'error', path, text: (error as Error).message }
    }
  }
}
