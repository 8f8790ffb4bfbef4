import assert from 'node:assert/strict'
import { it } from 'node:test'
import { sendMail, type OutgoingMail } from '../../src/toolkit/index.ts'
import { eachServer, message, Stack, withoutReceived } from './support/stack.ts'

const OPTIONS = { name: 'client.test' }

eachServer('sending mail', (kind) => {
  it('arrives at a real server as it was', async () => {
    await using stack = await Stack.start(kind)
    const at = { host: '127.0.0.1', port: stack.mta.port }
    for (const original of [
      message(),
      message(['X-Dots: 1'], '.\r\n..\r\n.dot\r\nend\r\n'),
      message(['X-Bytes: \xe9'], Buffer.from('8-bit: \xe9\xff\r\n', 'latin1')),
    ]) {
      const mail: OutgoingMail = {
        sender: 'alice@example.test',
        recipients: ['bob@example.test', 'bobby@example.test'],
        message: original,
      }
      const { recipients, server } = await sendMail(at, mail, OPTIONS)
      assert.deepEqual(
        recipients.map(({ outcome }) => outcome),
        ['accepted', 'accepted'],
      )
      assert.ok(server?.extensions.has('8BITMIME'))
      assert.deepEqual(withoutReceived(await stack.mta.sink.next()), original)
    }
  })
})
