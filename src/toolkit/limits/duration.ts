/** Times of limits and greylisting, which go up to weeks. */
import { invalidOption } from '../../options/invalid-option.ts'
import { parseDuration, type Duration } from '../../options/units.ts'
import { MAX_TIME } from '../../store/store.ts'

const DAY = 86_400_000

/**
 * Milliseconds of a number of them, or of a text such as `60s`, `5m`, `4h` or `36d`. A unit alone, such as `d`, is one.
 *
 * @throws UsageError INVALID_OPTION
 */
export function durationOf(name: string, given: Duration, from: number = 1): number {
  const text = typeof given === 'string' ? given.trim().replace(/^(?=[a-z])/, '1') : ''
  const days = /^(\d{1,6}) ?d$/.exec(text)?.[1]
  const value =
    typeof given === 'number'
      ? given
      : days === undefined
        ? parseDuration(text)
        : Number(days) * DAY
  if (
    value !== undefined &&
    Number.isSafeInteger(value) &&
    value >= from &&
    value <= MAX_TIME
  ) {
    return value
  }
  throw invalidOption(
    name,
    given,
    `milliseconds from ${from} to ${MAX_TIME}, or a text such as '60s', '5m', '4h' or '36d'`,
  )
}
