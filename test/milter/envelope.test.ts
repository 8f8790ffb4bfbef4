import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MilterError } from '../../src/errors.ts'
import { Base } from '../../src/milter/base.ts'
import type { MessageContext } from '../../src/milter/context.ts'
import type { EnvelopeAddress } from '../../src/milter/envelope/envelope-address.ts'
import type { Filter } from '../../src/milter/filter-object.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
import {
  noCallback,
  rejectedRecipients,
  symlist,
  withEnvelope,
} from '../../src/milter/marks.ts'
import { ALL_STEPS, MacroStage, Step } from '../../src/protocol/constants.ts'
import { REJECT } from '../../src/session/verdict.ts'
import { deliver } from '../../src/testing/index.ts'
import {
  abort,
  Command,
  connect,
  data,
  eoh,
  eom,
  FULL_OFFER,
  header,
  macros,
  mail,
  quit,
  rcpt,
  Wire,
} from '../support/wire.ts'

const shown = ({ sender, recipients }: Pick<MessageContext, 'sender' | 'recipients'>) =>
  [sender, ...recipients].map(String).join(' ')

/** The bits of MAIL and RCPT that a filter asks for. */
function stepsOf(handlers: Filter, steps: number = ALL_STEPS): number {
  const wire = new Wire(() => handlers).send({
    type: 'optneg',
    offer: { ...FULL_OFFER, steps },
  })
  const [answer] = wire.take()
  assert.ok(answer?.type === 'optneg')
  return answer.choice.steps & (Step.NOMAIL | Step.NORCPT | Step.NR_MAIL | Step.NR_RCPT)
}

describe('the envelope, asked for with withEnvelope', () => {
  const eomOnly: Handlers = { eom: withEnvelope(() => {}) }

  it('is sent and gets no reply', () => {
    assert.equal(stepsOf(eomOnly), Step.NR_MAIL | Step.NR_RCPT)
    assert.equal(stepsOf({ eom() {} }), Step.NOMAIL | Step.NORCPT)
  })

  it('costs an answer where the mail server cannot do without', () => {
    assert.equal(stepsOf(eomOnly, ALL_STEPS & ~(Step.NR_MAIL | Step.NR_RCPT)), 0)
  })

  it('leaves handlers of MAIL and RCPT as they are', () => {
    assert.equal(stepsOf({ ...eomOnly, envrcpt() {} }), Step.NR_MAIL)
    assert.equal(stepsOf({ envfrom: withEnvelope(() => {}) }), Step.NR_RCPT)
  })

  it('is there with handlers of MAIL and RCPT that must not be called', () => {
    const seen: string[] = []
    const never = noCallback(() => void seen.push('called'))
    const handlers: Handlers = {
      envfrom: never,
      envrcpt: never,
      eom: withEnvelope((ctx) => void seen.push(shown(ctx))),
    }
    assert.equal(stepsOf(handlers), Step.NR_MAIL | Step.NR_RCPT)
    Wire.negotiated(() => handlers).send(mail('<a@x>'), rcpt('<b@x>'), eom())
    assert.deepEqual(seen, ['a@x b@x'])
  })

  it('is there at each later stage, without an answer to MAIL and RCPT', () => {
    const seen: string[] = []
    const see = (ctx: MessageContext) => void seen.push(shown(ctx))
    const wire = Wire.negotiated(() => ({
      // A mark is of the function, which is no other at `abort`.
      data: withEnvelope((ctx) => see(ctx)),
      header: see,
      eoh: see,
      eom: see,
      abort: see,
    }))
    wire.send(mail('<a@x>', 'SIZE=9'), rcpt('<b@x>'), rcpt('<c@x>', 'NOTIFY=NEVER'), data)
    wire.send(header(), eoh, eom())
    assert.deepEqual(
      seen,
      Array.from({ length: 4 }, () => 'a@x b@x c@x'),
    )
    assert.equal(wire.answers(), 'continue continue continue continue')
    wire.send(mail('<>'), rcpt('<d@x>'), abort)
    assert.equal(seen.at(-1), ' d@x')
    assert.equal(wire.answers(), '')
  })

  it('is there in an object of Base', () => {
    const seen: unknown[] = []
    class Marked extends Base {
      @withEnvelope override eom() {
        const { sender, recipients, server } = this
        seen.push(
          sender.local,
          sender.parameters.get('SIZE'),
          recipients[0]!.domain,
          server.kind,
        )
      }
      override close() {
        assert.throws(() => this.sender, { code: 'WRONG_STAGE' })
        assert.throws(() => this.recipients, { code: 'WRONG_STAGE' })
        seen.push('closed')
      }
    }
    const wire = Wire.negotiated(() => new Marked())
    wire.send(macros(Command.CONNECT, { v: 'Postfix 3.7.11' }), connect())
    wire.send(mail('<a@x>', 'size=9'), rcpt('<b@Y>'), eom(), quit)
    assert.deepEqual(seen, ['a', '9', 'y', 'postfix', 'closed'])
  })

  it('belongs on handlers of a message', () => {
    for (const stage of ['connect', 'helo', 'unknown', 'abort', 'close'] as const) {
      const wire = new Wire(() => ({ [stage]: withEnvelope(() => {}) }))
      wire.send({ type: 'optneg', offer: FULL_OFFER })
      assert.match(String(wire.errors()[0]?.fields['err']), /withEnvelope does not fit/)
    }
  })
})

describe('sender and recipients of a context', () => {
  it('are those that came, with handlers of MAIL and RCPT', () => {
    const seen: string[] = []
    const wire = Wire.negotiated(() => ({
      envfrom: (ctx) => void seen.push(`MAIL ${shown(ctx)}`),
      envrcpt: (ctx) => {
        seen.push(`RCPT ${ctx.recipient.address}: ${shown(ctx)}`)
        return ctx.recipient.local === 'no' ? REJECT : undefined
      },
      eom: (ctx) => void seen.push(shown(ctx)),
    }))
    wire.send(mail('<a@x>'), rcpt('<b@x>'), rcpt('<no@x>'), rcpt('<c@x>'), eom())
    wire.send(mail('<e@x>'), rcpt('<f@x>'), eom())
    assert.deepEqual(seen, [
      'MAIL a@x',
      'RCPT b@x: a@x',
      'RCPT no@x: a@x b@x',
      'RCPT c@x: a@x b@x',
      'a@x b@x c@x',
      'MAIL e@x',
      'RCPT f@x: e@x',
      'e@x f@x',
    ])
  })

  it('wait for a handler that takes its time, and are kept if one is cut off', async () => {
    const seen: string[] = []
    const wire = Wire.negotiated(
      () => ({
        envfrom: () => {},
        envrcpt: async ({ recipient }) => {
          await new Promise((resolve) => setTimeout(resolve, recipient.is('slow@x') ? 60 : 1))
        },
        eom: (ctx) => void seen.push(shown(ctx)),
      }),
      { deadlines: { envrcpt: 30 }, onError: 'continue' },
    )
    wire.send(mail('<a@x>'), rcpt('<b@x>'), rcpt('<slow@x>'), rcpt('<c@x>'), eom())
    while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.deepEqual(seen, ['a@x b@x slow@x c@x'])
  })

  it('leave out recipients that the mail server refuses itself', () => {
    const seen: string[] = []
    const wire = Wire.negotiated(() => ({
      envfrom: () => {},
      envrcpt: rejectedRecipients(() => {}),
      eom: (ctx) => void seen.push(shown(ctx)),
    }))
    wire.send(mail('<a@x>'), macros(Command.RCPT, { rcpt_mailer: 'error' }), rcpt('<b@x>'))
    wire.send(macros(Command.RCPT, { rcpt_mailer: 'local' }), rcpt('<c@x>'), eom())
    assert.deepEqual(seen, ['a@x c@x'])
  })

  it('leave them out also where the filter asks for other macros', () => {
    const wishes: Handlers[] = [
      { envrcpt: rejectedRecipients(symlist('i')(() => {})) },
      { envrcpt: rejectedRecipients(symlist()(() => {})) },
      {
        negotiate: () => ({ macros: { [MacroStage.RCPT]: ['i'] } }),
        envrcpt: rejectedRecipients(() => {}),
      },
      { envrcpt: rejectedRecipients(symlist('{rcpt_mailer}')(() => {})) },
    ]
    for (const handlers of wishes) {
      const wire = new Wire(() => handlers).send({ type: 'optneg', offer: FULL_OFFER })
      const [answer] = wire.take()
      assert.ok(answer?.type === 'optneg')
      const asked = answer.choice.macros!.get(MacroStage.RCPT)!
      assert.equal(asked.filter((name) => /^\{?rcpt_mailer\}?$/.test(name)).length, 1)
    }
  })

  it('are a list that does not change', () => {
    const held: (readonly EnvelopeAddress[])[] = []
    const wire = Wire.negotiated(
      () => ({ envrcpt: (ctx) => void held.push(ctx.recipients), envfrom() {} }),
      { limits: { recipients: 2 } },
    )
    wire.send(mail('<a@x>'), rcpt('<1@x>'), rcpt('<2@x>'), rcpt('<3@x>'), rcpt('<4@x>'))
    assert.deepEqual(held.map(String), ['', '1@x', '1@x,2@x'])
    assert.throws(() => (held[0] as EnvelopeAddress[]).push(held[1]![0]!), TypeError)
  })

  it('take no more memory than there is; without it, the answer is that of overload', () => {
    for (const [overload, answers] of [
      ['tempfail', 'tempfail'],
      ['accept', 'accept'],
    ] as const) {
      const wire = Wire.negotiated(
        () => ({ eom: withEnvelope((ctx) => void (ctx.recipients, ctx.sender)) }),
        { maxMemory: 2 ** 20, onError: 'reject', overload },
      )
      const before = wire.settings.memory.used
      wire.send(mail('<a@x>'))
      for (let i = 0; i < 100; i++) wire.send(rcpt('<b@x>', `X=${'y'.repeat(15_000)}`))
      assert.ok(wire.settings.memory.used < 2 ** 20)
      wire.send(eom())
      assert.equal(wire.answers(), answers)
      assert.equal((wire.errors()[0]!.fields['err'] as MilterError).code, 'MEMORY_EXHAUSTED')
      wire.send(mail('<a@x>'), rcpt('<b@x>'), eom())
      assert.equal(wire.answers(), 'continue')
      assert.equal(wire.settings.memory.used, before)
    }
  })

  it('need memory for the sender, too', () => {
    const wire = Wire.negotiated(() => ({ eom: withEnvelope((ctx) => void ctx.sender) }), {
      onError: 'reject',
    })
    const { memory } = wire.settings
    assert.ok(memory.reserve(memory.limit - memory.used))
    wire.send(mail('<a@x>'), rcpt('<b@x>'), eom())
    assert.equal(wire.answers(), 'tempfail')
    assert.equal(memory.used, memory.limit)
  })

  it('are an error where they were not asked for', () => {
    const seen: unknown[] = []
    const wire = Wire.negotiated(() => ({
      eom: (ctx) => {
        assert.throws(() => ctx.sender, { code: 'NOT_READ', message: /withEnvelope/ })
        assert.throws(() => ctx.recipients, { code: 'NOT_READ', message: /RCPT/ })
        seen.push('eom')
      },
    }))
    // A mail server that sends all the same does not change it.
    wire.send(mail('<a@x>'), rcpt('<b@x>'), eom())
    assert.deepEqual(seen, ['eom'])
  })

  it('can be kept when the message is over', () => {
    let kept: { sender: EnvelopeAddress; recipients: readonly EnvelopeAddress[] } | undefined
    const wire = Wire.negotiated(() => ({ eom: withEnvelope((ctx) => void (kept ??= ctx)) }))
    wire.send(mail('<a@x>'), rcpt('<b@x>'), eom(), mail('<c@x>'), rcpt('<d@x>'), eom())
    assert.equal(shown(kept!), 'a@x b@x')
  })

  it('are bounded, and counted as memory of the message', () => {
    const used: number[] = []
    const wire = Wire.negotiated(
      () => ({
        data: withEnvelope(
          (ctx) => void used.push(ctx.recipients.length, wire.settings.memory.used),
        ),
        eom: (ctx) => {
          assert.throws(() => ctx.recipients, { code: 'MESSAGE_TOO_LARGE' })
          assert.equal(String(ctx.sender), 'a@x')
          used.push(wire.settings.memory.used)
        },
      }),
      { limits: { recipients: 3 } },
    )
    const before = wire.settings.memory.used
    wire.send(mail('<a@x>'), rcpt(), rcpt(), rcpt(), data, eom())
    assert.equal(used[0], 3)
    assert.ok(used[1]! - before > 4 * 256, String(used))
    assert.equal(used.length, 2, 'all are there: the handler has failed')
    assert.equal(wire.settings.memory.used, before)
    wire.send(mail('<a@x>'), rcpt(), rcpt(), rcpt(), rcpt(), eom())
    assert.equal(used.length, 3)
    assert.equal(wire.settings.memory.used, before)
  })

  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`${mta}: are those of the message, without a round trip`, async () => {
      const seen: string[] = []
      const outcome = await deliver(
        () => ({
          eom: withEnvelope((ctx) => {
            seen.push(shown(ctx), ctx.server.kind, String(ctx.server.version))
          }),
        }),
        {
          mta: { [mta]: mta === 'postfix' ? '3.7' : '8.17' } as never,
          from: 'a@x.test',
          to: ['b@x.test', 'c@x.test'],
        },
      )
      assert.deepEqual(outcome.errors, [])
      assert.equal(seen[0], 'a@x.test b@x.test c@x.test')
      assert.equal(seen[1], mta)
      assert.match(seen[2]!, mta === 'postfix' ? /^3\.7\./ : /^(?:8\.17\.|undefined)/)
    })
  }
})
