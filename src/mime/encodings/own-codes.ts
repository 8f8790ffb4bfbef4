/**
 * Charsets in which ASCII bytes mean something else. Markup in one program is not markup in a program that does not
 * know the name.
 */

/**
 * - `wide`: UTF-16 and its like, which every program knows
 * - `iso-2022-jp`: with escapes, in the ways of Japan
 * - `iso-2022`, `hz`: with other shifts (RFC 1557, 1843, 1922)
 * - `other`: compressed or odd ones (SCSU, BOCU-1, UTF-1)
 */
export type OwnCode =
  'ebcdic' | 'hz' | 'iso-2022' | 'iso-2022-jp' | 'other' | 'utf-32' | 'utf-7' | 'wide'

/** Charsets by the numbers that IBM and Microsoft have given them. */
const PAGES: ReadonlyMap<number, OwnCode> = new Map([
  ...pages(
    'ebcdic',
    '37 256 273 274 275 277 278 280 281 284 285 290 297 420 423 424 500 803 833 836 838 870 871 875 880 905 918 924 ' +
      '930 931 933 935 937 939 1025 1026 1027 1047 1069 1070 1071 1097 1112 1122 1123 1130 1132 1137 1140 1141 1142 ' +
      '1143 1144 1145 1146 1147 1148 1149 1153 1154 1155 1156 1157 1158 1160 1164 1364 1371 1377 1388 1390 1399 ' +
      '4899 4971 5026 5035 5123 8482 8612 9030 12712 13121 13124 16684 16804 20273 20277 20278 20280 20284 20285 ' +
      '20290 20297 20420 20423 20424 20833 20838 20871 20880 20905 20924 21025 21027 28709',
  ),
  ...pages('iso-2022-jp', '50220 50221 50222 956 957 958 959 5052 5053 5054 5055 9148'),
  ...pages('iso-2022', '50225 50226 50227 50228 50229 965 25546 9577'),
  ...pages('hz', '52936'),
  ...pages('utf-7', '65000'),
  ...pages('utf-32', '12000 12001 1232 1233 1234 1235 1236 1237'),
  ...pages('wide', '1200 1201 1202 1203 1204 1205 13488 17584'),
])

function pages(code: OwnCode, numbers: string): [number: number, code: OwnCode][] {
  return numbers.split(' ').map((one) => [Number(one), code])
}

/** Patterns for the letters and digits of a name. The first that matches counts. */
const NAMES: readonly (readonly [RegExp, OwnCode])[] = [
  [/ebcdic/, 'ebcdic'],
  [/utf7|^u7$/, 'utf-7'],
  [/utf32|ucs4|^u32$/, 'utf-32'],
  [/2022(?:jp|.*jp)|^x?(?:cs)?(?:jis(?!x)|junet)/, 'iso-2022-jp'],
  [/2022/, 'iso-2022'],
  [/^x?(?:cs)?hz/, 'hz'],
  [/^(?:cs)?(?:scsu|bocu1|utf1|utf5|utf6)$/, 'other'],
  [/^(?:x|cs)?(?:(?:utf|ucs|unicode|iso10646)(?!8)|u16)/, 'wide'],
]

/** Undefined for an unknown charset, and for one in which ASCII is ASCII. */
export function ownCodeOf(label: string): OwnCode | undefined {
  const bare = label.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  const named = NAMES.find(([pattern]) => pattern.test(bare))
  if (named !== undefined) return named[1]
  const number = /^(?:x|cs)?(?:cp|ibm|ccsid|windows|ms)?0*(\d{1,6})(?!\d)/.exec(bare)?.[1]
  return number === undefined ? undefined : PAGES.get(Number(number))
}

// ---- EBCDIC

/** Characters that are in the same place in all code pages, with the place of the first one. */
const INVARIANT: readonly (readonly [start: number, text: string])[] = [
  [0x40, ' '],
  [0x4b, '.<(+'],
  [0x50, '&'],
  [0x5c, '*);'],
  [0x60, '-/'],
  [0x6b, ',%_>?'],
  [0x7a, ':'],
  [0x7d, `'="`],
  [0x81, 'abcdefghi'],
  [0x91, 'jklmnopqr'],
  [0xa2, 'stuvwxyz'],
  [0xc1, 'ABCDEFGHI'],
  [0xd1, 'JKLMNOPQR'],
  [0xe2, 'STUVWXYZ'],
  [0xf0, '0123456789'],
]

const EBCDIC: readonly string[] = Array.from({ length: 256 }, (_none, byte) => {
  const [start, text] = INVARIANT.findLast(([first]) => first <= byte) ?? [0, '']
  return text[byte - start] ?? '\ufffd'
})

/** The part that all EBCDIC code pages agree on. */
export const ebcdicText = (bytes: Buffer): string =>
  bytes.toString('latin1').replaceAll(/[^]/g, (one) => EBCDIC[one.charCodeAt(0)]!)

// ---- shifts

/** Sequences that leave ASCII and return to it, in ISO 2022 and HZ. */
// oxlint-disable-next-line eslint/no-control-regex -- bytes
const SHIFTED = /\x1b[$(-/]|[\x0e\x0f]|~\{/

/** @param text a character for each byte, also in all functions below */
export const hasShifts = (text: string): boolean => SHIFTED.test(text)

/** Escapes of ISO-2022-JP and its extensions (RFC 1468, 1554, 2237; JIS X 0213, Microsoft). */
// oxlint-disable-next-line eslint/no-control-regex -- escape sequences begin with ESC
const OF_JAPAN = /\x1b(?:\$(?:[@AB]|\([@-DO-Q])|\([BHIJ])/g

/** Whether a text is only ASCII and text after those escapes. */
export function isOfJapan(text: string): boolean {
  // oxlint-disable-next-line eslint/no-control-regex -- bytes
  return !/[\x0e\x0f\x1b\x80-\xff]/.test(text.replaceAll(OF_JAPAN, ''))
}

/** Each run ends with ASCII: at an escape, SI or `~}`. The second pattern of each also ends with the line. */
// oxlint-disable eslint/no-control-regex -- bytes
const RUNS: readonly (readonly RegExp[])[] = [
  [/\x1b(?:\$[(-/]?[@-~]|\([HI])[^\x1b]*/g, /\x1b(?:\$[(-/]?[@-~]|\([HI])[^\x1b\r\n]*/g],
  [/\x0e[^\x0f]*/g, /\x0e[^\x0f\r\n]*/g],
  [/~\{(?:[^~]|~(?!\}))*/g, /~\{(?:[^~\r\n]|~(?!\}))*/g],
]
const SHIFTS = /\x1b[$(-/]{1,2}[@-~]|[\x0e\x0f]|~[{}\n]/g
// oxlint-enable eslint/no-control-regex

/** A text without its shifts. The text after them stays, as ASCII. */
export const withoutShifts = (text: string): string => text.replaceAll(SHIFTS, '')

/**
 * The ASCII in a text with shifts. A program knows some shifts or all, and forgets them at the end of a line or not.
 * The text after them is not markup in any program.
 */
export function textsOutsideShifts(text: string): string[] {
  let texts = new Set([text])
  for (const patterns of RUNS) {
    const next = new Set(texts)
    for (const one of texts) for (const run of patterns) next.add(one.replaceAll(run, ''))
    texts = next
  }
  return [...new Set(Array.from(texts, (one) => withoutShifts(one)))]
}
