import { inspect } from 'node:util'
import { UsageError } from '../errors.ts'
import { didYouMean } from './nearest.ts'

/** The longest time a timer of Node can wait; beyond it fires at once. */
export const MAX_TIMER = 2_147_483_647

/** @throws UsageError INVALID_OPTION */
export function wholeNumber(
  name: string,
  value: number,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw invalidOption(
      name,
      value,
      most === Number.MAX_SAFE_INTEGER
        ? `a whole number from ${least} on`
        : `a whole number from ${least} to ${most}`,
    )
  }
  return value
}

/** One text, or several as a list. @throws UsageError INVALID_OPTION for none, or something else */
export function textList(
  name: string,
  given: string | readonly string[],
  takes: string,
): readonly string[] {
  const list = typeof given === 'string' ? [given] : given
  if (!Array.isArray(list) || list.length === 0) throw invalidOption(name, list, takes)
  return list as readonly string[]
}

/** @param known the names it takes, if it takes names: the one that was meant is among them */
export function invalidOption(
  name: string,
  value: unknown,
  takes: string,
  known: readonly string[] = [],
): UsageError {
  const meant = typeof value === 'string' ? didYouMean(value, known) : ''
  const shown =
    typeof value === 'string' || typeof value === 'object'
      ? JSON.stringify(value)
      : inspect(value)
  return new UsageError(
    'INVALID_OPTION',
    `the option ${name} takes ${takes}; it got ${shown}${meant}`,
  )
}
