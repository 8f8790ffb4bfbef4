import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { DISCARD, defineFilter, REJECT, type Handlers } from '../../src/index.ts'
import { MtaClient } from '../../src/mta/index.ts'
import { MESSAGE_STAGES } from '../support/message-stages.ts'
import { SmtpClient, type SmtpOutcome } from './support/smtp.ts'
import { eachServer, FROM, message, Stack, TO, withoutReceived } from './support/stack.ts'

eachServer('failures', (kind) => {
  let stack: Stack
  before(async () => {
    stack = await Stack.start(kind, { deadlines: 300 })
  })
  after(async () => stack[Symbol.asyncDispose]())

  async function send(filter: () => Handlers): Promise<{ code: number; outcome: SmtpOutcome }> {
    stack.filter = filter
    const client = await stack.client()
    try {
      await client.command('EHLO client.test')
      const outcome = await client.send({ from: FROM, to: [TO], message: message() })
      const last = outcome.data ?? outcome.recipients.at(-1) ?? outcome.mail
      return { code: last.code, outcome }
    } finally {
      client.close()
    }
  }

  for (const stage of MESSAGE_STAGES) {
    it(`a handler of ${stage} that throws, rejects or hangs: 451, and nothing of why`, async () => {
      const bad: (() => unknown)[] = [
        () => {
          throw new Error('secret')
        },
        async () => {
          throw new Error('secret')
        },
        () => new Promise(() => {}),
        () => 'nonsense',
      ]
      for (const handler of bad) {
        const { code, outcome } = await send(() => ({ [stage]: handler }) as Handlers)
        assert.equal(code, 451)
        assert.doesNotMatch(JSON.stringify(outcome), /secret|tsmilter|Error/)
      }
    })
  }

  it('the next message passes', async () => {
    assert.equal(
      (await send(() => ({ eom: (ctx) => ctx.addHeader('X-Fine', 'yes') }))).code,
      250,
    )
    assert.match(withoutReceived(await stack.mta.sink.next()).toString(), /X-Fine: yes/)
    assert.equal(stack.mta.sink.messages.length, 1)
  })

  it('edits made before a failure are not half there', async () => {
    let fail = true
    const filter = (): Handlers => ({
      eom(ctx) {
        ctx.addHeader('X-Half', 'done')
        ctx.replaceBody('half')
        if (fail) throw new Error('on purpose')
      },
    })
    assert.equal((await send(filter)).code, 451)
    fail = false
    assert.equal((await send(filter)).code, 250)
    await stack.mta.sink.next()
  })
})

eachServer('long work', (kind) => {
  let stack: Stack
  before(async () => {
    // The mail server gives up after 2 seconds without a frame.
    stack = await Stack.start(kind, { mta: { timeout: 2 }, progressInterval: 500 })
  })
  after(async () => stack[Symbol.asyncDispose]())

  it('at end of message is kept alive by progress, and its edits arrive', async () => {
    stack.filter = () => ({
      async eom(ctx) {
        await setTimeout(4_000)
        ctx.insertHeader(10_000, 'X-Slow', 'yes')
        ctx.replaceBody('slow\r\n')
      },
    })
    const client = await stack.client()
    await client.command('EHLO client.test')
    const { data } = await client.send({ from: FROM, to: [TO], message: message() })
    client.close()
    assert.equal(data?.code, 250)
    assert.equal(
      withoutReceived(await stack.mta.sink.next()).toString(),
      message(['X-Slow: yes'], 'slow\r\n').toString(),
    )
  })
})

/** A filter in a process of its own, that can be killed. */
async function startChild(
  listen: string,
  behaviour: string,
): Promise<{ child: ChildProcess; address: string }> {
  const child = fork(join(import.meta.dirname, 'support', 'mortal-filter.js'), [
    listen,
    behaviour,
  ])
  const [address] = (await once(child, 'message')) as [string]
  return { child, address }
}

eachServer('a filter that dies', (kind) => {
  it('in the middle of a message costs a 451, and nothing is delivered unfiltered', async () => {
    const { child, address } = await startChild('inet:0@127.0.0.1', 'dies')
    const mta = await kind.start({ milters: [address], defaultAction: 'tempfail' })
    try {
      const exited = once(child, 'exit')
      const client = await SmtpClient.connect(mta.port)
      await client.command('EHLO client.test')
      const { data } = await client.send({ from: FROM, to: [TO], message: message() })
      assert.equal(data?.code, 451)
      client.close()
      await exited

      // Down: still nothing passes. Up again at the same address: everything does.
      const down = await SmtpClient.connect(mta.port)
      await down.command('EHLO client.test')
      assert.equal(Math.floor((await down.command(`MAIL FROM:${FROM}`)).code / 100), 4)
      down.close()

      const again = await startChild(address, 'lives')
      const up = await SmtpClient.connect(mta.port)
      await up.command('EHLO client.test')
      const retry = await up.send({ from: FROM, to: [TO], message: message() })
      assert.equal(retry.data?.code, 250)
      up.close()
      const delivered = await mta.sink.next()
      assert.match(delivered.data.toString(), /X-Filter: lives/)
      assert.equal(mta.sink.messages.length, 1)
      again.child.kill('SIGKILL')
      await once(again.child, 'exit')
    } finally {
      child.kill('SIGKILL')
      await mta.stop()
    }
  })
})

eachServer('overload', (kind) => {
  it('is answered with 4xx at the client, and over when a connection ends', async () => {
    await using stack = await Stack.start(kind, { maxConnections: 1 })
    stack.filter = () => ({ envfrom: () => {}, eom: () => DISCARD })
    const first = await stack.client()
    await first.command('EHLO client.test')
    assert.equal((await first.command(`MAIL FROM:${FROM}`)).code, 250)
    const second = await stack.client()
    await second.command('EHLO client.test')
    const refused = await second.command(`MAIL FROM:${FROM}`)
    assert.equal(Math.floor(refused.code / 100), 4)
    second.close()
    await first.quit()
    while (stack.milter.connections > 0) await setTimeout(10)
    const third = await stack.client()
    await third.command('EHLO client.test')
    assert.equal((await third.command(`MAIL FROM:${FROM}`)).code, 250)
    third.close()
  })

  /** One message in a session of its own: the last reply. */
  async function send(stack: Stack): Promise<number> {
    const client = await stack.client()
    await client.command('EHLO client.test')
    const outcome = await client.send({ from: FROM, to: [TO], message: message() })
    client.close()
    return (outcome.data ?? outcome.recipients.at(-1) ?? outcome.mail).code
  }
  const arrived = async (stack: Stack): Promise<string> =>
    withoutReceived(await stack.mta.sink.next()).toString()

  it('lets mail pass unfiltered where that is wanted, as long as it lasts', async () => {
    await using stack = await Stack.start(kind, { maxConnections: 1, overload: 'accept' })
    stack.filter = () => ({ envfrom: () => {}, eom: () => REJECT })
    const first = await stack.client()
    await first.command('EHLO client.test')
    assert.equal((await first.command(`MAIL FROM:${FROM}`)).code, 250)
    assert.equal(await send(stack), 250)
    assert.equal(await arrived(stack), message().toString())
    await first.quit()
    while (stack.milter.connections > 0) await setTimeout(10)
    assert.equal(Math.floor((await send(stack)) / 100), 5)
  })

  for (const overload of ['tempfail', 'accept'] as const) {
    it(`of memory is answered with ${overload}, and over when others end`, async () => {
      await using stack = await Stack.start(kind, { maxMemory: 2 ** 20, overload })
      stack.filter = defineFilter({
        name: 'seen',
        message: (mail) => void mail.headers.append('X-Seen', 'yes'),
      })
      // Another mail server, in the middle of a long header.
      await using other = await MtaClient.connect(stack.milter.addresses[0]!)
      await other.negotiate()
      await other.command({ type: 'mail', words: ['<a@example.test>'] })
      const value = 'x'.repeat(51_500)
      for (let n = 0; n < 20; n++) await other.command({ type: 'header', name: 'X', value })
      while (stack.milter.memory.used < 2 ** 20 - 16_384) await setTimeout(10)
      const code = await send(stack)
      if (overload === 'tempfail') assert.equal(Math.floor(code / 100), 4)
      else {
        assert.equal(code, 250)
        assert.equal(await arrived(stack), message().toString())
      }
      other.destroy()
      while (stack.milter.memory.used > 0) await setTimeout(10)
      assert.equal(await send(stack), 250)
      assert.match(await arrived(stack), /X-Seen: yes/)
    })
  }
})
