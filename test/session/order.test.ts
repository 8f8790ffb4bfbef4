import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  ACCEPT,
  CONTINUE,
  DISCARD,
  REJECT,
  reply,
  SKIP,
  TEMPFAIL,
} from '../../src/session/verdict.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
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
  quitNc,
  rcpt,
  unknown,
  Wire,
} from '../support/wire.ts'

/** A filter with every handler, which notes each call; `answers` gives its verdicts. */
function noting(calls: string[], answers: Partial<Handlers> = {}): () => Handlers {
  const note =
    (name: string) =>
    (..._args: unknown[]): undefined =>
      void calls.push(name)
  return () => {
    const handlers: Record<string, unknown> = {}
    const stages = 'connect helo envfrom envrcpt data header eoh body eom abort close unknown'
    for (const stage of stages.split(' ')) {
      const own = answers[stage as keyof Handlers] as
        ((...args: unknown[]) => unknown) | undefined
      handlers[stage] = (...args: unknown[]) => {
        note(stage)()
        return own?.(...args)
      }
    }
    return handlers as Handlers
  }
}

const MESSAGE = [mail(), rcpt(), data, header(), eoh, body(), eom()]
const ALL_CONTINUE = 'continue continue continue continue continue continue continue'

describe('the order of a conversation', () => {
  it('is one answer for each command, in order', () => {
    const calls: string[] = []
    const wire = Wire.negotiated(noting(calls))
    wire.send(connect(), helo(), ...MESSAGE, quit)
    assert.equal(wire.answers(), `continue continue ${ALL_CONTINUE}`)
    assert.equal(calls.join(' '), 'connect helo envfrom envrcpt data header eoh body eom close')
    assert.equal(wire.transport.closed, true)
  })

  it('sends the answers to one chunk in one write', () => {
    const wire = Wire.negotiated(noting([]))
    wire.transport.writes.length = 0
    wire.send(connect(), helo(), ...MESSAGE)
    assert.equal(wire.transport.writes.length, 1)
  })

  it('ends an open message before what begins something new', () => {
    for (const [next, expected] of [
      [mail(), 'envfrom abort envfrom'],
      [helo(), 'envfrom abort helo'],
      [connect(), 'connect envfrom abort close connect'],
      [quit, 'envfrom abort close'],
      [quitNc, 'envfrom abort close'],
      [abort, 'envfrom abort'],
    ] as const) {
      const calls: string[] = []
      const wire = Wire.negotiated(noting(calls))
      if (next.type === 'connect') wire.send(connect())
      wire.send(mail(), next)
      assert.equal(calls.join(' '), expected)
    }
  })

  it('calls abort at EOF inside a message, then close, and sends nothing (FT15)', () => {
    const calls: string[] = []
    const wire = Wire.negotiated(noting(calls))
    wire.send(mail(), rcpt())
    wire.take()
    wire.session.end('eof')
    assert.equal(calls.join(' '), 'envfrom envrcpt abort close')
    assert.equal(wire.answers(), '')
    wire.session.end('eof')
    wire.send(mail())
    assert.equal(calls.length, 4, 'close comes once and nothing after it')
  })

  it('takes ABORT in every state and answers it in none (FT13)', () => {
    const calls: string[] = []
    const wire = Wire.negotiated(noting(calls))
    wire.send(abort, abort, connect(), abort, helo(), abort, ...MESSAGE, abort, abort)
    assert.equal(wire.answers(), `continue continue ${ALL_CONTINUE}`)
    assert.equal(calls.includes('abort'), false)
  })

  it('defers what comes without a message and calls nobody (FT12)', () => {
    for (const command of [rcpt(), data, header(), eoh, body(), eom()]) {
      const calls: string[] = []
      const wire = Wire.negotiated(noting(calls))
      assert.equal(
        wire.send(connect(), helo(), command).answers(),
        'continue continue tempfail',
      )
      assert.deepEqual(calls, ['connect', 'helo'])
      assert.equal(wire.log[0]?.fields['code'], 'OUT_OF_ORDER')
    }
  })

  it('gives a message up when its commands run backwards', () => {
    for (const [later, earlier] of [
      [data, rcpt()],
      [data, data],
      [header(), data],
      [eoh, header()],
      [eoh, eoh],
      [body(), eoh],
    ] as const) {
      const calls: string[] = []
      const wire = Wire.negotiated(noting(calls))
      wire.send(mail(), rcpt(), later, earlier, eom())
      assert.equal(wire.answers(), 'continue continue continue tempfail tempfail')
      assert.equal(calls.at(-1), 'abort')
    }
  })

  it('lets stages be left out (Stalwart sends no EOH without headers)', () => {
    const wire = Wire.negotiated(noting([]))
    wire.send(mail(), rcpt(), body(), eom(), mail(), eom())
    assert.equal(wire.answers(), 'continue continue continue continue continue continue')
  })

  it('answers UNKNOWN anywhere, and goes on (FT24)', () => {
    const calls: string[] = []
    const filter: Handlers = {
      unknown: () => undefined,
      header: () => void calls.push('header'),
    }
    const wire = Wire.negotiated(() => filter)
    wire.send(
      unknown(),
      connect(),
      unknown(),
      mail(),
      rcpt(),
      unknown(),
      header(),
      unknown(),
      eom(),
    )
    assert.equal(wire.answers(), Array(9).fill('continue').join(' '))
    assert.deepEqual(calls, ['header'])
  })

  it('forgives empty BODY and EOH with a payload (FT10)', () => {
    const calls: string[] = []
    const wire = Wire.negotiated(noting(calls))
    wire.send(mail(), rcpt())
    wire.raw(Buffer.from('000000024e000000000142', 'hex')).send(eom())
    assert.equal(wire.answers(), 'continue continue continue continue continue')
    assert.equal(calls.includes('body'), false)
  })

  it('gives a payload of end of message to the body handler and answers once (FT9)', () => {
    for (const [verdict, expected, called] of [
      [CONTINUE, 'continue', true],
      [REJECT, 'reject', false],
      [ACCEPT, 'accept', false],
      [SKIP, 'continue', true],
    ] as const) {
      const chunks: string[] = []
      let eoms = 0
      const wire = Wire.negotiated(() => ({
        body: (_ctx, chunk) => {
          chunks.push(chunk.toString())
          return verdict
        },
        eom: () => void eoms++,
      }))
      wire.send(mail(), eom('Tail\r\n'))
      assert.equal(wire.answers(), `continue ${expected}`)
      assert.deepEqual(chunks, ['Tail\r\n'])
      assert.equal(eoms === 1, called)
    }
  })

  it('closes at an unknown letter (FT23), keeping what was answered', () => {
    const calls: string[] = []
    const wire = Wire.negotiated(noting(calls))
    wire.raw(
      Buffer.concat([Buffer.from('000000024d00', 'hex'), Buffer.from('000000015a', 'hex')]),
    )
    assert.equal(wire.answers(), 'continue')
    assert.equal(wire.transport.closed, true)
    assert.deepEqual(calls, ['envfrom', 'abort', 'close'])
    assert.equal(wire.log.at(-1)?.fields['code'], 'UNKNOWN_COMMAND')
  })

  it('closes at commands before and after the one negotiation', () => {
    const before = new Wire(noting([])).send(connect())
    assert.equal(before.transport.closed, true)
    assert.equal(before.log[0]?.fields['code'], 'NOT_NEGOTIATED')
    assert.equal(before.log[0]?.level, 'info')
    const twice = Wire.negotiated(noting([])).send({ type: 'optneg', offer: FULL_OFFER })
    assert.equal(twice.transport.closed, true)
    assert.equal(twice.log[0]?.fields['code'], 'NEGOTIATED_TWICE')
  })

  it('takes QUIT before the negotiation as a visit', () => {
    const calls: string[] = []
    const wire = new Wire(noting(calls)).send(quit)
    assert.equal(wire.transport.closed, true)
    assert.deepEqual([calls, wire.log], [[], []])
  })
})

describe('verdicts on a message', () => {
  const stages = { envfrom: mail(), data, header: header(), eoh, body: body() } as const
  for (const [stage, command] of Object.entries(stages)) {
    for (const verdict of [REJECT, TEMPFAIL, DISCARD, ACCEPT, reply(550, '5.7.1', 'no')]) {
      it(`${verdict.kind} at ${stage} is the last word, and repeated if the message goes on`, () => {
        const calls: string[] = []
        const wire = Wire.negotiated(noting(calls, { [stage]: () => verdict }))
        wire.send(...(stage === 'envfrom' ? [command] : [mail(), rcpt(), command]))
        const name = verdict.reply ? 'replycode' : verdict.kind
        assert.equal(wire.take().at(-1)?.type, name)
        const before = calls.length
        wire.send(eom())
        assert.equal(wire.answers(), verdict.kind === 'accept' ? 'continue' : name)
        wire.send(abort, mail())
        assert.equal(calls.length, before + 1, 'neither eom nor abort')
        assert.equal(calls.at(-1), 'envfrom')
      })
    }
  }

  it('refusal at RCPT is for one recipient', () => {
    const calls: string[] = []
    const wire = Wire.negotiated(
      noting(calls, { envrcpt: (_ctx, to) => (to === '<bad@x>' ? REJECT : undefined) }),
    )
    wire.send(mail(), rcpt('<bad@x>'), rcpt('<good@x>'), rcpt('<bad@x>'), data, eom())
    assert.equal(wire.answers(), 'continue reject continue reject continue continue')
    assert.equal(calls.at(-1), 'eom')
  })

  it('discard and accept at RCPT are for the message', () => {
    for (const [verdict, later] of [
      [DISCARD, 'discard'],
      [ACCEPT, 'continue'],
    ] as const) {
      const calls: string[] = []
      const wire = Wire.negotiated(noting(calls, { envrcpt: () => verdict }))
      wire.send(mail(), rcpt(), data, eom())
      assert.equal(wire.answers(), `continue ${verdict.kind} ${later} ${later}`)
      assert.deepEqual(calls, ['envfrom', 'envrcpt'])
    }
  })

  it('skip is sent where it was granted, and emulated where not', () => {
    for (const [steps, answers] of [
      [FULL_OFFER.steps, 'continue skip continue continue'],
      [0x3f, 'continue continue continue continue'],
    ] as const) {
      let chunks = 0
      const wire = Wire.negotiated(
        () => ({
          body: () => {
            chunks++
            return SKIP
          },
        }),
        {},
        { ...FULL_OFFER, steps },
      )
      wire.send(mail(), body('one'), body('two'), eom())
      assert.equal(wire.answers(), answers)
      assert.equal(chunks, 1)
      wire.send(mail(), body('three'))
      assert.equal(chunks, 2, 'the next message has its body again')
    }
  })
})

describe('declined and silent events', () => {
  it('are answered here where the mail server sends them all the same (FT3, FT17)', () => {
    const wire = Wire.negotiated(
      () => ({ eom: () => undefined }),
      {},
      {
        version: 6,
        actions: 0xff,
        steps: 0x42,
      },
    )
    wire.send(connect(), ...MESSAGE)
    assert.equal(wire.answers(), `continue ${ALL_CONTINUE}`)
  })

  it('a message begins without MAIL where MAIL was declined', () => {
    const calls: string[] = []
    const wire = Wire.negotiated(() => ({
      envrcpt: () => void calls.push('envrcpt'),
      eom: () => void calls.push('eom'),
      abort: () => void calls.push('abort'),
    }))
    wire.send(rcpt(), rcpt(), eom(), eom(), rcpt(), abort, abort, rcpt(), quit)
    assert.equal(wire.answers(), 'continue continue continue continue continue continue')
    assert.equal(calls.join(' '), 'envrcpt envrcpt eom eom envrcpt abort envrcpt abort')
  })

  it('macros for a declined MAIL end the message before (Sendmail sends no ABORT then)', () => {
    const calls: string[] = []
    const seen: (string | undefined)[] = []
    const wire = Wire.negotiated(() => ({
      envrcpt: (ctx) => {
        calls.push('envrcpt')
        seen.push(ctx.macro('i'), ctx.macro('rcpt_addr'))
      },
      abort: () => void calls.push('abort'),
    }))
    wire.send(
      macros(Command.MAIL, { i: 'one' }),
      macros(Command.RCPT, { rcpt_addr: 'r1' }),
      rcpt(),
      macros(Command.MAIL, { i: 'two' }),
      rcpt(),
    )
    assert.equal(calls.join(' '), 'envrcpt abort envrcpt')
    assert.deepEqual(seen, ['one', 'r1', 'two', undefined])
  })
})

describe('QUIT_NC', () => {
  it('begins a new SMTP session on what was negotiated (FT25)', () => {
    const calls: string[] = []
    let made = 0
    const factory = noting(calls)
    const wire = Wire.negotiated(() => {
      made++
      return factory()
    })
    for (const before of [[connect()], [connect(), helo()], [connect(), mail()], []]) {
      calls.length = 0
      made = 0
      wire.take()
      wire.send(...before, quitNc, macros(Command.CONNECT, { j: 'mx' }), connect())
      assert.equal(wire.take().length, before.length + 1)
      assert.equal(calls.at(-1), 'connect')
      assert.ok(made > 0, 'with an object of its own')
      wire.send(quitNc)
    }
    assert.equal(wire.transport.closed, false)
  })

  it('leaves nothing of the session before', () => {
    const seen: unknown[] = []
    const wire = Wire.negotiated(() => ({
      connect: () => undefined,
      helo: () => undefined,
      envfrom: (ctx) =>
        void seen.push(ctx.connection.helo, ctx.connection.hostname, ctx.macro('j')),
    }))
    wire.send(
      macros(Command.CONNECT, { j: 'mx' }),
      connect(),
      helo('one'),
      mail(),
      quitNc,
      mail(),
    )
    assert.deepEqual(seen, ['one', 'client.example.org', 'mx', undefined, '', undefined])
  })
})
