/** The options of `headerRules`. */
import { UsageError } from '../../errors.ts'
import { choice, inputFile, type Kind } from '../../options/kinds.ts'
import type { Report } from '../../options/mistake.ts'
import { listOf, object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { fieldName, line, table, yesNo } from '../../options/value-kinds.ts'
import { Pattern } from '../../toolkit/patterns/pattern.ts'
import { checkReferences, parsePattern } from '../../toolkit/tables/pattern-rule.ts'
import { commonFields } from '../common-fields.ts'
import type {
  HeaderCondition,
  HeaderConditionSettings,
  HeaderRule,
  HeaderRuleSettings,
  HeaderRulesOptions,
  HeaderRulesSettings,
} from '../types.ts'

const PATTERN_FORM = 'a pattern between slashes as in pcre_table(5), such as /^win a/'

function patternOf(value: unknown): Pattern | string {
  // A configuration in a text file has read it before.
  if (value instanceof Pattern) return value
  if (typeof value !== 'string') return PATTERN_FORM
  try {
    const [pattern, rest] = parsePattern(value, { file: 'pattern', line: 1 }, 'pcre')
    return rest.trim() === '' ? pattern : `${PATTERN_FORM}, and nothing after it`
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return `${PATTERN_FORM} (${error.message.replace(/^pattern:1: /, '')})`
  }
}

const pattern: Kind = {
  ...line,
  takes: PATTERN_FORM,
  takesText: PATTERN_FORM,
  placeholder: 'pattern',
  wrong: (value) => {
    const read = patternOf(value)
    return typeof read === 'string' ? { takes: read } : undefined
  },
  setting: patternOf,
  settingType: 'Pattern',
}

const GLOB = /^[!-9;-~]{1,200}$/
const GLOB_FORM = 'the name of a field, in which * stands for any characters, such as X-*'
const nameGlob: Kind = { ...fieldName, takes: GLOB_FORM, takesText: GLOB_FORM }

const CONDITION: Shape<HeaderCondition, HeaderConditionSettings> = {
  name: 'if',
  type: 'HeaderCondition',
  isEntry: true,
  text: 'what the header has to have',
  fields: {
    field: { kind: nameGlob, required: true, text: 'a field with such a name' },
    matches: { kind: pattern, text: 'whose text matches this' },
    not: { kind: yesNo, default: false, text: 'true: there must not be such a field' },
  },
}

const ACTIONS = ['add', 'replace', 'remove', 'refuse', 'hold', 'log'] as const

const RULE: Shape<HeaderRule, HeaderRuleSettings> = {
  name: 'a rule',
  type: 'HeaderRule',
  isEntry: true,
  text: 'what to do with some fields of the header',
  oneOf: ACTIONS,
  fields: {
    add: { kind: fieldName, text: 'adds a field of this name with `value`' },
    replace: { kind: nameGlob, text: 'gives fields of such a name the text `value`' },
    remove: { kind: nameGlob, text: 'removes fields of such a name' },
    refuse: { kind: nameGlob, text: 'refuses the message if it has such a field' },
    hold: { kind: nameGlob, text: 'the mail server holds the message if it has such a field' },
    log: { kind: nameGlob, text: 'only logs that the message has such a field' },
    matches: {
      kind: pattern,
      text: 'only for fields whose decoded text matches; case does not matter, unless the flag i is set',
    },
    value: {
      kind: line,
      text: 'the new text; with `matches`, $1 has what its first group matched',
    },
    valueFile: { kind: inputFile, text: 'a file with the new text in one line, in UTF-8' },
    place: {
      kind: choice(['top', 'end']),
      text: 'where `add` puts the field; at the end by default',
    },
    before: { kind: fieldName, text: 'the field before which `add` puts the new one' },
    after: { kind: fieldName, text: 'the field after which `add` puts the new one' },
    if: { kind: listOf(object(CONDITION)), text: 'only if all of this is true' },
    text: { kind: line, text: 'the text of a refusal, or the reason to hold a message' },
  },
  check: checkRule,
}

function checkRule(rule: HeaderRuleSettings, report: Report): void {
  const action = ACTIONS.find((name) => rule[name] !== undefined)!
  const allowed: Readonly<Record<string, readonly string[]>> = {
    add: ['value', 'valueFile', 'place', 'before', 'after'],
    replace: ['matches', 'value', 'valueFile'],
    remove: ['matches'],
    refuse: ['matches', 'text'],
    hold: ['matches', 'text'],
    log: ['matches'],
  }
  for (const name of Object.keys(rule)) {
    if (name === action || name === 'if' || allowed[action]!.includes(name)) continue
    report({ path: [name], atName: true, text: `has no meaning beside ${action}` })
  }
  const { value, valueFile, matches } = rule
  if (
    (action === 'add' || action === 'replace') &&
    (value === undefined) === (valueFile === undefined)
  ) {
    report({ path: [], text: `needs either value or valueFile beside ${action}` })
  }
  const places = [rule.place, rule.before, rule.after].filter((one) => one !== undefined)
  if (places.length > 1) report({ path: [], text: 'takes one of place, before and after' })
  if (value !== undefined && matches !== undefined) {
    try {
      checkReferences(value, { condition: matches, negated: false }, { file: '', line: 0 })
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      report({ path: ['value'], text: `cannot be used: ${error.message.replace(/^:0: /, '')}` })
    }
  }
}

const checks: Kind = {
  ...table,
  takes: 'a table of Postfix: pcre: or regexp: and its path',
  takesText: 'a table of Postfix: pcre: or regexp: and its path',
  wrong: (value) =>
    typeof value === 'string' && /^(?:pcre|regexp):[^\0]+$/.test(value) ? undefined : {},
}

export const HEADER_RULES: Shape<HeaderRulesOptions, HeaderRulesSettings> = {
  name: 'headerRules',
  type: 'HeaderRules',
  text: 'adds, replaces and removes fields of the header, or refuses mail by them',
  fields: {
    rules: {
      kind: listOf(object(RULE), { min: 0 }),
      default: [],
      text: 'the rules; each sees what those before it have done',
    },
    headerChecks: {
      kind: listOf(checks, { min: 0 }),
      default: [],
      text: 'tables as in header_checks(5) of Postfix, which come after `rules`',
    },
    signed: {
      kind: choice(['edit', 'keep']),
      default: 'edit',
      text: 'what to do with a field that a DKIM signature covers: edit it with a warning, or keep it',
    },
    ...commonFields('header-rules'),
  },
  check({ rules, headerChecks }, report) {
    if (rules.length + headerChecks.length === 0) {
      report({ path: [], text: 'needs rules or headerChecks' })
    }
  },
}

/** Whether a name matches a glob. There is one way to go through a name, so no name takes long. */
export function globTest(glob: string): (name: string) => boolean {
  if (!GLOB.test(glob)) throw new TypeError(glob)
  const [start = '', ...pieces] = glob.toLowerCase().split('*')
  return (given) => {
    const name = given.toLowerCase()
    if (pieces.length === 0) return name === start
    if (!name.startsWith(start)) return false
    const end = pieces.at(-1)!
    let at = start.length
    for (const piece of pieces.slice(0, -1)) {
      const found = name.indexOf(piece, at)
      if (found === -1) return false
      at = found + piece.length
    }
    return name.length - end.length >= at && name.endsWith(end)
  }
}
