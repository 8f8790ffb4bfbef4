import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { defineFilter } from '../../src/message/define-filter.ts'
import type { MessageDone, TelemetryEvents } from '../../src/diagnostics/channels.ts'
import { observe } from '../../src/diagnostics/channels.ts'
import type { LiveMessageContext, RecipientContext } from '../../src/milter/context.ts'
import { noReply } from '../../src/milter/marks.ts'
import { MtaClient } from '../../src/mta/client.ts'
import { serve } from '../../src/server/serve.ts'
import {
  ACCEPT,
  DISCARD,
  REJECT,
  reply,
  TEMPFAIL,
  type Verdict,
} from '../../src/session/verdict.ts'
import { silentLogger } from '../../src/diagnostics/log.ts'
import { deliver, openSession } from '../../src/testing/deliver.ts'
import { atEnd, until } from '../support/resources.ts'
import {
  body,
  Command,
  eom,
  helo,
  macros,
  mail,
  PEER,
  rcpt,
  recordingLogger,
  Wire,
} from '../support/wire.ts'
import type { LogLine } from '../support/wire.ts'

type Name = keyof TelemetryEvents
type Kept = { [N in Name]: { name: N; event: TelemetryEvents[N] } }[Name]

/** Everything that happens until the end of the test, in order. */
function keep(): Kept[] {
  const kept: Kept[] = []
  const names: readonly Name[] = [
    'tsmilter:connection:open',
    'tsmilter:connection:close',
    'tsmilter:connection:overload',
    'tsmilter:client:refused',
    'tsmilter:message',
    'tsmilter:message:overload',
    'tsmilter:handler',
    'tsmilter:handler:error',
    'tsmilter:violation',
    'tsmilter:spill',
  ]
  atEnd(
    observe(
      Object.fromEntries(
        names.map((name) => [name, (event: unknown) => kept.push({ name, event } as Kept)]),
      ),
    ),
  )
  return kept
}
function of<N extends Name>(kept: readonly Kept[], name: N): TelemetryEvents[N][] {
  return kept.filter((one) => one.name === name).map((one) => one.event as TelemetryEvents[N])
}
/** Without what is another number each time. */
function plain(event: MessageDone): Partial<MessageDone> {
  const { connection, message, milliseconds, handlerMilliseconds, ...rest } = event
  assert.ok(connection > 0 && message > 0)
  assert.ok(milliseconds >= 0 && handlerMilliseconds >= 0)
  assert.ok(handlerMilliseconds <= milliseconds + 1)
  return rest
}

const PASSED = {
  hostname: 'mail.example.org',
  address: '192.0.2.10',
  user: undefined,
  sender: 'alice@example.org',
  recipients: 1,
  refusedRecipients: 0,
  verdict: 'accept',
  filter: undefined,
  code: undefined,
  enhanced: undefined,
  reason: undefined,
  stage: 'eom',
  edits: {},
  bodyBytes: 7,
  content: undefined,
  quarantine: undefined,
} as const

describe('the message channel', () => {
  it('reports a message that passes', async () => {
    const kept = keep()
    const all = { envfrom: () => {}, envrcpt: () => {}, body: () => {}, eom: () => {} }
    await deliver(() => all, { authenticated: 'alice', to: ['b@example.net', 'c@example.net'] })
    const [event] = of(kept, 'tsmilter:message')
    const { queueId, ...rest } = plain(event!)
    assert.match(queueId!, /\w+/)
    assert.deepEqual(rest, { ...PASSED, user: 'alice', recipients: 2 })
  })

  const verdicts: readonly [string, Verdict, Partial<MessageDone>][] = [
    ['accept', ACCEPT, { verdict: 'accept' }],
    ['reject', REJECT, { verdict: 'reject' }],
    ['tempfail', TEMPFAIL, { verdict: 'tempfail' }],
    ['discard', DISCARD, { verdict: 'discard' }],
    [
      'a reply',
      reply(550, '5.7.1', 'No lotteries', 'here'),
      { verdict: 'reject', code: 550, enhanced: '5.7.1', reason: 'No lotteries' },
    ],
    [
      'a long reply',
      reply(451, '4.7.1', 'x'.repeat(900)),
      { verdict: 'tempfail', code: 451, enhanced: '4.7.1', reason: 'x'.repeat(200) },
    ],
  ]
  const stages = [
    ['envfrom', 0, 0],
    ['data', 1, 0],
    ['header', 1, 0],
    ['eoh', 1, 0],
    ['body', 1, 7],
    ['eom', 1, 0],
  ] as const
  for (const [name, verdict, expected] of verdicts) {
    for (const [stage, recipients, bodyBytes] of stages) {
      for (const when of ['at once', 'later'] as const) {
        it(`reports ${name} at ${stage}, given ${when}`, async () => {
          const kept = keep()
          const handler = (): unknown => (when === 'later' ? Promise.resolve(verdict) : verdict)
          await deliver(() => ({ envrcpt: () => {}, [stage]: handler }) as object)
          const events = of(kept, 'tsmilter:message').map(plain)
          assert.equal(events.length, 1)
          const { queueId, sender, ...rest } = events[0]!
          // Where MAIL is not asked for, the sender is what macros tell.
          assert.ok(sender === 'alice@example.org', sender)
          void queueId
          const { sender: _, ...passed } = PASSED
          assert.deepEqual(rest, { ...passed, recipients, bodyBytes, ...expected, stage })
        })
      }
    }
  }

  it('names the filter that decided, and counts the edits that were sent', async () => {
    const kept = keep()
    const filter = defineFilter({
      name: 'tagger',
      async message(mail) {
        mail.headers.append('X-One', '1')
        mail.headers.set('Subject', 'two')
        mail.recipients.add('x@example.net')
        mail.body.replace('new\r\n')
        mail.quarantine('look')
        if (mail.sender.address === 'bad@example.org') return reply(550, '5.7.1', 'no')
        return undefined
      },
    })
    await deliver(filter)
    await deliver(filter, { from: 'bad@example.org' })
    const [passed, refused] = of(kept, 'tsmilter:message')
    const { edits } = passed!
    assert.equal((edits.addHeader ?? 0) + (edits.insertHeader ?? 0), 1)
    assert.equal(edits.changeHeader, 1)
    assert.equal(edits.addRecipient, 1)
    assert.equal(edits.replaceBody, 1)
    assert.equal(edits.quarantine, 1)
    assert.equal(passed!.filter, undefined)
    assert.equal(refused!.filter, 'tagger')
    assert.deepEqual(refused!.edits, {})
    assert.equal(refused!.verdict, 'reject')
  })

  it('counts recipients that were refused, and goes on', async () => {
    const kept = keep()
    const filter = {
      envrcpt: (ctx: RecipientContext) =>
        ctx.recipient.address.startsWith('no') ? reply(550, '5.1.1', 'unknown') : undefined,
      eom: () => {},
    }
    await deliver(() => filter, {
      to: ['no@example.net', 'yes@example.net', 'no2@example.net'],
    })
    await deliver(() => filter, { to: ['no@example.net'] })
    const [some, none] = of(kept, 'tsmilter:message')
    assert.deepEqual(
      [some!.recipients, some!.refusedRecipients, some!.verdict, some!.code],
      [1, 2, 'accept', undefined],
    )
    assert.deepEqual(
      [none!.recipients, none!.refusedRecipients, none!.verdict, none!.stage],
      [0, 1, 'abort', 'envrcpt'],
    )
  })

  it('reports a failure: exception, deadline, invalid value', async () => {
    const cases: readonly [() => unknown, string | undefined, string, string][] = [
      [
        () => Promise.reject(new TypeError('secret content')),
        undefined,
        'exception',
        'EXCEPTION',
      ],
      [
        () => {
          throw Object.assign(new Error('x'), { code: 'ECONNREFUSED' })
        },
        'ECONNREFUSED',
        'exception',
        'ECONNREFUSED',
      ],
      [() => new Promise(() => {}), 'DEADLINE_EXCEEDED', 'deadline', 'DEADLINE_EXCEEDED'],
      [() => 'nonsense', 'INVALID_VERDICT', 'exception', 'INVALID_VERDICT'],
    ]
    for (const [handler, code, cause, reason] of cases) {
      const options = { filter: { deadlines: 30, logger: silentLogger() } }
      const byEvent = () => ({ eom: handler }) as object
      const whole = defineFilter({ name: 'fails', message: handler as () => undefined })
      for (const [filter, name] of [
        [byEvent, undefined],
        [whole, 'fails'],
      ] as const) {
        const kept = keep()
        await deliver(filter, options)
        const [event] = of(kept, 'tsmilter:message')
        assert.equal(event!.verdict, 'tempfail')
        assert.equal(event!.reason, reason)
        assert.equal(event!.filter, name)
        const failures = of(kept, 'tsmilter:handler:error')
        assert.equal(failures.length, 1)
        assert.deepEqual(
          { ...failures[0], connection: 0, queueId: '' },
          {
            connection: 0,
            queueId: '',
            filter: name,
            stage: name === undefined ? 'eom' : 'message',
            cause,
            code,
          },
        )
      }
    }
  })

  it('reports each message of a connection, and of those that were given up', async () => {
    const kept = keep()
    const session = await openSession(() => ({ envfrom: () => {}, eom: () => {} }))
    await session.deliver({ from: 'one@example.org' })
    await session.client.command(mail('<two@example.org>'))
    session.client.reset()
    await session.deliver({ from: 'three@example.org' })
    await session.close()
    assert.deepEqual(
      of(kept, 'tsmilter:message').map(({ sender, verdict }) => [sender, verdict]),
      [
        ['one@example.org', 'accept'],
        ['two@example.org', 'abort'],
        ['three@example.org', 'accept'],
      ],
    )
    assert.equal(new Set(of(kept, 'tsmilter:message').map((e) => e.connection)).size, 1)
  })

  it('keeps connections apart that run at the same time', async () => {
    const kept = keep()
    const make = (): Wire =>
      Wire.negotiated(() => ({ envfrom: () => {}, envrcpt: () => {}, body: () => {} }))
    const wires = [make(), make(), make()]
    wires.forEach((wire, i) => wire.send(mail(`<${i}@example.org>`)))
    wires.forEach((wire, i) => wire.send(...Array.from({ length: i + 1 }, () => rcpt())))
    wires.forEach((wire, i) => wire.send(body('x'.repeat(i * 10 + 1))))
    for (const wire of [...wires].reverse()) wire.send(eom())
    assert.deepEqual(
      of(kept, 'tsmilter:message').map((e) => [
        e.connection,
        e.sender,
        e.recipients,
        e.bodyBytes,
      ]),
      wires
        .map((wire, i) => [wire.conversation.id, `${i}@example.org`, i + 1, i * 10 + 1])
        .reverse(),
    )
  })

  it('reports a message whose handler was cut off by the client as given up', async () => {
    for (const [how, reason] of [
      ['abort', 'MESSAGE_ABORTED'],
      ['quit', 'DISCONNECTED'],
    ] as const) {
      const kept = keep()
      const wire = Wire.negotiated(() => ({ eom: () => new Promise<never>(() => {}) }))
      wire.send(mail(), rcpt(), eom())
      wire.send({ type: how })
      await wire.settle()
      const [event] = of(kept, 'tsmilter:message')
      assert.equal(event!.verdict, 'abort')
      assert.equal(event!.reason, reason)
      assert.equal(of(kept, 'tsmilter:handler:error')[0]!.cause, 'interrupted')
    }
  })

  it('reports the failure that a stage without replies leaves to the next message', () => {
    const kept = keep()
    const connect = noReply(() => {
      throw new Error('broken')
    })
    const wire = Wire.negotiated(() => ({ connect, eom: () => {} }))
    wire.send({ type: 'connect', client: PEER }, mail(), rcpt(), eom())
    const events = of(kept, 'tsmilter:message')
    assert.deepEqual(
      events.map(({ verdict, stage }) => [verdict, stage]),
      [['tempfail', 'connect']],
    )
  })

  it('reports a new body that breaks off as deferred', async () => {
    const kept = keep()
    async function* half(): AsyncGenerator<Buffer> {
      yield Buffer.from('half\r\n')
      throw Object.assign(new Error('disk'), { code: 'EIO' })
    }
    const wire = Wire.negotiated(() => ({
      eom: (ctx) => (ctx as LiveMessageContext).replaceBodyFrom(half()),
    }))
    wire.send(mail(), rcpt(), eom())
    await wire.settle()
    const [event] = of(kept, 'tsmilter:message')
    assert.deepEqual([event!.verdict, event!.reason, event!.edits], ['tempfail', 'EIO', {}])
    assert.equal(of(kept, 'tsmilter:handler:error').length, 1)
  })

  for (const [how, reason] of [
    ['eof', 'DISCONNECTED'],
    ['shutdown', 'SHUTTING_DOWN'],
  ] as const) {
    it(`tells why a message is deferred whose new body was cut off: ${how}`, async () => {
      const kept = keep()
      let go = (): void => {}
      const cut = new Promise<void>((resolve) => (go = resolve))
      async function* slow(): AsyncGenerator<Buffer> {
        yield Buffer.from('half\r\n')
        await cut
        yield Buffer.from('rest\r\n')
      }
      const wire = Wire.negotiated(() => ({
        eom: (ctx) => (ctx as LiveMessageContext).replaceBodyFrom(slow()),
      }))
      wire.send(mail(), rcpt(), eom())
      await sleep(0)
      wire.session.end(how)
      go()
      await wire.settle()
      const [event] = of(kept, 'tsmilter:message')
      assert.deepEqual([event!.verdict, event!.reason], ['tempfail', reason])
      // It was no handler's fault.
      assert.deepEqual(of(kept, 'tsmilter:handler:error'), [])
      assert.deepEqual(wire.log, [])
    })
  }

  it('knows client and sender by macros if the filter does not ask for them', () => {
    const cases: readonly [string, string, string | undefined][] = [
      ['mail.example.org [192.0.2.7]', 'mail.example.org', '192.0.2.7'],
      ['unknown [IPv6:2001:db8::1]', 'unknown', '2001:db8::1'],
      ['root@mail.example.org [192.0.2.7] (may be forged)', 'mail.example.org', '192.0.2.7'],
      ['nonsense', '', undefined],
      ['x'.repeat(60_000), '', undefined],
    ]
    for (const [value, hostname, address] of cases) {
      const kept = keep()
      const wire = Wire.negotiated(() => ({ eom: () => {} }))
      wire.send(macros(Command.CONNECT, { _: value, auth_authen: 'u'.repeat(5_000) }))
      wire.send(macros(Command.MAIL, { mail_addr: 'alice@example.org' }), eom())
      const [event] = of(kept, 'tsmilter:message')
      assert.deepEqual(
        [event!.hostname, event!.address, event!.sender, event!.recipients],
        [hostname, address, 'alice@example.org', undefined],
      )
      assert.equal(event!.user!.length, 1_000)
    }
  })

  it('measures the time inside handlers', async () => {
    const kept = keep()
    await deliver(() => ({
      eom: () => new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 40)),
    }))
    const [event] = of(kept, 'tsmilter:message')
    assert.ok(event!.handlerMilliseconds >= 35, String(event!.handlerMilliseconds))
    const [handler] = of(kept, 'tsmilter:handler')
    assert.equal(handler!.stage, 'eom')
    assert.ok(handler!.milliseconds >= 35)
  })
})

describe('the other channels', () => {
  it('report a client that is refused', async () => {
    const kept = keep()
    await deliver(() => ({ connect: () => reply(554, '5.7.1', 'not you') }))
    await deliver(defineFilter({ name: 'greeting', helo: async () => TEMPFAIL }))
    const events = of(kept, 'tsmilter:client:refused')
    assert.deepEqual(
      events.map((e) => [
        e.stage,
        e.verdict,
        e.code,
        e.enhanced,
        e.reason,
        e.filter,
        e.address,
      ]),
      [
        ['connect', 'reject', 554, '5.7.1', 'not you', undefined, '192.0.2.10'],
        ['helo', 'tempfail', undefined, undefined, undefined, 'greeting', '192.0.2.10'],
      ],
    )
  })

  it('report connections in memory, and over a socket with its peer', async () => {
    const kept = keep()
    await deliver(() => ({ eom: () => {} }))
    const server = await serve(() => ({ helo: () => {} }), {
      listen: 'inet:0@127.0.0.1',
      logger: silentLogger(),
    })
    atEnd(() => server.close({ deadline: 0 }))
    const client = await MtaClient.connect(server.addresses[0]!)
    await client.negotiate()
    await client.command(helo())
    await client.quit()
    const gone = await MtaClient.connect(server.addresses[0]!)
    await gone.negotiate()
    gone.destroy()
    await until(() => of(kept, 'tsmilter:connection:close').length === 3)
    const opened = of(kept, 'tsmilter:connection:open')
    const closed = of(kept, 'tsmilter:connection:close')
    assert.deepEqual(
      closed.map(({ connection }) => connection),
      opened.map(({ connection }) => connection),
    )
    assert.equal(opened[0]!.peer, undefined)
    assert.match(opened[1]!.peer!, /^127\.0\.0\.1:\d+$/)
    assert.deepEqual(
      closed.map(({ reason }) => reason),
      ['quit', 'quit', 'eof'],
    )
    for (const event of closed) assert.ok(event.bytesReceived! > 10 && event.bytesSent! > 10)
    // OPTNEG, HELO, QUIT of the mail server; OPTNEG and CONTINUE of the filter.
    assert.equal(closed[1]!.bytesSent, 17 + 5)
    assert.equal(closed[1]!.bytesReceived! > closed[2]!.bytesReceived!, true)
  })

  it('tell when there are too many connections', async () => {
    const kept = keep()
    const server = await serve(() => ({}), {
      listen: 'inet:0@127.0.0.1',
      maxConnections: 1,
      logger: silentLogger(),
    })
    atEnd(() => server.close({ deadline: 0 }))
    for (let i = 0; i < 3; i++) {
      const client = await MtaClient.connect(server.addresses[0]!)
      atEnd(() => client.destroy())
      await client.negotiate().catch(() => {})
    }
    assert.deepEqual(of(kept, 'tsmilter:connection:overload'), [
      { maxConnections: 1, dropped: false, answer: 'tempfail' },
      { maxConnections: 1, dropped: true, answer: 'tempfail' },
    ])
  })

  it('report violations of the protocol', () => {
    const kept = keep()
    const wire = Wire.negotiated(() => ({ envfrom: () => {} }))
    wire.send(eom())
    wire.take()
    new Wire(() => ({})).raw(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    assert.deepEqual(
      of(kept, 'tsmilter:violation').map(({ code, fatal }) => [code, fatal]),
      [
        ['OUT_OF_ORDER', false],
        ['FRAME_TOO_LARGE', true],
      ],
    )
    assert.deepEqual(
      of(kept, 'tsmilter:connection:close').map(({ reason }) => reason),
      ['error'],
    )
  })

  it('report bodies that go to a file, and of those that cannot', async () => {
    const message = `Subject: x\r\n\r\n${'y'.repeat(200_000)}\r\n`
    const filter = (temporaryDirectory?: string) =>
      defineFilter({
        name: 'large',
        limits: { bodyMemory: 1_000, ...(temporaryDirectory && { temporaryDirectory }) },
        message: () => {},
      })
    const kept = keep()
    await deliver(filter(), { message })
    await deliver(filter('/nowhere/at/all'), { message, filter: { logger: silentLogger() } })
    const events = of(kept, 'tsmilter:spill')
    assert.deepEqual(
      events.map(({ failed, reason }) => [failed, reason]),
      [
        [false, 'size'],
        [true, 'size'],
      ],
    )
    assert.ok(events[0]!.bytes > 1_000)
    assert.equal(of(kept, 'tsmilter:message')[1]!.reason, 'SPILL_FAILED')
  })

  it('report a factory that fails', async () => {
    const kept = keep()
    const filter = (): never => {
      throw new Error('no configuration')
    }
    await deliver(filter, { filter: { logger: silentLogger() } })
    assert.equal(of(kept, 'tsmilter:handler:error')[0]!.stage, 'factory')
  })
})

describe('listeners', () => {
  it('that throw do no harm, and are logged once a minute', async () => {
    const log: LogLine[] = []
    const broken = (): never => {
      throw new Error('listener')
    }
    atEnd(
      observe({ 'tsmilter:message': broken, 'tsmilter:handler': broken }, recordingLogger(log)),
    )
    const kept = keep()
    const handlers = () => ({ helo: () => {}, eom: () => ACCEPT })
    for (let i = 0; i < 3; i++) {
      const outcome = await deliver(handlers)
      assert.equal(outcome.verdict, 'accept')
      assert.deepEqual(outcome.errors, [])
    }
    assert.equal(of(kept, 'tsmilter:message').length, 3)
    assert.deepEqual(
      log.map(({ level, fields }) => [level, fields['channel']]),
      [
        ['error', 'tsmilter:handler'],
        ['error', 'tsmilter:message'],
      ],
    )
  })

  it('that come in the middle of a message hear of the next one', () => {
    const wire = Wire.negotiated(() => ({ eom: () => {} }))
    wire.send(mail())
    const kept = keep()
    wire.send(rcpt(), eom())
    assert.equal(of(kept, 'tsmilter:message').length, 0)
    wire.send(mail('<b@example.org>'), rcpt(), eom())
    assert.equal(of(kept, 'tsmilter:message').length, 1)
  })

  it('hear nothing any more after they have stopped', async () => {
    let heard = 0
    const stop = observe({ 'tsmilter:message': () => heard++ })
    await deliver(() => ({ eom: () => {} }))
    stop()
    stop()
    await deliver(() => ({ eom: () => {} }))
    assert.equal(heard, 1)
  })

  it('given to Node itself get the events too, and do not change the outcome if they throw', () => {
    const at = (path: string): string =>
      JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../src', path)).href)
    const script = `
      import { subscribe } from 'node:diagnostics_channel'
      import { deliver } from ${at('testing/index.js')}
      process.on('uncaughtException', (error) => console.log('uncaught ' + error.message))
      subscribe('tsmilter:message', ({ verdict }) => { throw new Error(verdict) })
      const outcome = await deliver(() => ({ eom: () => {} }))
      console.log(outcome.verdict)`
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    assert.equal(result.stderr, '')
    assert.deepEqual(result.stdout.trim().split('\n').sort(), ['accept', 'uncaught accept'])
  })
})
