import assert from 'node:assert/strict'
import { it } from 'node:test'
import { eachServer, FROM, message, Stack, TO } from './support/stack.ts'

/** Nothing of it is waited for: these tests end at their own time limit if a stop does. */
const LONG = { quiet: 0, deadline: 3_600_000 }

eachServer('the filter stopped while an SMTP session is idle', (kind) => {
  for (const unix of [false, true]) {
    for (const after of ['EHLO', 'a message'] as const) {
      const what = `is gone though the session goes on, idle after ${after} (${unix ? 'unix' : 'tcp'})`
      it(what, { timeout: 30_000 }, async () => {
        await using stack = await Stack.start(kind, { unix })
        stack.filter = () => ({
          envfrom: () => {},
          eom: (ctx) => ctx.addHeader('X-Seen', 'yes'),
        })
        const client = await stack.client()
        await client.command('EHLO client.test')
        if (after === 'a message') {
          const sent = await client.send({ from: FROM, to: [TO], message: message() })
          assert.equal(sent.data?.code, 250)
        }
        await stack.milter.close(LONG)
        // Mail of that session waits: nothing passes unfiltered.
        const [answer] = [await client.command(`MAIL FROM:${FROM}`).catch(() => undefined)]
        assert.ok(
          answer === undefined || [421, 451].includes(answer.code),
          String(answer?.code),
        )
        client.close()
      })
    }
  }
})
