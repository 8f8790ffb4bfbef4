import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InterruptedError } from '../../src/errors.ts'
import type { ConnectionContext, MessageContext } from '../../src/milter/context.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
import { borrowed, noReply } from '../../src/milter/marks.ts'
import { Base } from '../../src/milter/base.ts'
import { Milter } from '../../src/milter/milter.ts'
import { encodeCommand } from '../../src/protocol/commands.ts'
import { REJECT, SKIP, type Verdict } from '../../src/session/verdict.ts'
import { deliver } from '../../src/testing/index.ts'
import {
  abort,
  body,
  Command,
  connect,
  data,
  eoh,
  eom,
  FULL_OFFER,
  header,
  helo,
  macros,
  mail,
  quit,
  rcpt,
  recordingLogger,
  Wire,
  type LogLine,
} from '../support/wire.ts'

const pause = (): { promise: Promise<void>; go: () => void } => {
  let go: () => void = () => {}
  const promise = new Promise<void>((resolve) => (go = resolve))
  return { promise, go }
}

describe('three messages on one connection (USERS P1)', () => {
  it('share the connection and leak nothing else', () => {
    const seen: unknown[][] = []
    const look = (ctx: ConnectionContext): void =>
      void seen.push([
        ctx.connection.helo,
        ctx.macro('j'),
        ctx.macro('i'),
        ctx.macro('rcpt_addr'),
        ctx.queueId,
      ])
    const contexts = new Set<MessageContext>()
    const wire = Wire.negotiated(() => ({
      connect: () => {},
      helo: () => {},
      envfrom: (ctx) => {
        contexts.add(ctx)
        look(ctx)
      },
      envrcpt: look,
      eom: look,
    }))
    wire.send(
      macros(Command.CONNECT, { j: 'mx' }),
      connect(),
      helo('one'),
      macros(Command.MAIL, { i: 'Q1' }),
      mail(),
      macros(Command.RCPT, { rcpt_addr: 'r1' }),
      rcpt(),
      abort,
      mail(),
      rcpt(),
      eom(),
      macros(Command.MAIL, { i: 'Q3' }),
      mail(),
      eom(),
      helo('two'),
      mail(),
    )
    assert.deepEqual(seen, [
      ['one', 'mx', 'Q1', undefined, 'Q1'],
      ['one', 'mx', 'Q1', 'r1', 'Q1'],
      ['one', 'mx', undefined, undefined, undefined],
      ['one', 'mx', undefined, undefined, undefined],
      ['one', 'mx', undefined, undefined, undefined],
      ['one', 'mx', 'Q3', undefined, 'Q3'],
      ['one', 'mx', 'Q3', undefined, 'Q3'],
      ['two', 'mx', undefined, undefined, undefined],
    ])
    assert.equal(contexts.size, 4)
  })

  it('a context that was kept reads nothing of later messages', () => {
    const kept: MessageContext[] = []
    const wire = Wire.negotiated(() => ({ envfrom: (ctx) => void kept.push(ctx) }))
    wire.send(
      macros(Command.MAIL, { i: 'Q1' }),
      mail(),
      eom(),
      macros(Command.MAIL, { i: 'Q2' }),
      mail(),
    )
    const [first, second] = kept
    assert.equal(first!.macro('i'), undefined)
    assert.equal(first!.macros.size, 0)
    assert.equal(first!.queueId, 'Q1', 'for late log lines')
    assert.equal(second!.queueId, 'Q2')
  })

  it("macros of RCPT are the last recipient's at end of message (FT18)", () => {
    const seen: (string | undefined)[] = []
    const wire = Wire.negotiated(() => ({
      eom: (ctx) =>
        void seen.push(ctx.macro('{rcpt_addr}'), ctx.macro('rcpt_addr'), ctx.macro('{j}')),
    }))
    wire.send(
      macros(Command.CONNECT, { j: 'mx' }),
      macros(Command.RCPT, { rcpt_addr: 'first' }),
      rcpt(),
      macros(Command.RCPT, { rcpt_addr: 'last' }),
      rcpt(),
      eom(),
    )
    assert.deepEqual(seen, ['last', 'last', 'mx'])
  })
})

describe('contexts', () => {
  it('tell the envelope as a person reads it', () => {
    const seen: unknown[] = []
    const wire = Wire.negotiated(() => ({
      envfrom: (ctx, sender, ...words) =>
        void seen.push(sender, words, ctx.sender.address, [...ctx.sender.parameters]),
      envrcpt: (ctx, to) => void seen.push(to, ctx.recipient.address, ctx.rejectedByServer),
    }))
    wire.send(
      mail('<@relay:a@b>', 'size=3', 'SMTPUTF8', 'X=y=z'),
      macros(Command.RCPT, { rcpt_mailer: 'error' }),
      rcpt('local@user'),
      macros(Command.RCPT, {}),
      rcpt('<>'),
    )
    assert.deepEqual(seen, [
      '<@relay:a@b>',
      ['size=3', 'SMTPUTF8', 'X=y=z'],
      'a@b',
      [
        ['SIZE', '3'],
        ['SMTPUTF8', null],
        ['X', 'y=z'],
      ],
      'local@user',
      'local@user',
      true,
      '<>',
      '',
      false,
    ])
  })

  it('give the connection with every family', () => {
    const seen: unknown[][] = []
    const factory = (): Handlers => ({ connect: (_ctx, ...args) => void seen.push(args) })
    Wire.negotiated(factory).send(connect())
    Wire.negotiated(factory).send(
      connect({ family: 'inet6', rawAddress: 'IPv6:0:0:0:0:0:0:0:1' }),
    )
    Wire.negotiated(factory).send(connect({ family: 'unix', rawAddress: '/run/x' }))
    Wire.negotiated(factory).send(connect({ family: 'unknown' }))
    Wire.negotiated(factory).send(connect({ rawAddress: 'unknown' }))
    assert.deepEqual(seen, [
      ['client.example.org', 'inet', '192.0.2.1', 4321],
      ['client.example.org', 'inet6', '::1', 4321],
      ['client.example.org', 'unix', '/run/x', undefined],
      ['client.example.org', 'unknown', undefined, undefined],
      ['client.example.org', 'inet', 'unknown', 4321],
    ])
  })

  it('log with the connection and the queue id, through any logger', () => {
    const lines: LogLine[] = []
    const plain = recordingLogger(lines)
    delete plain.child
    const wire = Wire.negotiated(
      () => ({
        helo: (ctx) => ctx.log.info('hello'),
        eom: (ctx) => ctx.log.warn({ why: 'x' }, 'odd'),
      }),
      { logger: plain },
    )
    const id = wire.conversation.id
    wire.send(helo(), macros(Command.EOM, { i: 'Q1' }), eom())
    assert.deepEqual(lines, [
      { level: 'info', fields: { connection: id }, message: 'hello' },
      { level: 'warn', fields: { connection: id, queueId: 'Q1', why: 'x' }, message: 'odd' },
    ])
  })

  it('log no more of a queue id than a queue id can be', () => {
    const lines: LogLine[] = []
    const wire = Wire.negotiated(() => ({ eom: (ctx) => ctx.log.info('here') }), {
      logger: recordingLogger(lines),
    })
    wire.send(macros(Command.EOM, { i: 'Q'.repeat(60_000) }), eom())
    assert.equal(lines[0]!.fields['queueId'], 'Q'.repeat(1_000))
  })

  it('of Base are the present one', () => {
    const seen: unknown[] = []
    class Filter extends Base {
      override envfrom() {
        seen.push(
          this.id,
          this.queueId,
          this.macro('i'),
          this.macros.size,
          this.connection.family,
          this.negotiated.version,
          this.signal.aborted,
        )
      }
    }
    const wire = Wire.negotiated(() => new Filter())
    wire.send(macros(Command.MAIL, { i: 'Q1' }), mail())
    assert.deepEqual(seen, [wire.conversation.id, 'Q1', 'Q1', 1, 'unknown', 6, false])
  })
})

describe('a body chunk', () => {
  it('stays as it is, even if the memory it came in is used again', () => {
    const chunks: Buffer[] = []
    const wire = Wire.negotiated(() => ({ body: (_ctx, chunk) => void chunks.push(chunk) }))
    const bytes = Buffer.from('\0\0\0\x06Bhello\0\0\0\x01E', 'latin1')
    wire.borrowed(bytes)
    for (const byte of Buffer.from('\0\0\0\x06Bworld\0\0\0\x01E', 'latin1')) {
      wire.borrowed(Buffer.of(byte))
    }
    assert.deepEqual(chunks.map(String), ['hello', 'world'])
  })
})

describe('a body chunk that is borrowed', () => {
  const piece = (text: string): Buffer => encodeCommand(body(text))

  it('is what came, however it came, and is no copy', () => {
    const seen: string[] = []
    const kept: Buffer[] = []
    const wire = Wire.negotiated(() => ({
      body: borrowed((_ctx, chunk: Buffer) => {
        seen.push(chunk.toString())
        kept.push(chunk)
      }),
    }))
    const bytes = Buffer.concat([piece('hello'), piece('world')])
    wire.borrowed(bytes)
    for (const byte of bytes) wire.borrowed(Buffer.of(byte))
    assert.deepEqual(seen, ['hello', 'world', 'hello', 'world'])
    assert.notEqual(kept[0]!.toString(), 'hello', 'its memory has been used again')
  })

  it('works as a decorator, and its verdict counts', () => {
    let chunks = 0
    class Two extends Base {
      @borrowed override body(chunk: Buffer) {
        chunks += chunk.length
        return SKIP
      }
    }
    const wire = Wire.negotiated(() => new Two())
    wire.borrowed(Buffer.concat([piece('hello'), piece('world')]))
    assert.equal(chunks, 5)
    assert.deepEqual(wire.take(), [{ type: 'skip' }, { type: 'continue' }])
  })

  for (const [how, answer] of [
    ['answers late', () => Promise.resolve(REJECT)],
    ['fails late', () => Promise.reject(new Error('late'))],
    ['never answers', () => new Promise(() => {})],
  ] as const) {
    it(`must not be waited with: one that ${how} gets the policy at once, and one line`, async () => {
      const wire = Wire.negotiated(() => ({
        body: borrowed(answer as unknown as () => void),
      }))
      wire.borrowed(piece('hello'))
      assert.deepEqual(wire.take(), [{ type: 'tempfail' }])
      await wire.settle()
      assert.equal(wire.errors().length, 1)
      const { code, message } = wire.errors()[0]!.fields['err'] as {
        code: string
        message: string
      }
      assert.equal(code, 'INVALID_HANDLER')
      assert.match(message, /must be synchronous/)
    })
  }

  it('may be refused, and its handler may fail or be silent, as any other', () => {
    const answers = (handler: (chunk: Buffer) => Verdict | void, last = ''): string => {
      const wire = Wire.negotiated(() => ({
        body: borrowed((_ctx, chunk: Buffer) => handler(chunk) as Verdict<'reject'>),
      }))
      const end = encodeCommand({ type: 'eom', chunk: Buffer.from(last) })
      wire.borrowed(Buffer.concat([encodeCommand(mail()), piece('x'), end]))
      return wire.answers()
    }
    assert.equal(
      answers(() => REJECT),
      'continue reject reject',
    )
    assert.equal(
      answers(() => {
        throw new Error('no')
      }),
      'continue tempfail tempfail',
    )
    let text = ''
    assert.equal(
      answers((chunk) => void (text += chunk.toString()), 'y'),
      'continue continue continue',
    )
    assert.equal(text, 'xy')
    const silent = Wire.negotiated(() => ({ body: noReply(borrowed(() => {})) }))
    silent.borrowed(Buffer.concat([encodeCommand(mail()), piece('x'), encodeCommand(eom())]))
    assert.equal(silent.answers(), 'continue continue', 'MAIL and end of message')
  })

  it('is overwritten in tests as well', async () => {
    const kept: Buffer[] = []
    await deliver(() => ({ body: borrowed((_ctx, chunk: Buffer) => void kept.push(chunk)) }), {
      message: 'Subject: x\r\n\r\nhello\r\n',
    })
    assert.match(Buffer.concat(kept).toString(), /^\?+$/)
  })
})

describe('the raw form of a header', () => {
  it('is of its own session, whatever others are shown while a handler takes its time', async () => {
    const seen: string[] = []
    const asynchronous = (): Handlers => ({
      header: async (ctx) => {
        await new Promise((resolve) => setImmediate(resolve))
        seen.push(`${ctx.raw.name.toString()}:${ctx.raw.value.toString()}`)
      },
    })
    const synchronous: string[] = []
    const wires = ['a', 'b', 'c'].map(() => Wire.negotiated(asynchronous))
    const other = Wire.negotiated(() => ({
      header: (ctx) => void synchronous.push(ctx.raw.value.toString()),
    }))
    const field = (name: string, value: string): Buffer =>
      Buffer.concat([mail(), header(name, value)].map(encodeCommand))
    for (const [i, wire] of wires.entries()) {
      wire.borrowed(field(`Name-${i}`, ` value ${i}`))
      other.borrowed(field('Other', ` other ${i}`))
    }
    while (seen.length < 3) await wires[0]!.settle()
    assert.deepEqual(seen, ['Name-0: value 0', 'Name-1: value 1', 'Name-2: value 2'])
    assert.deepEqual(synchronous, [' other 0', ' other 1', ' other 2'])
  })

  it('can be read later in the handler, even if the memory it came in is used again', async () => {
    const seen: string[] = []
    const wire = Wire.negotiated(() => ({
      header: async (ctx) => {
        await null
        seen.push(`${ctx.raw.name.toString()}:${ctx.raw.value.toString()}`)
      },
    }))
    const bytes = Buffer.from('\0\0\0\x02Ma\0\0\0\x07LA\0 v1\0\0\0\0\x07LB\0 v2\0', 'latin1')
    wire.borrowed(bytes)
    await wire.settle()
    assert.deepEqual(seen, ['A: v1', 'B: v2'])
  })
})

describe('work that takes time', () => {
  it('is waited for: one handler at a time, answers in order', async () => {
    const first = pause()
    const calls: string[] = []
    const wire = Wire.negotiated(() => ({
      envfrom: async () => {
        calls.push('begin')
        await first.promise
        calls.push('end')
        return undefined
      },
      envrcpt: () => {
        calls.push('envrcpt')
        return REJECT
      },
    }))
    wire.send(mail(), rcpt())
    await wire.settle()
    assert.deepEqual([calls, wire.answers()], [['begin'], ''])
    first.go()
    await wire.settle()
    assert.deepEqual([calls, wire.answers()], [['begin', 'end', 'envrcpt'], 'continue reject'])
  })

  it('sends what was answered before it without waiting', async () => {
    const wire = Wire.negotiated(() => ({
      helo: () => {},
      envfrom: () => new Promise(() => {}),
    }))
    wire.send(helo(), mail())
    assert.equal(wire.answers(), 'continue')
    // Otherwise the process waits for the deadline of the handler.
    wire.session.end('eof')
  })

  it('stops reading when too much waits, and goes on after', async () => {
    const hold = pause()
    const wire = Wire.negotiated(() => ({ helo: () => hold.promise, body: () => {} }), {
      maxPending: 1000,
    })
    wire.send(helo(), mail())
    wire.send(body('x'.repeat(900)))
    assert.equal(wire.transport.paused, false)
    wire.send(body('x'.repeat(900)))
    assert.equal(wire.transport.paused, true)
    hold.go()
    await wire.settle()
    assert.equal(wire.transport.paused, false)
    assert.equal(wire.answers(), 'continue continue continue continue')
  })

  for (const [what, cut, code] of [
    ['ABORT', (wire: Wire) => wire.send(abort), 'MESSAGE_ABORTED'],
    ['QUIT', (wire: Wire) => wire.send(quit), 'DISCONNECTED'],
    ['EOF', (wire: Wire) => wire.session.end('eof'), 'DISCONNECTED'],
    ['shutdown', (wire: Wire) => wire.session.end('shutdown'), 'SHUTTING_DOWN'],
  ] as const) {
    it(`is cut off by ${what}: its signal fires with the reason`, async () => {
      let signal: AbortSignal | undefined
      const calls: string[] = []
      const wire = Wire.negotiated(() => ({
        eom: (ctx) => {
          signal = ctx.signal
          return new Promise(() => {})
        },
        abort: () => void calls.push('abort'),
        close: () => void calls.push('close'),
      }))
      wire.send(mail(), eom())
      wire.take()
      cut(wire)
      await wire.settle()
      assert.ok(signal!.aborted && signal!.reason instanceof InterruptedError)
      assert.equal(signal!.reason.code, code)
      assert.equal(wire.answers(), 'tempfail')
      assert.deepEqual(calls, what === 'ABORT' ? [] : ['close'])
    })
  }

  it('is cut off by a QUIT that was already in the same chunk', async () => {
    let aborted = false
    const wire = Wire.negotiated(() => ({
      header: noReply(async (ctx) => {
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
        aborted = true
      }),
    }))
    wire.send(mail(), header(), abort, quit)
    await wire.settle()
    assert.equal(aborted, true)
    assert.equal(wire.transport.closed, true)
  })

  it('at connect is not cut off by an ABORT of a message that never was', async () => {
    const hold = pause()
    const wire = Wire.negotiated(() => ({ connect: () => hold.promise }))
    wire.send(connect(), abort)
    hold.go()
    await wire.settle()
    assert.equal(wire.answers(), 'continue')
  })

  it('for a message learns of its end, also when no handler runs', () => {
    const signals: AbortSignal[] = []
    const wire = Wire.negotiated(() => ({
      connect: (ctx) => void signals.push(ctx.signal),
      envfrom: (ctx) => void signals.push(ctx.signal),
    }))
    wire.send(connect(), mail(), abort, mail(), eom())
    assert.deepEqual(
      signals.map((one) => one.aborted),
      [false, true, false],
    )
    wire.send(quit)
    assert.deepEqual(
      signals.map((one) => one.aborted),
      [true, true, false],
    )
  })

  it('in abort is waited for before the next message', async () => {
    const hold = pause()
    const calls: string[] = []
    const wire = Wire.negotiated(() => ({
      envfrom: () => void calls.push('envfrom'),
      abort: async () => {
        await hold.promise
        calls.push('abort')
      },
    }))
    wire.send(mail(), abort, mail())
    await wire.settle()
    assert.deepEqual(calls, ['envfrom'])
    hold.go()
    await wire.settle()
    assert.deepEqual(calls, ['envfrom', 'abort', 'envfrom'])
  })

  it('and fails after it was cut off ends in the log, not in the process', async () => {
    const hold = pause()
    const wire = Wire.negotiated(() => ({
      envfrom: async () => {
        await hold.promise
        throw new Error('too late')
      },
    }))
    wire.send(mail())
    wire.session.end('eof')
    await wire.settle()
    hold.go()
    await wire.settle()
    assert.equal(wire.log.at(-1)?.level, 'debug')
  })
})

describe('errors in abort and close', () => {
  it('are logged and change nothing', async () => {
    const wire = Wire.negotiated(() => ({
      envfrom: () => {},
      abort: () => Promise.reject(new Error('abort')),
      close: () => {
        throw new Error('close')
      },
    }))
    wire.send(mail(), abort, mail(), quit)
    await wire.settle()
    assert.equal(wire.answers(), 'continue continue')
    assert.deepEqual(
      wire.errors().map((line) => line.fields['stage']),
      ['abort', 'abort', 'close'],
    )
    assert.equal(wire.transport.closed, true)
  })
})

describe('Milter', () => {
  it('logs its main callbacks, one line each, and waits for none', () => {
    const wire = Wire.negotiated(() => new Milter())
    wire.send(connect(), helo(), mail(), rcpt(), header(), eoh, eom(), mail(), quit)
    assert.equal(wire.answers(), 'continue')
    assert.equal(
      wire.log.map((line) => line.message).join(' '),
      'connect helo envfrom envrcpt header eoh eom envfrom abort close',
    )
    // Addresses and header fields are content of mail: not in the log of a server that runs at info.
    assert.deepEqual(
      new Set(wire.log.filter(({ level }) => level === 'debug').map(({ message }) => message)),
      new Set(['envfrom', 'envrcpt', 'header']),
    )
  })

  it('answers what a subclass overrides', () => {
    class Strict extends Milter {
      override envfrom(sender: string) {
        void super.envfrom(sender)
        return REJECT
      }
    }
    const wire = Wire.negotiated(() => new Strict())
    assert.equal(wire.send(connect(), mail(), data).answers(), 'reject reject')
    assert.equal(FULL_OFFER.version, 6)
  })
})
