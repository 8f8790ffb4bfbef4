import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { fc } from '../support/property.ts'
import { writeAll } from '../../src/server/shared-writes.ts'
import { CA, SERVER } from '../support/certificates.ts'
import { atEnd, until } from '../support/resources.ts'

/** A socket of a server, and the other end of it, which reads when it is told to. */
class Pair {
  readonly served: Socket
  readonly client: Socket
  readonly #got: Buffer[] = []

  constructor(served: Socket, client: Socket) {
    this.served = served
    this.client = client
  }

  static async open(tls = false): Promise<Pair> {
    // The system keeps less for a unix socket than for TCP, so there it is full sooner.
    const folder = await mkdtemp(join(tmpdir(), 'tsmilter-writes-'))
    atEnd(() => rm(folder, { recursive: true, force: true }))
    const path = join(folder, 'socket')
    const server = tls ? createTlsServer(SERVER) : createServer()
    atEnd(() => server.close())
    server.listen(path)
    await once(server, 'listening')
    const accepted = once(server, tls ? 'secureConnection' : 'connection')
    const client = tls ? connectTls({ path, ca: CA, servername: 'localhost' }) : connect(path)
    const [served] = (await accepted) as [Socket]
    atEnd(() => client.destroy())
    atEnd(() => served.destroy())
    return new Pair(served, client)
  }

  read(): void {
    if (this.client.listenerCount('data') === 0) {
      this.client.on('data', (bytes) => void this.#got.push(bytes))
    }
    this.client.resume()
  }

  async received(size: number): Promise<Buffer> {
    this.read()
    await until(() => this.#got.reduce((sum, { length }) => sum + length, 0) >= size)
    return Buffer.concat(this.#got)
  }

  /** Fills what the system has for this socket, so that what follows has to wait. */
  fill(): Buffer {
    const filler = Buffer.alloc(65_536, '.')
    let count = 0
    do {
      this.served.write(filler)
      count++
    } while (this.served.writableLength === 0)
    return Buffer.alloc(count * filler.length, '.')
  }
}

const frames = (...sizes: number[]): Buffer[] =>
  sizes.map((size, index) => Buffer.alloc(size, 'a'.charCodeAt(0) + index))

describe('writeAll', () => {
  for (const [title, sizes] of [
    ['small frames', [5, 20, 0, 5]],
    ['just what is joined', [16_379, 5]],
    ['one byte more', [16_380, 5]],
    ['a body and what is around it', [40, 5, 65_535, 5, 300, 5]],
  ] as const) {
    for (const tls of [false, true]) {
      it(`keeps bytes and order: ${title}${tls ? ', encrypted' : ''}`, async () => {
        const pair = await Pair.open(tls)
        const expected = Buffer.concat(frames(...sizes))
        for (let i = 0; i < 3; i++) writeAll(pair.served, frames(...sizes))
        assert.deepEqual(
          await pair.received(3 * expected.length),
          Buffer.concat([expected, expected, expected]),
        )
      })
    }
  }

  it('lets nothing else touch what the system has not taken yet', async () => {
    const [slow, other] = [await Pair.open(), await Pair.open()]
    const before = slow.fill()
    writeAll(slow.served, [Buffer.from('first '), Buffer.from('answer')])
    writeAll(slow.served, [Buffer.from(', second '), Buffer.from('answer')])
    writeAll(other.served, [Buffer.from('XXXXXXXXXXXXXX'), Buffer.from('XXXXXXXXXXXXXX')])
    assert.equal(String(await other.received(28)), 'X'.repeat(28))
    const all = await slow.received(before.length + 27)
    assert.equal(String(all.subarray(before.length)), 'first answer, second answer')
  })

  it('says when the other side is to be waited for', async () => {
    const pair = await Pair.open()
    assert.equal(writeAll(pair.served, frames(10, 10)), true)
    pair.fill()
    assert.equal(writeAll(pair.served, frames(10, 10)), false)
  })

  it('allocates nothing for bytes that are taken at once', async () => {
    const pair = await Pair.open()
    pair.read()
    const parts = frames(5_000, 5_000)
    writeAll(pair.served, parts)
    const before = process.memoryUsage().arrayBuffers
    let count = 0
    for (; count < 1_000; count++) {
      writeAll(pair.served, parts)
      if (pair.served.writableLength > 0) break
    }
    // Nothing was read in between: that would be in this process, 64 KiB each time.
    const grown = process.memoryUsage().arrayBuffers - before
    assert.ok(count >= 5, `only ${count} answers were taken at once`)
    assert.ok(grown < 3 * 16_384, `${grown} bytes for ${count} answers of 10,000`)
  })

  for (const [title, sizes] of [
    ['a few bytes', [3, 2]],
    ['as much as is joined', [16_000, 384]],
  ] as const) {
    it(`has memory of its own for what waits, and no more than that: ${title}`, async () => {
      const [slow, other] = [await Pair.open(), await Pair.open()]
      const expected = Buffer.concat(frames(...sizes))
      slow.served.cork()
      writeAll(slow.served, frames(...sizes))
      const before = process.memoryUsage().arrayBuffers
      for (let i = 0; i < 1_000; i++) writeAll(slow.served, frames(3, 2))
      const grown = process.memoryUsage().arrayBuffers - before
      assert.ok(grown < 100_000, `${grown} bytes for 5,000 that wait`)
      writeAll(other.served, [Buffer.alloc(8_000, 'X'), Buffer.alloc(8_000, 'X')])
      slow.served.uncork()
      const all = await slow.received(expected.length + 5_000)
      assert.ok(all.equals(Buffer.concat([expected, Buffer.from('aaabb'.repeat(1_000))])))
    })
  }

  it('gives nothing to two sockets when a write fails half way', async () => {
    const [broken, other] = [await Pair.open(), await Pair.open()]
    const { served } = broken
    const write = served.write.bind(served)
    served.cork()
    served.write = (...args: never[]) => {
      Reflect.apply(write, undefined, args)
      throw new Error('by who looks on')
    }
    assert.throws(
      () => writeAll(served, [Buffer.from('AAAA'), Buffer.from('AAAA')]),
      /looks on/,
    )
    writeAll(other.served, [Buffer.from('BBBB'), Buffer.from('BBBB')])
    served.uncork()
    assert.equal(String(await broken.received(8)), 'AAAAAAAA')
  })

  it('whatever several connections write, and however slowly they read, each gets its own', async () => {
    const step = fc.record({
      to: fc.nat(2),
      sizes: fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 2, maxLength: 5 }),
      letter: fc.integer({ min: 97, max: 122 }),
      reads: fc.boolean(),
      waits: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 100 }), async (steps) => {
        const pairs = await Promise.all([Pair.open(), Pair.open(), Pair.open(true)])
        const expected: Buffer[][] = pairs.map(() => [])
        for (const { to, sizes, letter, reads, waits } of steps) {
          const pair = pairs[to]!
          const parts = sizes.map((size) => Buffer.alloc(size, letter))
          expected[to]!.push(...parts)
          writeAll(pair.served, parts)
          if (reads) pair.read()
          else pair.client.pause()
          if (waits) await new Promise(setImmediate)
        }
        for (const [index, pair] of pairs.entries()) {
          const bytes = Buffer.concat(expected[index]!)
          assert.ok((await pair.received(bytes.length)).equals(bytes), `connection ${index}`)
        }
      }),
      { numRuns: 30 },
    )
  })
})
