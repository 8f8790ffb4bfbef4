import { inspect } from 'node:util'
import { UsageError } from '../errors.ts'
import type { MaybePromise } from '../session/events.ts'
import { isVerdict, type Verdict } from '../session/verdict.ts'
import { STAGES, type Stage } from '../protocol/stages.ts'

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
  if (isVerdict(value) && verdicts.includes(value.kind) && Buffer.isBuffer(value.frame)) {
    return value
  }
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

/**
 * Calls one of the two callbacks, once and never before it returns, whatever the thenable does: `then` may throw, call
 * back twice, or be a getter that throws.
 */
export function whenSettled(
  result: PromiseLike<unknown>,
  done: (value: unknown) => void,
  failed: (error: unknown) => void,
): void {
  try {
    // One with a method of its own by that name is still a promise for this one.
    void Promise.prototype.then.call(Promise.resolve(result), done, failed)
  } catch (error) {
    queueMicrotask(() => failed(error))
  }
}

/** An error that can be inspected, so that neither the log nor a telemetry subscriber fails too. */
export function readable(error: unknown): unknown {
  try {
    if (error instanceof Error) {
      for (const key of ['name', 'message', 'stack', 'code', 'cause'] as const) {
        inspect((error as unknown as Record<string, unknown>)[key])
      }
    }
    inspect(error)
    return error
  } catch {
    return new Error('the handler threw something that cannot be looked at')
  }
}

/** @throws whatever a getter or a proxy throws */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  )
}

/** Tells of an answer when it is there. */
export function afterAnswer(
  answer: MaybePromise<Verdict>,
  tell: (verdict: Verdict) => void,
): MaybePromise<Verdict> {
  if (!(answer instanceof Promise)) {
    tell(answer)
    return answer
  }
  return answer.then((verdict) => {
    tell(verdict)
    return verdict
  })
}
