// What connections make a server hold: in a process of its own, at n and 4n connections. It is judged by memory
// after a collection and by what is counted of it, not by the clock.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect as dial, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { encodeCommand } from '../../src/protocol/commands.ts'
import { Command } from '../../src/protocol/constants.ts'
import { encodeFrame } from '../../src/protocol/frame.ts'
import { atEnd, killAtEnd } from '../support/resources.ts'
import { FULL_OFFER, header, helo, mail, rcpt } from '../support/wire.ts'
import type { FilterName, Growth } from './fixtures/growth.ts'

const KIB = 1_024
const MIB = 1_024 * KIB
/** Of a connection, what is not counted: its socket, its objects, strings and macros of the usual size. */
const CONNECTION = 48 * KIB
/** What a process may take or let go meanwhile, for whatever it has compiled. */
const PROCESS = 8 * MIB
/** docs/running.md, "Memory": what a connection may hold though nothing is left. */
const SENDING = 320 * KIB

class Abused {
  readonly #child: ReturnType<typeof fork>
  readonly #port: number
  readonly #sockets: Socket[] = []

  private constructor(child: ReturnType<typeof fork>, port: number) {
    this.#child = child
    this.#port = port
  }

  static async start(filter: FilterName, maxMemory: number): Promise<Abused> {
    const fixture = join(import.meta.dirname, 'fixtures', 'growth.js')
    const args = [filter, String(maxMemory)]
    const child = killAtEnd(fork(fixture, args, { execArgv: ['--expose-gc'] }))
    const [address] = (await once(child, 'message')) as [string]
    return new Abused(child, Number(/:(\d+)@/.exec(address)![1]))
  }

  async look(): Promise<Growth> {
    this.#child.send('look')
    const [growth] = (await once(this.#child, 'message')) as [Growth]
    return growth
  }

  /** Opens so many connections that send this, and gives what has become of the server when it has read all. */
  async connect(count: number, bytes: Buffer, listens = true): Promise<Growth> {
    for (let i = 0; i < count; i++) {
      const socket = dial(this.#port, '127.0.0.1')
      atEnd(() => socket.destroy())
      this.#sockets.push(socket)
      socket.on('error', () => {})
      if (listens) socket.resume()
      await once(socket, 'connect')
      socket.write(bytes)
    }
    return await this.#settled()
  }

  async leave(): Promise<Growth> {
    for (const socket of this.#sockets) socket.destroy()
    return await this.#settled()
  }

  /** Until nothing changes any more. */
  async #settled(): Promise<Growth> {
    let before = await this.look()
    for (let same = 0; ;) {
      await setTimeout(50)
      const now = await this.look()
      const stays = now.counted === before.counted && now.connections === before.connections
      same = stays ? same + 1 : 0
      before = now
      if (same >= 3) return now
    }
  }
}

const text = (content: string): Buffer => Buffer.from(content, 'latin1')
const NEGOTIATION = encodeCommand({ type: 'optneg', offer: FULL_OFFER })
const HOST = encodeFrame(
  Command.CONNECT,
  text('\xff'.repeat(16_000)),
  text('\x004\0\x19'),
  text('192.0.2.1\0'),
)
const HELO = encodeFrame(Command.HELO, text('\xff'.repeat(16_000) + '\0'))
const words = (command: number): Buffer =>
  encodeFrame(command, text(`${'\xff'.repeat(60)}\0`.repeat(256)))
const pairs = (command: number): Buffer => {
  const list = Array.from({ length: 1_000 }, (_, i) => `name${i}\0${'\xff'.repeat(10)}\0`)
  return encodeFrame(Command.MACRO, Buffer.of(command), text(list.join('')))
}
const begun = (size: number, come: number): Buffer =>
  encodeFrame(Command.BODY, Buffer.alloc(size)).subarray(0, come)

/** By what is abused: a filter, and what each connection sends. */
const ABUSES: Readonly<Record<string, readonly [FilterName, Buffer[], listens?: boolean]>> = {
  'names and words that are kept': ['looks', [HOST, HELO, words(Command.MAIL)]],
  'macros that are looked into': [
    'looks',
    [pairs(Command.HELO), encodeCommand(helo()), pairs(Command.MAIL), encodeCommand(mail())],
  ],
  'frames that do not end': ['looks', [encodeCommand(mail()), begun(400_000, 150_000)]],
  'recipients with many words': [
    'reads',
    [encodeCommand(mail()), ...Array<Buffer>(8).fill(words(Command.RCPT))],
  ],
  'fields of a few bytes': [
    'reads',
    [
      encodeCommand(mail()),
      encodeCommand(rcpt()),
      ...Array<Buffer>(1_000).fill(encodeCommand(header('X', ''))),
    ],
  ],
  'small input that waits': [
    'waits',
    [encodeCommand(helo()), ...Array<Buffer>(8_000).fill(encodeCommand(helo('x')))],
  ],
  'answers that are not read': [
    'talks',
    Array<Buffer>(20_000).fill(encodeCommand(helo('x'))),
    false,
  ],
}

describe('memory that connections take', { timeout: 240_000 }, () => {
  for (const [title, [filter, commands, listens]] of Object.entries(ABUSES)) {
    it(`is counted: ${title}`, async () => {
      const bytes = Buffer.concat([NEGOTIATION, ...commands])
      const server = await Abused.start(filter, 1_024 * MIB)
      await server.connect(5, bytes, listens)
      const nothing = await server.leave()
      assert.deepEqual([nothing.counted, nothing.connections], [0, 0])
      const few = await server.connect(10, bytes, listens)
      const many = await server.connect(30, bytes, listens)
      assert.equal(many.connections, 40)
      // What more of them take is what is counted more of them, and no more for each of many than of a few.
      const took = many.bytes - few.bytes
      const counted = many.counted - few.counted
      assert.ok(took <= counted + 30 * CONNECTION + PROCESS, `${took} of ${counted}`)
      assert.ok(counted <= 2 * took + PROCESS, `${counted} for ${took}`)
      assert.ok(many.counted <= 4.4 * few.counted + 100 * KIB, `${many.counted}`)
      const after = await server.leave()
      assert.deepEqual([after.counted, after.connections], [0, 0])
      assert.ok(after.bytes <= nothing.bytes + PROCESS, 'it is given back')
    })
  }

  it('stays below maxMemory and what a connection may always hold', async () => {
    const limit = 16 * MIB
    const count = 1_000
    const worst = Buffer.concat([
      NEGOTIATION,
      HOST,
      encodeCommand(mail()),
      encodeCommand(rcpt()),
      begun(65_535, 60_000),
    ])
    const server = await Abused.start('looks', limit)
    const before = await server.look()
    const full = await server.connect(count, worst)
    const grown = full.bytes - before.bytes
    assert.ok(grown > limit, 'it is more than fits')
    assert.ok(grown < limit + count * SENDING, `${grown} bytes`)
    assert.equal(full.connections, count, 'all of them may go on')
    // Larger ones are let go.
    const larger = [NEGOTIATION, HOST, HELO, words(Command.MAIL), begun(900_000, 300_000)]
    await server.leave()
    const dropped = await server.connect(100, Buffer.concat(larger))
    assert.ok(dropped.bytes - before.bytes < limit + 100 * SENDING, `${dropped.bytes} bytes`)
    assert.ok(dropped.connections < 100)
    const after = await server.leave()
    assert.deepEqual([after.counted, after.connections], [0, 0])
  })
})
