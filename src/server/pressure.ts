/** A connection that may be closed to make room for others. */
export interface Occupant {
  /** Milliseconds since its last message; 0 while it has one, or while a handler runs. */
  unused(now: number): number
  /** it has had a message */
  readonly hadMessage: boolean
}

/**
 * Milliseconds without a message after which a connection may be closed for others. Mail servers connect for each SMTP
 * session, so a new connection soon has its first message. After a message, another one may follow: clients keep a
 * session open for some seconds, and Postfix gives them ten when it is short of processes (smtpd_timeout under stress).
 */
const BEFORE_FIRST = 3_000
const BETWEEN = 10_000

/** More milliseconds than any process has. */
const AHEAD = 2 ** 50

/**
 * The rank of a connection when there is no room for all: the highest is closed first, and 0 never. Connections that
 * never had a message come before those between two messages. Within each group, the one without a message for the
 * longest time comes first. Other commands do not count; otherwise a HELO each second would hold a place for ever.
 */
function rankOf(one: Occupant, now: number): number {
  const unused = one.unused(now)
  if (one.hadMessage) return unused < BETWEEN ? 0 : unused
  return unused < BEFORE_FIRST ? 0 : AHEAD + unused
}

/** The connection to close first, or undefined if all are in use. */
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

/** All connections that may be closed, in the order of their rank. */
export function idleOf<T extends Occupant>(all: Iterable<T>, now: number): T[] {
  return Array.from(all, (one) => ({ one, rank: rankOf(one, now) }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank)
    .map(({ one }) => one)
}
