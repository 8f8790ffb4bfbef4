import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { Base } from '../../src/milter/base.ts'
import type { EndOfMessageContext } from '../../src/milter/context.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
import { abort, body, connect, eom, helo, mail, rcpt, Wire } from '../support/wire.ts'

const never = (): Promise<never> => new Promise(() => {})

/** Passes time on a mocked clock. */
async function pass(milliseconds: number): Promise<void> {
  mock.timers.tick(milliseconds)
  for (let i = 0; i < 20; i++) await null
}

describe('deadlines', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval'] }))
  afterEach(() => mock.timers.reset())

  it('answer for a handler that hangs, and fire its signal', async () => {
    for (const [stage, commands, limit] of [
      ['connect', [connect()], 8_000],
      ['helo', [helo()], 8_000],
      ['envfrom', [mail()], 8_000],
      ['body', [mail(), body()], 8_000],
    ] as const) {
      let signal: AbortSignal | undefined
      const wire = Wire.negotiated(
        () =>
          ({
            [stage]: (ctx: EndOfMessageContext) => {
              signal = ctx.signal
              return never()
            },
          }) as Handlers,
      )
      wire.send(...commands)
      wire.take()
      await pass(limit - 1)
      assert.equal(wire.answers(), '')
      await pass(1)
      assert.equal(wire.answers(), 'tempfail')
      assert.equal(signal!.reason.code, 'DEADLINE_EXCEEDED')
      assert.match(
        (wire.errors()[0]!.fields['err'] as Error).message,
        new RegExp(`${stage} did not answer within 8000 ms`),
      )
    }
  })

  it('of eom come after progress every five seconds', async () => {
    const wire = Wire.negotiated(() => ({ eom: never }))
    wire.send(mail(), eom())
    assert.equal(wire.answers(), 'continue')
    await pass(4_999)
    assert.equal(wire.answers(), '')
    await pass(1)
    assert.equal(wire.answers(), 'progress')
    for (let i = 0; i < 53; i++) await pass(5_000)
    const all = wire.answers().split(' ')
    assert.equal(all.pop(), 'tempfail')
    assert.ok(all.length >= 52 && all.every((one) => one === 'progress'))
    await pass(20_000)
    assert.equal(wire.answers(), '', 'and no progress after the verdict')
  })

  it('and the pace of progress are options', async () => {
    const wire = Wire.negotiated(() => ({ envrcpt: never, eom: never }), {
      deadlines: { envrcpt: 100, eom: 0 },
      progressInterval: 0,
    })
    wire.send(rcpt())
    await pass(100)
    assert.equal(wire.answers(), 'tempfail')
    wire.send(rcpt(), eom())
    await pass(100)
    assert.equal(wire.answers(), 'tempfail')
    await pass(1_000_000)
    assert.equal(wire.answers(), '')
  })

  it('leave no edit of the handler that overran, now or later', async () => {
    let late: (() => void) | undefined
    let context: EndOfMessageContext | undefined
    const codes: string[] = []
    let count = 0
    const wire = Wire.negotiated(
      () => ({
        eom: async (ctx) => {
          if (++count > 1) {
            late!()
            await null
            return
          }
          context = ctx
          ctx.addHeader('X-First', 'message')
          await new Promise<void>((resolve) => (late = resolve))
          try {
            context.addHeader('X-First', 'message')
          } catch (error) {
            codes.push((error as { code: string }).code)
          }
        },
      }),
      { onError: 'accept' },
    )
    wire.send(mail(), eom())
    await pass(270_000)
    assert.equal(wire.answers().replaceAll('progress ', ''), 'continue accept')
    wire.send(mail(), eom())
    await pass(0)
    assert.equal(wire.answers(), 'continue continue')
    assert.deepEqual(codes, ['WRONG_STAGE'])
  })

  it('keep an object of Base from editing while its overrun callback still runs', async () => {
    let wake: (() => void) | undefined
    class Slow extends Base {
      messages = 0
      override async eom() {
        if (this.messages++ === 0) await new Promise<void>((resolve) => (wake = resolve))
        this.addHeader('X-Message', String(this.messages))
      }
    }
    const wire = Wire.negotiated(() => new Slow(), { deadlines: 1_000 })
    wire.send(eom())
    await pass(1_000)
    assert.equal(wire.answers(), 'tempfail')
    wire.send(eom())
    await pass(0)
    assert.equal(wire.answers(), 'tempfail')
    assert.equal(
      (wire.errors().at(-1)!.fields['err'] as { code: string }).code,
      'HANDLER_OVERRAN',
    )
    wake!()
    await pass(0)
    wire.send(eom())
    await pass(0)
    assert.equal(wire.answers(), 'addheader continue')
  })

  it('also end the wait for abort and close', async () => {
    const calls: string[] = []
    const wire = Wire.negotiated(() => ({
      envfrom: () => void calls.push('envfrom'),
      abort: never,
    }))
    wire.send(mail(), abort, mail())
    await pass(7_999)
    assert.deepEqual(calls, ['envfrom'])
    await pass(1)
    assert.deepEqual(calls, ['envfrom', 'envfrom'])
  })
})

describe('options', () => {
  for (const [options, message] of [
    [{ onError: 'explode' }, /onError takes tempfail, reject, continue or accept/],
    [{ deadlines: -1 }, /deadlines.negotiate takes a whole number/],
    [{ deadlines: { eom: 1.5 } }, /deadlines.eom/],
    [{ deadlines: { emo: 5 } }, /stages: negotiate, connect.*; did you mean eom\?$/],
    [{ maxEdits: 0 }, /maxEdits takes a whole number, 1 or more/],
    [{ dataSize: 5 }, /dataSize takes 65535, 262143, 1048575/],
    [{ actions: 0x200 }, /actions takes/],
    [{ maxFrameSize: 10 }, /maxFrameSize/],
  ] as [object, RegExp][]) {
    it(`${JSON.stringify(options)} is refused with what it takes`, () => {
      assert.throws(
        () => new Wire(() => ({}), options),
        (error) => {
          assert.equal((error as { code: string }).code, 'INVALID_OPTION')
          assert.match((error as Error).message, message)
          return true
        },
      )
    })
  }
})
