import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect as connectSocket, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MtaClient } from '../../src/mta/client.ts'
import { encodeCommand } from '../../src/protocol/commands.ts'
import { Command } from '../../src/protocol/constants.ts'
import { parseListenAddress } from '../../src/net/listen-address.ts'
import { atEnd } from '../support/resources.ts'
import { FULL_OFFER, PEER } from '../support/wire.ts'
import { abusedFilter, ARGS, withSubject } from './support/abused-filter.ts'
import { connect, field, send, start, until, type Running } from './support/command.ts'
import {
  childrenOf,
  descriptorsOf,
  hardLimit,
  limit,
  notLinux,
  residentSizeOf,
} from './support/process.ts'
import { Traffic } from './support/traffic.ts'

const MEBIBYTE = 1_048_576
const OPTNEG = encodeCommand({ type: 'optneg', offer: FULL_OFFER })

/** A socket of somebody who need not be a mail server. */
async function stranger(running: Running): Promise<Socket> {
  const address = parseListenAddress(running.address)
  assert.equal(address.type, 'tcp')
  const socket = connectSocket(address as { port: number; host: string })
  atEnd(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

const onlyWorker = (running: Running): number => {
  const pids = childrenOf(running.pid)
  assert.equal(pids.length, 1)
  return pids[0]!
}

async function memoryOf(address: string): Promise<number> {
  return Number(field(await send(address, withSubject('memory')), 'X-Memory'))
}

describe('a full disk', { skip: notLinux }, () => {
  /** Bodies that do not fit, then some that do; others pass all the time. */
  async function fill(
    running: Running,
    spill: string,
    cause: RegExp,
    makeRoom: () => void,
  ): Promise<void> {
    const large = withSubject('size', 'x'.repeat(70).concat('\r\n').repeat(5_000))
    const worker = onlyWorker(running)
    await using traffic = new Traffic(running.address)
    {
      await using client = await connect(running.address)
      for (let n = 1; n <= 3; n++) {
        const outcome = await client.deliver({ message: large })
        assert.equal(outcome.failure, undefined)
        assert.equal(outcome.verdict, 'tempfail')
        assert.doesNotMatch(outcome.reply, /SPILL|spill|ENOSPC|EFBIG/)
        await running.says(/INFO  message deferred .*reason=SPILL_FAILED/, n)
        // The session goes on, as do the others.
        assert.equal(
          (await client.deliver({ message: withSubject('small') })).verdict,
          'accept',
        )
        await traffic.goesOn()
      }
      assert.match(running.said, cause)
      makeRoom()
      const outcome = await client.deliver({ message: large })
      assert.equal(outcome.verdict, 'accept')
      assert.equal(field(outcome, 'X-Size'), '360000')
    }
    await traffic.stop()
    assert.deepEqual(readdirSync(spill), [])
    const idle = descriptorsOf(worker)
    await send(running.address, large)
    await until('the end of its file', () => descriptorsOf(worker) <= idle)
    // One line a minute, whatever mail comes; each message has its own.
    assert.equal(running.count(/ERROR a body could not be kept in a temporary file/), 1)
    assert.equal(running.count(/ERROR/), 1)
    assert.equal(await running.stop(), 0)
  }

  it('defers what does not fit, and nothing else', async (t) => {
    const { directory, spill } = abusedFilter()
    const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', spill])
    if (mount.status !== 0) return t.skip('only root can mount a small file system')
    atEnd(() => spawnSync('umount', [spill]))
    await using running = await start(ARGS, directory)
    await fill(running, spill, /ENOSPC/, () => {
      const room = spawnSync('mount', ['-o', 'remount,size=16m', spill])
      assert.equal(room.status, 0, String(room.stderr))
    })
  })

  it('is the same where files may not grow', async () => {
    const { directory, spill } = abusedFilter()
    await using running = await start(ARGS, directory)
    const worker = onlyWorker(running)
    limit(worker, 'fsize', 50_000)
    await fill(running, spill, /EFBIG/, () => limit(worker, 'fsize', 'max'))
  })
})

describe('a slow peer', () => {
  it('that sends a frame byte by byte is let go, in each state', async () => {
    const { directory } = abusedFilter()
    await using running = await start([...ARGS, '--timeouts-frame', '1s'], directory)
    await using traffic = new Traffic(running.address)
    const helo = encodeCommand({ type: 'helo', name: 'slow.example.org' })
    const mail = encodeCommand({ type: 'mail', words: ['<slow@example.org>'] })
    const beginnings = [[], [OPTNEG], [OPTNEG, helo], [OPTNEG, helo, mail]]
    await Promise.all(
      beginnings.map(async (beginning) => {
        const socket = await stranger(running)
        let over = false
        socket.on('close', () => (over = true))
        socket.resume()
        socket.write(Buffer.concat([...beginning, Buffer.from([0, 0, 0xff, 0xff])]))
        await until('its end', async () => {
          socket.write('B')
          await sleep(50)
          return over
        })
      }),
    )
    await traffic.goesOn()
    await traffic.stop()
    assert.equal(running.count(/WARN|ERROR/), 0)
    assert.equal(await running.stop(), 0)
  })

  it(
    'that never reads its answers is let go, and its memory given back',
    { skip: notLinux },
    async () => {
      const { directory } = abusedFilter()
      await using running = await start([...ARGS, '--timeouts-write', '1s'], directory)
      const worker = onlyWorker(running)
      const descriptors = descriptorsOf(worker)
      await memoryOf(running.address)
      const before = await memoryOf(running.address)
      await using traffic = new Traffic(running.address)
      for (let round = 0; round < 3; round++) {
        const four = [1, 2, 3, 4]
        const greedy = await Promise.all(four.map(() => asksForMuch(running)))
        const talkative = await Promise.all(four.map(() => asksOften(running)))
        const peers = [...greedy, ...talkative]
        await until('the end of the peers', () => peers.every(({ destroyed }) => destroyed))
        await traffic.goesOn()
        // Of what is in use: how much of the rest an allocator keeps is another question in each
        // version of Node. A peer knows of its end before the worker has given its memory back.
        const maximum = before + 16 * MEBIBYTE
        await until('its memory', async () => (await memoryOf(running.address)) < maximum)
      }
      await traffic.stop()
      await until('the end of all', () => descriptorsOf(worker) === descriptors)
      // Less than one of the answers.
      const maximum = before + 6 * MEBIBYTE
      await until('its memory', async () => (await memoryOf(running.address)) < maximum)
      assert.equal(running.count(/WARN|ERROR/), 0)
      assert.equal(await running.stop(), 0)
    },
  )

  /** Wants an answer of 8 MB, and reads nothing of it. */
  async function asksForMuch(running: Running): Promise<Socket> {
    const socket = await stranger(running)
    const client = await MtaClient.over(async (listener) => {
      socket.on('data', (chunk: Buffer) => listener.received(chunk))
      socket.on('close', () => listener.closed())
      return {
        write(bytes) {
          // The end of the message is asked for, and what comes is not read.
          if (bytes[4] === 0x45) socket.pause()
          socket.write(bytes)
        },
        end: () => {},
        destroy: () => {},
      }
    })
    void client.deliver({ message: withSubject('large') })
    // A process that does not read does not notice a reset, unless it writes.
    // Those of MAIL would end the message.
    const macros = encodeCommand({ type: 'macro', command: Command.UNKNOWN, pairs: [] })
    const knock = setInterval(() => socket.write(macros), 100)
    socket.once('close', () => clearInterval(knock))
    return socket
  }

  /** Asks for as long as somebody listens, and never does itself. */
  async function asksOften(running: Running): Promise<Socket> {
    const socket = await stranger(running)
    socket.write(OPTNEG)
    // The only event without a message that the filter answers.
    const client = { ...PEER, hostname: 'talkative.example.org' }
    const line = encodeCommand({ type: 'connect', client })
    const questions = Buffer.concat(Array<Buffer>(100).fill(line))
    const ask = (): void => {
      while (!socket.destroyed && socket.write(questions));
    }
    socket.on('drain', ask)
    ask()
    return socket
  }
})

describe('5,000 idle connections', { skip: notLinux }, () => {
  const COUNT = 5_000
  /** Bytes each may cost, the buffers of the kernel not counted. */
  const STATE = 16_384

  it(`cost less than ${STATE} bytes each, and are answered afterwards`, async (t) => {
    const allowed = Number(hardLimit(process.pid, 'nofile'))
    if (allowed < COUNT + 200) {
      return t.skip(`${COUNT} connections need more descriptors than ${allowed} (ulimit -Hn)`)
    }
    const { directory } = abusedFilter()
    const address = `unix:${join(directory, 's')}`
    const args = ['filter.mjs', '--listen', address, '--max-connections', `${COUNT + 100}`]
    await using running = await start([...args, '--log-level', 'warn'], directory, {}, /^/)
    await until('an answer', () =>
      send(address).then(
        () => true,
        () => false,
      ),
    )
    const worker = onlyWorker(running)
    for (let n = 0; n < 200; n++) await send(address)
    const [heap, size] = [await memoryOf(address), residentSizeOf(worker)]
    const clients: MtaClient[] = []
    try {
      while (clients.length < COUNT) {
        const some = await Promise.all(Array.from({ length: 50 }, () => connect(address)))
        clients.push(...some)
        for (const { verdict } of await deliverAll(some)) assert.equal(verdict, 'accept')
      }
      const heapEach = ((await memoryOf(address)) - heap) / COUNT
      const sizeEach = (residentSizeOf(worker) - size) / COUNT
      t.diagnostic(`${heapEach.toFixed(0)} bytes each, resident ${sizeEach.toFixed(0)}`)
      assert.ok(heapEach < STATE, `${heapEach} bytes for each connection`)
      assert.ok(sizeEach < 4 * STATE, `${sizeEach} resident bytes for each connection`)
      for (let at = 0; at < COUNT; at += 50) {
        for (const outcome of await deliverAll(clients.slice(at, at + 50))) {
          assert.equal(field(outcome, 'X-Seen'), 'test')
        }
      }
    } finally {
      for (const client of clients) client.destroy()
    }
    await until('their end', () => descriptorsOf(worker) < 100)
    assert.equal((await send(address)).verdict, 'accept')
    assert.equal(running.said, '')
    assert.equal(await running.stop(), 0)
  })

  const deliverAll = (
    clients: readonly MtaClient[],
  ): Promise<Awaited<ReturnType<MtaClient['deliver']>>[]> =>
    Promise.all(clients.map((client) => client.deliver({ message: withSubject('x') })))
})

describe('strangers on the milter port', () => {
  const hello = Buffer.concat([Buffer.from('1603010200010001fc0303', 'hex'), randomBytes(508)])
  const visits: Readonly<Record<string, (socket: Socket) => unknown>> = {
    'connects and closes': (socket) => socket.end(),
    'connects and resets': (socket) => socket.resetAndDestroy(),
    'an HTTP request': (socket) => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    'an HTTP request with a body': (socket) =>
      socket.write('POST /x HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd'),
    'HTTP/2': (socket) => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    'a TLS client': (socket) => socket.write(hello),
    'an SSH banner': (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'),
    'an SMTP client': (socket) => socket.write('EHLO x\r\n'),
    'a proxy': (socket) => socket.write('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'),
    zeros: (socket) => socket.write(Buffer.alloc(64)),
    'a frame before its turn': (socket) =>
      socket.write(encodeCommand({ type: 'helo', name: 'x' })),
    'random bytes': (socket) => socket.write(randomBytes(300)),
    silence: () => {},
    'a length, and half of it': (socket) => socket.write(Buffer.from([0, 0])),
    'half a negotiation': (socket) => socket.write(OPTNEG.subarray(0, 9)),
  }
  /** These are heard of only when their time is over. */
  const PATIENT = new Set(['silence', 'a length, and half of it', 'half a negotiation'])

  async function visit(running: Running, kind: string): Promise<number> {
    const socket = await stranger(running)
    let received = 0
    socket.on('data', (chunk: Buffer) => (received += chunk.length))
    const closed = once(socket, 'close')
    visits[kind]!(socket)
    await closed
    return received
  }

  async function strangersSeen({ address }: Running): Promise<string> {
    return field(await send(address, withSubject('strangers')), 'X-Strangers')
  }

  it('are sent away with a line at most, and the filter does not hear of them', async () => {
    const { directory } = abusedFilter()
    const args = [...ARGS, '--timeouts-frame', '1s', '--timeouts-write', '1s']
    await using running = await start(args, directory)
    await using traffic = new Traffic(running.address)
    for (const kind of Object.keys(visits)) {
      const lines = running.count(/protocol error/)
      assert.equal(await visit(running, kind), 0, kind)
      assert.ok(running.count(/protocol error/) <= lines + 1, kind)
    }
    await traffic.goesOn()
    await traffic.stop()
    assert.equal(await strangersSeen(running), '0')
    assert.match(
      running.said,
      /INFO  protocol error, connection closed .*peer=127\.0\.0\.1:\d+/,
    )
    assert.equal(running.count(/WARN|ERROR/), 0)
    assert.equal(await running.stop(), 0)
  })

  it('cannot flood the log, or anything else', { skip: notLinux }, async () => {
    const { directory } = abusedFilter()
    await using running = await start([...ARGS, '--workers', '2'], directory)
    const processes = [running.pid, ...childrenOf(running.pid)]
    const descriptors = processes.map(descriptorsOf)
    await using traffic = new Traffic(running.address)
    const kinds = Object.keys(visits).filter((kind) => !PATIENT.has(kind))
    for (let round = 0; round < 60; round++) {
      await Promise.all(
        Array.from({ length: 50 }, (_, n) =>
          visit(running, kinds[(round + n) % kinds.length]!),
        ),
      )
    }
    await traffic.goesOn()
    await traffic.stop()
    assert.equal(await strangersSeen(running), '0')
    // Ten a minute for each worker, however long it takes here.
    const minutes = 1 + Math.ceil(process.uptime() / 60)
    assert.ok(running.count(/protocol error/) <= 20 * minutes)
    assert.equal(running.count(/WARN|ERROR/), 0)
    await until('the end of all', () =>
      processes.every((pid, n) => descriptorsOf(pid) <= descriptors[n]!),
    )
    assert.deepEqual([running.pid, ...childrenOf(running.pid)], processes)
    assert.equal(await running.stop(), 0)
  })
})
