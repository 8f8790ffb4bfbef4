/** The error for an invalid value of an option. It names the option and what it takes. */
import { UsageError } from '../errors.ts'
import { didYouMean } from './nearest.ts'
import { show } from './show.ts'

/** @param known the valid names, if the option takes names; the error suggests the nearest */
export function invalidOption(
  name: string,
  value: unknown,
  takes: string,
  known: readonly string[] = [],
): UsageError {
  const meant = typeof value === 'string' ? didYouMean(value, known) : ''
  return new UsageError(
    'INVALID_OPTION',
    `the option ${name} takes ${takes}; it got ${show(value)}${meant}`,
  )
}
