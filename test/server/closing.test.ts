import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Handlers } from '../../src/milter/handlers.ts'
import { MtaClient } from '../../src/mta/client.ts'
import type { ServeOptions } from '../../src/server/options.ts'
import { serve } from '../../src/server/serve.ts'
import type { MilterServer } from '../../src/server/server.ts'
import { atEnd, until } from '../support/resources.ts'
import { connect, mail, recordingLogger } from '../support/wire.ts'

async function start(
  handlers: Handlers,
  options: Partial<ServeOptions> = {},
): Promise<MilterServer> {
  const server = await serve(() => handlers, {
    listen: 'inet:0@127.0.0.1',
    logger: recordingLogger([]),
    ...options,
  })
  atEnd(() => server.close({ deadline: 0 }))
  return server
}

async function client(server: MilterServer): Promise<MtaClient> {
  const made = await MtaClient.connect(server.addresses[0]!)
  atEnd(() => made.destroy())
  await made.negotiate()
  return made
}

/** A handler that is let go by hand. */
class Gate {
  calls = 0
  open: () => void = () => {}
  readonly handler = (): Promise<void> => {
    this.calls++
    return new Promise((resolve) => (this.open = resolve))
  }
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('close', () => {
  for (const [options, message] of [
    [{ deadline: Number.NaN }, /^the option deadline takes a whole number from 0 to .*NaN$/],
    [{ deadline: -1 }, /^the option deadline takes/],
    [{ deadline: Infinity }, /^the option deadline takes/],
    [{ deadline: '10s' }, /^the option deadline takes/],
    [{ quiet: 1.5 }, /^the option quiet takes/],
    [{ quiet: null }, /^the option quiet takes .* null$/],
    [{ dedline: 1 }, /^dedline is not an option of close; did you mean deadline\?/],
    [5, /^the options of close are an object; it got 5$/],
    [null, /^the options of close are an object; it got null$/],
  ] as const) {
    it(`refuses ${JSON.stringify(options)}, and the server goes on`, async () => {
      const server = await start({})
      await assert.rejects(server.close(options as never), {
        name: 'UsageError',
        code: 'INVALID_OPTION',
        message,
      })
      await client(server)
    })
  }
})

describe('a server that has closed', () => {
  for (const [how, deadline] of [
    ['when its sessions have ended', 60_000],
    ['at its deadline', 0],
  ] as const) {
    it(`has no handler of abort or close that still runs, ${how}`, async () => {
      const aborts = new Gate()
      const closes = new Gate()
      const server = await start({
        envfrom: () => {},
        abort: aborts.handler,
        close: closes.handler,
      })
      const mta = await client(server)
      await mta.command(mail())
      let closed = false
      const closing = server.close({ deadline, quiet: 0 }).then(() => (closed = true))
      mta.destroy()
      await until(() => aborts.calls === 1)
      await turns()
      assert.equal(closed, false)
      assert.equal(server.connections, 1)
      aborts.open()
      await until(() => closes.calls === 1)
      await turns()
      assert.equal(closed, false)
      closes.open()
      await closing
      assert.equal(server.connections, 0)
      assert.deepEqual([aborts.calls, closes.calls], [1, 1])
    })
  }

  it('has not waited longer than their deadlines', async () => {
    const closes = new Gate()
    const server = await start(
      { connect: () => {}, close: closes.handler },
      { deadlines: { close: 50 } },
    )
    const mta = await client(server)
    await mta.command(connect())
    await server.close({ deadline: 0 })
    assert.equal(closes.calls, 1)
    assert.equal(server.connections, 0)
  })

  for (const stage of ['abort', 'close'] as const) {
    for (const [when, begun] of [
      ['before', true],
      ['when', false],
    ] as const) {
      it(`has cut off a handler of ${stage} without a deadline, begun ${when} it stopped`, async (t) => {
        const calls: string[] = []
        const stays = (): Promise<void> => new Promise(() => {})
        const server = await start(
          {
            envfrom: () => {},
            abort: () => (calls.push('abort'), stage === 'abort' ? stays() : undefined),
            close: () => (calls.push('close'), stage === 'close' ? stays() : undefined),
          },
          { deadlines: { abort: 0, close: 0 } },
        )
        const mta = await client(server)
        await mta.command(mail())
        if (begun) {
          mta.destroy()
          await until(() => calls.includes(stage))
        }
        const closing = server.close({ deadline: 0 }).then(() => calls.push('closed'))
        // Past the second in which the last answers leave.
        await new Promise((resolve) => setTimeout(resolve, 1_200))
        t.mock.timers.enable({ apis: ['setTimeout'] })
        t.mock.timers.tick(7_000)
        await turns()
        assert.ok(!calls.includes('closed'), calls.join())
        t.mock.timers.tick(2_000)
        await turns()
        t.mock.timers.reset()
        await closing
        assert.deepEqual(calls, ['abort', 'close', 'closed'])
        assert.equal(server.connections, 0)
      })
    }
  }

  it('has waited for connections that are gone already', async () => {
    const closes = new Gate()
    const server = await start({ connect: () => {}, close: closes.handler })
    const mta = await client(server)
    await mta.command(connect())
    mta.destroy()
    await until(() => closes.calls === 1)
    await turns()
    assert.equal(server.connections, 1)
    let closed = false
    const closing = server.close({ deadline: 0 }).then(() => (closed = true))
    // Longer than a close at once waits for its last answers.
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    assert.equal(closed, false)
    closes.open()
    await closing
  })
})
