import { tmpdir } from 'node:os'
import { optionsIn } from '../options/table.ts'
import type { MessageLimits } from '../options/types.ts'
import { invalidOption } from '../options/invalid-option.ts'
import { firstUnknown, readOptions } from '../options/validate.ts'

const LIMITS = optionsIn('limits')
const NAMES = LIMITS.map(({ name }) => name)

/** The limits that hold where none are given. */
export const DEFAULT_LIMITS: MessageLimits = {
  ...(readOptions(LIMITS, {})['limits'] as object),
  temporaryDirectory: tmpdir(),
} as MessageLimits

/** All of them, with nothing left out. @throws UsageError INVALID_OPTION */
export function messageLimits(given?: Partial<MessageLimits>): MessageLimits {
  return { ...DEFAULT_LIMITS, ...givenLimits(given) }
}

/** Those that are given, checked. @throws UsageError INVALID_OPTION */
export function givenLimits(limits: Partial<MessageLimits> = {}): Partial<MessageLimits> {
  const unknown = firstUnknown({ limits }, NAMES)
  if (unknown !== undefined) {
    throw invalidOption(
      'limits',
      'value' in unknown ? unknown.value : unknown.name.slice('limits.'.length),
      Object.keys(DEFAULT_LIMITS).join(', '),
      Object.keys(DEFAULT_LIMITS),
    )
  }
  const given = readOptions(LIMITS, { limits }, () => undefined)
  return given['limits'] ?? {}
}

/** With what a message for several filters is collected: the largest of each. */
export function largestLimits(all: readonly MessageLimits[]): MessageLimits {
  const [first = DEFAULT_LIMITS, ...others] = all
  return others.reduce((largest, one) => {
    const entries = Object.entries(largest).map(([name, value]): [string, unknown] => {
      const other = one[name as keyof MessageLimits]
      if (typeof value === 'number') return [name, Math.max(value, other as number)]
      // A directory that was configured counts more than the default.
      return [name, value === DEFAULT_LIMITS.temporaryDirectory ? other : value]
    })
    return Object.fromEntries(entries) as unknown as MessageLimits
  }, first)
}
