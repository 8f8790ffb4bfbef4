/** What can make room for others. */
export interface Occupant {
  /** Milliseconds in which it had no message; 0 while it has one, or while a handler runs. */
  unused(now: number): number
  /** it has had a message */
  readonly hadMessage: boolean
}

/**
 * Milliseconds without a message after which a connection may be closed for others. Mail servers connect for
 * each SMTP session, so a new one has its first message soon. Who has had one may have another: clients keep
 * a session for it for some seconds, and Postfix gives them ten when it is short of processes itself
 * (smtpd_timeout under stress).
 */
const BEFORE_FIRST = 3_000
const BETWEEN = 10_000

/** More milliseconds than any process has. */
const AHEAD = 2 ** 50

/**
 * How early it may go when there is no room for all, 0 for not at all: those that never had a message go before
 * those between two messages, and among each the one that has had none for the longest time. What they say meanwhile
 * does not count: else a HELO a second would hold a place for ever.
 */
function rankOf(one: Occupant, now: number): number {
  const unused = one.unused(now)
  if (one.hadMessage) return unused < BETWEEN ? 0 : unused
  return unused < BEFORE_FIRST ? 0 : AHEAD + unused
}

/** Who goes first; undefined if all have something to do. */
export function firstToGo<T extends Occupant>(all: Iterable<T>, now: number): T | undefined {
  let first: T | undefined
  let highest = 0
  for (const one of all) {
    const rank = rankOf(one, now)
    if (rank <= highest) continue
    first = one
    highest = rank
  }
  return first
}

/** All that may go, in turn. */
export function idleOf<T extends Occupant>(all: Iterable<T>, now: number): T[] {
  return Array.from(all, (one) => ({ one, rank: rankOf(one, now) }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank)
    .map(({ one }) => one)
}
