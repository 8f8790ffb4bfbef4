/** Milliseconds, or text such as '500ms', '30s', '5m', '1h' or '7d'. */
export type Duration = number | string

/** Bytes, or text such as '64K', '16M' or '1G'. */
export type Size = number | string

type Units = readonly (readonly [unit: string, size: number])[]

const SIZES: Units = [
  ['G', 1_073_741_824],
  ['M', 1_048_576],
  ['K', 1_024],
  ['', 1],
]
const DURATIONS: Units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
]

/** Regular expressions that JSON Schema also understands. */
export const SIZE_PATTERN = '^(\\d{1,15})([KMGkmg]?)$'
/** Milliseconds have no fraction: `0.4ms` would be 0, which means no limit. */
const DURATION_PATTERN = '^(?:(\\d{1,12})(?: ?ms)?|(\\d{1,12}(?:\\.\\d{1,3})?) ?(s|m|h|d))$'

/** The same for a text file, where a number alone is only 0. */
export const TIME_WITH_UNIT = '^(?:0|\\d{1,12} ?ms|(\\d{1,12}(?:\\.\\d{1,3})?) ?(s|m|h|d))$'

/** `64K` becomes 65536. Undefined if the text is not a size. */
export function parseSize(text: string): number | undefined {
  const match = new RegExp(SIZE_PATTERN).exec(text)
  return match === null ? undefined : Number(match[1]) * sizeOf(SIZES, match[2]!.toUpperCase())
}

/** `30s` becomes 30000. A number alone is milliseconds. Undefined if the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  const match = new RegExp(DURATION_PATTERN).exec(text)
  if (match === null) return undefined
  const [, milliseconds, number, unit = 'ms'] = match
  return Math.round(Number(milliseconds ?? number) * sizeOf(DURATIONS, unit))
}

const sizeOf = (units: Units, name: string): number => units.find(([unit]) => unit === name)![1]

/** Formats a size in the largest unit that divides it. */
export function sizeText(size: number): string {
  const [unit, one] =
    SIZES.find(([, step]) => size >= step && size % step === 0) ?? SIZES.at(-1)!
  return `${size / one}${unit}`
}

/** Formats a duration in the largest unit that divides it more than once: 60000 is `60s`. */
export function durationText(milliseconds: number): string {
  const [unit, one] =
    DURATIONS.find(([, step]) => milliseconds > step && milliseconds % step === 0) ??
    DURATIONS.at(-1)!
  return `${milliseconds / one}${unit}`
}
