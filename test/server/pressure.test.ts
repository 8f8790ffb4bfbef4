import assert from 'node:assert/strict'
import { beforeEach, describe, it, mock } from 'node:test'
import { defineFilter } from '../../src/message/define-filter.ts'
import { observe } from '../../src/diagnostics/channels.ts'
import type { FilterFactory } from '../../src/milter/filter-object.ts'
import { MtaClient } from '../../src/mta/client.ts'
import type { CommandMessage } from '../../src/protocol/commands.ts'
import { firstToGo, idleOf } from '../../src/server/pressure.ts'
import type { ServeOptions } from '../../src/server/options.ts'
import { REJECT } from '../../src/session/verdict.ts'
import { serve } from '../../src/server/serve.ts'
import type { MilterServer } from '../../src/server/server.ts'
import { atEnd, until } from '../support/resources.ts'
import {
  abort,
  Command,
  connect,
  eom,
  helo,
  mail,
  rcpt,
  recordingLogger,
  warnings,
  type LogLine,
} from '../support/wire.ts'

/** What the clock of the connections is ahead. */
let later = 0
beforeEach(() => {
  later = 0
  const now = performance.now.bind(performance)
  mock.method(performance, 'now', () => now() + later)
  atEnd(() => mock.restoreAll())
})

async function start(
  factory: FilterFactory,
  options: Partial<ServeOptions>,
  log: LogLine[] = [],
): Promise<MilterServer> {
  const logger = recordingLogger(log)
  const server = await serve(factory as never, {
    listen: 'inet:0@127.0.0.1',
    logger,
    ...options,
  })
  atEnd(() => server.close({ deadline: 0 }))
  return server
}
async function client(server: MilterServer, ...said: CommandMessage[]): Promise<MtaClient> {
  const made = await MtaClient.connect(server.addresses[0]!)
  atEnd(() => made.destroy())
  await made.negotiate()
  for (const command of said) await made.command(command)
  return made
}
const isGone = (mta: MtaClient): Promise<void> =>
  assert.rejects(mta.reply(10_000), { code: 'DISCONNECTED' })
const CONTINUE = { type: 'continue' }
const isDeferred = async (mta: MtaClient): Promise<void> => {
  assert.deepEqual(await mta.command(connect()), { type: 'tempfail' })
  await mta.quit()
}

const everything: FilterFactory = () => ({
  connect: () => {},
  helo: () => {},
  envfrom: () => {},
  envrcpt: () => {},
  body: () => {},
  eom: () => {},
})

describe('when all places are taken', { timeout: 60_000 }, () => {
  it('a connection that never had a message goes first, whatever it says', async () => {
    const log: LogLine[] = []
    const ends: string[] = []
    const closed: string[] = []
    atEnd(observe({ 'tsmilter:connection:close': ({ reason }) => void closed.push(reason) }))
    const server = await start(
      () => ({
        ...everything(),
        close: (_ctx: unknown, reason: string) => void ends.push(reason),
      }),
      { maxConnections: 3 },
      log,
    )
    const between = await client(server, connect(), mail(), abort)
    const silent = await client(server)
    const talking = await client(server, connect(), helo())
    // How long each has had no message is known from the first look on.
    await isDeferred(await client(server))
    later += 20_000
    assert.deepEqual(await talking.command(helo()), CONTINUE)
    const first = await client(server, connect(), mail())
    assert.equal(server.connections, 3)
    await isGone(silent)
    const second = await client(server, connect(), mail())
    await isGone(talking)
    const third = await client(server, connect(), mail())
    await isGone(between)
    // All have messages now.
    later += 3_600_000
    await isDeferred(await client(server))
    for (const mta of [first, second, third]) {
      assert.deepEqual(await mta.command(rcpt()), CONTINUE)
      assert.deepEqual(await mta.command(eom()), CONTINUE)
    }
    for (const reasons of [ends, closed]) {
      assert.deepEqual(
        reasons.filter((reason) => reason !== 'quit'),
        ['overload', 'overload', 'overload'],
      )
    }
    assert.deepEqual(warnings(log), [
      'warn too many connections: try again later',
      'warn too many connections: one without a message is closed for another',
      // More than a minute later.
      'warn too many connections: try again later',
    ])
  })

  it('one that has just come, or has just had a message, stays', async () => {
    const server = await start(everything, { maxConnections: 2 })
    await client(server, connect(), mail(), eom())
    later += 7_000
    await client(server, connect(), helo())
    later += 1_000
    await isDeferred(await client(server))
    assert.equal(server.connections, 2)
  })

  it('one whose handler runs stays', async () => {
    const server = await start(() => ({ helo: () => new Promise<never>(() => {}) }), {
      maxConnections: 1,
    })
    const busy = await client(server)
    void busy.command(helo()).catch(() => {})
    await until(() => server.connections === 1)
    later += 60_000
    await isDeferred(await client(server))
  })

  it('a message that the filter does not want to see is one all the same', async () => {
    const filters: FilterFactory[] = [
      // It has said its last word.
      () => ({ connect: () => {}, envfrom: () => REJECT }),
      // MAIL is declined, and all that comes of a message is its macros.
      () => ({ connect: () => {}, helo: () => {} }),
    ]
    for (const filter of filters) {
      const server = await start(filter, { maxConnections: 1 })
      const mta = await client(server, connect())
      mta.macros(Command.MAIL, { mail_addr: 'a@example.org' })
      await mta.command(mail())
      await until(() => server.connections === 1)
      later += 60_000
      await isDeferred(await client(server))
      assert.notDeepEqual(await mta.command(eom()), undefined)
      await server.close({ deadline: 0 })
    }
  })

  it('a connection that is deferred makes room too', async () => {
    const server = await start(everything, { maxConnections: 1 })
    await client(server, connect(), mail())
    const told = await client(server)
    later += 5_000
    const next = await client(server)
    await isGone(told)
    await isDeferred(next)
  })

  it('one that has not come in makes room for others', async () => {
    const server = await start(everything, { maxConnections: 1, proxies: '127.0.0.1' })
    const silent = await MtaClient.connect(server.addresses[0]!)
    atEnd(() => silent.destroy())
    later += 5_000
    const next = await MtaClient.connect(server.addresses[0]!)
    atEnd(() => next.destroy())
    next.write(Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'))
    await next.negotiate()
    assert.deepEqual(await next.command(connect()), CONTINUE)
    await isGone(silent)
  })

  it('many idle ones cost a new one no time', async () => {
    const server = await start(everything, { maxConnections: 60 })
    for (let i = 0; i < 60; i++) await client(server)
    later += 5_000
    for (let i = 0; i < 80; i++) {
      const mta = await client(server, connect(), mail())
      assert.deepEqual(await mta.command(eom()), CONTINUE)
      mta.destroy()
    }
    assert.ok(server.connections <= 60)
  })
})

describe('when all memory is in use', { timeout: 60_000 }, () => {
  const large = { a: 'x'.repeat(50_000) }
  const sets = (mta: MtaClient): void => {
    mta.macros(Command.CONNECT, large)
    mta.macros(Command.HELO, large)
  }

  it('connections without a message that hold some go, and no others', async () => {
    const log: LogLine[] = []
    const filter = defineFilter({
      name: 'reads',
      message: async (mail) => void (await mail.raw()),
    })
    const server = await start(filter, { maxMemory: 2 ** 20 }, log)
    const plain = await client(server)
    const working = await client(server, mail())
    working.macros(Command.RCPT, large)
    const idle: MtaClient[] = []
    for (let i = 0; i < 9; i++) {
      const mta = await client(server)
      sets(mta)
      idle.push(mta)
    }
    await until(() => server.memory.used > 900_000)
    later += 5_000
    const late = await client(server)
    sets(late)
    await isGone(idle[0]!)
    await until(() => server.memory.used < server.memory.limit)
    assert.equal(server.connections, 11)
    for (const mta of [plain, late]) {
      await mta.command(mail())
      assert.deepEqual(await mta.command(eom()), CONTINUE)
    }
    await working.command(rcpt())
    assert.deepEqual(await working.command(eom()), CONTINUE)
    assert.deepEqual(warnings(log), [
      'warn all memory is in use: a connection without a message is closed',
    ])
  })

  it('a frame above the usual size is given up before its next byte comes', async () => {
    const server = await start(everything, { maxMemory: 2 ** 20 })
    for (let i = 0; i < 4; i++) {
      const mta = await client(server, mail())
      const frame = Buffer.alloc(300_000)
      frame.writeUInt32BE(900_000)
      frame[4] = Command.BODY
      mta.write(frame)
    }
    await until(() => server.memory.used < server.memory.limit && server.connections < 4)
  })
})

describe('those that may go', () => {
  const one = (
    unused: number,
    hadMessage: boolean,
  ): { unused(): number; hadMessage: boolean } => ({
    unused: () => unused,
    hadMessage,
  })

  it('are ordered: without a message before between messages, then by time', () => {
    const all = [
      one(2_999, false),
      one(3_000, false),
      one(50_000, true),
      one(9_999, true),
      one(10_000, true),
      one(4_000, false),
      one(0, false),
    ]
    assert.deepEqual(
      idleOf(all, 0).map((found) => all.indexOf(found as never)),
      [5, 1, 2, 4],
    )
    assert.equal(firstToGo(all, 0), all[5])
    assert.equal(firstToGo([all[3]!, all[6]!], 0), undefined)
  })
})
