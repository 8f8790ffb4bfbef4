import { inspect } from 'node:util'
import { UsageError } from '../errors.ts'
import { isVerdict, type Verdict } from '../session/verdict.ts'
import { STAGES, type Stage } from './stages.ts'

/**
 * What a handler has returned, as a verdict; undefined for nothing.
 * @param name what the handler is called by its author
 * @throws UsageError INVALID_VERDICT
 */
export function verdictOf(
  value: unknown,
  stage: Stage,
  name: string = stage,
): Verdict | undefined {
  if (value === undefined) return undefined
  const { verdicts } = STAGES[stage]
  if (isVerdict(value) && verdicts.includes(value.kind)) return value
  throw new UsageError(
    'INVALID_VERDICT',
    `the handler of ${name} returned ${describe(value)}; it may return ${verdicts.map((kind) => kind.toUpperCase()).join(', ')}, reply(...) or nothing`,
  )
}

/** A value in a few words. */
export function describe(value: unknown): string {
  if (isVerdict(value)) return value.kind.toUpperCase()
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40))
  if (typeof value === 'object') return value === null ? 'null' : 'an object'
  return typeof value === 'function' ? 'a function' : `the ${typeof value} ${inspect(value)}`
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  )
}
