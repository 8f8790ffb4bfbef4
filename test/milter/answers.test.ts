import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Handlers } from '../../src/milter/handlers.ts'
import { noReply } from '../../src/milter/marks.ts'
import type { ErrorPolicy } from '../../src/options/types.ts'
import { Base } from '../../src/milter/base.ts'
import { formatSmtpReply } from '../../src/protocol/smtp-reply.ts'
import {
  ACCEPT,
  CONTINUE,
  DISCARD,
  REJECT,
  reply,
  SKIP,
  TEMPFAIL,
} from '../../src/session/verdict.ts'
import {
  body,
  connect,
  data,
  eoh,
  eom,
  FULL_OFFER,
  header,
  helo,
  mail,
  rcpt,
  unknown,
  Wire,
} from '../support/wire.ts'

const LEAD_IN = {
  connect: [connect()],
  helo: [helo()],
  envfrom: [mail()],
  envrcpt: [mail(), rcpt()],
  data: [mail(), data],
  header: [mail(), header()],
  eoh: [mail(), eoh],
  body: [mail(), body()],
  eom: [mail(), eom()],
  unknown: [unknown()],
} as const
type Answering = keyof typeof LEAD_IN
const STAGES = Object.keys(LEAD_IN) as Answering[]

async function answerOf(
  stage: Answering,
  handler: () => unknown,
  onError?: ErrorPolicy,
): Promise<{ type: string; wire: Wire }> {
  const wire = Wire.negotiated(() => ({ [stage]: handler }) as Handlers, { onError })
  wire.send(...LEAD_IN[stage])
  await wire.settle()
  return { type: wire.take().at(-1)!.type, wire }
}

const BROKEN: [string, () => unknown][] = [
  [
    'throws',
    () => {
      throw new Error('secret')
    },
  ],
  ['rejects', () => Promise.reject(new Error('secret'))],
  [
    'throws nothing',
    () => {
      throw undefined
    },
  ],
  ['returns null', () => null],
  ['returns true', () => true],
  ['returns 99', () => 99],
  ['returns text', () => 'accept'],
  ['returns a look-alike', () => ({ kind: 'accept', frame: Buffer.from('x') })],
  ['resolves to an invalid value', async () => 3],
]

describe('a handler that fails', () => {
  const policies: [ErrorPolicy, string][] = [
    ['tempfail', 'tempfail'],
    ['reject', 'reject'],
    ['continue', 'continue'],
    ['accept', 'accept'],
  ]
  for (const stage of STAGES) {
    for (const [how, handler] of BROKEN) {
      it(`${stage} ${how}: the policy answers, the log knows why`, async () => {
        for (const [policy, answer] of policies) {
          const { type, wire } = await answerOf(stage, handler, policy)
          // At UNKNOWN "accept" is not said (session/early-accept.test.ts).
          assert.equal(type, stage === 'unknown' && answer === 'accept' ? 'continue' : answer)
          assert.equal(wire.errors().length, 1)
          assert.equal(wire.errors()[0]!.fields['stage'], stage)
          assert.equal(wire.transport.closed, false)
        }
        assert.equal((await answerOf(stage, handler)).type, 'tempfail', 'by default')
      })
    }
  }

  it('does not tell the client why', async () => {
    const wire = Wire.negotiated(() => ({
      eom: () => {
        throw new Error('secret')
      },
    }))
    wire.send(mail(), eom())
    assert.deepEqual(wire.take().at(-1), { type: 'tempfail' })
  })

  it('loses its edits, whatever the policy', () => {
    for (const onError of ['tempfail', 'reject', 'continue', 'accept'] as const) {
      const wire = Wire.negotiated(
        () => ({
          eom(ctx) {
            ctx.addHeader('X-Half', 'done')
            throw new Error('half-way')
          },
        }),
        { onError },
      )
      assert.equal(wire.send(mail(), eom()).answers(), `continue ${onError}`)
    }
  })

  it('does not harm the next message', () => {
    let first = true
    const wire = Wire.negotiated(() => ({
      eom(ctx) {
        if (first) {
          first = false
          throw new Error('once')
        }
        ctx.addHeader('X-Second', 'yes')
      },
    }))
    wire.send(mail(), eom(), mail(), eom())
    assert.equal(wire.answers(), 'continue tempfail continue addheader continue')
  })
})

describe('verdicts', () => {
  const all = { CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, SKIP }
  const connection = ['CONTINUE', 'ACCEPT', 'REJECT', 'TEMPFAIL']
  const message = [...connection, 'DISCARD']
  const allowed: Record<Answering, string[]> = {
    connect: connection,
    helo: connection,
    unknown: connection,
    envfrom: message,
    envrcpt: message,
    data: message,
    header: message,
    eoh: message,
    eom: message,
    body: [...message, 'SKIP'],
  }
  for (const stage of STAGES) {
    it(`of ${stage}: ${allowed[stage].join(' ')}; others are an error`, async () => {
      for (const [name, verdict] of Object.entries(all)) {
        for (const handler of [() => verdict, async () => verdict]) {
          const { type, wire } = await answerOf(stage, handler)
          const said = stage === 'unknown' && name === 'ACCEPT' ? 'continue' : verdict.kind
          if (allowed[stage].includes(name)) assert.equal(type, said)
          else {
            assert.equal(type, 'tempfail')
            const error = wire.errors()[0]!.fields['err'] as { code: string; message: string }
            assert.equal(error.code, 'INVALID_VERDICT')
            assert.match(error.message, new RegExp(`${stage} returned ${name}; it may return`))
          }
        }
      }
    })
  }

  it('nothing and undefined are "continue"', async () => {
    for (const stage of STAGES) {
      assert.equal((await answerOf(stage, () => undefined)).type, 'continue')
      assert.equal((await answerOf(stage, async () => {})).type, 'continue')
    }
  })

  it('carry a reply of their own, once', async () => {
    let first = true
    const wire = Wire.negotiated(() => ({
      envrcpt: () => {
        if (!first) return REJECT
        first = false
        return reply(550, '5.1.1', '100% unknown', 'second line')
      },
    }))
    wire.send(mail(), rcpt(), rcpt())
    const [, own, plain] = wire.take()
    assert.equal(
      own?.type === 'replycode' && formatSmtpReply(own.reply),
      '550-5.1.1 100% unknown\r\n550 5.1.1 second line',
    )
    assert.deepEqual(plain, { type: 'reject' })
  })
})

describe('noReply', () => {
  const silent = (): Handlers => ({
    header: noReply(() => {}),
    envrcpt: noReply(async () => {}),
  })

  it('sends nothing where it was granted (FT16), "continue" where not (FT17)', async () => {
    const granted = Wire.negotiated(silent)
    granted.send(mail(), rcpt(), header(), header(), eom())
    await granted.settle()
    assert.equal(granted.answers(), 'continue continue')
    const refused = Wire.negotiated(silent, {}, { ...FULL_OFFER, steps: 0x42 })
    refused.send(mail(), rcpt(), header(), eom())
    await refused.settle()
    assert.equal(refused.answers(), 'continue continue continue continue')
  })

  it('takes a refusal that nobody can hear for a failure', () => {
    const wire = Wire.negotiated(() => ({
      header: noReply((() => REJECT) as unknown as () => void),
    }))
    wire.send(mail(), header(), eom())
    assert.equal(wire.answers(), 'continue tempfail')
    const { code, message } = wire.errors()[0]!.fields['err'] as Error & { code: string }
    assert.equal(code, 'INVALID_VERDICT')
    assert.match(message, /header is marked noReply and returned REJECT/)
  })

  for (const [what, value] of [
    ['a number', 1],
    ['CONTINUE', CONTINUE],
    ['SKIP', SKIP],
    ['a promise of text', Promise.resolve('x')],
  ] as const) {
    it(`ignores ${what}, and says so once for each stage`, async () => {
      const careless = noReply((() => value) as unknown as () => void)
      const wire = Wire.negotiated(() => ({ header: careless, body: careless }))
      for (let i = 0; i < 3; i++) wire.send(mail(), header(), header(), body(), eom())
      await wire.settle()
      assert.equal(wire.answers(), Array(6).fill('continue').join(' '))
      const lines = value === CONTINUE ? [] : ['header', 'body']
      assert.deepEqual(
        wire.log.map(({ fields }) => fields['stage']),
        lines,
      )
    })
  }

  it('gives the failure of a handler to the next answer of the message, and only to it', () => {
    let fail = true
    const calls: string[] = []
    const wire = Wire.negotiated(() => ({
      header: noReply(() => {
        if (fail) throw new Error('broken')
      }),
      eoh: () => void calls.push('eoh'),
      eom: () => void calls.push('eom'),
    }))
    wire.send(mail(), header(), header(), eoh, eom())
    assert.equal(wire.answers(), 'continue tempfail tempfail')
    assert.deepEqual(calls, [])
    fail = false
    wire.send(mail(), header(), eoh, eom())
    assert.equal(wire.answers(), 'continue continue continue')
  })

  it('gives the failure at connect to every message of the connection', () => {
    const wire = Wire.negotiated(() => ({
      connect: noReply(() => {
        throw new Error('broken')
      }),
      helo: () => {},
      envfrom: () => {},
    }))
    wire.send(connect(), helo(), mail(), mail())
    assert.equal(wire.answers(), 'continue tempfail tempfail')
  })

  for (const [stage, event] of [
    ['helo', helo()],
    ['unknown', unknown()],
  ] as const) {
    it(`gives one failure at ${stage} to one message`, () => {
      let fail = true
      const wire = Wire.negotiated(() => ({
        [stage]: noReply(() => {
          if (fail) throw new Error('broken')
        }),
        envfrom: () => {},
      }))
      wire.send(event)
      fail = false
      wire.send(mail(), rcpt(), eom(), mail(), rcpt(), eom())
      assert.equal(wire.answers(), 'tempfail tempfail tempfail continue continue continue')
    })
  }

  it('gives the failure at unknown in a message to this one', () => {
    let fail = true
    const wire = Wire.negotiated(() => ({
      unknown: noReply(() => {
        if (fail) throw new Error('broken')
      }),
      envfrom: () => {},
    }))
    wire.send(mail(), unknown())
    fail = false
    wire.send(eom(), mail(), eom())
    assert.equal(wire.answers(), 'continue tempfail continue continue')
  })

  it('gives nothing more to a message that has had the last word', () => {
    const wire = Wire.negotiated(() => ({
      envfrom: () => ACCEPT,
      unknown: noReply(() => {
        throw new Error('broken')
      }),
    }))
    wire.send(mail(), unknown(), eom(), mail(), eom())
    assert.equal(wire.answers(), 'accept continue accept continue')
  })
})

describe('the factory', () => {
  it('is called once for each SMTP session', () => {
    let made = 0
    const wire = Wire.negotiated(() => {
      made++
      return { connect: () => {}, envfrom: () => {}, close: () => {} }
    })
    wire.send(connect(), mail(), eom(), mail(), eom())
    assert.equal(made, 1)
  })

  for (const [how, factory] of [
    [
      'throws',
      () => {
        throw new Error('no database')
      },
    ],
    ['returns a promise', async () => ({})],
    ['returns nothing', () => undefined],
    ['misspells a callback', () => ({ heder() {} })],
    ['uses the name of another library', () => ({ hello() {} })],
    ['has a handler that is no function', () => ({ eom: true })],
  ] as [string, () => Handlers][]) {
    it(`that ${how} makes messages tempfail, not the connection hang`, () => {
      const wire = Wire.negotiated(factory)
      wire.send(connect(), helo(), mail(), rcpt(), eom())
      assert.equal(wire.answers(), 'tempfail continue tempfail tempfail tempfail')
      assert.equal(wire.errors().length, 1)
    })
  }

  it('gets the name of the callback that was meant', () => {
    const wire = Wire.negotiated((() => ({ hello() {} })) as () => Handlers)
    const error = wire.errors()[0]!.fields['err'] as Error
    assert.match(error.message, /hello is not a callback of a milter; did you mean helo\?/)
  })

  it('gets no name of a function of JavaScript', () => {
    const wire = Wire.negotiated((() => ({ valueOf: () => 0 })) as () => Handlers)
    const error = wire.errors()[0]!.fields['err'] as Error
    assert.match(error.message, /^valueOf is not a callback of a milter\. The callbacks are/)
  })
})

describe('setReply of Base', () => {
  class Filter extends Base {
    override helo(name: string) {
      if (name === 'sets') this.setReply(450, '4.7.1', 'later')
      return undefined
    }
    override envfrom(sender: string) {
      if (sender === '<plain>') return REJECT
      if (sender === '<mismatch>') this.setReply(450, '4.7.1', 'later')
      else return this.setReply('550', '5.7.1', 'never')
      return REJECT
    }
    override async envrcpt() {
      await null
      this.setReply(451, null, 'soon')
      return TEMPFAIL
    }
  }

  it('goes with the verdict of its callback and no other (pymilter D8, D11)', async () => {
    const wire = Wire.negotiated(() => new Filter())
    wire.send(helo('sets'), mail('<plain>'))
    assert.equal(wire.answers(), 'continue reject')
    wire.send(mail('<own>'))
    assert.equal(wire.answers(), 'replycode')
    wire.send(mail('<mismatch>'))
    assert.equal(wire.answers(), 'tempfail')
    assert.match(
      (wire.errors()[0]!.fields['err'] as Error).message,
      /setReply\(450\) was called and REJECT returned/,
    )
  })

  it('works in asynchronous callbacks', async () => {
    class OnlyRcpt extends Base {
      override async envrcpt() {
        await null
        this.setReply(451, null, 'soon')
        return TEMPFAIL
      }
    }
    const wire = Wire.negotiated(() => new OnlyRcpt())
    wire.send(rcpt())
    await wire.settle()
    const [answer] = wire.take()
    assert.equal(answer?.type === 'replycode' && formatSmtpReply(answer.reply), '451 soon')
  })
})
