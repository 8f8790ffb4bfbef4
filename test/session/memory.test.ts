import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { EnvelopeAddress } from '../../src/milter/envelope/envelope-address.ts'
import type { FilterFactory } from '../../src/milter/filter-object.ts'
import { filterSettings, type FilterOptions } from '../../src/milter/options.ts'
import { Command } from '../../src/protocol/constants.ts'
import { encodeCommand, type CommandMessage } from '../../src/protocol/commands.ts'
import { encodeFrame } from '../../src/protocol/frame.ts'
import { MemoryBudget } from '../../src/session/memory-budget.ts'
import {
  abort,
  body,
  connect,
  eom,
  FULL_OFFER,
  helo,
  macros,
  mail,
  quit,
  quitNc,
  rcpt,
  recordingLogger,
  Wire,
  type LogLine,
} from '../support/wire.ts'

const KIB = 1_024
/** of a message that is open: its sender, which later handlers can ask for */
const SENDER = new EnvelopeAddress(['<a@example.org>']).held
const RECIPIENT = new EnvelopeAddress(['<b@example.net>']).held

/** A connection, the budget it shares with others, and what others hold. */
function wireOf(
  factory: FilterFactory,
  options: FilterOptions = {},
  limit = 1_000_000,
): { wire: Wire; memory: MemoryBudget; log: LogLine[] } {
  const log: LogLine[] = []
  const memory = new MemoryBudget(limit)
  const settings = { ...filterSettings({ logger: recordingLogger(log), ...options }), memory }
  return { wire: Wire.negotiated(factory, {}, FULL_OFFER, settings), memory, log }
}
/** The first half of a frame. */
const begun = (size: number): Buffer =>
  encodeFrame(Command.BODY, Buffer.alloc(2 * size)).subarray(0, size)

describe('a budget of memory', () => {
  it('gives what it has, and no more', () => {
    const memory = new MemoryBudget(100)
    assert.equal(memory.reserve(60), true)
    assert.equal(memory.reserve(41), false)
    assert.equal(memory.used, 60)
    assert.equal(memory.exhausted, false)
    assert.equal(memory.reserve(40), true)
    assert.equal(memory.exhausted, true)
    memory.release(100)
    assert.equal(memory.used, 0)
  })

  it('keeps a quarter back from bodies', () => {
    const memory = new MemoryBudget(100)
    assert.equal(memory.reserveForBody(76), false)
    assert.equal(memory.reserveForBody(75), true)
    assert.equal(memory.reserveForBody(1), false)
    assert.equal(memory.reserve(25), true)
  })

  it('counts what passes through, whether there is room or not', () => {
    const memory = new MemoryBudget(100)
    memory.pass(150)
    assert.deepEqual([memory.used, memory.exhausted], [150, true])
    assert.equal(memory.reserveForBody(1), false)
    // A burst of input does not keep messages out.
    assert.equal(memory.reserve(100), true)
    assert.equal(memory.reserve(1), false)
    memory.pass(-100)
    assert.equal(memory.used, 150)
  })
})

describe('what a connection holds', () => {
  it('is nothing while everything is read', () => {
    const { wire, memory } = wireOf(() => ({ envfrom: () => {}, body: () => {} }))
    wire.send(helo(), mail(), rcpt(), body('x'.repeat(60_000)), eom())
    wire.send(macros(Command.MAIL, { i: 'queue' }))
    assert.equal(memory.used, 0)
  })

  it('is a frame whose rest has not come, until it has', () => {
    const { wire, memory } = wireOf(() => ({ envfrom: () => {}, body: () => {} }))
    wire.send(mail())
    const frame = encodeFrame(Command.BODY, Buffer.alloc(50_000))
    wire.raw(frame.subarray(0, 20_000))
    assert.equal(memory.used, SENDER + frame.length, 'room for all of it, and no more')
    wire.raw(frame.subarray(20_000))
    assert.equal(memory.used, SENDER)
    wire.raw(frame.subarray(0, 20_000))
    wire.session.end('eof')
    assert.equal(memory.used, 0)
  })

  it('is what waits for a handler', async () => {
    let done = (): void => {}
    const { wire, memory } = wireOf(() => ({
      envfrom: () => new Promise<void>((resolve) => (done = resolve)),
      body: () => {},
    }))
    wire.send(mail())
    wire.raw(Buffer.alloc(0))
    const before = memory.used
    wire.send(body('x'.repeat(10_000)))
    wire.send(body('x'.repeat(10_000)))
    assert.ok(memory.used - before >= 20_000)
    done()
    await wire.settle()
    assert.equal(memory.used, SENDER)
  })

  it('is the rest of a read, though the memory was borrowed', async () => {
    let done = (): void => {}
    const { wire, memory } = wireOf(() => ({
      envfrom: () => new Promise<void>((resolve) => (done = resolve)),
      body: () => {},
    }))
    const commands = [mail(), body('x'.repeat(10_000))].map(encodeCommand)
    wire.borrowed(Buffer.concat(commands))
    assert.ok(memory.used >= 10_000)
    done()
    await wire.settle()
    assert.equal(memory.used, SENDER)
  })

  it('is sets of macros that are larger than usual, as long as they hold', () => {
    const { wire, memory } = wireOf(() => ({ envfrom: () => {}, envrcpt: () => {} }))
    wire.send(mail(), macros(Command.RCPT, { long: 'x'.repeat(10_000) }))
    assert.ok(memory.used >= 10_000 && memory.used < 11_000, String(memory.used))
    wire.send(rcpt())
    assert.ok(memory.used >= 10_000)
    wire.send(rcpt())
    assert.equal(memory.used, SENDER + 2 * RECIPIENT)
    wire.send(macros(Command.RCPT, { long: 'x'.repeat(10_000) }))
    wire.send(macros(Command.RCPT, { long: 'x'.repeat(20_000) }))
    assert.ok(memory.used >= 20_000 && memory.used < 21_000)
    wire.send(macros(Command.RCPT, {}))
    assert.equal(memory.used, SENDER + 2 * RECIPIENT)
    wire.send(macros(Command.CONNECT, { long: 'x'.repeat(20_000) }), quit)
    assert.equal(memory.used, 0)
  })

  it('is what handlers have asked of large sets of macros', () => {
    const names = Array.from({ length: 900 }, (_, i) => [`n${i}`, ''] as const)
    const { wire, memory } = wireOf(() => ({
      helo: (ctx) => void ctx.macro('none'),
      envfrom: () => {},
    }))
    wire.send(macros(Command.HELO, Object.fromEntries(names)))
    const asTheyCame = memory.used
    wire.send(helo())
    assert.ok(memory.used - asTheyCame > 900 * 100, String(memory.used))
    wire.send(macros(Command.HELO, {}), helo())
    assert.equal(memory.used, 0)
  })

  it('is long strings of commands, as long as they are kept', () => {
    const { wire, memory } = wireOf(() => ({
      connect: () => {},
      helo: () => {},
      envfrom: () => {},
      envrcpt: () => {},
    }))
    const grows = (...commands: CommandMessage[]): number => {
      const before = memory.used
      wire.send(...commands)
      return memory.used - before
    }
    const name = '\udcff'.repeat(10_000)
    const words = Array<string>(200).fill('x'.repeat(50))
    assert.ok(grows(connect({ hostname: name })) >= 20_000)
    assert.ok(grows(helo(name)) >= 20_000)
    assert.equal(grows(helo(name)), 0, 'in place of the one before')
    assert.ok(grows(mail(...words)) >= 10_000 + 200 * 24)
    assert.ok(grows(rcpt(...words)) >= 10_000 + 200 * 24)
    // In place of the one before; but later handlers can ask for both recipients.
    assert.equal(
      grows(rcpt(...words)),
      new EnvelopeAddress([words[0]!, ...words.slice(1)]).held,
    )
    assert.ok(grows(rcpt()) <= -10_000)
    assert.ok(grows(abort, mail()) <= -10_000)
    assert.ok(grows(quitNc) <= -40_000)
    assert.equal(memory.used, 0)
    wire.send(connect({ hostname: name }), quit)
    assert.equal(memory.used, 0)
  })

  it('is edits that have not been sent', async () => {
    let done = (): void => {}
    for (const fails of [false, true]) {
      const { wire, memory } = wireOf(() => ({
        envfrom: () => {},
        eom: async (ctx) => {
          ctx.addHeader('X', 'x'.repeat(10_000))
          ctx.replaceBody('x'.repeat(20_000))
          await new Promise<void>((resolve) => (done = resolve))
          if (fails) throw new Error('after all')
        },
      }))
      wire.send(mail(), eom())
      assert.ok(memory.used >= 30_000, String(memory.used))
      done()
      await wire.settle()
      assert.equal(memory.used, 0)
    }
  })

  it('is the memory that small pieces take, not their bytes', async () => {
    let done = (): void => {}
    const { wire, memory } = wireOf(() => ({
      envfrom: () => new Promise<void>((resolve) => (done = resolve)),
      body: () => {},
    }))
    wire.send(mail())
    const before = memory.used
    const bytes = encodeCommand(body('x'.repeat(20_000)))
    wire.borrowed(bytes.subarray(0, 1))
    assert.ok(memory.used - before >= 4_096, 'a block for one byte')
    for (let at = 1; at < bytes.length; at += 2) wire.borrowed(bytes.subarray(at, at + 2))
    const held = memory.used - before
    assert.ok(held >= bytes.length && held < bytes.length + 3 * 4_096, String(held))
    done()
    await wire.settle()
    assert.equal(wire.answers(), 'continue continue')
    assert.equal(memory.used, SENDER)
  })

  it('is given back whatever comes, and however it is cut', async () => {
    const piece = fc.oneof(
      fc.constantFrom(helo('x'.repeat(9_000)), mail('x'.repeat(900)), rcpt('x'.repeat(600))),
      fc.constantFrom(
        helo(),
        mail(),
        rcpt(),
        quitNc,
        abort,
        body('x'.repeat(9_000)),
        eom(),
        quit,
      ),
      fc.constant(macros(Command.RCPT, { a: 'x'.repeat(6_000) })),
      fc.constant(macros(Command.MAIL, { a: 'x'.repeat(9_000) })),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 10 }),
        fc.boolean(),
        fc.boolean(),
        async (commands, cuts, async, borrowed) => {
          const answer = async
            ? () => new Promise<void>((resolve) => setImmediate(resolve))
            : () => {}
          const { wire, memory } = wireOf(() => ({
            envfrom: answer,
            envrcpt: answer,
            body: answer,
          }))
          const bytes = Buffer.concat(commands.map(encodeCommand))
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const end = at + cuts[i % cuts.length]!
            const piece = Buffer.from(bytes.subarray(at, end))
            if (borrowed) wire.borrowed(piece)
            else wire.raw(piece)
            assert.ok(memory.used >= 0)
            at = end
          }
          wire.session.end('eof')
          while (!wire.session.closed) await wire.settle()
          assert.equal(memory.used, 0)
        },
      ),
      { numRuns: 100 },
    )
  })
})

describe('when all memory is in use', () => {
  it('what comes while a handler runs is not read, and is read when it is done', async () => {
    let done = (): void => {}
    const { wire, memory } = wireOf(() => ({
      envfrom: () => new Promise<void>((resolve) => (done = resolve)),
      envrcpt: () => {},
    }))
    wire.send(mail())
    memory.pass(memory.limit)
    assert.equal(wire.transport.paused, false)
    wire.send(rcpt())
    assert.equal(wire.transport.paused, true)
    done()
    await wire.settle()
    assert.equal(wire.transport.paused, false)
    assert.equal(wire.answers(), 'continue continue')
  })

  it('a usual frame is put together all the same', () => {
    const { wire, memory } = wireOf(() => ({ envfrom: () => {}, body: () => {} }))
    wire.send(mail())
    memory.pass(memory.limit)
    wire.take()
    const frame = encodeFrame(Command.BODY, Buffer.alloc(65_535))
    for (let at = 0; at < frame.length; at += 10_000) wire.raw(frame.subarray(at, at + 10_000))
    assert.equal(wire.answers(), 'continue')
    assert.equal(memory.used, SENDER + memory.limit)
  })

  for (const [overload, answer] of [
    ['tempfail', 'tempfail'],
    ['accept', 'accept'],
  ] as const) {
    it(`a larger one has its connection closed, with ${answer}`, () => {
      const ends: string[] = []
      const { wire, memory, log } = wireOf(
        () => ({
          envfrom: () => {},
          body: () => {},
          abort: () => void ends.push('abort'),
          close: (_ctx, reason) => void ends.push(reason),
        }),
        { overload },
      )
      wire.send(mail())
      wire.take()
      wire.raw(begun(200 * KIB))
      assert.equal(wire.answers(), '', 'there is room')
      memory.pass(memory.limit)
      wire.raw(Buffer.alloc(10))
      assert.equal(wire.answers(), answer)
      assert.equal(wire.transport.closed, true)
      assert.deepEqual(ends, ['abort', 'error'])
      assert.equal(memory.used, memory.limit)
      const line = log.find(({ level }) => level === 'warn')
      assert.equal(line?.fields['code'], 'MEMORY_EXHAUSTED')
    })
  }

  it('such macros too', () => {
    const { wire, memory } = wireOf(() => ({ envfrom: () => {} }))
    memory.pass(memory.limit)
    for (const command of [Command.CONNECT, Command.HELO, Command.MAIL]) {
      wire.send(macros(command, { a: 'x'.repeat(60_000) }))
    }
    assert.equal(wire.answers(), 'tempfail')
    assert.equal(wire.transport.closed, true)
    assert.equal(memory.used, memory.limit)
  })
})
