/** Limits as text: those of options, and those that a table has for one user. */
import { NOTHING_MORE, type Kind } from '../../options/kinds.ts'
import { line } from '../../options/value-kinds.ts'
import { parseSize } from '../../options/units.ts'
import { durationOf } from '../../toolkit/limits/duration.ts'

/** What is counted. */
export type Unit = 'messages' | 'recipients' | 'bytes'
export const UNITS: readonly Unit[] = ['messages', 'recipients', 'bytes']

/** Limits of one subject. A unit that is missing has those of the options; an empty list is no limit. */
export type UnitLimits = Readonly<Partial<Record<Unit, readonly string[] | undefined>>>

const FORM = 'a limit such as 10/60s, 150/d or 1G/d'

/** The text as `RateLimiter` takes it; undefined if it is no limit. */
export function limitOf(text: string): string | undefined {
  const [, amount = '', time = ''] =
    /^(\d[\d.]*[KMGkmg]?) ?\/ ?([\d.]*[a-z]+)$/.exec(text) ?? []
  const count = /^\d{1,13}$/.test(amount) ? Number(amount) : parseSize(amount)
  if (count === undefined || count < 1) return undefined
  try {
    durationOf('per', time)
  } catch {
    return undefined
  }
  return `${count}/${time}`
}

export const LIMIT: Kind = {
  ...line,
  takes: FORM,
  takesText: FORM,
  placeholder: 'limit',
  wrong: (value) =>
    typeof value === 'string' && limitOf(value) !== undefined ? undefined : NOTHING_MORE,
  setting: (value) => limitOf(value as string),
}

/**
 * The value of a table: `unlimited`, the name of a group, or limits such as `messages=10/60s,500/d recipients=2000/d`.
 * Undefined if it is none of these.
 */
export function limitsIn(
  value: string,
  groups: ReadonlyMap<string, UnitLimits>,
): UnitLimits | undefined {
  const text = value.trim()
  if (text === 'unlimited') return { messages: [], recipients: [], bytes: [] }
  const group = groups.get(text)
  if (group !== undefined) return group
  const found: Partial<Record<Unit, readonly string[]>> = {}
  for (const word of text.split(/\s+/)) {
    const [, unit, list = ''] = /^([a-z]+)=([^=]+)$/.exec(word) ?? []
    const limits = list.split(',').map(limitOf)
    if (!UNITS.includes(unit as Unit) || limits.includes(undefined)) return undefined
    found[unit as Unit] = limits as string[]
  }
  return found
}
