import { MESSAGE_STAGES } from '../support/message-stages.ts'
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
import { noReply } from '../../src/milter/marks.ts'
import { encodeCommand, type CommandMessage } from '../../src/protocol/commands.ts'
import { Step } from '../../src/protocol/constants.ts'
import * as verdicts from '../../src/session/verdict.ts'
import {
  abort,
  body,
  Command,
  connect,
  data,
  eoh,
  eom,
  header,
  helo,
  macros,
  mail,
  quitNc,
  rcpt,
  unknown,
  Wire,
} from '../support/wire.ts'

const COMMANDS: readonly CommandMessage[] = [
  connect(),
  helo(),
  mail(),
  rcpt(),
  data,
  header(),
  header('X-Bytes', ' caf\udce9'),
  eoh,
  body(),
  body('x'.repeat(300)),
  eom(),
  eom('tail'),
  abort,
  quitNc,
  unknown(),
  macros(Command.CONNECT, { j: 'mx' }),
  macros(Command.MAIL, { i: 'queue' }),
  macros(Command.RCPT, { rcpt_addr: 'r' }),
  macros(Command.BODY, {}),
]

const STAGES = [...MESSAGE_STAGES, 'unknown'] as const
type Behaviour =
  | 'absent'
  | 'silent'
  | 'throws'
  | 'invalid'
  | Lowercase<'CONTINUE' | 'ACCEPT' | 'REJECT' | 'TEMPFAIL' | 'DISCARD' | 'SKIP'>
  | 'reply'
interface Plan {
  readonly behaviour: Behaviour
  readonly async: boolean
}

const plan: fc.Arbitrary<Plan> = fc.record({
  behaviour: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom<Behaviour>('continue', 'absent', 'silent') },
    {
      weight: 2,
      arbitrary: fc.constantFrom<Behaviour>(
        'accept',
        'reject',
        'tempfail',
        'discard',
        'skip',
        'reply',
        'throws',
        'invalid',
      ),
    },
  ),
  async: fc.boolean(),
})
const filterPlan = fc.record(
  Object.fromEntries(STAGES.map((stage) => [stage, plan])) as Record<
    (typeof STAGES)[number],
    typeof plan
  >,
)
const conversation = fc.array(fc.constantFrom(...COMMANDS), { maxLength: 40 })
const offer = fc.oneof(
  fc.constant({ version: 6, actions: 0x1ff, steps: 0x1fffff }),
  fc.record({
    version: fc.integer({ min: 2, max: 7 }),
    actions: fc.nat(0x1ff),
    steps: fc.nat(0x1fffff),
  }),
)

function verdictOf(behaviour: Behaviour): unknown {
  switch (behaviour) {
    case 'throws':
      throw new Error('on purpose')
    case 'invalid':
      return { kind: 'accept' }
    case 'reply':
      return verdicts.reply(450, '4.7.1', '100% busy')
    case 'absent':
    case 'silent':
      return undefined
    default:
      return {
        continue: verdicts.CONTINUE,
        accept: verdicts.ACCEPT,
        reject: verdicts.REJECT,
        tempfail: verdicts.TEMPFAIL,
        discard: verdicts.DISCARD,
        skip: verdicts.SKIP,
      }[behaviour]
  }
}

function filterOf(
  plans: Record<string, Plan>,
  forceSync: boolean,
  running: { now: number; maximum: number },
): Handlers {
  const handlers: Record<string, unknown> = {}
  for (const [stage, { behaviour, async }] of Object.entries(plans)) {
    if (behaviour === 'absent') continue
    const handler =
      async && !forceSync
        ? async (): Promise<unknown> => {
            running.maximum = Math.max(running.maximum, ++running.now)
            await null
            running.now--
            return verdictOf(behaviour)
          }
        : (): unknown => verdictOf(behaviour)
    handlers[stage] =
      behaviour === 'silent' && stage !== 'eom' ? noReply(handler as () => undefined) : handler
  }
  return handlers as Handlers
}

const CUTTING: ReadonlySet<string> = new Set(['abort', 'quit_nc'])

const ANSWERED: Readonly<Record<string, number>> = {
  connect: Step.NR_CONN,
  helo: Step.NR_HELO,
  mail: Step.NR_MAIL,
  rcpt: Step.NR_RCPT,
  data: Step.NR_DATA,
  header: Step.NR_HDR,
  eoh: Step.NR_EOH,
  body: Step.NR_BODY,
  eom: 0,
  unknown: Step.NR_UNKN,
}

/** What can come before the answer to end of message. */
const NOT_FINAL: ReadonlySet<string> = new Set(
  (
    'progress addheader insheader chgheader addrcpt addrcpt_par delrcpt chgfrom replbody ' +
    'quarantine'
  ).split(' '),
)

describe('any conversation', () => {
  it('gets exactly one answer for each command that wants one', async () => {
    await fc.assert(
      fc.asyncProperty(offer, filterPlan, conversation, async (offered, plans, commands) => {
        const running = { now: 0, maximum: 0 }
        const wire = new Wire(() => filterOf(plans, false, running))
        wire.send({ type: 'optneg', offer: offered })
        await wire.settle()
        const { steps } = wire.session.terms!
        wire.take()
        wire.send(...commands)
        for (let i = 0; i < 50 && wire.session.handling; i++) await wire.settle()
        const due = commands.filter(
          ({ type }) => type in ANSWERED && (steps & ANSWERED[type]!) === 0,
        )
        assert.equal(wire.take().filter(({ type }) => !NOT_FINAL.has(type)).length, due.length)
        assert.equal(wire.transport.closed, false)
        assert.ok(running.maximum <= 1, 'one handler at a time')
      }),
      { numRuns: 300 },
    )
  })

  it('gives the same bytes however it is cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        filterPlan,
        conversation,
        fc.array(fc.nat(60), { minLength: 1, maxLength: 30 }),
        fc.boolean(),
        fc.boolean(),
        async (plans, drawn, sizes, borrowed, sync) => {
          // ABORT and QUIT cut off an asynchronous handler before them: there, time matters.
          const commands = sync ? drawn : drawn.filter(({ type }) => !CUTTING.has(type))
          const bytes = Buffer.concat(commands.map(encodeCommand))
          const whole = Wire.negotiated(() => filterOf(plans, true, { now: 0, maximum: 0 }))
          whole.raw(bytes)
          const cut = Wire.negotiated(() => filterOf(plans, sync, { now: 0, maximum: 0 }))
          cut.transport.writes.length = 0
          whole.transport.writes.shift()
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const end = at + Math.max(1, sizes[i % sizes.length]!)
            const chunk = Buffer.from(bytes.subarray(at, end))
            if (borrowed) cut.borrowed(chunk)
            else cut.raw(chunk)
            at = end
          }
          for (let i = 0; i < 50 && cut.session.handling; i++) await cut.settle()
          assert.deepEqual(
            Buffer.concat(cut.transport.writes.flat()),
            Buffer.concat(whole.transport.writes.flat()),
          )
        },
      ),
      { numRuns: 300 },
    )
  })

  it('of arbitrary bytes never throws, and ends in close or waits for more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, framed) => {
        let closes = 0
        const wire = Wire.negotiated(() => ({ close: () => void closes++ }))
        const payload = Buffer.from(bytes)
        if (framed) {
          const head = Buffer.alloc(4)
          head.writeUInt32BE(payload.length)
          wire.raw(Buffer.concat([head, payload]))
        } else wire.raw(payload)
        wire.session.end('eof')
        assert.equal(closes, 1)
        assert.equal(wire.transport.closed, true)
        assert.deepEqual(wire.errors(), [])
      }),
      { numRuns: 1000 },
    )
  })
})
