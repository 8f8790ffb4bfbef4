import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { ACCEPT, REJECT, type Handlers } from '../../src/index.ts'
import { defectsOf } from '../../src/milter/mail-server/known-defects.ts'
import { mailServer } from '../../src/milter/mail-server/mail-server.ts'
import { encodeReply } from '../../src/protocol/index.ts'
import { atEnd } from '../support/resources.ts'
import { postfixMissing } from './support/available.ts'
import { startPostfix } from './support/postfix.ts'
import { RawFilter } from './support/raw-filter.ts'
import { SmtpClient } from './support/smtp.ts'
import { eachServer, FROM, message, Stack, TO } from './support/stack.ts'

/** A policy service (SMTPD_POLICY_README) that refuses the first message it is asked about. */
async function policy(): Promise<readonly string[]> {
  let asked = 0
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('data', () => {
      socket.write(`action=${asked++ === 0 ? '550 5.7.1 Not this one' : 'DUNNO'}\n\n`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  atEnd(() => server.close())
  const { port } = server.address() as AddressInfo
  return [`smtpd_end_of_data_restrictions = check_policy_service inet:127.0.0.1:${port}`]
}

/** A message that Postfix refuses at its end; then one without MAIL. @returns whether that one was taken */
async function second(port: number): Promise<boolean> {
  const client = await SmtpClient.connect(port)
  try {
    await client.command('EHLO client.test')
    const first = await client.send({ from: FROM, to: [TO], message: message() })
    assert.match(first.data!.text, /^550 5\.7\.1 .*Not this one/)
    const recipient = await client.command(`RCPT TO:${TO}`)
    return recipient.code === 250 && (await client.data(message())).code === 250
  } finally {
    client.close()
  }
}

const LETTERS = { envfrom: 'M', envrcpt: 'R', data: 'T', header: 'L', eoh: 'N', body: 'B' }
const ENVELOPE = ['envfrom', 'envrcpt', 'data']

describe('"accept" that Postfix remembers too long', { skip: postfixMissing() }, () => {
  for (const [stage, letter] of Object.entries(LETTERS)) {
    it(`${stage}: a filter that is done with the first message sees no second, if the table says so`, async () => {
      const filter = await RawFilter.start()
      atEnd(() => filter.close())
      filter.steps = 0
      filter.answers = { [letter]: encodeReply({ type: 'accept' }) }
      const mta = await startPostfix({ milters: [filter.address], config: await policy() })
      atEnd(() => mta.stop())
      const taken = await second(mta.port)
      const ofSecond = filter.received.filter(([one]) => one === 'R').length > 1
      const defects = defectsOf(mailServer(filter.serverVersion, false))
      const hasDefect = defects.has('postfix-early-accept') && ENVELOPE.includes(stage)
      assert.equal(taken && !ofSecond, hasDefect)
      await mta.idle()
      assert.equal(mta.sink.messages.length, taken ? 1 : 0)
    })

    it(`${stage}: nothing passes a filter of this package unseen`, async () => {
      let accepted = false
      const unseen: string[] = []
      await using stack = await Stack.start(
        { name: 'postfix', missing: postfixMissing, start: startPostfix },
        { mta: { config: await policy() } },
      )
      // It accepts the first message, and refuses each after it.
      stack.filter = (): Handlers => ({
        [stage]: () => {
          if (accepted) return REJECT
          accepted = true
          return ACCEPT
        },
        eom: () => REJECT,
      })
      if (await second(stack.mta.port)) unseen.push(stage)
      await stack.mta.idle()
      assert.equal(stack.mta.sink.messages.length, 0)
      assert.deepEqual(unseen, [])
    })
  }
})

eachServer('"accept" before the content', (kind) => {
  for (const stage of ENVELOPE) {
    it(`${stage}: the message arrives byte for byte, and nothing more of it is shown`, async () => {
      const calls: string[] = []
      await using stack = await Stack.start(kind)
      stack.filter = () =>
        Object.fromEntries(
          [...Object.keys(LETTERS), 'eom'].map((name) => [
            name,
            () => {
              calls.push(name)
              return name === stage ? ACCEPT : undefined
            },
          ]),
        ) as Handlers
      const client = await stack.client()
      await client.command('EHLO client.test')
      const { data } = await client.send({ from: FROM, to: [TO], message: message() })
      assert.equal(data?.code, 250)
      client.close()
      const { data: arrived } = await stack.mta.sink.next()
      assert.match(arrived.toString('latin1'), /\r\nSubject: original\r\n\r\nHello\r\n$/)
      assert.deepEqual(calls, ENVELOPE.slice(0, ENVELOPE.indexOf(stage) + 1))
    })
  }
})
