import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { fc } from '../support/property.ts'
import {
  observe,
  type MessageDone,
  type TelemetryListeners,
} from '../../src/diagnostics/channels.ts'
import type { CommandMessage } from '../../src/protocol/commands.ts'
import {
  ACCEPT,
  CONTINUE,
  DISCARD,
  REJECT,
  TEMPFAIL,
  type Verdict,
} from '../../src/session/verdict.ts'
import {
  abort,
  body,
  connect,
  data,
  eoh,
  eom,
  header,
  helo,
  mail,
  quitNc,
  rcpt,
  unknown,
  Wire,
} from '../support/wire.ts'

const MESSAGE_STAGES = ['envfrom', 'envrcpt', 'data', 'header', 'eoh', 'body', 'eom'] as const
const VERDICTS: readonly Verdict[] = [CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD]

/** What a handler does: a verdict at once or later, or a failure. */
const deed = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ verdict: CONTINUE, later: false, fails: false }) },
  fc.record({
    verdict: fc.constantFrom(...VERDICTS),
    later: fc.boolean(),
    fails: fc.boolean(),
  }),
)
type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never

const script = fc.array(
  fc.constantFrom<CommandMessage>(
    connect(),
    helo(),
    unknown(),
    mail(),
    mail('<c@example.org>'),
    rcpt(),
    rcpt(),
    data,
    header(),
    header(),
    eoh,
    body(),
    eom(),
    eom('rest'),
    abort,
    quitNc,
  ),
  { maxLength: 40 },
)
/** Also what follows the order of SMTP, which chance finds rarely. */
const orderly = fc.array(
  fc.constantFrom<readonly CommandMessage[]>(
    [mail(), rcpt(), data, header(), eoh, body(), eom()],
    [mail(), rcpt(), rcpt(), data, header(), header(), eoh, body(), body(), eom('end')],
    [mail(), rcpt(), data, abort],
    [mail(), mail(), abort],
    [connect(), helo()],
    [quitNc],
  ),
  { maxLength: 6 },
)
const commands = fc.oneof(
  script,
  orderly.map((parts) => parts.flat()),
)
const deeds = fc.record(
  Object.fromEntries(MESSAGE_STAGES.map((stage) => [stage, deed])) as Record<
    (typeof MESSAGE_STAGES)[number],
    typeof deed
  >,
  { requiredKeys: ['envfrom'] },
)

function filterOf(plan: Partial<Record<string, Deed>>): object {
  const handler =
    ({ verdict, later, fails }: Deed) =>
    (): unknown => {
      if (later) return fails ? Promise.reject(new Error('x')) : Promise.resolve(verdict)
      if (fails) throw new Error('x')
      return verdict
    }
  return {
    connect: () => {},
    ...Object.fromEntries(
      Object.entries(plan)
        .filter(([, one]) => one !== undefined)
        .map(([stage, one]) => [stage, handler(one!)]),
    ),
  }
}

/** What the mail server hears. */
async function play(plan: object, script: readonly CommandMessage[]): Promise<string> {
  const wire = Wire.negotiated(() => filterOf(plan as Partial<Record<string, Deed>>))
  let heard = ''
  for (const command of script) {
    wire.send(command)
    if (wire.session.handling) await wire.settle()
    heard += `${command.type}: ${wire.answers()}\n`
  }
  wire.session.end('eof')
  await wire.settle()
  return heard
}

const ALL = [
  'tsmilter:connection:open',
  'tsmilter:connection:close',
  'tsmilter:client:refused',
  'tsmilter:message',
  'tsmilter:handler',
  'tsmilter:handler:error',
  'tsmilter:violation',
] as const

describe('observing', () => {
  it('changes nothing that the mail server gets, and each message is reported once', async () => {
    await fc.assert(
      fc.asyncProperty(deeds, commands, async (plan, given) => {
        const unobserved = await play(plan, given)
        const messages: MessageDone[] = []
        let [opened, closed] = [0, 0]
        const listeners: Record<string, (event: never) => void> = Object.fromEntries(
          ALL.map((name) => [name, () => {}]),
        )
        const stop = observe({
          ...(listeners as TelemetryListeners),
          'tsmilter:message': (event) => void messages.push(event),
          'tsmilter:connection:open': () => opened++,
          'tsmilter:connection:close': () => closed++,
        })
        try {
          assert.equal(await play(plan, given), unobserved)
        } finally {
          stop()
        }
        assert.deepEqual([opened, closed], [1, 1])
        assert.equal(messages.length, given.filter(({ type }) => type === 'mail').length)
        for (const event of messages) {
          if (event.verdict === 'abort') assert.equal(event.code, undefined)
          assert.ok((event.recipients ?? 0) >= 0 && event.refusedRecipients >= 0)
        }
      }),
      { numRuns: 150 },
    )
  })

  it('reads no clock while nobody listens', () => {
    const clock = mock.method(performance, 'now')
    try {
      const handlers = { envfrom: () => {}, header: () => {}, body: () => {}, eom: () => {} }
      const wire = Wire.negotiated(() => handlers)
      wire.send(mail(), rcpt(), header(), header(), eoh, body(), eom())
      assert.equal(clock.mock.callCount(), 0)
      const stop = observe({ 'tsmilter:message': () => {} })
      wire.send(mail(), rcpt(), header(), header(), eoh, body(), eom())
      stop()
      assert.ok(clock.mock.callCount() > 0)
    } finally {
      clock.mock.restore()
    }
  })
})
