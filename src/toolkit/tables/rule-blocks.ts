/** Tables of rules in their order, with `if` and `endif` around some of them: cidr_table(5), regexp_table(5). */
import { invalidEntry, type Place } from '../entry.ts'
import { logicalLines, trimmed, type TableLine } from './table-lines.ts'

export interface Rule<Condition> {
  readonly condition: Condition
  /** whether the rule applies to what the condition does not match */
  readonly negated: boolean
  /** rules that are looked at only if this one applies; undefined for one with a value */
  readonly block?: readonly Rule<Condition>[]
  readonly value?: string
}

const MAX_DEPTH = 100

/**
 * @param condition reads the condition at the beginning of a text (without `!`), and says where it ends
 * @param value checks a value
 * @throws UsageError INVALID_ENTRY
 */
export function parseRules<Condition>(
  text: string,
  name: string,
  condition: (text: string, place: Place) => readonly [Condition, rest: string],
  value: (
    value: string,
    rule: { condition: Condition; negated: boolean },
    place: Place,
  ) => void,
): readonly Rule<Condition>[] {
  const open: { readonly line?: TableLine; readonly rules: Rule<Condition>[] }[] = [
    { rules: [] },
  ]
  for (const line of logicalLines(text, name)) {
    const inside = open.at(-1)!
    if (/^endif(?![a-z\d])/i.test(line.text)) {
      if (open.length === 1) {
        throw invalidEntry(line, 'this "endif" has no "if"', 'remove it, or write the "if"')
      }
      open.pop()
      continue
    }
    // Postfix takes more than one "!", and an "if" without a space after it (dict_regexp.c).
    const [, start, not, rest] = /^(if(?![a-z\d])\s*)?((?:!\s*)*)([^]*)$/i.exec(line.text)!
    const [read, after] = condition(rest!, line)
    const rule = { condition: read, negated: not!.replaceAll(/\s/g, '').length % 2 === 1 }
    const result = trimmed(after)
    if (start === undefined) {
      if (result === '') {
        throw invalidEntry(line, 'this rule has no value', 'write the value after the pattern')
      }
      value(result, rule, line)
      inside.rules.push({ ...rule, value: result })
      continue
    }
    if (result !== '') {
      throw invalidEntry(
        line,
        'this "if" has text after its pattern',
        'write rules in lines of their own',
      )
    }
    if (open.length > MAX_DEPTH) {
      throw invalidEntry(line, `more than ${MAX_DEPTH} "if" are open here`, 'write the "endif"')
    }
    const block: Rule<Condition>[] = []
    inside.rules.push({ ...rule, block })
    open.push({ line, rules: block })
  }
  const { line } = open.at(-1)!
  if (line !== undefined) {
    throw invalidEntry(
      line,
      'this "if" has no "endif"',
      'write it after the last rule of the block',
    )
  }
  return open[0]!.rules
}

/** The first rule with a value that applies. */
export function firstRule<Condition>(
  rules: readonly Rule<Condition>[],
  applies: (rule: Rule<Condition>) => boolean,
): Rule<Condition> | undefined {
  for (const rule of rules) {
    if (!applies(rule)) continue
    if (rule.block === undefined) return rule
    const found = firstRule(rule.block, applies)
    if (found !== undefined) return found
  }
  return undefined
}
