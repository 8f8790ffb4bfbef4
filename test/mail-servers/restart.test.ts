import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { SmtpClient } from './support/smtp.ts'
import { eachServer, FROM, message, Stack, TO } from './support/stack.ts'

/** Messages each client sends; a refusal for now or a lost connection is tried again. */
const CLIENTS = 6
const MESSAGES = 25
const RESTARTS = 12

eachServer('the filter stopped and started under load', (kind) => {
  for (const unix of [false, true]) {
    it(`loses and doubles no message, and lets none by unfiltered (${unix ? 'unix' : 'tcp'})`, async () => {
      await using stack = await Stack.start(kind, { unix })
      stack.filter = () => {
        let id = ''
        return {
          header: (_ctx, name, value) => {
            if (name === 'X-Id') id = value
          },
          async eom(ctx) {
            await setTimeout(5)
            ctx.addHeader('X-Seen', id)
          },
        }
      }
      const accepted: string[] = []
      let deferred = 0
      const client = async (number: number): Promise<void> => {
        for (let i = 0; i < MESSAGES;) {
          const id = `${number}-${i}`
          if (await attempt(stack.mta.port, id)) {
            accepted.push(id)
            i++
          } else deferred++
        }
      }
      const clients = Promise.all(
        Array.from({ length: CLIENTS }, (_, number) => client(number)),
      )
      for (let i = 0; i < RESTARTS; i++) {
        await setTimeout(80)
        await stack.restartMilter()
      }
      await clients
      await stack.mta.idle(60_000)
      const arrived = stack.mta.sink.messages.map(({ data }) => {
        const text = data.toString('latin1')
        const id = /^X-Id: (.*)\r$/m.exec(text)?.[1]
        assert.equal(/^X-Seen: (.*)\r$/m.exec(text)?.[1], id, 'filtered')
        return id
      })
      assert.equal(arrived.length, CLIENTS * MESSAGES)
      assert.deepEqual(arrived.sort(), accepted.sort())
      assert.ok(deferred < CLIENTS * MESSAGES * 20, 'and got through')
    })
  }
})

/** Whether the mail server took the message. */
async function attempt(port: number, id: string): Promise<boolean> {
  const client = await SmtpClient.connect(port)
  try {
    await client.command('EHLO client.test')
    const outcome = await client.send({
      from: FROM,
      to: [TO],
      message: message([`X-Id: ${id}`]),
    })
    return outcome.data?.code === 250
  } catch {
    return false // it closed the connection, which is as good as a refusal
  } finally {
    client.close()
  }
}
