import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { defineFilter } from '../../src/message/define-filter.ts'
import { Base } from '../../src/milter/base.ts'
import type { ConnectionContext, MessageContext } from '../../src/milter/context.ts'
import {
  abort,
  Command,
  connect,
  eom,
  helo,
  macros,
  mail,
  quitNc,
  rcpt,
  unknown,
  Wire,
} from '../support/wire.ts'

const LIMIT = 8_000

/** Passes time on a mocked clock. */
async function pass(milliseconds: number): Promise<void> {
  mock.timers.tick(milliseconds)
  for (let i = 0; i < 20; i++) await null
}

/** Promises that are settled by hand, in the order they were asked for. */
class Gates {
  readonly open: (() => void)[] = []
  next(): Promise<void> {
    return new Promise((resolve) => this.open.push(resolve))
  }
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval'] }))
afterEach(() => mock.timers.reset())

describe('the signal of a handler', () => {
  it('stays fired for the one that missed its deadline, and is fresh for the next', async () => {
    const gates = new Gates()
    const seen: boolean[] = []
    const handler = async (ctx: ConnectionContext): Promise<void> => {
      await gates.next()
      seen.push(ctx.signal.aborted)
    }
    const wire = Wire.negotiated(
      () => ({ connect: handler, helo: handler, envrcpt: handler, unknown: handler }),
      { onError: 'continue' },
    )
    wire.send(connect(), helo(), mail(), rcpt(), unknown(), rcpt())
    for (let i = 0; i < 4; i++) await pass(LIMIT)
    assert.equal(gates.open.length, 5)
    // The last one is waited for and in time; all others have been cut off.
    gates.open[4]!()
    await pass(0)
    assert.deepEqual(seen, [false])
    for (const open of gates.open.slice(0, 4)) open()
    await pass(0)
    assert.deepEqual(seen, [false, true, true, true, true])
  })

  it('does not fire for the deadline of another, but for the end of the message', async () => {
    const signals: AbortSignal[] = []
    const wire = Wire.negotiated(() => ({
      envfrom: (ctx) => void signals.push(ctx.signal),
      envrcpt: (ctx) => {
        signals.push(ctx.signal)
        return new Promise<void>(() => {})
      },
    }))
    wire.send(mail(), rcpt())
    await pass(LIMIT)
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [false, true],
    )
    wire.send(abort)
    assert.deepEqual(
      signals.map(({ reason }) => (reason as { code?: string }).code),
      ['MESSAGE_ABORTED', 'DEADLINE_EXCEEDED'],
    )
  })

  it('of a filter of defineFilter is its own too', async () => {
    const gates = new Gates()
    const seen: boolean[] = []
    const early: AbortSignal[] = []
    const filter = defineFilter({
      name: 'slow',
      onError: 'continue',
      sender: (_sender, ctx) => void early.push(ctx.signal),
      async recipient(_recipient, ctx) {
        await gates.next()
        seen.push(ctx.signal.aborted)
      },
    })
    const wire = Wire.negotiated(filter)
    wire.send(mail(), rcpt(), rcpt())
    await pass(LIMIT)
    gates.open[1]!()
    await pass(0)
    gates.open[0]!()
    await pass(0)
    assert.deepEqual(seen, [false, true])
    assert.equal(early[0]!.aborted, false)
  })

  it('of an object of Base ends a loop that looks at it, and is fresh before an await', async () => {
    const gates = new Gates()
    const ends: unknown[] = []
    let fresh: AbortSignal | undefined
    class Filter extends Base {
      override async envrcpt(): Promise<void> {
        if (gates.open.length > 0) {
          fresh = this.signal
          return
        }
        while (!this.signal.aborted) await gates.next()
        ends.push(this.signal.reason)
      }
    }
    const wire = Wire.negotiated(() => new Filter())
    wire.send(mail(), rcpt())
    await pass(LIMIT)
    wire.send(rcpt())
    await pass(0)
    assert.equal(fresh!.aborted, false)
    gates.open[0]!()
    await pass(0)
    assert.equal((ends[0] as { code: string }).code, 'DEADLINE_EXCEEDED')
  })

  it('can be listened to by many without a warning', async () => {
    const warnings: Error[] = []
    const listen = (warning: Error): void => {
      if (warning.name === 'MaxListenersExceededWarning') warnings.push(warning)
    }
    process.on('warning', listen)
    const many = (signal: AbortSignal): void => {
      for (let i = 0; i < 50; i++) signal.addEventListener('abort', () => {})
    }
    Wire.negotiated(() => ({ envfrom: (ctx) => many(ctx.signal) })).send(mail())
    Wire.negotiated(
      defineFilter({ name: 'many', sender: (_sender, { signal }) => many(signal) }),
    ).send(mail())
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', listen)
    assert.deepEqual(warnings, [])
  })

  it('is one of a hundred at most in a message', () => {
    const signals = new Set<AbortSignal>()
    const wire = Wire.negotiated(() => ({ envrcpt: (ctx) => void signals.add(ctx.signal) }))
    wire.send(mail(), ...Array.from({ length: 5_000 }, () => rcpt()), abort)
    assert.ok(signals.size <= 101)
    assert.ok([...signals].every(({ aborted }) => aborted))
  })
})

describe('late code', () => {
  /** A handler that was cut off, and looks around when it is let go. */
  const late = (gates: Gates, seen: unknown[]) => async (ctx: ConnectionContext) => {
    await gates.next()
    seen.push(ctx.queueId, ctx.macro('i'), ctx.macros.get('i'), ctx.connection.hostname)
    ctx.log.info('late')
  }

  it('of a message sees macros of its own message and of no other', async () => {
    const gates = new Gates()
    const seen: unknown[] = []
    const wire = Wire.negotiated(() => ({ envfrom: late(gates, seen), abort() {} }))
    wire.send(macros(Command.MAIL, { i: 'first' }), mail())
    await pass(LIMIT)
    wire.send(abort, macros(Command.MAIL, { i: 'second' }), mail())
    gates.open[0]!()
    await pass(0)
    assert.deepEqual(seen.slice(0, 3), ['first', undefined, undefined])
    assert.equal(wire.log.find(({ message }) => message === 'late')!.fields['queueId'], 'first')
  })

  it('keeps its own while the message goes on', async () => {
    const gates = new Gates()
    const seen: unknown[] = []
    let later: MessageContext | undefined
    const wire = Wire.negotiated(() => ({
      envrcpt: late(gates, seen),
      data: (ctx) => void (later = ctx),
    }))
    wire.send(macros(Command.MAIL, { i: 'first' }), mail(), rcpt())
    await pass(LIMIT)
    wire.send({ type: 'data' })
    assert.equal(later!.queueId, 'first')
    gates.open[0]!()
    await pass(0)
    assert.deepEqual(seen.slice(0, 3), ['first', 'first', 'first'])
  })

  it('of a connection sees no message, nor the next client', async () => {
    const gates = new Gates()
    const seen: unknown[] = []
    const wire = Wire.negotiated(() => ({
      connect: late(gates, seen),
      envfrom() {},
      close: late(gates, seen),
    }))
    wire.send(connect({ hostname: 'one.example.org' }))
    await pass(LIMIT)
    wire.send(macros(Command.MAIL, { i: 'first' }), mail())
    gates.open[0]!()
    await pass(0)
    wire.send(quitNc)
    await pass(LIMIT)
    wire.send(connect({ hostname: 'two.example.org' }))
    wire.send(macros(Command.MAIL, { i: 'second' }), mail())
    gates.open[1]!()
    await pass(0)
    const nothing = [undefined, undefined, undefined, 'one.example.org']
    assert.deepEqual(seen, [...nothing, ...nothing])
  })

  it('of a Base gets an error that it is not known, and logs without a queue id', async () => {
    const gates = new Gates()
    const seen: unknown[] = []
    class Filter extends Base {
      override async envfrom(): Promise<void> {
        await gates.next()
        this.log.info('late')
        for (const ask of [() => this.queueId, () => this.macro('i'), () => this.macros]) {
          try {
            seen.push(ask())
          } catch (error) {
            seen.push((error as { code: string }).code)
          }
        }
      }
    }
    const wire = Wire.negotiated(() => new Filter())
    wire.send(macros(Command.MAIL, { i: 'first' }), mail())
    await pass(LIMIT)
    wire.send(abort, macros(Command.MAIL, { i: 'second' }), mail())
    gates.open[0]!()
    await pass(0)
    assert.deepEqual(seen, ['HANDLER_OVERRAN', 'HANDLER_OVERRAN', 'HANDLER_OVERRAN'])
    const [line] = wire.log.filter(({ message }) => message === 'late')
    assert.equal(line!.fields['queueId'], undefined)
    // Nobody is left who is late.
    gates.open[1]!()
    await pass(0)
    assert.equal(seen[3], 'second')
  })
})

describe('the log of a message', () => {
  it('has its own queue id where nothing but macros of the next one ends it', () => {
    const wire = Wire.negotiated(() => ({
      envfrom() {},
      abort(ctx) {
        ctx.log.info('the end')
      },
      eom() {},
    }))
    wire.send(macros(Command.MAIL, { i: 'first' }), mail(), rcpt())
    wire.send(macros(Command.MAIL, { i: 'second' }), mail(), eom())
    const ends = wire.log.filter(({ message }) => message === 'the end')
    assert.deepEqual(
      ends.map(({ fields }) => fields['queueId']),
      ['first'],
    )
  })
})
