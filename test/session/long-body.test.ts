import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EndOfMessageContext, FilterOptions } from '../../src/index.ts'
import type { LiveMessageContext } from '../../src/milter/context.ts'
import { abort, connect, eom, mail, rcpt, Wire } from '../support/wire.ts'

/** A wire whose filter answers end of message with a body that is read while it is sent. */
function sending(body: AsyncIterable<Buffer>, options: FilterOptions = {}): Wire {
  const wire = Wire.negotiated(
    () => ({
      envrcpt: () => undefined,
      eom(ctx: EndOfMessageContext) {
        ctx.addHeader('X-A', 'b')
        ;(ctx as LiveMessageContext).replaceBodyFrom(body)
      },
    }),
    options,
  )
  wire.send(connect(), mail(), rcpt())
  wire.take()
  return wire
}

const types = (wire: Wire): string[] =>
  wire
    .take()
    .map((reply) => (reply.type === 'replbody' ? `replbody ${reply.chunk.length}` : reply.type))

async function* pieces(...sizes: number[]): AsyncGenerator<Buffer> {
  for (const size of sizes) yield Buffer.alloc(size, 'x')
}

describe('a body that is read while it is sent', () => {
  it('comes last of the edits, in frames of 65,535 bytes at most, and before the verdict', async () => {
    const wire = sending(pieces(10, 65_536, 0, 5))
    wire.send(eom())
    await wire.settle()
    assert.deepEqual(types(wire), [
      'addheader',
      'replbody 10',
      'replbody 65535',
      'replbody 1',
      'replbody 5',
      'continue',
    ])
  })

  it('may be empty', async () => {
    const wire = sending(pieces())
    wire.send(eom())
    await wire.settle()
    assert.deepEqual(types(wire), ['addheader', 'replbody 0', 'continue'])
  })

  it('is read no faster than the mail server reads', async () => {
    let read = 0
    const wire = sending(
      (async function* () {
        for (; read < 5; read++) yield Buffer.alloc(10)
      })(),
    )
    let drain = (): void => {}
    wire.transport.drained = () => new Promise<void>((resolve) => (drain = resolve)) as never
    wire.send(eom())
    for (let i = 0; i < 5; i++) {
      await wire.settle()
      assert.equal(read, i)
      assert.equal(types(wire).length, i === 0 ? 2 : 1)
      drain()
    }
    await wire.settle()
    assert.deepEqual(types(wire), ['continue'])
  })

  it('defers the message if it breaks, whatever the policy: half of it is out', async () => {
    const wire = sending(
      (async function* () {
        yield Buffer.alloc(10)
        throw new Error('the disk is gone')
      })(),
      { onError: 'accept' },
    )
    wire.send(eom())
    await wire.settle()
    assert.deepEqual(types(wire), ['addheader', 'replbody 10', 'tempfail'])
    assert.match(wire.log.map(({ fields }) => String(fields['err'])).join(), /the disk is gone/)
    // The next message is not touched by it.
    wire.send(mail(), rcpt())
    assert.deepEqual(types(wire), ['continue', 'continue'])
  })

  it('is not read on when the connection is gone, and nothing waits for ever', async () => {
    let closed = false
    const wire = sending(
      (async function* () {
        try {
          for (;;) yield Buffer.alloc(10)
        } finally {
          closed = true
        }
      })(),
    )
    let drain = (): void => {}
    wire.transport.drained = () => new Promise<void>((resolve) => (drain = resolve)) as never
    wire.send(eom())
    await wire.settle()
    wire.session.end('eof')
    drain()
    await wire.settle()
    assert.ok(closed)
    assert.ok(wire.session.closed)
  })

  it('lets commands behind it wait, and answers them in order', async () => {
    const wire = sending(pieces(10, 10))
    wire.send(eom(), abort, mail(), rcpt())
    await wire.settle()
    assert.deepEqual(types(wire), [
      'addheader',
      'replbody 10',
      'replbody 10',
      'continue',
      'continue',
      'continue',
    ])
  })

  it('is not interrupted by PROGRESS', async () => {
    let drain = (): void => {}
    const wire = sending(pieces(10, 10))
    wire.transport.drained = () => new Promise<void>((resolve) => (drain = resolve)) as never
    wire.send(eom())
    await wire.settle()
    wire.session.progress()
    drain()
    await wire.settle()
    wire.session.progress()
    drain()
    await wire.settle()
    assert.deepEqual(types(wire), ['addheader', 'replbody 10', 'replbody 10', 'continue'])
  })
})
