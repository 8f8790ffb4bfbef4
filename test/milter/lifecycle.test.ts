/* oxlint-disable unicorn/no-thenable -- what filters return by mistake is what is tested */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Base } from '../../src/milter/base.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
import { encodeCommand } from '../../src/protocol/commands.ts'
import { REJECT } from '../../src/session/verdict.ts'
import {
  abort,
  body,
  Command,
  connect,
  eom,
  FULL_OFFER,
  helo,
  macros,
  mail,
  quit,
  rcpt,
  Wire,
} from '../support/wire.ts'

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** Things that fail when somebody looks at them. */
const EXOTIC: Readonly<Record<string, () => unknown>> = {
  'a throwing getter "then"': () => ({
    get then(): never {
      throw new Error('then')
    },
  }),
  'a "then" that is a function once': () => {
    let looked = 0
    return {
      get then(): unknown {
        if (looked++ > 0) throw new Error('then')
        return () => {}
      },
    }
  },
  'a revoked proxy': revoked,
  'a thenable whose then throws': () => ({
    then(): never {
      throw new Error('then')
    },
  }),
  'a thenable that calls back and throws': () => ({
    then(_done: unknown, failed: (error: unknown) => void): never {
      failed(revoked())
      throw revoked()
    },
  }),
  'a promise with a then of its own': () =>
    Object.assign(Promise.reject(new Error('own')), {
      then(): never {
        throw new Error('then')
      },
    }),
  'a proxy that has everything': () => new Proxy({}, { has: () => true, get: () => 'accept' }),
  'a rejection with a revoked proxy': () => Promise.reject(revoked()),
}

const THROWN: Readonly<Record<string, () => unknown>> = {
  'a revoked proxy': revoked,
  'an error whose stack throws': () =>
    Object.defineProperty(new Error('x'), 'stack', {
      get() {
        throw new Error('stack')
      },
    }),
  'an error whose code throws': () =>
    Object.defineProperty(new Error('x'), 'code', {
      get() {
        throw new Error('code')
      },
    }),
  'a symbol': () => Symbol('x'),
}

describe('whatever a handler does is answered', () => {
  for (const [what, make] of Object.entries(EXOTIC)) {
    for (const stage of ['connect', 'envfrom', 'eom'] as const) {
      it(`at ${stage} with ${what}`, async () => {
        const one = { [stage]: make } as Handlers
        const wire = Wire.negotiated(() => one)
        wire.send(connect(), mail(), eom(), connect(), quit)
        await wire.settle()
        const answers = wire.answers().split(' ')
        assert.ok(answers.includes('tempfail'), answers.join(' '))
        assert.equal(wire.transport.closed, true)
      })
    }
    it(`at abort and close with ${what}`, async () => {
      const wire = Wire.negotiated(
        () => ({ envfrom: () => {}, abort: make, close: make }) as unknown as Handlers,
      )
      wire.send(mail(), abort, mail(), quit)
      await wire.settle()
      assert.equal(wire.answers(), 'continue continue')
      assert.equal(wire.transport.closed, true)
    })
    it(`in a Base with ${what}`, async () => {
      class Filter extends Base {
        override envfrom(): never {
          return make() as never
        }
      }
      const wire = Wire.negotiated(() => new Filter())
      wire.send(mail(), eom())
      await wire.settle()
      assert.equal(wire.answers(), 'tempfail tempfail')
    })
    it(`at negotiate with ${what}`, async () => {
      const wire = new Wire(() => ({ negotiate: make }) as unknown as Handlers)
      wire.send({ type: 'optneg', offer: FULL_OFFER })
      await wire.settle()
      assert.equal(wire.transport.closed, true)
    })
  }

  for (const [what, make] of Object.entries(THROWN)) {
    it(`when it throws ${what}`, async () => {
      const wire = Wire.negotiated(() => ({
        envfrom() {
          throw make()
        },
        async connect() {
          throw make()
        },
      }))
      wire.send(connect())
      await wire.settle()
      assert.equal(wire.answers(), 'tempfail')
      wire.send(mail())
      assert.equal(wire.answers(), 'tempfail')
    })
  }

  for (const request of [
    { macros: { [-1]: ['i'] } },
    { macros: { [2 ** 32]: ['i'] } },
    { macros: { 7: ['i'] } },
    { macros: { mail: ['i'] } },
    { macros: { 2: 5 } },
    { steps: 1n },
    { actions: Symbol('a') },
    { actions: 1.5 },
    { actions: ['SING'] },
    { steps: ['constructor'] },
    { steps: [1] },
  ]) {
    it(`negotiate with ${Object.keys(request).join()} that mean nothing`, () => {
      const wire = new Wire(() => ({ negotiate: () => request }) as unknown as Handlers)
      wire.send({ type: 'optneg', offer: FULL_OFFER })
      assert.equal(wire.transport.closed, true)
      assert.match(wire.errors()[0]!.message, /refused/)
    })
  }
})

describe('the macros of MAIL and CONNECT', () => {
  for (const [what, next] of [
    ['MAIL', [macros(Command.MAIL, { i: 'second' }), mail()]],
    ['CONNECT', [macros(Command.CONNECT, { i: 'second' }), connect()]],
  ] as const) {
    it(`of ${what} end the message that is open before they are kept`, () => {
      const seen: (string | undefined)[] = []
      const wire = Wire.negotiated(() => ({
        envfrom: () => {},
        abort: (ctx) => void seen.push(ctx.queueId),
      }))
      wire.send(macros(Command.MAIL, { i: 'first' }), mail(), rcpt(), ...next)
      assert.deepEqual(seen, ['first'])
    })
  }
})

describe('setReply of a call that was cut off', () => {
  it('is not for the next message, nor does its end take the text of another', async () => {
    const late: { go?: () => void } = {}
    let error: unknown
    let calls = 0
    class Filter extends Base {
      override async envfrom(): Promise<typeof REJECT> {
        if (calls++ > 0) return REJECT
        await new Promise<void>((resolve) => (late.go = resolve))
        try {
          this.setReply(550, '5.7.1', 'of the first')
        } catch (thrown) {
          error = thrown
        }
        return REJECT
      }
    }
    const wire = Wire.negotiated(() => new Filter())
    wire.send(mail(), abort)
    await wire.settle()
    late.go!()
    wire.take()
    wire.send(mail())
    await wire.settle()
    assert.equal(wire.answers(), 'reject')
    assert.equal((error as { code: string }).code, 'HANDLER_OVERRAN')
  })
})

describe('what a mail server sends', () => {
  it('is bounded in bytes and words of a command, and in macros of a frame', () => {
    const many = Array.from({ length: 2_000 }, (_, i) => `X${i}`)
    for (const command of [
      connect({ hostname: 'h'.repeat(60_000) }),
      helo('h'.repeat(60_000)),
      mail(`<${'a'.repeat(60_000)}>`),
      mail('<a@example.org>', ...many),
      macros(Command.MAIL, Object.fromEntries(many.map((name) => [name, '']))),
    ]) {
      const wire = Wire.negotiated(() => ({ helo: () => {}, envfrom: () => {} }))
      wire.send(command)
      assert.equal(wire.transport.closed, true, command.type)
    }
  })

  it('is joined while a handler runs, and taken in time that grows with it alone', async () => {
    let go: (() => void) | undefined
    const names: string[] = []
    const wire = Wire.negotiated(() => ({
      connect: () => new Promise<void>((resolve) => (go = resolve)),
      envrcpt: (ctx) => void names.push(ctx.recipient.address),
    }))
    wire.send(connect())
    const commands = [mail(), ...Array.from({ length: 2_000 }, (_, i) => rcpt(`<${i}@x>`))]
    for (const byte of Buffer.concat(commands.map(encodeCommand))) wire.raw(Buffer.of(byte))
    assert.equal(names.length, 0)
    go!()
    await wire.settle()
    assert.equal(names.length, 2_000)
    assert.equal(names[1_999], '1999@x')
  })
})

describe('a message whose handler was cut off', () => {
  for (const [what, cut] of [
    ['ABORT', (wire: Wire) => wire.send(abort)],
    ['QUIT', (wire: Wire) => wire.send(quit)],
    ['EOF', (wire: Wire) => wire.session.end('eof')],
    ['a shutdown', (wire: Wire) => wire.session.end('shutdown')],
  ] as const) {
    for (const stage of ['envfrom', 'envrcpt', 'body'] as const) {
      it(`at ${stage} by ${what} sees abort, and nothing of what waits`, async () => {
        const calls: string[] = []
        const handlers: Handlers = {
          envfrom: () => void calls.push('envfrom'),
          envrcpt: () => void calls.push('envrcpt'),
          body: () => void calls.push('body'),
          eom: () => void calls.push('eom'),
          abort: () => void calls.push('abort'),
          close: () => void calls.push('close'),
          [stage]: () => {
            calls.push(stage)
            return new Promise(() => {})
          },
        }
        const wire = Wire.negotiated(() => handlers)
        const commands = [mail(), rcpt(), body(), eom()]
        const at = { envfrom: 1, envrcpt: 2, body: 3 }[stage]
        wire.send(...commands.slice(0, at))
        await wire.settle()
        // What was sent ahead of the cut.
        wire.send(...commands.slice(at))
        cut(wire)
        await wire.settle()
        const before = ['envfrom', 'envrcpt', 'body'].slice(0, at)
        assert.deepEqual(calls, [...before, 'abort', ...(what === 'ABORT' ? [] : ['close'])])
        const answers = wire.answers().split(' ')
        assert.equal(answers.length, what === 'EOF' ? at : 4, answers.join(' '))
        assert.equal(answers.at(-1), 'tempfail')
        assert.deepEqual(wire.errors(), [], 'nobody is to blame')
      })
    }
  }

  it('in the last piece of its body sees abort too', async () => {
    const calls: string[] = []
    const wire = Wire.negotiated(() => ({
      body: () => new Promise<void>(() => {}),
      eom: () => void calls.push('eom'),
      abort: () => void calls.push('abort'),
    }))
    wire.send(mail(), eom('tail'), abort)
    await wire.settle()
    assert.deepEqual(calls, ['abort'])
    assert.equal(wire.answers(), 'continue tempfail')
  })

  it('is the last that is looked at when the peer is gone', async () => {
    const calls: string[] = []
    const wire = Wire.negotiated(() => ({
      envfrom: () => {
        calls.push('envfrom')
        return new Promise<void>(() => {})
      },
    }))
    wire.send(...Array.from({ length: 50 }, () => mail()))
    await wire.settle()
    const began = calls.length
    for (const reason of ['eof', 'shutdown'] as const) wire.session.end(reason)
    await wire.settle()
    assert.equal(calls.length, began)
    assert.equal(wire.transport.closed, true)
  })
})
