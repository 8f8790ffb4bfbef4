import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, mock } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Handlers } from '../../src/milter/handlers.ts'
import { borrowed } from '../../src/milter/marks.ts'
import { MtaClient } from '../../src/mta/client.ts'
import { encodeCommand } from '../../src/protocol/commands.ts'
import { defineFilter } from '../../src/message/define-filter.ts'
import { REJECT } from '../../src/session/verdict.ts'
import { parseListenAddress } from '../../src/net/listen-address.ts'
import { serve } from '../../src/server/serve.ts'
import type { ServeOptions } from '../../src/server/options.ts'
import type { MilterServer } from '../../src/server/server.ts'
import { temporaryDirectory } from '../conformance/support/program.ts'
import { atEnd, killAtEnd, until } from '../support/resources.ts'
import {
  body,
  connect as connectCommand,
  eom,
  FULL_OFFER,
  helo,
  mail,
  rcpt,
  recordingLogger,
  warnings,
  type LogLine,
} from '../support/wire.ts'

async function start(
  factory: () => Handlers,
  options: Partial<ServeOptions> = {},
  log: LogLine[] = [],
): Promise<MilterServer> {
  const server = await serve(factory, {
    listen: 'inet:0@127.0.0.1',
    logger: recordingLogger(log),
    ...options,
  })
  atEnd(() => server.close({ deadline: 0 }))
  return server
}
async function connection(address: string): Promise<MtaClient> {
  const made = await MtaClient.connect(address)
  atEnd(() => made.destroy())
  return made
}
async function client(
  server: MilterServer,
  address = server.addresses[0]!,
): Promise<MtaClient> {
  const made = await connection(address)
  await made.negotiate()
  return made
}
function stranger(server: MilterServer): Socket {
  const socket = connect(portOf(server), '127.0.0.1')
  atEnd(() => socket.destroy())
  return socket
}
const portOf = (server: MilterServer): number =>
  Number(/:(\d+)@/.exec(server.addresses[0]!)![1])

describe('a server', () => {
  it('listens on several addresses at once, and says which', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsmilter-'))
    atEnd(() => rmSync(directory, { recursive: true }))
    const path = `unix:${join(directory, 'x.sock')}`
    const server = await start(() => ({ helo: () => {} }), {
      listen: ['inet:0@localhost', 'inet6:0', path],
    })
    assert.match(server.addresses[0]!, /^inet:[1-9]\d*@127\.0\.0\.1$/)
    assert.match(server.addresses[1]!, /^inet6:[1-9]\d*@::1$/)
    assert.equal(server.addresses[2], path)
    for (const address of server.addresses) {
      const mta = await client(server, address)
      assert.deepEqual(await mta.command(helo()), { type: 'continue' })
      await mta.quit()
    }
    await server.close()
  })

  it('lives beside others with other filters', async () => {
    const one = await start(() => ({ eom: (ctx) => ctx.addHeader('X', '1') }))
    const two = await start(() => ({ helo: () => {} }))
    assert.notEqual((await client(one)).choice?.steps, (await client(two)).choice?.steps)
    await one.close({ deadline: 0 })
    const still = await client(two)
    assert.deepEqual(await still.command(helo()), { type: 'continue' })
    await two.close({ deadline: 0 })
  })

  it('reads on, though a handler gives away the memory of a chunk that was borrowed', async () => {
    const seen: string[] = []
    const server = await start(() => ({
      body: borrowed((_ctx, chunk: Buffer) => {
        seen.push(chunk.toString())
        try {
          structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] })
        } catch {
          // Since Node 21; before, it is copied.
        }
      }),
    }))
    for (const text of ['one', 'two']) {
      const mta = await client(server)
      await mta.command(mail())
      assert.deepEqual(await mta.command(body(text)), { type: 'continue' })
      await mta.quit()
    }
    assert.deepEqual(seen, ['one', 'two'])
  })

  it('listens on all addresses or on none', async () => {
    const first = await start(() => ({}))
    const port = portOf(first)
    await assert.rejects(
      start(() => ({}), { listen: ['inet:0', `inet:${port}`] }),
      { code: 'ADDRESS_IN_USE' },
    )
    await assert.rejects(
      start(() => ({}), { listen: ['inet:0', 'inet:25@no-such-host.invalid'] }),
      {
        code: 'LISTEN_FAILED',
      },
    )
    await first.close()
    // Nothing of the attempts is left that would keep the process alive.
    await (await start(() => ({}), { listen: `inet:${port}` })).close()
  })

  it('takes a listening descriptor that somebody else has opened', async () => {
    const owner = createServer()
    atEnd(() => owner.close())
    owner.listen(0, '127.0.0.1')
    await once(owner, 'listening')
    const { fd } = (owner as unknown as { _handle: { fd: number } })._handle
    const fixture = join(import.meta.dirname, 'fixtures', 'run-milter.js')
    // As number 4 in the child: 3 is the channel to it.
    const child = killAtEnd(
      fork(fixture, ['fd:4', '0'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc', fd] }),
    )
    const { port } = owner.address() as { port: number }
    const [line] = (await once(child, 'message')) as [string]
    assert.match(line, /listening.* addresses=fd:4/)
    owner.close()
    const mta = await connection(`inet:${port}@127.0.0.1`)
    await mta.negotiate()
    assert.deepEqual(await mta.command(mail()), { type: 'continue' })
    await mta.quit()
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
    await assert.rejects(
      start(() => ({}), { listen: 'fd:9999' }),
      { code: 'LISTEN_FAILED' },
    )
  })

  it('refuses invalid options and filters', async () => {
    for (const options of [
      { listen: [] },
      { maxConnections: 0 },
      { maxMemory: 2 ** 20 - 1 },
      { overload: 'reject' as 'accept' },
      { limits: { headers: -1 } },
      { limits: { header: 1 } as object },
      { backlog: 0 },
      { timeouts: { idle: -1 } },
      { unixSocket: { mode: 0o1777 } },
      { listen: 5 as unknown as string },
    ]) {
      await assert.rejects(
        start(() => ({}), options),
        { code: 'INVALID_OPTION' },
      )
    }
    await assert.rejects(start({} as () => Handlers), { code: 'INVALID_HANDLER' })
  })

  it('installs no signal handlers', async () => {
    const before = ['SIGTERM', 'SIGINT', 'SIGHUP'].map((signal) =>
      process.listenerCount(signal),
    )
    const server = await start(() => ({}))
    assert.deepEqual(
      ['SIGTERM', 'SIGINT', 'SIGHUP'].map((signal) => process.listenerCount(signal)),
      before,
    )
    await server.close()
  })
})

describe('closing', () => {
  it('waits for the handler and the message in progress', async () => {
    let finish = (): void => {}
    let begin = (): void => {}
    const begun = new Promise<void>((resolve) => (begin = resolve))
    const server = await start(() => ({
      envfrom: () => {},
      eom: async (ctx) => {
        const finished = new Promise<void>((resolve) => (finish = resolve))
        begin()
        await finished
        ctx.addHeader('X-Late', 'yes')
      },
    }))
    const mta = await client(server)
    const [address] = server.addresses as [string]
    await mta.command(mail())
    const closed = server.close({ quiet: 0 })
    assert.deepEqual(await mta.command(rcpt()), undefined, 'declined')
    const types: string[] = []
    const answer = mta.command(eom(), (edit) => types.push(edit.type))
    await begun
    finish()
    assert.deepEqual(await answer, { type: 'continue' })
    assert.deepEqual(types, ['addheader'])
    await closed
    await assert.rejects(MtaClient.connect(address))
  })

  it('ends connections without a message once they are quiet', async () => {
    const reasons: string[] = []
    const server = await start(() => ({ close: (_ctx, reason) => void reasons.push(reason) }))
    const mta = await client(server)
    await server.close({ quiet: 50, deadline: 60_000 })
    assert.deepEqual(reasons, ['shutdown'])
    await assert.rejects(mta.reply(), { code: 'DISCONNECTED' })
  })

  for (const family of ['inet', 'unix'] as const) {
    it(`does not wait for a peer that never closes its side, on ${family}`, async () => {
      const listen =
        family === 'inet' ? 'inet:0@127.0.0.1' : `unix:${join(temporaryDirectory(), 's')}`
      const server = await start(() => ({ envfrom: () => {} }), { listen })
      const { path = '', port } = parseListenAddress(server.addresses[0]!) as {
        readonly path?: string
        readonly port: number
      }
      const to = path === '' ? { port, host: '127.0.0.1' } : { path }
      const socket = connect({ ...to, allowHalfOpen: true })
      atEnd(() => socket.destroy())
      socket.on('error', () => {})
      let answers = 0
      socket.on('data', () => answers++)
      socket.write(encodeCommand({ type: 'optneg', offer: FULL_OFFER }))
      await until(() => answers > 0)
      // Nothing here ever ends it: the deadline is an hour, and so are all other times.
      await server.close({ quiet: 0, deadline: 3_600_000 })
      assert.equal(server.connections, 0)
    })
  }

  it('counts from its own last word, however long a handler has taken', async () => {
    const server = await start(() => ({ envfrom: () => {}, eom: () => setTimeout(300) }))
    const mta = await client(server)
    await mta.command(mail())
    const answer = mta.command(eom())
    const closed = server.close({ quiet: 200, deadline: 60_000 })
    assert.deepEqual(await answer, { type: 'continue' })
    // Here the mail server has the time to go on that `quiet` gives it.
    await setTimeout(100)
    assert.deepEqual(await mta.command(mail()), { type: 'continue' })
    await mta.command(eom())
    await closed
  })

  it('does not take the time of a handler for silence of the mail server', async () => {
    const server = await start(() => ({ envfrom: () => {}, eom: () => setTimeout(2_500) }), {
      timeouts: { idle: 1_500 },
    })
    const mta = await client(server)
    await mta.command(mail())
    assert.deepEqual(await mta.command(eom()), { type: 'continue' })
    await setTimeout(1_200)
    assert.deepEqual(await mta.command(mail()), { type: 'continue' })
  })

  it('at its deadline answers what waits and aborts', async () => {
    let signal: AbortSignal | undefined
    const server = await start(() => ({
      envfrom: (ctx) => {
        signal = ctx.signal
        return new Promise(() => {})
      },
    }))
    const mta = await client(server)
    const answer = mta.command(mail())
    await until(() => signal !== undefined)
    await server.close({ deadline: 0 })
    assert.deepEqual(await answer, { type: 'tempfail' })
    assert.equal((signal!.reason as { code: string }).code, 'SHUTTING_DOWN')
  })

  it('can be hurried by a second call, and is the same close', async () => {
    const server = await start(() => ({ envfrom: () => {}, eom: () => new Promise(() => {}) }))
    const mta = await client(server)
    await mta.command(mail())
    const answer = mta.command(eom())
    const first = server.close({ deadline: 600_000 })
    await setTimeout(20)
    const second = server.close({ deadline: 0 })
    assert.deepEqual(await answer, { type: 'tempfail' })
    await Promise.all([first, second, server.finished, server.close()])
  })

  it('happens at the end of a block and by signal', async () => {
    const server = await start(() => ({}))
    await server[Symbol.asyncDispose]()
    await server.finished
    const controller = new AbortController()
    const other = await start(() => ({}), { signal: controller.signal })
    controller.abort()
    await other.finished
    await assert.rejects(
      start(() => ({}), { signal: AbortSignal.abort() }),
      { name: 'AbortError' },
    )
  })
})

describe('limits', () => {
  it('connections above the limit are deferred, until one is free', async () => {
    const log: LogLine[] = []
    const server = await start(
      () => ({ connect: () => {}, envfrom: () => {} }),
      { maxConnections: 1 },
      log,
    )
    const first = await client(server)
    assert.deepEqual(await first.command(connectCommand()), { type: 'continue' })
    const second = await client(server)
    assert.deepEqual(await second.command(connectCommand()), { type: 'tempfail' })
    assert.deepEqual(await second.command(mail()), { type: 'tempfail' })
    for (let i = 0; i < 3; i++) await assert.rejects(client(server), { code: 'DISCONNECTED' })
    assert.equal(server.connections, 1)
    assert.deepEqual(warnings(log), [
      'warn too many connections: try again later',
      'warn too many connections: closed',
    ])
    await first.quit()
    await second.quit()
    await until(() => server.connections === 0)
    const third = await client(server)
    assert.deepEqual(await third.command(connectCommand()), { type: 'continue' })
    await server.close({ deadline: 0 })
  })

  it('connections above the limit pass unfiltered if that is wanted', async () => {
    const log: LogLine[] = []
    const server = await start(
      () => ({ connect: () => REJECT, envfrom: () => REJECT }),
      { maxConnections: 1, overload: 'accept' },
      log,
    )
    const first = await client(server)
    assert.deepEqual(await first.command(connectCommand()), { type: 'reject' })
    const second = await client(server)
    assert.deepEqual(await second.command(connectCommand()), { type: 'accept' })
    await assert.rejects(client(server), { code: 'DISCONNECTED' })
    const warnings = log.filter(({ level }) => level === 'warn')
    assert.deepEqual(
      warnings.map(({ message }) => message),
      ['too many connections: their mail passes unfiltered', 'too many connections: closed'],
    )
    await server.close({ deadline: 0 })
  })

  it('do not count a connection that was over before it came', async () => {
    const server = await start(() => ({}))
    const socket = new Socket()
    socket.destroy()
    await once(socket, 'close')
    server.accept(socket)
    assert.equal(server.connections, 0)
  })

  it('are logged once a minute at most', async () => {
    const log: LogLine[] = []
    const server = await start(() => ({ helo: () => {} }), { maxConnections: 3 }, log)
    const clients: MtaClient[] = []
    for (let i = 0; i < 6; i++) clients.push(await client(server))
    const warnings = log.filter(({ level }) => level === 'warn')
    assert.equal(warnings.length, 1)
    assert.deepEqual(warnings[0]!.fields, { maxConnections: 3 })
    await server.close({ deadline: 0 })
  })

  it('hold memory together', async () => {
    const filter = defineFilter({ name: 'x', message: () => new Promise<void>(() => {}) })
    const server = await serve(filter, {
      listen: 'inet:0@127.0.0.1',
      maxMemory: 2 ** 20,
      logger: recordingLogger([]),
    })
    atEnd(() => server.close({ deadline: 0 }))
    assert.deepEqual([server.memory.used, server.memory.limit], [0, 2 ** 20])
    const clients = [await client(server), await client(server)]
    for (const one of clients) {
      await one.command(mail())
      void one.command(body('x'.repeat(30_000)))
      void one.command(eom()).catch(() => {})
    }
    await until(() => server.memory.used > 60_000)
    for (const one of clients) one.destroy()
    await until(() => server.memory.used === 0)
    await server.close({ deadline: 0 })
  })

  for (const [what, timeouts, work] of [
    ['says nothing', { frame: 50 }, async () => {}],
    [
      'stops inside a frame',
      { frame: 50 },
      async (mta: MtaClient) => {
        await mta.negotiate()
        mta.write(Buffer.from([0, 0, 0, 9, 0x48]))
      },
    ],
    [
      'is silent between commands',
      { idle: 50 },
      async (mta: MtaClient) => {
        await mta.negotiate()
      },
    ],
  ] as const) {
    it(`a mail server that ${what} is let go`, async () => {
      const reasons: string[] = []
      const server = await start(
        () => ({ close: (_ctx, reason) => void reasons.push(reason) }),
        { timeouts },
      )
      const mta = await connection(server.addresses[0]!)
      await work(mta)
      await assert.rejects(mta.reply(), { code: 'DISCONNECTED' })
      await until(() => server.connections === 0)
      assert.deepEqual(reasons, what === 'says nothing' ? [] : ['timeout'])
      await server.close()
    })
  }

  it('take nobody for silent because the clock of the machine was set', async () => {
    const server = await start(() => ({ envfrom: () => {}, eom: () => {} }))
    const mta = await client(server)
    await mta.command(mail())
    // Longer than the second between two looks at all times.
    await setTimeout(1_300)
    mock.method(Date, 'now', () => new Date('2099-01-01').getTime())
    atEnd(() => mock.restoreAll())
    await setTimeout(1_300)
    assert.deepEqual(await mta.command(eom()), { type: 'continue' })
  })

  it('a frame that comes one byte at a time is overdue all the same', async () => {
    const server = await start(() => ({}), { timeouts: { frame: 300 } })
    const mta = await client(server)
    const bytes = encodeCommand(body('x'.repeat(1000)))
    let failure: unknown
    const end = mta.reply().catch((error: unknown) => (failure = error))
    for (let i = 0; i < bytes.length && failure === undefined; i++) {
      mta.write(bytes.subarray(i, i + 1))
      await setTimeout(20)
    }
    assert.ok(failure, 'before the frame was whole')
    await end
    assert.equal((failure as { code: string }).code, 'DISCONNECTED')
    await server.close()
  })

  it('a stream of frames may be cut in the middle of each, as long as it flows', async () => {
    const server = await start(() => ({}), { timeouts: { frame: 50 } })
    const mta = await client(server)
    const frame = encodeCommand({ type: 'macro', command: 0x4d, pairs: [['i', 'x']] })
    const cut = Buffer.concat([frame.subarray(3), frame.subarray(0, 3)])
    let over = false
    const stream = (async () => {
      mta.write(frame.subarray(0, 3))
      while (!over && mta.failure === undefined) {
        mta.write(cut)
        await setTimeout(20)
      }
      mta.write(frame.subarray(3))
    })()
    // As often as this one is let go, the server has looked after the times of all.
    for (let i = 0; i < 3; i++) {
      const slow = await client(server)
      slow.write(Buffer.from([0, 0]))
      await assert.rejects(slow.reply(), { code: 'DISCONNECTED' })
    }
    over = true
    await stream
    assert.equal(mta.failure, undefined)
    await mta.quit()
  })

  it('a client that was sent away and does not close is cut off, though it goes on sending', async () => {
    const server = await start(() => ({}), { timeouts: { write: 200 } })
    const socket = connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true })
    atEnd(() => socket.destroy())
    let cutOff = false
    socket.on('error', () => (cutOff = true))
    socket.on('close', () => (cutOff = true))
    socket.write('GET / HTTP/1.1\r\n')
    const sending = setInterval(() => socket.write('x'), 20)
    atEnd(() => clearInterval(sending))
    await until(() => server.connections === 0)
    await until(() => cutOff)
  })

  it('a peer that reads slowly is not cut off while it reads', async () => {
    const size = 16 * 1024 * 1024
    const server = await start(
      () => ({ eom: (ctx) => ctx.replaceBody(Buffer.alloc(size, 'x')) }),
      { timeouts: { write: 1_500 } },
    )
    const socket = stranger(server)
    await once(socket, 'connect')
    socket.write(encodeCommand({ type: 'optneg', offer: FULL_OFFER }))
    socket.write(encodeCommand({ type: 'eom', chunk: Buffer.alloc(0) }))
    let received = 0
    let read = 0
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length
      socket.pause()
      read++
    })
    // Longer than the time for an answer, and each time a little.
    while (received < size && !socket.destroyed) {
      await setTimeout(12)
      socket.resume()
    }
    assert.ok(received >= size, `cut off after ${received} bytes in ${read} reads`)
    socket.destroy()
  })

  it('a peer that asks and never reads stops being read', async () => {
    const server = await start(() => ({ unknown: () => {} }), { timeouts: { write: 200 } })
    const socket = stranger(server)
    await once(socket, 'connect')
    socket.write(encodeCommand({ type: 'optneg', offer: FULL_OFFER }))
    socket.pause()
    const questions = Buffer.concat(
      Array(10_000).fill(encodeCommand({ type: 'unknown', line: 'X' })),
    )
    const before = process.memoryUsage().rss
    let refused = false
    socket.on('error', () => (refused = true))
    socket.on('close', () => (refused = true))
    for (let i = 0; i < 2_000 && !refused && socket.writableLength < 8 * 1024 * 1024; i++) {
      socket.write(questions)
      await setTimeout(0)
    }
    await until(() => server.connections === 0)
    assert.ok(process.memoryUsage().rss - before < 200 * 1024 * 1024)
    socket.destroy()
    await server.close()
  })
})

describe('strangers on the port', () => {
  it('cannot fill the log', async () => {
    const log: LogLine[] = []
    const server = await start(() => ({ connect: () => {} }), {}, log)
    for (let i = 0; i < 30; i++) {
      const socket = stranger(server)
      socket.on('error', () => {})
      socket.write('GET / HTTP/1.1\r\n\r\n')
      socket.resume()
      await once(socket, 'close')
    }
    const lines = log.filter(({ message }) => message.startsWith('protocol error'))
    assert.equal(lines.length, 10)
    assert.equal(lines[0]!.level, 'info')
    assert.match(String(lines[0]!.fields['peer']), /^127\.0\.0\.1:\d+$/)
    // Those of a mail server are not among them.
    const mta = await client(server)
    mta.write(Buffer.alloc(5))
    await assert.rejects(mta.reply(), { code: 'DISCONNECTED' })
    assert.equal(log.filter(({ level }) => level === 'warn').length, 1)
  })

  for (const [who, bytes] of [
    ['a web browser', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['an SMTP client', Buffer.from('EHLO client\r\n')],
    ['a TLS client', Buffer.from('16030100f8010000f4', 'hex')],
    ['zeros', Buffer.alloc(100)],
    ['noise', Buffer.from([...Array(255).keys()].reverse())],
  ] as const) {
    it(`${who} is sent away without harm or alarm`, async () => {
      const log: LogLine[] = []
      let made = 0
      const server = await start(
        () => {
          made++
          return { helo: () => {} }
        },
        {},
        log,
      )
      // One is made before it listens.
      made = 0
      const socket = stranger(server)
      socket.on('error', () => {})
      socket.end(bytes)
      socket.resume()
      await once(socket, 'close')
      const mta = await client(server)
      assert.deepEqual(await mta.command(helo()), { type: 'continue' })
      await mta.quit()
      assert.equal(made, 1)
      assert.deepEqual(
        log.filter((line) => line.level === 'error' || line.level === 'warn'),
        [],
      )
      await server.close({ deadline: 0 })
    })
  }

  it('many that connect and leave, leave nothing behind', async () => {
    const log: LogLine[] = []
    const server = await start(() => ({}), {}, log)
    for (let i = 0; i < 200; i++) {
      const socket = stranger(server)
      await once(socket, 'connect')
      if (i % 2 === 0) socket.resetAndDestroy()
      else socket.destroy()
    }
    await until(() => server.connections === 0)
    assert.deepEqual(log, [])
    await server.close({ deadline: 0 })
  })

  it('a reset in the middle of a handler fires its signal', async () => {
    let signal: AbortSignal | undefined
    const server = await start(() => ({
      envfrom: (ctx) => {
        signal = ctx.signal
        return new Promise(() => {})
      },
    }))
    const mta = await client(server)
    mta.command(mail()).catch(() => {})
    await until(() => signal !== undefined)
    mta.destroy()
    await until(() => signal!.aborted)
    assert.equal((signal!.reason as { code: string }).code, 'DISCONNECTED')
    await until(() => server.connections === 0)
    await server.close()
  })
})

describe('large replies', () => {
  it('arrive whole, and edits and verdict of a small one in one piece', async () => {
    const big = Buffer.alloc(5_000_000, 'x'.repeat(76) + '\r\n')
    const server = await start(() => ({ eom: (ctx) => ctx.replaceBody(big) }))
    const mta = await client(server)
    const chunks: Buffer[] = []
    const answer = await mta.command(eom(), (edit) => {
      if (edit.type === 'replbody') chunks.push(Buffer.from(edit.chunk))
    })
    assert.deepEqual(answer, { type: 'continue' })
    assert.ok(Buffer.concat(chunks).equals(big))
    assert.equal(chunks.length, Math.ceil(big.length / 65_535))
    await mta.quit()
    await server.close({ deadline: 0 })
  })
})
