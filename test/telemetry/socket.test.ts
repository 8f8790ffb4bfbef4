import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { defineFilter } from '../../src/message/define-filter.ts'
import {
  observe,
  type ConnectionClosed,
  type MessageDone,
} from '../../src/diagnostics/channels.ts'
import { silentLogger } from '../../src/diagnostics/log.ts'
import { MtaClient } from '../../src/mta/client.ts'
import { serve } from '../../src/server/serve.ts'
import type { MilterServer } from '../../src/server/server.ts'
import { DISCARD, REJECT, reply, TEMPFAIL } from '../../src/session/verdict.ts'
import { atEnd, until } from '../support/resources.ts'

/** Does what the local part of the sender says. */
const obedient = defineFilter({
  name: 'obedient',
  recipient: ({ address }) => (address.startsWith('no') ? REJECT : undefined),
  async message(mail) {
    await Promise.resolve()
    const [wish] = mail.sender.address.split('@')
    if (wish === 'reject') return reply(550, '5.7.1', 'as you wish')
    if (wish === 'tempfail') return TEMPFAIL
    if (wish === 'discard') return DISCARD
    if (wish === 'hang') return new Promise<never>(() => {})
    if (wish === 'tag') mail.headers.append('X-Tag', '1')
    return undefined
  },
})

async function start(deadlines = 5_000): Promise<MilterServer> {
  const server = await serve(obedient, {
    listen: 'inet:0@127.0.0.1',
    logger: silentLogger(),
    deadlines,
  })
  atEnd(() => server.close({ deadline: 0 }))
  return server
}
async function client(server: MilterServer, mta: 'postfix' | 'sendmail'): Promise<MtaClient> {
  const made = await MtaClient.connect(server.addresses[0]!, { mta })
  atEnd(() => made.destroy())
  return made
}
function listen(): { messages: MessageDone[]; closed: ConnectionClosed[] } {
  const [messages, closed]: [MessageDone[], ConnectionClosed[]] = [[], []]
  atEnd(
    observe({
      'tsmilter:message': (event) => void messages.push(event),
      'tsmilter:connection:close': (event) => void closed.push(event),
    }),
  )
  return { messages, closed }
}

describe('over a socket', () => {
  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`each message of ${mta} is reported with the verdict the client gets`, async () => {
      const { messages } = listen()
      const server = await start(100)
      const wishes = ['accept', 'reject', 'tempfail', 'discard', 'tag', 'hang']
      const verdicts = ['accept', 'reject', 'tempfail', 'discard', 'accept', 'tempfail']
      const session = await client(server, mta)
      for (const wish of wishes) await session.deliver({ from: `${wish}@example.org` })
      await session.quit()
      assert.deepEqual(
        messages.map(({ sender, verdict }) => [sender, verdict]),
        wishes.map((wish, i) => [`${wish}@example.org`, verdicts[i]]),
      )
      assert.equal(new Set(messages.map(({ connection }) => connection)).size, 1)
      assert.equal(new Set(messages.map(({ queueId }) => queueId)).size, wishes.length)
      assert.equal(messages[1]!.code, 550)
      assert.equal(Object.values(messages[4]!.edits).length, 1)
      assert.equal(messages[5]!.reason, 'DEADLINE_EXCEEDED')
    })

    it(`recipients that were refused early are counted, with ${mta}`, async () => {
      const { messages } = listen()
      const session = await client(await start(), mta)
      await session.deliver({ to: ['no@example.net', 'yes@example.net'] })
      await session.deliver({ to: ['no@example.net', 'no2@example.net'] })
      await session.quit()
      assert.deepEqual(
        messages.map((e) => [e.recipients, e.refusedRecipients, e.verdict]),
        [
          [1, 1, 'accept'],
          [0, 2, 'abort'],
        ],
      )
    })
  }

  it('sessions side by side do not mix', async () => {
    const { messages, closed } = listen()
    const server = await start()
    const wishes = ['accept', 'reject', 'tempfail', 'discard', 'tag']
    await Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        const session = await client(server, i % 2 === 0 ? 'postfix' : 'sendmail')
        const wish = wishes[i % 5]!
        const address = `192.0.2.${i + 1}`
        for (let k = 0; k < 3; k++) {
          await session.deliver({ from: `${wish}@example.org`, client: { address } })
        }
        await session.quit()
        const own = messages.filter((event) => event.address === address)
        assert.equal(own.length, 3)
        assert.equal(new Set(own.map(({ connection }) => connection)).size, 1)
        for (const { sender, verdict } of own) {
          assert.equal(sender, `${wish}@example.org`)
          assert.equal(verdict, wish === 'tag' ? 'accept' : wish)
        }
      }),
    )
    await until(() => closed.length === 10)
    assert.equal(new Set(closed.map(({ peer }) => peer)).size, 10)
  })

  it('a mail server that goes away in the middle is reported as such', async () => {
    const { messages, closed } = listen()
    const server = await start()
    const session = await client(server, 'postfix')
    const lost = session.deliver({ from: 'hang@example.org' })
    await until(() => server.connections === 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    session.destroy()
    await lost
    await until(() => closed.length === 1)
    assert.deepEqual(
      messages.map(({ verdict, reason }) => [verdict, reason]),
      [['abort', 'DISCONNECTED']],
    )
    assert.ok(['eof', 'error'].includes(closed[0]!.reason))
  })

  it('a server that stops tells what it has answered', async () => {
    const { messages, closed } = listen()
    const server = await start()
    const session = await client(server, 'postfix')
    const cut = session.deliver({ from: 'hang@example.org' })
    await new Promise((resolve) => setTimeout(resolve, 50))
    await server.close({ deadline: 0 })
    assert.equal((await cut).verdict, 'tempfail')
    assert.deepEqual(
      messages.map(({ verdict, reason }) => [verdict, reason]),
      [['tempfail', 'SHUTTING_DOWN']],
    )
    assert.equal(closed[0]!.reason, 'shutdown')
  })
})

describe('a process', () => {
  it('logs JSON where its output is neither a terminal nor the journal, and ends by itself', () => {
    const at = (path: string): string =>
      JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../src', path)).href)
    const script = `
      import { deliver } from ${at('testing/index.js')}
      import { collectMetrics, createLogger, logMessages, serveTelemetry } from ${at('telemetry/index.js')}
      logMessages(await createLogger())
      await serveTelemetry({ listen: 0, metrics: await collectMetrics({ process: true }) })
      await deliver(() => ({ eom: () => {} }))`
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', script],
      { encoding: 'utf8', timeout: 20_000 },
    )
    assert.deepEqual([stderr, status], ['', 0])
    const lines = stdout.trim().split('\n')
    assert.equal(lines.length, 1)
    const { level, msg, verdict } = JSON.parse(lines[0]!) as Record<string, unknown>
    assert.deepEqual([level, msg, verdict], ['info', 'message accepted', 'accept'])
  })
})
