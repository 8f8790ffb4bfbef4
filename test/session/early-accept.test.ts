import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { observe } from '../../src/diagnostics/channels.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
import { noReply } from '../../src/milter/marks.ts'
import { ServersMet } from '../../src/milter/mail-server/servers-met.ts'
import { ALL_STEPS, Step } from '../../src/protocol/constants.ts'
import { ACCEPT } from '../../src/session/verdict.ts'
import { atEnd } from '../support/resources.ts'
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
  rcpt,
  unknown,
  Wire,
} from '../support/wire.ts'

const STAGES = ['connect', 'helo', 'envfrom', 'envrcpt', 'data', 'header', 'eoh', 'body', 'eom']
type Answering = (typeof STAGES)[number]

/** A filter that accepts at one stage, and notes each call. */
function accepting(stage: Answering, calls: string[]): () => Handlers {
  return () =>
    Object.fromEntries(
      [...STAGES, 'abort'].map((name) => [
        name,
        () => {
          calls.push(name)
          return name === stage ? ACCEPT : undefined
        },
      ]),
    ) as Handlers
}

function play(
  v: string | undefined,
  stage: Answering,
  steps: number = ALL_STEPS,
): { answers: string; calls: string; wire: Wire } {
  const calls: string[] = []
  const wire = Wire.negotiated(
    accepting(stage, calls),
    {},
    { ...FULL_OFFER, steps },
    { servers: new ServersMet() },
  )
  if (v !== undefined) wire.send(macros(Command.CONNECT, { v }))
  wire.send(connect(), helo())
  wire.send(mail(), rcpt(), data, header(), eoh, body(), eom())
  return { answers: wire.answers(), calls: calls.join(' '), wire }
}

describe('"accept" before the content', () => {
  for (const v of ['Postfix 3.7.11', 'Postfix 3.12-20260101', 'Mailer 1.0', undefined]) {
    it(`is kept until end of message behind ${v ?? 'a server that tells nothing'}`, () => {
      for (const [stage, calls] of [
        ['envfrom', 'connect helo envfrom'],
        ['envrcpt', 'connect helo envfrom envrcpt'],
        ['data', 'connect helo envfrom envrcpt data'],
      ] as const) {
        const played = play(v, stage)
        const until = 'continue continue continue continue continue continue continue'
        assert.equal(played.answers, `${until} skip accept`)
        assert.equal(played.calls, calls)
      }
    })
  }

  it('is said at once behind a server without the defect', () => {
    for (const v of ['Postfix 3.7.22', '8.17.1.9', '8.18.2']) {
      const { answers, calls } = play(v, 'envrcpt')
      assert.equal(
        answers,
        'continue continue continue accept continue continue continue continue continue',
      )
      assert.equal(calls, 'connect helo envfrom envrcpt')
    }
  })

  it('has the rest of the body sent where no skip was agreed on', () => {
    const { answers } = play(undefined, 'envfrom', ALL_STEPS & ~Step.SKIP)
    assert.equal(answers, `${'continue '.repeat(8)}accept`)
  })

  it('is said at once in the content, and at CONNECT and HELO', () => {
    for (const [i, stage] of STAGES.entries()) {
      if (['envfrom', 'envrcpt', 'data'].includes(stage)) continue
      const { answers } = play('Postfix 3.7.11', stage)
      assert.equal(answers.split(' ')[i], 'accept', stage)
    }
  })

  it('is for one message alone', () => {
    const { wire, calls } = play('Postfix 3.7.11', 'data')
    assert.equal(calls, 'connect helo envfrom envrcpt data')
    wire.send(abort, mail(), rcpt(), header(), body(), eom())
    assert.equal(wire.answers(), 'continue continue continue continue continue')
  })

  it('does not let a recipient without MAIL pass, as Postfix sends it after its own refusal', () => {
    const calls: string[] = []
    const wire = Wire.negotiated(accepting('envfrom', calls), {}, FULL_OFFER, {
      servers: new ServersMet(),
    })
    wire.send(mail(), rcpt(), data, rcpt())
    assert.equal(wire.answers(), 'continue continue continue tempfail')
    assert.deepEqual(calls, ['envfrom'])
  })

  it('is reported to listeners once, when it is given', () => {
    const verdicts: unknown[] = []
    atEnd(observe({ 'tsmilter:message': ({ verdict }) => void verdicts.push(verdict) }))
    const { wire } = play('Postfix 3.7.11', 'envfrom')
    wire.send(abort)
    assert.deepEqual(verdicts, ['accept'])
  })

  it('counts for a promise and for the error policy', async () => {
    for (const handler of [
      async () => ACCEPT,
      () => {
        throw new Error('boom')
      },
    ]) {
      const wire = Wire.negotiated(
        () => ({ envrcpt: handler }),
        { onError: 'accept' },
        FULL_OFFER,
        { servers: new ServersMet() },
      )
      wire.send(mail(), rcpt(), eom())
      await wire.settle()
      assert.equal(wire.answers(), 'continue continue accept')
    }
  })

  it('that nobody hears needs no keeping', () => {
    const wire = Wire.negotiated(
      () => ({
        envfrom: noReply(() => {
          throw new Error('boom')
        }),
        eom: () => {},
      }),
      { onError: 'accept' },
      FULL_OFFER,
      { servers: new ServersMet() },
    )
    wire.send(mail(), rcpt(), eom())
    assert.equal(wire.answers(), 'continue continue')
  })
})

describe('ACCEPT in answer to an unknown command', () => {
  const filter =
    (calls: string[]): (() => Handlers) =>
    () => ({
      unknown: () => ACCEPT,
      envrcpt: () => void calls.push('envrcpt'),
      eom: () => void calls.push('eom'),
    })

  for (const v of ['Postfix 3.7.11', 'Postfix 3.11.7', '8.18.1', undefined]) {
    it(`${v}: is CONTINUE, and the message goes on`, () => {
      const calls: string[] = []
      const wire = Wire.negotiated(filter(calls), {}, FULL_OFFER, { servers: new ServersMet() })
      if (v !== undefined) wire.send(macros(Command.CONNECT, { v }))
      wire.send(connect(), helo(), unknown('XFOO'), mail(), unknown('XFOO bar'))
      wire.send(rcpt(), data, header(), eoh, body(), eom())
      assert.doesNotMatch(wire.answers(), /a/)
      assert.deepEqual(calls, ['envrcpt', 'eom'])
    })
  }

  it('is not left to the message by one that gets no reply', () => {
    const calls: string[] = []
    const made = filter(calls)
    const wire = Wire.negotiated(
      () => ({
        ...made(),
        unknown: noReply(() => {
          throw new Error('on purpose')
        }),
      }),
      { onError: 'accept' },
    )
    wire.send(connect(), helo(), mail(), unknown('XFOO'))
    wire.send(rcpt(), data, header(), eoh, body(), eom())
    assert.deepEqual(calls, ['envrcpt', 'eom'])
  })
})

describe('an accept that is kept', () => {
  it('is waited for at a stop, as an open message is', () => {
    const { wire } = play('Postfix 3.7.11', 'envfrom')
    assert.equal(wire.session.working, false)
    wire.send(mail())
    assert.equal(wire.session.working, true)
    wire.send(rcpt(), data, header(), eoh, body(), eom())
    assert.equal(wire.session.working, false)
    wire.send(mail())
    wire.send(abort)
    assert.equal(wire.session.working, false)
  })

  for (const [v, answer] of [
    ['Postfix 3.7.11', 'continue'],
    ['Postfix 3.11.7', 'accept'],
  ] as const) {
    it(`is not said at the deadline of a stop, which has no end of message: ${v}`, async () => {
      const stays = (): Promise<undefined> => new Promise(() => {})
      const wire = Wire.negotiated(
        () => ({ connect: () => {}, envfrom: stays }),
        { onError: 'accept' },
        FULL_OFFER,
        { servers: new ServersMet() },
      )
      wire.send(macros(Command.CONNECT, { v }))
      wire.send(connect(), mail())
      wire.session.end('shutdown')
      await wire.settle()
      assert.equal(wire.answers(), `continue ${answer}`)
      assert.equal(wire.transport.closed, true)
    })
  }
})
