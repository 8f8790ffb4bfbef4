/** When a delivery passes: pymilter's rules of greylisting, as a function of what is remembered and the time. */

/** Milliseconds. */
export interface Timing {
  readonly delay: number
  readonly margin: number
  readonly window: number
  readonly retention: number
}

/** Unix time in milliseconds, and how often it has passed. */
interface Times {
  readonly first: number
  readonly last: number
  readonly count: number
}

export interface GreylistRecord extends Times {
  readonly ip: string
  readonly sender: string
  readonly recipient: string
}

export interface Decision {
  readonly times: Times
  /** milliseconds until a further try passes; 0 if this one does */
  readonly wait: number
}

/**
 * In the order of `Greylist.check` of pymilter. What was first seen in the future, by a clock that was wrong, was first
 * seen now: the triple would be deferred until then.
 */
export function decide(old: Times | undefined, timing: Timing, now: number): Decision {
  const { delay, margin, window, retention } = timing
  const anew = { times: { first: now, last: now, count: 0 }, wait: delay + margin }
  if (old === undefined || now > old.last + retention) return anew
  const { count } = old
  const first = Math.min(old.first, now)
  const early = first + delay + margin - now
  if (early > 0) return { times: { first, last: now, count }, wait: early }
  if (count > 0 || now < first + window) {
    return { times: { first, last: now, count: count + 1 }, wait: 0 }
  }
  return anew
}

/**
 * From when on a record makes no difference. One that has not passed yet is of no use after the window, so that a flood
 * of deliveries that never come back is forgotten soon.
 */
export const expiresAt = (
  { first, last, count }: Times,
  { window, retention }: Timing,
): number =>
  // At `last + retention` exactly, a delivery still passes.
  count > 0 ? last + retention + 1 : Math.min(first + window, last + retention + 1)

export const isOver = (times: Times, timing: Timing, now: number): boolean =>
  expiresAt(times, timing) <= now

/** Whether a value has all of a record, each of its type. */
export function isRecord(
  value: Readonly<Record<keyof GreylistRecord, unknown>>,
): value is GreylistRecord {
  const { ip, sender, recipient, first, last, count } = value
  return (
    [ip, sender, recipient].every((text) => typeof text === 'string') &&
    [first, last].every((time) => typeof time === 'number' && Number.isFinite(time)) &&
    Number.isSafeInteger(count)
  )
}
