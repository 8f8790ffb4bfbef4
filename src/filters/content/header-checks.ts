/** Tables as in header_checks(5) of Postfix: patterns for whole fields, and actions. */
import { FileError, UsageError } from '../../errors.ts'
import { invalidEntry, readTextSync, shown, type Place } from '../../toolkit/entry.ts'
import type { Pattern, Syntax, Work } from '../../toolkit/patterns/pattern.ts'
import { checkReferences, parsePattern, withGroups } from '../../toolkit/tables/pattern-rule.ts'
import { firstRule, parseRules, type Rule } from '../../toolkit/tables/rule-blocks.ts'

const ACTIONS = [
  'REJECT',
  'HOLD',
  'IGNORE',
  'STRIP',
  'REPLACE',
  'PREPEND',
  'WARN',
  'INFO',
  'DUNNO',
  'OK',
] as const
export type CheckAction = (typeof ACTIONS)[number]

/** What a rule says about a field. */
export interface Checked {
  readonly action: CheckAction
  /** what stands behind the action */
  readonly text: string
  /** file and line */
  readonly rule: string
}

interface Condition {
  readonly pattern: Pattern
  readonly place: Place
}

/** `Name: value` */
const FIELD = /^([!-9;-~]+):[ \t]?([^]*)$/

export class HeaderChecks {
  readonly #rules: readonly Rule<Condition>[]

  /**
   * @param name as in main.cf: `pcre:/etc/postfix/header_checks`
   * @param text its content, if it is not to be read
   * @throws UsageError INVALID_ENTRY with file and line, INVALID_OPTION if it cannot be read
   */
  constructor(name: string, text?: string) {
    const colon = name.indexOf(':')
    const syntax = name.slice(0, colon) as Syntax
    const path = name.slice(colon + 1)
    this.#rules = parseRules<Condition>(
      text ?? textOf(path),
      path,
      (rest, { file, line }) => {
        const place = { file, line }
        const [pattern, after] = parsePattern(rest, place, syntax)
        return [{ pattern, place }, after]
      },
      (value, { condition, negated }, place) => {
        checkReferences(value, { condition: condition.pattern, negated }, place)
        checkAction(value, place)
      },
    )
  }

  /** The first rule for a field, as `Name: value` with line breaks in folds. @throws TooMuchWork */
  find(field: string, work: Work): Checked | undefined {
    let groups: readonly string[] = []
    const rule = firstRule(this.#rules, ({ condition, negated }) => {
      const found = condition.pattern.match(field, work)
      if (found !== undefined) groups = found
      return (found !== undefined) !== negated
    })
    if (rule?.value === undefined) return undefined
    const [, word, text] = /^(\S+)\s*([^]*)$/.exec(rule.value)!
    const { file, line } = rule.condition.place
    return {
      action: word!.toUpperCase() as CheckAction,
      text: withGroups(text!, groups),
      rule: `${file}:${line}`,
    }
  }
}

function textOf(path: string): string {
  try {
    return readTextSync(path)
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause
    throw new UsageError(
      'INVALID_OPTION',
      `headerRules: the option headerChecks: ${cause.message}`,
      { cause },
    )
  }
}

function checkAction(value: string, place: Place): void {
  const [, word, text] = /^(\S+)\s*([^]*)$/.exec(value)!
  const action = word!.toUpperCase()
  if (action === 'DISCARD') {
    throw invalidEntry(place, 'this filter does not discard mail', 'write REJECT or HOLD')
  }
  if (!ACTIONS.some((one) => one === action)) {
    throw invalidEntry(
      place,
      `${shown(word!)} is no action of this filter`,
      `leave this rule in Postfix, or write one of ${ACTIONS.join(', ')}`,
    )
  }
  const isField = action === 'REPLACE' || action === 'PREPEND'
  if (isField && !text!.startsWith('$') && !FIELD.test(text!)) {
    throw invalidEntry(place, `${action} needs a field`, `write ${action} Name: value`)
  }
}

/** The field that REPLACE and PREPEND write; undefined for a text that is none. */
export function fieldIn(text: string): { name: string; value: string } | undefined {
  const found = FIELD.exec(text)
  if (found === null) return undefined
  const [, name, value] = found
  // A fold stays. A line break without a space after it would begin another field.
  const clean = value!.replaceAll(/\r\n?|\0|\n(?![ \t])/g, ' ')
  return { name: name!, value: ` ${clean}` }
}
