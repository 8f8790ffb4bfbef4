import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { fc } from '../support/property.ts'
import { MailBody, type BodyStream, type BodySupply } from '../../src/message/body.ts'
import { MemoryBudget } from '../../src/session/memory-budget.ts'
import { BodyStore } from '../../src/message/body-store.ts'
import { largestLimits, messageLimits } from '../../src/milter/message-limits.ts'
import type { MessageLimits } from '../../src/options/types.ts'
import { Action } from '../../src/protocol/constants.ts'
import { openFilesIn } from '../support/open-files.ts'
import { atEnd } from '../support/resources.ts'

/** A directory of its own for temporary files, which go with it. */
const directory = mkdtempSync(join(tmpdir(), 'tsmilter-body-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const limitsOf = (given: Partial<MessageLimits> = {}): MessageLimits =>
  messageLimits({ temporaryDirectory: directory, ...given })
const IN_MEMORY = limitsOf()
const IN_FILES = limitsOf({ bodyMemory: 0 })

const openFiles = (): number => openFilesIn(directory)
const LINUX = { skip: process.platform === 'linux' ? false : 'needs /proc' }

function storeOf(limits: MessageLimits): BodyStore {
  const store = new BodyStore(limits, new MemoryBudget(2 ** 30))
  atEnd(() => store.dispose())
  return store
}

async function filled(limits: MessageLimits, pieces: readonly (string | Buffer)[]) {
  const store = storeOf(limits)
  for (const piece of pieces) await store.add(Buffer.from(piece as string))
  return store
}

async function piecesOf(source: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const pieces: Buffer[] = []
  for await (const piece of source) pieces.push(Buffer.from(piece))
  return pieces
}

/** Bytes that are different everywhere. */
const noise = (size: number): Buffer =>
  Buffer.from(
    Uint32Array.from({ length: Math.ceil(size / 4) }, (_none, i) => i * 2654435761).buffer,
  ).subarray(0, size)

const cut = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const ends = [...places.map((one) => one % (bytes.length + 1)), bytes.length].sort(
    (one, other) => one - other,
  )
  return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end))
}
const PLACES = fc.array(fc.nat(), { maxLength: 8 })

describe('a store of a body', () => {
  for (const [where, limits] of [
    ['memory', IN_MEMORY],
    ['a file', IN_FILES],
  ] as const) {
    it(`gives from ${where} what it was given, at once and in pieces (property)`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(
            fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
            fc.integer({ min: 60_000, max: 200_000 }).map(noise),
          ),
          PLACES,
          async (bytes, places) => {
            const store = await filled(limits, cut(bytes, places))
            assert.equal(store.size, bytes.length)
            assert.equal(store.inMemory, limits === IN_MEMORY || bytes.length === 0)
            for (let twice = 0; twice < 2; twice++) {
              const pieces = await piecesOf(store)
              assert.ok(Buffer.concat(pieces).equals(bytes))
              assert.ok(pieces.every(({ length }) => length > 0 && length <= 65_535))
              assert.ok((await store.bytes()).equals(bytes))
            }
            await store.dispose()
          },
        ),
        { numRuns: 50 },
      )
    })
  }

  it('may be empty', async () => {
    for (const pieces of [[], [''], ['', '']]) {
      const store = await filled(IN_FILES, pieces)
      assert.equal(store.size, 0)
      assert.equal(store.inMemory, true)
      assert.deepEqual(await store.bytes(), Buffer.alloc(0))
      assert.deepEqual(await piecesOf(store), [])
      assert.equal(await store.equals(storeOf(IN_FILES)), true)
    }
  })

  it('goes to a file above its limit of memory, not at it', async () => {
    const limits = limitsOf({ bodyMemory: 10 })
    const store = storeOf(limits)
    assert.equal(store.add(Buffer.from('12345')), undefined)
    assert.equal(store.add(Buffer.from('67890')), undefined)
    assert.equal(store.inMemory, true)
    await store.add(Buffer.from('1'))
    assert.equal(store.inMemory, false)
    await store.add(Buffer.from('2'))
    assert.equal(String(await store.bytes()), '123456789012')
    assert.equal(String(Buffer.concat(await piecesOf(store))), '123456789012')
  })

  it('reads pieces of 65,535 bytes', async () => {
    const pieces = [noise(65_535), noise(65_535), noise(3)]
    for (const limits of [IN_FILES, IN_MEMORY]) {
      const store = await filled(limits, [Buffer.concat(pieces)])
      assert.deepEqual(await piecesOf(store), pieces)
    }
  })

  it('can be read by several at a time', async () => {
    const bytes = noise(200_000)
    const store = await filled(IN_FILES, [bytes])
    const [one, other, whole] = await Promise.all([
      piecesOf(store),
      piecesOf(store),
      store.bytes(),
    ])
    for (const read of [Buffer.concat(one), Buffer.concat(other), whole]) {
      assert.ok(read.equals(bytes))
    }
  })

  it('refuses more than its limit, and keeps what it has', async () => {
    for (const bodyMemory of [0, 100]) {
      const store = await filled(limitsOf({ bodySize: 10, bodyMemory }), ['12345', '67890'])
      for (let twice = 0; twice < 2; twice++) {
        assert.throws(() => store.add(Buffer.from('1')), {
          name: 'MilterError',
          code: 'MESSAGE_TOO_LARGE',
          message: /more than 10 bytes/,
        })
      }
      assert.equal(store.size, 10)
      assert.equal(String(await store.bytes()), '1234567890')
    }
  })

  it('has a file without a name, for nobody else', LINUX, async () => {
    const store = await filled(IN_FILES, ['abc'])
    assert.deepEqual(readdirSync(directory), [])
    assert.equal(openFiles(), 1)
    await store.dispose()
    assert.equal(openFiles(), 0)
    assert.deepEqual(readdirSync(directory), [])
  })

  it('closes its file once, however often it is closed', LINUX, async () => {
    const store = await filled(IN_FILES, ['abc'])
    await Promise.all([store.dispose(), store.dispose()])
    await store.dispose()
    assert.equal(openFiles(), 0)
  })

  it('closes its file also when that is just being opened', LINUX, async () => {
    const store = storeOf(IN_FILES)
    const adding = store.add(noise(1_000_000))
    await store.dispose()
    await Promise.allSettled([adding])
    assert.equal(openFiles(), 0)
    await assert.rejects(store.bytes(), { code: 'BODY_GONE' })
  })

  it('closes its file also when it is just being written', LINUX, async () => {
    for (let ticks = 0; ticks < 8; ticks++) {
      const store = await filled(IN_FILES, ['x'])
      const adding = store.add(noise(3_000_000))
      for (let i = 0; i < ticks; i++) await setImmediate()
      await store.dispose()
      const [{ status }] = await Promise.allSettled([adding])
      if (status === 'rejected') await assert.rejects(adding!, { code: 'BODY_GONE' })
      assert.equal(openFiles(), 0)
      await assert.rejects(store.bytes(), { code: 'BODY_GONE' })
    }
  })

  it('is gone after its end, and so is a reading that had begun', async () => {
    const store = await filled(IN_FILES, [noise(200_000)])
    const reading = store[Symbol.asyncIterator]()
    assert.equal((await reading.next()).done, false)
    await store.dispose()
    const gone = { name: 'MilterError', code: 'BODY_GONE' }
    await assert.rejects(reading.next(), gone)
    await assert.rejects(store.bytes(), gone)
    await assert.rejects(piecesOf(store), gone)
    await assert.rejects(store.equals(await filled(IN_FILES, [noise(200_000)])), gone)
    await assert.rejects(async () => store.add(Buffer.from('x')), gone)
  })

  it('is gone also where it is being read at its end', async () => {
    const store = await filled(IN_FILES, [noise(2_000_000)])
    const readings = Promise.allSettled([store.bytes(), piecesOf(store)])
    await store.dispose()
    for (const reading of await readings) {
      assert.equal(reading.status === 'rejected' && reading.reason.code, 'BODY_GONE')
    }
  })

  it('stays where it is in memory', async () => {
    const store = await filled(IN_MEMORY, ['ab', 'c'])
    await store.dispose()
    assert.equal(String(await store.bytes()), 'abc')
    assert.equal(String(Buffer.concat(await piecesOf(store))), 'abc')
  })

  it('opens no file any more after its end', LINUX, async () => {
    const store = storeOf(IN_FILES)
    await store.dispose()
    await assert.rejects(async () => store.add(Buffer.from('x')), { code: 'BODY_GONE' })
    assert.equal(openFiles(), 0)
  })

  it('says where it cannot write, and never gives a part of itself', async () => {
    const nowhere = join(directory, 'not-there')
    const limits = limitsOf({ bodyMemory: 2, temporaryDirectory: nowhere })
    const store = await filled(limits, ['ab'])
    const failed = { name: 'MilterError', code: 'SPILL_FAILED' }
    await assert.rejects(
      async () => store.add(Buffer.from('c')),
      (error: Error) => {
        assert.ok(error.message.includes(nowhere), 'the message has the directory')
        assert.equal((error.cause as { code: string }).code, 'ENOENT')
        return true
      },
    )
    await assert.rejects(store.bytes(), failed)
    await assert.rejects(piecesOf(store), failed)
    await assert.rejects(store.equals(await filled(IN_MEMORY, ['abc'])), failed)
    await store.dispose()
  })

  it('keeps nothing in memory that could not be written', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const store = storeOf(limitsOf({ bodyMemory: 2, temporaryDirectory: '/not-there' }))
    const add = async (): Promise<WeakRef<ArrayBufferLike>> => {
      const piece = Buffer.allocUnsafeSlow(100_000)
      await assert.rejects(async () => store.add(piece), { code: 'SPILL_FAILED' })
      return new WeakRef(piece.buffer)
    }
    const memory = await add()
    await setImmediate()
    collect()
    assert.equal(memory.deref(), undefined)
  })

  it(
    'says where it may not write',
    { skip: process.getuid?.() === 0 && 'root may' },
    async () => {
      const locked = mkdtempSync(join(directory, 'locked-'))
      chmodSync(locked, 0o500)
      atEnd(() => rmSync(locked, { recursive: true }))
      const store = storeOf(limitsOf({ bodyMemory: 0, temporaryDirectory: locked }))
      await assert.rejects(async () => store.add(Buffer.from('c')), { code: 'SPILL_FAILED' })
    },
  )

  it('equals another with the same bytes, wherever they are and however they are cut', async () => {
    const BYTES = fc.oneof(
      fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
      fc.integer({ min: 65_000, max: 140_000 }).map(noise),
    )
    const PLACE = fc.constantFrom(IN_MEMORY, IN_FILES)
    await fc.assert(
      fc.asyncProperty(
        BYTES,
        PLACES,
        PLACES,
        PLACE,
        PLACE,
        fc.nat(),
        async (bytes, cuts, otherCuts, where, elsewhere, at) => {
          const store = await filled(where, cut(bytes, cuts))
          const same = await filled(elsewhere, cut(bytes, otherCuts))
          assert.equal(await store.equals(same), true)
          const longer = await filled(elsewhere, [bytes, 'x'])
          assert.equal(await store.equals(longer), false)
          assert.equal(await longer.equals(store), false)
          if (bytes.length > 0) {
            const changed = Buffer.from(bytes)
            changed[at % bytes.length]! ^= 1
            const other = await filled(elsewhere, cut(changed, otherCuts))
            assert.equal(await store.equals(other), false)
            await other.dispose()
          }
          for (const one of [store, same, longer]) await one.dispose()
        },
      ),
      { numRuns: 100 },
    )
  })

  it('equals another of very many pieces', async () => {
    const bytes = noise(100_000)
    const pieces = storeOf(IN_MEMORY)
    for (let i = 0; i < bytes.length; i++) void pieces.add(bytes.subarray(i, i + 1))
    const file = await filled(IN_FILES, [bytes])
    assert.equal(await file.equals(pieces), true)
    assert.equal(await pieces.equals(file), true)
    assert.equal(await pieces.equals(pieces), true)
  })
})

/** What a body has around it: a guard that notes, and stores. */
class Supply implements BodySupply {
  readonly limits: MessageLimits
  readonly asked: string[] = []
  answer: boolean | Error = true

  constructor(limits: MessageLimits) {
    this.limits = limits
  }

  newStore(): BodyStore {
    return storeOf(this.limits)
  }

  permit(what: string, actions: number): boolean {
    this.asked.push(`${what} ${actions}`)
    if (this.answer instanceof Error) throw this.answer
    return this.answer
  }
}

async function bodyOf(text = 'old\r\n', limits = IN_MEMORY) {
  const supply = new Supply(limits)
  const given = await filled(limits, [text])
  return { body: new MailBody(given, supply), supply, given }
}

const textOf = async (body: MailBody): Promise<string> =>
  (await body.bytes()).toString('latin1')

describe('the body of a mail', () => {
  it('is what came until it is replaced', async () => {
    const { body, given, supply } = await bodyOf()
    assert.equal(body.size, 5)
    assert.equal(body.replaced, false)
    assert.equal(body.pending, false)
    assert.equal(await textOf(body), 'old\r\n')
    assert.deepEqual(await piecesOf(body), [Buffer.from('old\r\n')])
    assert.equal(await body.settled(), given)
    assert.deepEqual(supply.asked, [])
  })

  async function* later<T>(pieces: readonly T[]): AsyncGenerator<T> {
    for (const piece of pieces) {
      await setImmediate()
      yield piece
    }
  }
  function* each<T>(pieces: readonly T[]): Generator<T> {
    yield* pieces
  }
  const bytes = Buffer.from('a\nb\r\n\xff', 'latin1')

  const cases: [what: string, make: () => string | Uint8Array | BodyStream, result: string][] =
    [
      ['nothing', () => '', ''],
      ['no bytes', () => Buffer.alloc(0), ''],
      ['no pieces', () => [], ''],
      ['text with LF', () => 'a\nb\n', 'a\r\nb\r\n'],
      ['text with CRLF', () => 'a\r\nb\r\n', 'a\r\nb\r\n'],
      ['text with both', () => '\n\r\n\n\n', '\r\n\r\n\r\n\r\n'],
      ['text with CR', () => 'a\rb\r\r\n', 'a\rb\r\r\n'],
      ['text that is not ASCII', () => 'é', '\xc3\xa9'],
      ['text that came as bytes', () => 'caf\udce9', 'caf\xe9'],
      ['bytes as they are', () => bytes, 'a\nb\r\n\xff'],
      ['bytes of another kind', () => new Uint8Array(bytes), 'a\nb\r\n\xff'],
      ['a part of bytes', () => new Uint8Array(bytes).subarray(2, 5), 'b\r\n'],
      ['a list of buffers', () => [bytes, Buffer.from('c')], 'a\nb\r\n\xffc'],
      ['a list of texts', () => ['a\n', 'b'], 'a\r\nb'],
      ['a generator', () => each(['a\n', bytes]), 'a\r\na\nb\r\n\xff'],
      ['an async generator', () => later(['a\n', '', bytes]), 'a\r\na\nb\r\n\xff'],
      ['a stream of Node', () => Readable.from(['a\n', 'b'], { objectMode: false }), 'a\nb'],
      ['a stream of Node, of text', () => Readable.from(['a\n', 'b']), 'a\r\nb'],
      ['a stream of the web', () => ReadableStream.from([bytes, 'x\n']), 'a\nb\r\n\xffx\r\n'],

      ['a CRLF over two pieces', () => ['a\r', '\nb'], 'a\r\nb'],
      ['a CRLF over pieces with nothing between', () => ['a\r', '', '', '\nb'], 'a\r\nb'],
      ['a CRLF over bytes and text', () => [Buffer.from('a\r'), '\nb\n'], 'a\r\nb\r\n'],
      ['a CR and two LF', () => ['a\r', '\n\n'], 'a\r\n\r\n'],
      ['a CR, and LF in bytes', () => ['a\r', Buffer.from('\nb')], 'a\r\nb'],
      ['a LF after other bytes', () => ['a\r', Buffer.from('b'), '\n'], 'a\rb\r\n'],
      ['a character over two pieces', () => ['\ud83d', '\ude00'], '\xf0\x9f\x98\x80'],
      [
        'half a character over an empty piece',
        () => ['a\ud83d', '', '\ude00\n'],
        'a\xf0\x9f\x98\x80\r\n',
      ],
    ]
  for (const [what, make, result] of cases) {
    for (const [where, limits] of [
      ['memory', IN_MEMORY],
      ['a file', IN_FILES],
    ] as const) {
      it(`is replaced by ${what}, in ${where}`, async () => {
        const { body, given } = await bodyOf('old', limits)
        await body.replace(make() as BodyStream)
        assert.equal(body.replaced, true)
        assert.equal(body.size, result.length)
        assert.equal(await textOf(body), result)
        assert.equal(Buffer.concat(await piecesOf(body)).toString('latin1'), result)
        const store = await body.settled()
        assert.notEqual(store, given)
        assert.equal(store, body.store)
        assert.equal(store.inMemory, limits === IN_MEMORY || result === '')
      })
    }
  }

  it('is the same from text as from its pieces, wherever it is cut (property)', async () => {
    const UNIT = fc.constantFrom('a', '\r', '\n', '\r\n', 'é', '😀', '\udce9')
    await fc.assert(
      fc.asyncProperty(fc.array(UNIT), PLACES, async (units, places) => {
        // A raw byte behind half a character would be another one.
        const text = units.join('').replaceAll('\ude00\udce9', '\ude00 \udce9')
        const ends = [...places.map((one) => one % (text.length + 1)), text.length].sort(
          (one, other) => one - other,
        )
        const { body: one } = await bodyOf()
        const { body: other } = await bodyOf()
        one.replace(text)
        await other.replace(ends.map((end, i) => text.slice(i === 0 ? 0 : ends[i - 1], end)))
        assert.equal(await textOf(other), await textOf(one))
        assert.equal(/(?<!\r)\n/.test(await textOf(one)), false)
        assert.equal((await textOf(one)).replaceAll('\r\n', '\n').length > 0, text.length > 0)
      }),
    )
  })

  it('is the last one that was given', async () => {
    const { body } = await bodyOf()
    body.replace('one')
    body.replace('two')
    assert.equal(await textOf(body), 'two')
    await body.replace(later(['three']))
    assert.equal(await textOf(body), 'three')
    body.replace(Buffer.from('four'))
    assert.equal(await textOf(body), 'four')
  })

  it('is the last one also where an earlier stream takes longer', async () => {
    const { body } = await bodyOf()
    let ended = false
    async function* slow(): AsyncGenerator<string> {
      try {
        for (let i = 0; i < 20; i++) {
          await setImmediate()
          yield 'slow'
        }
      } finally {
        ended = true
      }
    }
    const first = body.replace(slow())
    const second = body.replace(later(['stream']))
    await Promise.all([first, second])
    assert.equal(await textOf(body), 'stream')
    assert.equal(ended, true, 'the stream that is not needed any more was told')
    const third = body.replace(slow())
    body.replace('text')
    await third
    assert.equal(await textOf(body), 'text')
    assert.equal(String(await (await body.settled()).bytes()), 'text')
  })

  it('may be made from itself', async () => {
    for (const limits of [IN_MEMORY, IN_FILES]) {
      const { body } = await bodyOf('old\r\n'.repeat(30_000), limits)
      await body.replace(
        (async function* () {
          yield 'banner\n'
          await setImmediate()
          assert.equal(body.size, 150_000)
          for await (const piece of body) yield piece
          yield await body.bytes()
        })(),
      )
      assert.equal(await textOf(body), `banner\r\n${'old\r\n'.repeat(60_000)}`)
    }
  })

  it('can be read to its end while it is replaced', async () => {
    for (const limits of [IN_MEMORY, IN_FILES]) {
      const old = noise(200_000)
      const supply = new Supply(limits)
      const body = new MailBody(
        await filled(limits, [old.subarray(0, 99), old.subarray(99)]),
        supply,
      )
      const read: Buffer[] = []
      for await (const piece of body) {
        if (read.length === 0) body.replace('new')
        read.push(Buffer.from(piece))
      }
      assert.ok(Buffer.concat(read).equals(old))
      assert.equal(await textOf(body), 'new')
    }
  })

  it('is there at once when it is given at once, also where it goes to a file', async () => {
    const { body } = await bodyOf('old', IN_FILES)
    const big = noise(500_000)
    body.replace(big)
    assert.equal(body.size, 500_000)
    assert.equal(body.replaced, true)
    assert.ok((await body.bytes()).equals(big))
    body.replace(big.subarray(1))
    assert.ok(Buffer.concat(await piecesOf(body)).equals(big.subarray(1)))
    body.replace(big.subarray(2))
    assert.ok((await (await body.settled()).bytes()).equals(big.subarray(2)))
  })

  it('is what it was until a stream is at its end, and pending meanwhile', async () => {
    const { body } = await bodyOf()
    const replacing = body.replace(later(['n', 'e', 'w']))
    assert.equal(body.pending, true)
    assert.equal(body.replaced, false)
    assert.equal(await textOf(body), 'old\r\n')
    assert.equal(String(await (await body.settled()).bytes()), 'new')
    await replacing
    assert.equal(await textOf(body), 'new')
  })

  const FAILURE = new Error('the stream broke')
  async function* broken(): AsyncGenerator<string> {
    yield 'half of'
    await setImmediate()
    throw FAILURE
  }
  const failing: [what: string, make: () => BodyStream][] = [
    ['an async generator', broken],
    [
      'a generator',
      function* () {
        yield 'half of'
        throw FAILURE
      },
    ],
    ['a stream of Node', () => Readable.from(broken())],
    ['a stream of the web', () => ReadableStream.from(broken())],
  ]
  for (const [what, make] of failing) {
    it(`stays as it was where ${what} fails`, async () => {
      for (const limits of [IN_MEMORY, IN_FILES]) {
        const { body, given } = await bodyOf('old\r\n', limits)
        await assert.rejects(body.replace(make()), FAILURE)
        assert.equal(body.replaced, false)
        assert.equal(await textOf(body), 'old\r\n')
        assert.deepEqual(await piecesOf(body), [Buffer.from('old\r\n')])
        assert.equal(await body.settled(), given, 'the filter knows of it')
        body.replace('another')
        assert.equal(await textOf(body), 'another')
        await assert.rejects(body.replace(make()), FAILURE)
        assert.equal(await textOf(body), 'another')
      }
    })
  }

  it('fails the handler where nobody has waited for a stream that fails', async () => {
    const { body } = await bodyOf()
    void body.replace(broken())
    await assert.rejects(body.settled(), FAILURE)
    for (let i = 0; i < 5; i++) await setImmediate()
    await assert.rejects(body.settled(), FAILURE, 'also later')
    assert.equal(await textOf(body), 'old\r\n')
    body.replace('another')
    assert.equal(String(await (await body.settled()).bytes()), 'another')
  })

  it('is known to have failed in every way a promise is waited for', async () => {
    const ways: ((promise: Promise<void>) => Promise<unknown>)[] = [
      (promise) => promise.catch(() => 'caught'),
      (promise) =>
        promise.then(
          () => 'done',
          () => 'caught',
        ),
      (promise) => promise.finally(() => {}).catch(() => 'caught'),
      (promise) => Promise.allSettled([promise]).then(([one]) => one.status),
      async (promise) => {
        try {
          await promise
          return 'done'
        } catch {
          return 'caught'
        }
      },
    ]
    for (const wait of ways) {
      const { body, given } = await bodyOf()
      const promise = body.replace(broken())
      assert.ok(promise instanceof Promise)
      assert.ok(['caught', 'rejected'].includes((await wait(promise)) as string))
      assert.equal(await body.settled(), given)
    }
  })

  it('takes nothing but text and bytes', async () => {
    for (const wrong of [undefined, null, 5, {}, new Date(0), new ArrayBuffer(5)]) {
      const { body } = await bodyOf()
      assert.throws(() => body.replace(wrong as never), {
        name: 'UsageError',
        code: 'INVALID_OPTION',
      })
      assert.equal(body.replaced, false)
    }
    for (const wrong of [[1, 2], [null], ['a', undefined], new Uint16Array(2), [['a']]]) {
      const { body } = await bodyOf()
      await assert.rejects(body.replace(wrong as unknown as string[]), {
        name: 'UsageError',
        code: 'INVALID_OPTION',
      })
      assert.equal(await textOf(body), 'old\r\n')
    }
    for (const half of [
      ['a\ud83d'],
      ['\ud83d', Buffer.from('x')],
      ['\ud83d', 'x'],
      ['\ude00'],
    ]) {
      const { body } = await bodyOf()
      await assert.rejects(body.replace(half), { code: 'INVALID_TEXT' })
      assert.equal(await textOf(body), 'old\r\n')
    }
    const { body } = await bodyOf()
    assert.throws(() => body.replace('\ud800'), { code: 'INVALID_TEXT' })
    assert.equal(await textOf(body), 'old\r\n')
  })

  it('stays as it was where that is not permitted', async () => {
    const { body, supply, given } = await bodyOf()
    supply.answer = false
    body.replace('new')
    const replacing = body.replace(later(['new']))
    assert.ok(replacing instanceof Promise, 'there is something to wait for')
    await replacing
    supply.answer = new Error('not now')
    assert.throws(() => body.replace('new'), supply.answer)
    assert.throws(() => body.replace(later(['new'])), supply.answer)
    assert.equal(body.replaced, false)
    assert.equal(await body.settled(), given)
    assert.equal(supply.asked[0], `body.replace ${Action.CHGBODY}`)
  })

  it('stays as it was where the handler is over before the stream', async () => {
    const { body, supply, given } = await bodyOf()
    const over = new Error('the handler is over')
    async function* endless(): AsyncGenerator<string> {
      for (let i = 0; ; i++) {
        await setImmediate()
        if (i === 3) supply.answer = over
        yield 'more'
      }
    }
    await assert.rejects(body.replace(endless()), over)
    assert.equal(body.store, given)
  })

  it('may not be too large', async () => {
    for (const bodyMemory of [0, 100]) {
      const limits = limitsOf({ bodySize: 10, bodyMemory })
      const { body } = await bodyOf('old', limits)
      body.replace('0123456789')
      const large = { name: 'MilterError', code: 'MESSAGE_TOO_LARGE' }
      assert.throws(() => body.replace('01234567890'), large)
      assert.throws(() => body.replace('a\n'.repeat(4)), large)
      await assert.rejects(body.replace(later(['012345', '67890'])), large)
      assert.equal(await textOf(body), '0123456789')
      assert.equal(await body.settled(), body.store)
    }
  })

  it('says where a new one cannot be kept', async () => {
    const limits = limitsOf({ temporaryDirectory: join(directory, 'not-there'), bodyMemory: 3 })
    const failed = { name: 'MilterError', code: 'SPILL_FAILED' }
    const { body } = await bodyOf('old', limits)
    await assert.rejects(body.replace(later(['too', 'large'])), failed)
    assert.equal(await textOf(body), 'old')
    body.replace('too large')
    await assert.rejects(body.bytes(), failed)
    await assert.rejects(piecesOf(body), failed)
    await assert.rejects(body.settled(), failed)
    body.replace('new')
    assert.equal(await textOf(body), 'new')
  })
})

describe('the limits of a message', () => {
  it('have defaults, and are checked', () => {
    assert.deepEqual(messageLimits(), {
      headers: 10_000,
      headerBytes: 4_194_304,
      recipients: 10_000,
      bodyMemory: 1_048_576,
      bodySize: 1_073_741_824,
      temporaryDirectory: tmpdir(),
    })
    assert.equal(messageLimits({ headers: 0 }).headers, 0)
    for (const wrong of [
      { headers: -1 },
      { bodySize: 1.5 },
      { bodyMemory: Number.NaN },
      { recipients: '5' },
      { temporaryDirectory: 5 },
      { temporaryDirectory: '' },
      { body: 5 },
      { toString: 5 },
    ]) {
      assert.throws(() => messageLimits(wrong as object), {
        name: 'UsageError',
        code: 'INVALID_OPTION',
      })
    }
  })

  it('are the largest of several, and the directory that somebody has chosen', () => {
    const one = messageLimits({ headers: 1, bodySize: 5 })
    const other = messageLimits({ bodySize: 3, temporaryDirectory: directory })
    const both = { ...messageLimits(), bodySize: 5, temporaryDirectory: directory }
    assert.deepEqual(largestLimits([one, other]), both)
    assert.deepEqual(largestLimits([other, one]), both)
    assert.deepEqual(largestLimits([one]), one)
    assert.deepEqual(largestLimits([]), messageLimits())
  })
})
