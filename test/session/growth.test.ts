// What a peer can do a hundred thousand times costs the same each time.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeCommand } from '../../src/protocol/commands.ts'
import { decodeText, encodeText } from '../../src/protocol/text.ts'
import { ALWAYS_HELD } from '../../src/session/limits.ts'
import { reply } from '../../src/session/verdict.ts'
import { assertGrowth } from '../support/growth.ts'
import { body, eom, FULL_OFFER, helo, mail, RecordingTransport, Wire } from '../support/wire.ts'

describe('time grows no faster than what comes', () => {
  it('byte by byte, while a handler runs and when it is done', async () => {
    const chunk = encodeCommand(body('x'.repeat(60_000)))
    await assertGrowth(
      (n) => n,
      30_000,
      async (n) => {
        let done = (): void => {}
        let bytes = 0
        const wire = Wire.negotiated(() => ({
          envfrom: () => new Promise<void>((resolve) => (done = resolve)),
          body: (_ctx, piece: Buffer) => void (bytes += piece.length),
        }))
        wire.send(mail())
        const memory = Buffer.alloc(1)
        for (let i = 0; i < n; i++) {
          memory[0] = chunk[i % chunk.length]!
          wire.session.receiveBorrowed(memory, 1)
        }
        assert.ok(wire.settings.memory.used < n + ALWAYS_HELD + n / 8)
        done()
        await wire.settle()
        assert.equal(bytes, Math.floor(n / chunk.length) * 60_000)
      },
    )
  })

  it('byte by byte, while none runs', async () => {
    const chunk = encodeCommand(body('x'.repeat(60_000)))
    await assertGrowth(
      (n) => n,
      30_000,
      (n) => {
        const wire = Wire.negotiated(() => ({ envfrom: () => {}, body: () => {} }))
        wire.send(mail())
        const memory = Buffer.alloc(1)
        for (let i = 0; i < n; i++) {
          memory[0] = chunk[i % chunk.length]!
          wire.session.receiveBorrowed(memory, 1)
        }
      },
    )
  })

  it('of bytes that are no text', async () => {
    await assertGrowth((n) => Buffer.alloc(n, 0xff), 50_000, decodeText)
  })
})

describe('bytes that are no text', () => {
  it('are a string of two bytes for each, not one of pieces', () => {
    const bytes = Buffer.from('\xff'.repeat(5) + 'a\xc3\xa9\xf0\x9f\x98\x80\xe2\x82', 'latin1')
    const text = decodeText(bytes)
    assert.equal(text, '\udcff'.repeat(5) + 'a\u00e9\u{1f600}\udce2\udc82')
    assert.deepEqual(encodeText(text), bytes)
    assert.equal(decodeText(bytes, 5, 12), 'a\u00e9\u{1f600}')
  })
})

describe('a client that asks and does not read', () => {
  class Deaf extends RecordingTransport {
    listen: () => void = () => {}
    override drained(): undefined {
      return new Promise<void>((resolve) => (this.listen = resolve)) as unknown as undefined
    }
  }

  it('gets no more answers until he does, however large they are', async () => {
    let asked = 0
    const answer = reply(550, '5.7.1', 'x'.repeat(900))
    const transport = new Deaf()
    const wire = new Wire(
      () => ({ helo: () => (asked++, answer), envfrom: () => {}, eom: () => {} }),
      {},
      transport,
    )
    wire.send({ type: 'optneg', offer: FULL_OFFER })
    wire.send(...Array<ReturnType<typeof helo>>(1_000).fill(helo('x')), mail(), eom())
    assert.ok(asked < 30, String(asked))
    while (wire.session.handling) {
      const before = asked
      transport.listen()
      await wire.settle()
      assert.ok(asked - before < 30)
    }
    assert.equal(asked, 1_000)
    const types = wire.take().map(({ type }) => type)
    assert.deepEqual(types.splice(-2), ['continue', 'continue'])
    assert.equal(types.length, 1_001)
  })

  it('does not hold up an end of its connection', async () => {
    const transport = new Deaf()
    const ends: string[] = []
    const wire = new Wire(
      () => ({
        helo: () => reply(550, '5.7.1', 'x'.repeat(900)),
        close: (_ctx, reason) => void ends.push(reason),
      }),
      {},
      transport,
    )
    wire.send({ type: 'optneg', offer: FULL_OFFER })
    wire.send(...Array<ReturnType<typeof helo>>(1_000).fill(helo('x')))
    wire.session.end('eof')
    transport.listen()
    await wire.settle()
    assert.deepEqual(ends, ['eof'])
    assert.equal(wire.settings.memory.used, 0)
  })
})
