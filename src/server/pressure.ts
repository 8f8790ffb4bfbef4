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

/**
 * Those that may go when there is no room for all, the first one first: of those that never had a message the
 * one that has been there for the longest time; then those between two messages. One that has something to do
 * is not among them.
 *
 * What they say meanwhile does not count: else a HELO a second would hold a place for ever.
 */
export function idleOf<T extends Occupant>(all: Iterable<T>, now: number): T[] {
  const idle: { readonly one: T; readonly rank: number }[] = []
  for (const one of all) {
    const unused = one.unused(now)
    const { hadMessage } = one
    if (unused < (hadMessage ? BETWEEN : BEFORE_FIRST)) continue
    idle.push({ one, rank: hadMessage ? unused : unused + AHEAD })
  }
  return idle.sort((a, b) => b.rank - a.rank).map(({ one }) => one)
}

/** More milliseconds than any process has. */
const AHEAD = 2 ** 50
