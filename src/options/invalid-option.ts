/** The error for an invalid value of an option. It names the option and what it takes. */
import { inspect } from 'node:util'
import { UsageError } from '../errors.ts'
import { didYouMean } from './nearest.ts'

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

export function show(value: unknown): string {
  const shown =
    typeof value === 'string'
      ? JSON.stringify(value)
      : inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 10 })
  return shown.length > 200 ? `${shown.slice(0, 200)}...` : shown
}
