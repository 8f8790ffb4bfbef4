import assert from 'node:assert/strict'
import type { EditMessage } from '../../../src/protocol/index.ts'
import type { MailServer } from './mail-server.ts'
import type { RawFilter } from './raw-filter.ts'
import type { Delivered } from './sink.ts'
import { SmtpClient } from './smtp.ts'
import { FROM, message, TO } from './stack.ts'

/**
 * What a real server makes of edits, legal or not: what it hands on; or `ignored` where its client is told something
 * else than a reply, `crash` where its process ends.
 * @param parameters ESMTP parameters of the client's MAIL
 */
export async function afterRawEdits(
  server: MailServer,
  filter: RawFilter,
  edits: readonly EditMessage[],
  parameters = '',
): Promise<Delivered | 'ignored' | 'crash'> {
  filter.edits = edits
  // A message of an earlier case may come late: its client has not waited for the reply.
  const mark = `X-Case: ${++cases};`
  const client = await SmtpClient.connect(server.port)
  try {
    await client.command('EHLO client.test')
    const from = `${FROM} ${parameters}`.trim()
    const { data } = await client.send({ from, to: [TO], message: message([mark]) })
    // A line of Sendmail's for debugging; the reply comes after it.
    if (data!.text.startsWith('olderrors=')) return 'ignored'
    assert.equal(data!.code, 250, data!.text)
  } catch (error) {
    if (!/closed the connection/.test((error as Error).message)) throw error
    return 'crash'
  } finally {
    client.close()
    await server.idle()
  }
  const { messages } = server.sink
  for (;;) {
    const found = messages.find(({ data }) => data.includes(mark))
    if (found !== undefined) return found
    await server.sink.waitFor(messages.length + 1)
  }
}

let cases = 0
