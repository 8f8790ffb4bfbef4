/** One rule with a pattern: `/pattern/flags value`, as in regexp_table(5) and pcre_table(5). */
import { invalidEntry, shown, type Place } from '../entry.ts'
import { Pattern, PatternError, type PatternFlags, type Syntax } from '../patterns/pattern.ts'

/** `$1`, `${1}`, `$(1)` and `$$` (Postfix, mac_parse.c). */
const REFERENCE = /\$(?:\$|(\w+)|\{(\w+)\}|\((\w+)\))/g

/** The value with the text of groups in place of `$1`. */
export const withGroups = (value: string, groups: readonly string[]): string =>
  value.replaceAll(REFERENCE, (_, a?: string, b?: string, c?: string) => {
    const number = a ?? b ?? c
    return number === undefined ? '$' : groups[Number(number) - 1]!
  })

/** Checks the `$1` of a value. @throws UsageError INVALID_ENTRY */
export function checkReferences(
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

/** The pattern at the start of a text, and what comes after it. @throws UsageError INVALID_ENTRY */
export function parsePattern(
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
