/** Sets of characters in a pattern, as tests of a code point. */

export type CharSet = (code: number) => boolean

const range =
  (first: number, last: number): CharSet =>
  (code) =>
    code >= first && code <= last

export const single = (code: number): CharSet => range(code, code)
export { range as charRange }
export const anyOf =
  (sets: readonly CharSet[]): CharSet =>
  (code) =>
    sets.some((set) => set(code))
export const not =
  (set: CharSet): CharSet =>
  (code) =>
    !set(code)
export const both =
  (a: CharSet, b: CharSet): CharSet =>
  (code) =>
    a(code) && b(code)
export const ANY: CharSet = () => true
export const NEWLINE: CharSet = single(10)

const among = (text: string): CharSet =>
  anyOf(
    [...text.matchAll(/([^])-([^])|([^])/g)].map(([, first, last, one]) =>
      one === undefined
        ? range(first!.charCodeAt(0), last!.charCodeAt(0))
        : single(one.charCodeAt(0)),
    ),
  )

const LETTER = among('a-zA-Z')
const DIGIT = among('0-9')
const SPACE = among(' \t\n\v\f\r')
const WORD = among('a-zA-Z0-9_')

/** In the C locale, where Postfix runs. */
export const POSIX_CLASSES: ReadonlyMap<string, CharSet> = new Map([
  ['alpha', LETTER],
  ['digit', DIGIT],
  ['alnum', anyOf([LETTER, DIGIT])],
  ['upper', among('A-Z')],
  ['lower', among('a-z')],
  ['space', SPACE],
  ['blank', among(' \t')],
  ['punct', among('!-/:-@[-`{-~')],
  ['print', range(32, 126)],
  ['graph', range(33, 126)],
  ['cntrl', anyOf([range(0, 31), single(127)])],
  ['xdigit', among('0-9a-fA-F')],
  ['word', WORD],
])

export const ESCAPED_SETS: ReadonlyMap<string, CharSet> = new Map([
  ['d', DIGIT],
  ['D', not(DIGIT)],
  ['w', WORD],
  ['W', not(WORD)],
  ['s', SPACE],
  ['S', not(SPACE)],
  ['h', among(' \t')],
  ['H', not(among(' \t'))],
])

export const isWordChar = (code: number | undefined): boolean =>
  code !== undefined && WORD(code)

const mapped = (text: string, code: number): number =>
  text.length === String.fromCodePoint(code).length ? text.codePointAt(0)! : code

/** The set with the other case of each of its characters. */
export const folded =
  (set: CharSet): CharSet =>
  (code) => {
    if (set(code)) return true
    if (code >= 0xd800 && code <= 0xdfff) return false
    const text = String.fromCodePoint(code)
    return set(mapped(text.toLowerCase(), code)) || set(mapped(text.toUpperCase(), code))
  }

/** The same set, faster for ASCII. */
export function tabled(set: CharSet): CharSet {
  const ascii = Uint8Array.from({ length: 128 }, (_, code) => (set(code) ? 1 : 0))
  return (code) => (code < 128 ? ascii[code] === 1 : set(code))
}
