/** What a table can do, whatever is behind it. */
import { TableError } from '../../errors.ts'
import { MAX_TIMER } from '../../options/kinds.ts'
import { wholeNumber } from '../../options/validate.ts'
import { within } from '../within.ts'

export interface LookupOptions {
  /** ends the wait */
  readonly signal?: AbortSignal | undefined
}

/** Keys and their values. */
export interface Table {
  /**
   * The value of a key; undefined if the key is not there.
   *
   * @throws TableError LOOKUP_FAILED if the table could not be asked; the reason of `signal`
   */
  lookup(key: string, options?: LookupOptions): Promise<string | undefined>
  /**
   * Whether the table is made for whole keys: patterns and networks. Then parts of an address are not looked up
   * (Postfix, DICT_FLAG_PATTERN).
   */
  readonly wholeKeys?: boolean
}

/** A table in memory, which can be asked without waiting. */
export abstract class LocalTable implements Table {
  /** What is probably a mistake in the text of the table, with file and line, at most 100 lines of it. */
  get problems(): readonly string[] {
    return []
  }

  /** The value of a key; undefined if the key is not there. @throws TableError LOOKUP_FAILED */
  abstract get(key: string): string | undefined

  /** As {@link LocalTable.get}, for those who take any table. */
  // oxlint-disable-next-line typescript/require-await -- errors are rejections, as with every table
  async lookup(key: string, { signal }: LookupOptions = {}): Promise<string | undefined> {
    signal?.throwIfAborted()
    return this.get(key)
  }
}

export interface FunctionTableOptions {
  /** what the table is called in error messages; `the function table` by default */
  readonly name?: string
  /** milliseconds for a look-up; 5,000 by default */
  readonly deadline?: number
  /** look-ups at the same time; 100 by default. Another one fails at once. */
  readonly maxPending?: number
  /** whether keys keep their case. By default they are in lower case, as Postfix asks SQL and LDAP. */
  readonly caseSensitive?: boolean
}

/**
 * A table that a function looks up: in SQL, in LDAP, over HTTP. The function gives null or undefined if the key is not
 * there, and throws if it could not ask. Its signal ends at the deadline.
 *
 *     const aliases = functionTable(async (key) => {
 *       const { rows } = await pool.query('SELECT goto FROM alias WHERE address = $1', [key])
 *       return rows[0]?.goto
 *     })
 *
 * @throws UsageError INVALID_OPTION
 */
export function functionTable(
  look: (
    key: string,
    signal: AbortSignal,
  ) => Promise<string | null | undefined> | string | null | undefined,
  options: FunctionTableOptions = {},
): Table {
  const { name = 'the function table' } = options
  const deadline = wholeNumber('deadline', options.deadline ?? 5_000, 1, MAX_TIMER)
  const maxPending = wholeNumber('maxPending', options.maxPending ?? 100, 1)
  const failed = (what: string, cause?: unknown): TableError =>
    new TableError('LOOKUP_FAILED', `${name} could not be asked: ${what}; try again later`, {
      cause,
    })
  let pending = 0
  return {
    async lookup(key, { signal } = {}) {
      signal?.throwIfAborted()
      if (pending >= maxPending) throw failed(`${pending} look-ups are already waiting`)
      pending++
      const settled = (): void => void pending--
      try {
        const value = await within(deadline, signal, async (over) => {
          try {
            return await look(options.caseSensitive === true ? key : key.toLowerCase(), over)
          } finally {
            // A function that does not stop at its deadline still counts.
            settled()
          }
        })
        if (value === undefined || value === null) return undefined
        if (typeof value !== 'string') {
          throw new TypeError(`the function returned a ${typeof value} instead of a string`)
        }
        return value
      } catch (cause) {
        signal?.throwIfAborted()
        throw failed(cause instanceof Error ? cause.message : String(cause), cause)
      }
    },
  }
}

/** Looks up keys in their order, until one is there. With a table of `wholeKeys`, only the first one. */
export async function lookupFirst(
  table: Table,
  keys: Iterable<string>,
  options?: LookupOptions,
): Promise<{ readonly key: string; readonly value: string } | undefined> {
  for (const key of keys) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- the first that is there
    const value = await table.lookup(key, options)
    if (value !== undefined) return { key, value }
    if (table.wholeKeys === true) return undefined
  }
  return undefined
}
