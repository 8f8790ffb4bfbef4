import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  compose,
  defineFilter,
  InterruptedError,
  REJECT,
  shadow,
  type Handlers,
} from '../../src/index.ts'
import { observe } from '../../src/diagnostics/channels.ts'
import type { HandlerTrace } from '../../src/diagnostics/handler-trace.ts'
import { deliver, openSession } from '../../src/testing/deliver.ts'
import { atEnd } from '../support/resources.ts'
import {
  abort,
  body,
  connect,
  eoh,
  eom,
  header,
  helo,
  mail,
  quit,
  rcpt,
  Wire,
} from '../support/wire.ts'

type Moment = 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error'
interface Seen {
  readonly moment: Moment
  readonly call: HandlerTrace
}

const channel = tracingChannel<unknown, HandlerTrace>('tsmilter:handler')

/** All that is traced until the end of the test, in order. */
function trace(): Seen[] {
  const seen: Seen[] = []
  const at = (moment: Moment) => (call: HandlerTrace) => void seen.push({ moment, call })
  const listeners = {
    start: at('start'),
    end: at('end'),
    asyncStart: at('asyncStart'),
    asyncEnd: at('asyncEnd'),
    error: at('error'),
  }
  channel.subscribe(listeners)
  atEnd(() => channel.unsubscribe(listeners))
  return seen
}

/** `helo start`, one for each. */
const words = (seen: readonly Seen[]): string[] =>
  seen.map(({ moment, call }) => `${call.filter ?? ''}${call.stage} ${moment}`)
/** The calls, in the order of their beginning. */
const calls = (seen: readonly Seen[]): HandlerTrace[] =>
  seen.filter(({ moment }) => moment === 'start').map(({ call }) => call)
const codeOf = (error: unknown): string => (error as InterruptedError).code

describe('traced calls of handlers', () => {
  it('that answer at once: start and end, while the mail server is answered at once', () => {
    const seen = trace()
    const wire = Wire.negotiated(() => ({ helo: () => REJECT, envfrom: () => {} }))
    assert.equal(wire.send(helo()).answers(), 'reject')
    assert.equal(wire.send(mail()).answers(), 'continue')
    assert.deepEqual(words(seen), ['helo start', 'helo end', 'envfrom start', 'envfrom end'])
    const [first, second] = calls(seen)
    assert.deepEqual(
      { ...first },
      {
        connection: wire.conversation.id,
        message: undefined,
        queueId: undefined,
        filter: undefined,
        stage: 'helo',
        isAsync: false,
        verdict: 'reject',
        error: undefined,
      },
    )
    assert.equal(second!.verdict, 'continue')
    assert.ok(second!.message! > 0)
  })

  it('that give a promise: over at asyncEnd', async () => {
    const seen = trace()
    const verdicts: unknown[] = []
    const end = ({ isAsync, verdict }: HandlerTrace): void =>
      void verdicts.push([isAsync, verdict])
    channel.end.subscribe(end as never)
    atEnd(() => channel.end.unsubscribe(end as never))
    const wire = Wire.negotiated(() => ({ helo: async () => REJECT }))
    await wire.send(helo()).settle()
    assert.equal(wire.answers(), 'reject')
    assert.deepEqual(words(seen), [
      'helo start',
      'helo end',
      'helo asyncStart',
      'helo asyncEnd',
    ])
    assert.deepEqual(verdicts, [[true, undefined]])
    assert.equal(calls(seen)[0]!.verdict, 'reject')
  })

  it('that fail: the error, and the answer of the policy', async () => {
    const thrown = new Error('on purpose')
    for (const [handler, isAsync] of [
      [
        () => {
          throw thrown
        },
        false,
      ],
      [() => Promise.reject(thrown), true],
      [() => 'nonsense', false],
      [async () => 'nonsense', true],
    ] as const) {
      const whole = defineFilter({ name: 'f ', helo: handler as never })
      for (const [filter, name] of [
        [(): Handlers => ({ helo: handler as never }), ''],
        [whole, 'f '],
      ] as const) {
        const seen = trace()
        const wire = await Wire.negotiated(filter).send(helo()).settle()
        assert.equal(wire.answers(), 'tempfail')
        const ends = isAsync ? ['end', 'error', 'asyncStart', 'asyncEnd'] : ['error', 'end']
        assert.deepEqual(
          words(seen),
          ['start', ...ends].map((moment) => `${name}helo ${moment}`),
        )
        const [call] = calls(seen)
        assert.equal(call!.verdict, 'tempfail')
        assert.ok(call!.error === thrown || codeOf(call!.error) === 'INVALID_VERDICT')
      }
    }
  })

  for (const kind of ['events', 'defineFilter'] as const) {
    const hang = (ended: { resolve(): void }) => (): Promise<void> =>
      new Promise((resolve) => (ended.resolve = resolve))
    const make = (ended: { resolve(): void }) =>
      kind === 'events'
        ? (): Handlers => ({ helo: hang(ended), eom: hang(ended) })
        : defineFilter({ name: 'w ', helo: hang(ended), message: hang(ended) })
    const name = kind === 'events' ? '' : 'w '
    const stage = kind === 'events' ? 'eom' : 'message'
    const ending = ['start', 'end', 'error', 'asyncStart', 'asyncEnd']

    for (const [how, command, code] of [
      ['the message is given up', abort, 'MESSAGE_ABORTED'],
      ['the client goes', quit, 'DISCONNECTED'],
    ] as const) {
      it(`that are cut off since ${how} end there (${kind})`, async () => {
        const ended = { resolve: () => {} }
        const seen = trace()
        const wire = Wire.negotiated(make(ended)).send(mail(), rcpt(), eom())
        await wire.settle()
        assert.deepEqual(words(seen), [`${name}${stage} start`, `${name}${stage} end`])
        await wire.send(command).settle()
        ended.resolve()
        await wire.settle()
        assert.deepEqual(
          words(seen),
          ending.map((moment) => `${name}${stage} ${moment}`),
        )
        const [call] = calls(seen)
        assert.ok(call!.error instanceof InterruptedError)
        assert.equal(codeOf(call!.error), code)
      })
    }

    it(`that are cut off before there is a message end there (${kind})`, async () => {
      const ended = { resolve: () => {} }
      const seen = trace()
      const wire = Wire.negotiated(make(ended)).send(helo())
      await wire.send(quit).settle()
      assert.deepEqual(
        words(seen),
        ending.map((moment) => `${name}helo ${moment}`),
      )
      assert.equal(codeOf(calls(seen)[0]!.error), 'DISCONNECTED')
    })

    it(`that miss their deadline end with it (${kind})`, async () => {
      const seen = trace()
      await deliver(make({ resolve: () => {} }) as () => Handlers, {
        filter: { deadlines: { helo: 20 } },
      })
      const all = words(seen).filter((word) => word.startsWith(`${name}helo`))
      assert.deepEqual(
        all,
        ending.map((moment) => `${name}helo ${moment}`),
      )
      assert.equal(codeOf(calls(seen)[0]!.error), 'DEADLINE_EXCEEDED')
    })
  }

  it('of a composition: one for each filter, and none for what is only collected', async () => {
    const seen = trace()
    const one = defineFilter({ name: '1 ', sender: () => {}, message: async () => {} })
    const two = defineFilter({
      name: '2 ',
      headers: () => {},
      message: () => Promise.resolve(REJECT),
    })
    const three = defineFilter({ name: '3 ', message: () => {}, close: () => {} })
    await deliver(compose(one, shadow(two), three))
    assert.deepEqual(
      words(seen).filter((word) => !word.includes('async')),
      [
        '1 sender start',
        '1 sender end',
        '1 message start',
        '1 message end',
        '2 headers start',
        '2 headers end',
        '2 message start',
        '2 message end',
        '3 message start',
        '3 message end',
        '3 close start',
        '3 close end',
      ],
    )
    const verdicts = calls(seen).map(({ verdict }) => verdict)
    assert.equal(verdicts[3], 'reject', 'what the shadow would have done')
  })

  it('of negotiate, abort and close, which have no verdict but may fail', () => {
    const seen = trace()
    const fail = (): never => {
      throw new Error('on purpose')
    }
    const wire = Wire.negotiated(() => ({ negotiate: () => {}, abort: fail, close: () => {} }))
    wire.send(mail(), abort, quit)
    assert.deepEqual(words(seen), [
      'negotiate start',
      'negotiate end',
      'abort start',
      'abort error',
      'abort end',
      'close start',
      'close end',
    ])
    assert.ok(calls(seen).every(({ verdict }) => verdict === undefined))
    const refused = trace()
    new Wire(() => ({ negotiate: fail })).send({
      type: 'optneg',
      offer: { version: 6, actions: 0, steps: 0 },
    })
    assert.deepEqual(words(refused), ['negotiate start', 'negotiate error', 'negotiate end'])
  })

  it('of a filter of events: each header field and piece of the body', () => {
    const seen = trace()
    const wire = Wire.negotiated(() => ({ header: () => {}, body: () => {}, eom: () => {} }))
    wire.send(mail(), rcpt(), header(), header(), eoh, body(), eom())
    assert.deepEqual(
      calls(seen).map(({ stage }) => stage),
      ['header', 'header', 'body', 'eom'],
    )
  })

  it('have a number of their message, as its beginning and end', async () => {
    const seen = trace()
    const begun: [number, number][] = []
    const done: [number, number][] = []
    atEnd(
      observe({
        'tsmilter:message:start': (event) => begun.push([event.connection, event.message]),
        'tsmilter:message': (event) => done.push([event.connection, event.message]),
      }),
    )
    const session = await openSession(() => ({
      connect: () => {},
      envfrom: () => {},
      eom: () => {},
    }))
    await session.deliver({})
    await session.client.command(mail('<two@example.org>'))
    session.client.reset()
    await session.deliver({})
    await session.close()
    assert.equal(begun.length, 3)
    assert.deepEqual(done, begun)
    assert.equal(new Set(begun.map(String)).size, 3)
    const numbers = calls(seen).map(({ stage, message }) => [stage, message])
    const [first, second, third] = begun
    assert.deepEqual(numbers, [
      ['connect', undefined],
      ['envfrom', first![1]],
      ['eom', first![1]],
      ['envfrom', second![1]],
      ['envfrom', third![1]],
      ['eom', third![1]],
    ])
    assert.match(calls(seen)[2]!.queueId!, /\w/)
  })

  it('run in the store that is bound to start, each in its own, through all they await', async () => {
    const storage = new AsyncLocalStorage<HandlerTrace>()
    channel.start.bindStore(storage, (call) => call)
    atEnd(() => channel.start.unbindStore(storage))
    const inside: unknown[] = []
    const look = async (): Promise<void> => {
      const before = storage.getStore()
      await setImmediate()
      assert.equal(storage.getStore(), before)
      inside.push([before!.filter, before!.stage, before!.message])
    }
    const filter = compose(
      defineFilter({ name: 'a', helo: look, message: look }),
      defineFilter({ name: 'b', message: () => void inside.push(storage.getStore()!.filter) }),
    )
    await Promise.all([deliver(filter), deliver(filter)])
    assert.equal(storage.getStore(), undefined)
    const messages = inside.filter((one) => Array.isArray(one) && one[1] === 'message')
    assert.equal(new Set(messages.map((one) => (one as unknown[])[2])).size, 2)
    assert.deepEqual(
      inside.map((one) => (Array.isArray(one) ? one.slice(0, 2).join(' ') : one)).sort(),
      ['a helo', 'a helo', 'a message', 'a message', 'b', 'b'],
    )
    const wire = Wire.negotiated(() => ({
      connect: () => void inside.push(storage.getStore()?.stage),
    }))
    wire.send(connect())
    assert.equal(inside.at(-1), 'connect')
  })
})
