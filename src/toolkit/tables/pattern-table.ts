import { TableError } from '../../errors.ts'
import { TooMuchWork, type Pattern, type Syntax } from '../patterns/pattern.ts'
import { checkReferences, parsePattern, withGroups } from './pattern-rule.ts'
import { firstRule, parseRules, type Rule } from './rule-blocks.ts'
import { LocalTable } from './table.ts'

export interface PatternTableOptions {
  /** `regexp` for regexp_table(5), `pcre` for pcre_table(5) */
  readonly syntax: Syntax
  /** what the table is called in errors, usually its file */
  readonly name?: string
}

/** Characters of a key. A pattern takes time by the length of the key. */
const MAX_KEY = 10_000
/** Steps of all patterns for one key: at most about a second. It takes long keys, and patterns such as `(a?){1000}`. */
const MAX_WORK = 10_000_000

/**
 * Patterns and values, in their order: the text of a `regexp:` or `pcre:` table of Postfix (regexp_table(5),
 * pcre_table(5)), with flags, `!`, `if`, `endif`, and `$1` in values. Letters of both cases are the same, unless the flag
 * `i` turns that off. Patterns need time by the length of the key, never more; those that cannot (back references,
 * lookaround, atomic groups) are refused. Where POSIX takes the longest match, the first way counts here, as in Perl:
 * that shows only in the text of `$1`.
 *
 *     new PatternTable('/^(.*)@old\\.example$/ $1@new.example', { syntax: 'regexp' }).get('a@old.example')
 *     // 'a@new.example'
 */
export class PatternTable extends LocalTable {
  readonly #rules: readonly Rule<Pattern>[]
  readonly #name: string

  /** @throws UsageError INVALID_ENTRY, also for a line that Postfix leaves out with a warning */
  constructor(text: string, { syntax, name = `${syntax} table` }: PatternTableOptions) {
    super()
    this.#name = name
    this.#rules = parseRules(
      text,
      name,
      (rest, place) => parsePattern(rest, place, syntax),
      checkReferences,
    )
  }

  get wholeKeys(): boolean {
    return true
  }

  /**
   * @throws TableError LOOKUP_FAILED for a key of more than 10,000 characters, or one that takes more than 10,000,000 steps
   */
  get(key: string): string | undefined {
    if (key.length > MAX_KEY) {
      throw new TableError(
        'LOOKUP_FAILED',
        `${this.#name} takes keys of up to ${MAX_KEY} characters, and this one has ${key.length}; cut it off`,
      )
    }
    const { rule, groups } = this.#find(key)
    return rule?.value === undefined ? undefined : withGroups(rule.value, groups)
  }

  #find(key: string): { rule: Rule<Pattern> | undefined; groups: readonly string[] } {
    const work = { left: MAX_WORK }
    let groups: readonly string[] = []
    try {
      const rule = firstRule(this.#rules, ({ condition, negated }) => {
        const found = condition.match(key, work)
        if (found !== undefined) groups = found
        return (found !== undefined) !== negated
      })
      return { rule, groups }
    } catch (error) {
      if (!(error instanceof TooMuchWork)) throw error
      throw new TableError(
        'LOOKUP_FAILED',
        `${this.#name} takes more than ${MAX_WORK} steps for a key of ${key.length} characters; cut it off, or write shorter repeats`,
      )
    }
  }
}
