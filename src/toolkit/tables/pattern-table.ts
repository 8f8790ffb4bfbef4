import { TableError } from '../../errors.ts'
import { invalidEntry, shown, type Place } from '../entry.ts'
import {
  Pattern,
  PatternError,
  TooMuchWork,
  type PatternFlags,
  type Syntax,
} from '../patterns/pattern.ts'
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
      (rest, place) => parseCondition(rest, place, syntax),
      checkValue,
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
    return rule?.value?.replaceAll(REFERENCE, (_, a?: string, b?: string, c?: string) => {
      const number = a ?? b ?? c
      return number === undefined ? '$' : groups[Number(number) - 1]!
    })
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

/** `$1`, `${1}`, `$(1)` and `$$` (Postfix, mac_parse.c). */
const REFERENCE = /\$(?:\$|(\w+)|\{(\w+)\}|\((\w+)\))/g

function checkValue(
  value: string,
  { condition, negated }: { condition: Pattern; negated: boolean },
  place: Place,
): void {
  if (value.replaceAll(REFERENCE, '').includes('$')) {
    throw invalidEntry(place, `the value ${shown(value)} has a "$" alone`, 'write "$$" for it')
  }
  for (const [all, a, b, c] of value.matchAll(REFERENCE)) {
    const number = a ?? b ?? c
    if (number === undefined) continue
    if (negated) {
      throw invalidEntry(
        place,
        `the value of a rule with "!" has ${all}, and such a rule matches no text`,
        'write "$$" for a "$"',
      )
    }
    if (!/^[1-9]\d{0,3}$/.test(number) || Number(number) > condition.groups) {
      throw invalidEntry(
        place,
        `the value has ${all}, and the pattern has ${condition.groups} groups in brackets`,
        'write ${1} for the first one, and "$$" for a "$"',
      )
    }
  }
}

function parseCondition(
  text: string,
  place: Place,
  syntax: Syntax,
): readonly [Pattern, rest: string] {
  const delimiter = text[0] ?? ''
  if (!/^[^\w\s]$/.test(delimiter)) {
    throw invalidEntry(
      place,
      `${shown(text)} does not begin with a pattern`,
      'write it between slashes: /pattern/ value',
    )
  }
  let end = 1
  while (end < text.length && text[end] !== delimiter) end += text[end] === '\\' ? 2 : 1
  if (end >= text.length) {
    throw invalidEntry(place, `the pattern has no ${delimiter} at its end`, 'add it')
  }
  const letters = /^\S*/.exec(text.slice(end + 1))![0]
  const { flags, anchored } = parseFlags(letters, place, syntax)
  const source = text.slice(1, end)
  try {
    return [
      new Pattern(unescaped(source, delimiter), flags, syntax, anchored),
      text.slice(end + 1 + letters.length),
    ]
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    const [what, remedy = 'correct it'] = error.message.split('; ')
    throw invalidEntry(place, `the pattern ${shown(source)} cannot be used: ${what}`, remedy)
  }
}

/** A delimiter that is written with a backslash is the character itself, unless it means something in a pattern. */
const unescaped = (source: string, delimiter: string): string =>
  /[$()*+.?[\\\]^{|}]/.test(delimiter)
    ? source
    : source.replaceAll(/\\([^])/g, (all, char) => (char === delimiter ? delimiter : all))

/** Each letter turns its flag over (regexp_table(5), pcre_table(5)). */
function parseFlags(
  letters: string,
  place: Place,
  syntax: Syntax,
): { readonly flags: PatternFlags; readonly anchored: boolean } {
  const posix = syntax === 'regexp'
  const on = new Set(posix ? 'i' : 'is')
  for (const letter of letters) {
    if (!(posix ? 'im' : 'imsxAEU').includes(letter)) {
      throw invalidEntry(
        place,
        posix && letter === 'x'
          ? 'the flag x asks for basic regular expressions, which this package does not know'
          : `"${letter}" is not a flag`,
        posix ? 'the flags are i and m' : 'the flags are i, m, s, x, A, E and U',
      )
    }
    if (!on.delete(letter)) on.add(letter)
  }
  const multiline = on.has('m')
  return {
    anchored: on.has('A'),
    flags: {
      ignoreCase: on.has('i'),
      multiline,
      // REG_NEWLINE is both.
      dotAll: posix ? !multiline : on.has('s'),
      extended: on.has('x'),
      dollarEndOnly: on.has('E'),
      ungreedy: on.has('U'),
    },
  }
}
