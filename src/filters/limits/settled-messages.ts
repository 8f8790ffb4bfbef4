/** What became of a message after a filter was done with it: the next filter may have refused it, or the client gave up. */
import { observe, type MessageVerdict } from '../../diagnostics/channels.ts'

type Settled = (verdict: MessageVerdict) => void

/** By connection, which has one message at a time. */
const waiting = new Map<number, Settled[]>()
let listens = false

/**
 * Begins to follow messages, once in a process. A message that began before is not followed: how it ended is not told (see
 * `MessageRecord`).
 */
export function followMessages(): void {
  if (listens) return
  listens = true
  observe({
    'tsmilter:message': ({ connection, verdict }) => {
      const all = waiting.get(connection)
      waiting.delete(connection)
      for (const settled of all ?? []) settled(verdict)
    },
  })
}

/** Calls back when the current message of a connection is over, with the last word of all filters of this process. */
export function whenSettled(connection: number, settled: Settled): void {
  const all = waiting.get(connection)
  if (all === undefined) waiting.set(connection, [settled])
  else all.push(settled)
}
