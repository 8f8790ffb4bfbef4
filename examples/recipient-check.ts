// Asks a directory whether each recipient exists, and refuses each unknown one. While the directory is down or slow,
// the recipients that it would be asked for are deferred.
import { CONTINUE, defineFilter, isMain, reply, runMilter, type MessageFilter } from 'tsmilter'

/** Whether the mailbox exists. Throws if that is not known. */
export type Lookup = (address: string, signal: AbortSignal) => Promise<boolean>

export const recipientCheck = (lookup: Lookup, deadline = 5_000): MessageFilter =>
  defineFilter({
    name: 'recipient-check',
    // A failure at this stage, a missed deadline too, is answered for this recipient alone: 451.
    onError: 'tempfail',
    deadlines: { recipient: deadline },
    async recipient(recipient, ctx) {
      // The signal fires at the deadline, and when the client goes away.
      const known = await lookup(recipient.address, ctx.signal)
      return known ? CONTINUE : reply(550, '5.1.1', 'No such user here')
    },
  })

/** A directory that answers over HTTP: 200 for a mailbox, 404 for none. */
export const overHttp =
  (directory: string): Lookup =>
  async (address, signal) => {
    const url = directory + encodeURIComponent(address)
    const { status } = await fetch(url, { method: 'HEAD', signal })
    if (status !== 200 && status !== 404) throw new Error(`the directory answers ${status}`)
    return status === 200
  }

const filter = recipientCheck(overHttp('http://localhost:8080/mailboxes/'))
export default filter

if (isMain(import.meta)) {
  await runMilter('recipient-check', { factory: filter, listen: 'inet:8890@localhost' })
}
