import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  ACCEPT,
  compose,
  defineFilter,
  DISCARD,
  REJECT,
  reply,
  shadow,
  SKIP,
  TEMPFAIL,
  type FilterDefinition,
  type Mail,
  type MessageFilter,
} from '../../src/index.ts'
import { Action, ALL_ACTIONS, ALL_STEPS, Step } from '../../src/protocol/index.ts'
import { deliver, openSession, type TestTransaction } from '../../src/testing/index.ts'
import { atEnd } from '../support/resources.ts'
import { Wire } from '../support/wire.ts'

const SERVERS = ['postfix', 'sendmail'] as const
const nothing = (): void => {}
const MESSAGE = 'From: Alice <alice@example.org>\r\nSubject: x\r\n\r\nhello\r\n'

/** What the mail server's side sent and got, a word a frame, without macros. */
async function conversation(
  filter: MessageFilter,
  transaction: TestTransaction = {},
): Promise<string> {
  const outcome = await deliver(filter, { message: MESSAGE, mta: 'sendmail', ...transaction })
  assert.deepEqual(outcome.errors, [])
  return outcome.trace.entries
    .filter(({ message }) => message?.type !== 'macro' && message?.type !== 'optneg')
    .map(({ from, message }) => (from === 'mta' ? message!.type : `-> ${message!.type}`))
    .join(' ')
}

const named = <State = undefined>(definition: Omit<FilterDefinition<State>, 'name'>) =>
  defineFilter<State>({ name: 'test', ...definition })

describe('what is sent', () => {
  it('is everything without an answer, where there is only a message', async () => {
    assert.equal(
      await conversation(named({ message: nothing })),
      'connect helo mail rcpt header header body eom -> continue',
    )
  })

  it('is no body, where there is no message', async () => {
    assert.equal(
      await conversation(named({ headers: (mail) => void mail.headers.append('X-A', 'b') })),
      'connect helo mail rcpt header header eoh -> continue eom -> addheader -> continue'.replace(
        'addheader',
        'insheader',
      ),
    )
  })

  it('is nothing more once nobody wants it', async () => {
    assert.equal(
      await conversation(named({ headers: nothing })),
      'connect helo mail rcpt header header eoh -> accept',
    )
  })

  it('is no content for a filter of the envelope', async () => {
    assert.equal(
      await conversation(named({ recipient: nothing })),
      'connect helo mail rcpt -> continue eom -> continue',
    )
    assert.equal(
      await conversation(named({ sender: nothing })),
      'connect helo mail -> continue eom -> continue',
    )
  })

  it('is answered at each stage that is declared', async () => {
    assert.equal(
      await conversation(
        named({
          connect: nothing,
          helo: nothing,
          sender: nothing,
          recipient: nothing,
          headers: nothing,
          message: nothing,
        }),
      ),
      'connect -> continue helo -> continue mail -> continue rcpt -> continue header header eoh -> continue body eom -> continue',
    )
  })

  it('is the same for a server that cannot leave out answers or events', async () => {
    const seen: string[] = []
    const outcome = await deliver(
      named({
        async message(mail) {
          seen.push((await mail.raw()).toString())
          mail.headers.append('X-A', 'b')
        },
      }),
      { offer: { version: 2, actions: 0x3f, steps: 0x7f }, message: MESSAGE },
    )
    assert.deepEqual(outcome.errors, [])
    assert.deepEqual(seen, [MESSAGE])
    assert.match(outcome.message!.toString(), /^X-A: b\r$/m)
  })
})

describe('what is asked for', () => {
  const asked = async (filter: MessageFilter): Promise<{ actions: number; steps: number }> => {
    await using session = await openSession(filter)
    const { actions, steps } = await session.client.negotiate()
    return { actions: actions & ~Action.SETSYMLIST, steps }
  }

  for (const [what, filter, actions] of [
    ['nothing by a filter of the envelope', named({ recipient: nothing }), 0],
    [
      'no new body without a message',
      named({ headers: nothing }),
      ALL_ACTIONS & ~Action.SETSYMLIST & ~Action.CHGBODY,
    ],
    [
      'everything with a message',
      named({ message: nothing }),
      ALL_ACTIONS & ~Action.SETSYMLIST,
    ],
    [
      'what the filter says it edits',
      named({ message: nothing, edits: ['headers', 'quarantine'] }),
      Action.ADDHDRS | Action.CHGHDRS | Action.QUARANTINE,
    ],
    ['nothing by a shadow', shadow(named({ message: nothing })), 0],
    [
      'what one of several edits',
      compose(
        named({ message: nothing, edits: ['body'] }),
        named({ headers: nothing, edits: ['sender'] }),
        shadow(named({ message: nothing })),
      ),
      Action.CHGBODY | Action.CHGFROM,
    ],
  ] as const) {
    it(`is ${what}`, async () => assert.equal((await asked(filter)).actions, actions))
  }

  it('is no answer of shadows', async () => {
    const { steps } = await asked(
      shadow(named({ connect: nothing, recipient: nothing, headers: nothing })),
    )
    for (const bit of [Step.NR_CONN, Step.NR_RCPT, Step.NR_EOH]) assert.ok((steps & bit) !== 0)
    assert.equal(steps & ~ALL_STEPS, 0)
  })

  it('is more macros where the filter wants some, and no fewer than usual', async () => {
    const seen: unknown[] = []
    const outcome = await deliver(
      named({
        macros: { sender: ['{client_addr}'], recipient: ['client_port'] },
        message: (mail) => {
          seen.push(mail.macro('client_addr'), mail.macro('{client_port}'), mail.macro('i'))
          seen.push(mail.macros.get('mail_addr'))
        },
      }),
      { mta: 'sendmail', macros: { i: 'ID' } },
    )
    assert.deepEqual(outcome.errors, [])
    assert.deepEqual(seen, ['192.0.2.10', '40000', 'ID', 'alice@example.org'])
  })
})

describe('a connection', () => {
  for (const mta of SERVERS) {
    it(`${mta}: is known by names a person understands`, async () => {
      let facts: unknown
      const outcome = await deliver(
        named({
          message({ connection, server }) {
            const { hostname, address, port, family, helo, authenticated, tls } = connection
            facts = {
              hostname,
              address,
              port,
              family,
              helo,
              authenticated,
              tls,
              name: server.name,
            }
          },
        }),
        {
          mta,
          client: { hostname: 'client.example.org', address: '192.0.2.7', port: 1234 },
          helo: 'me.example.org',
          authenticated: { user: 'alice', mechanism: 'LOGIN' },
          tls: { version: 'TLSv1.2', bits: 128, subject: '/CN=alice' },
        },
      )
      assert.deepEqual(outcome.errors, [])
      assert.deepEqual(facts, {
        hostname: 'client.example.org',
        address: '192.0.2.7',
        port: 1234,
        family: 'inet',
        helo: 'me.example.org',
        authenticated: 'alice',
        tls: {
          version: 'TLSv1.2',
          cipher: 'TLS_AES_256_GCM_SHA384',
          bits: 128,
          subject: '/CN=alice',
          issuer: undefined,
        },
        name: 'mx.example.net',
      })
    })
  }

  it('that is accepted is not looked at again; the next one is', async () => {
    const seen: string[] = []
    const filter = named({
      connect: ({ address }) => (address === '192.0.2.1' ? ACCEPT : undefined),
      message: (mail) => void seen.push(mail.sender.address),
    })
    for (const address of ['192.0.2.1', '192.0.2.2']) {
      await using session = await openSession(filter)
      await session.deliver({ client: { address }, from: `${address}@example.org` })
      await session.deliver({ client: { address }, from: `again-${address}@example.org` })
    }
    assert.deepEqual(seen, ['192.0.2.2@example.org', 'again-192.0.2.2@example.org'])
  })

  it('is closed once', async () => {
    let closed = 0
    const filter = named({ message: nothing, close: () => void closed++ })
    const session = await openSession(filter)
    await session.deliver()
    await session.deliver()
    assert.equal(closed, 0)
    await session.close()
    assert.equal(closed, 1)
  })
})

describe('verdicts', () => {
  for (const mta of SERVERS) {
    for (const stage of ['sender', 'recipient', 'headers', 'message'] as const) {
      it(`${mta}: at ${stage} are the client's answer`, async () => {
        const outcome = await deliver(named({ [stage]: () => reply(550, '5.7.1', 'no') }), {
          mta,
        })
        assert.equal(outcome.verdict, 'reject')
        assert.match(outcome.reply, /^550 5\.7\.1 .*no$/)
        const deferred = await deliver(named({ [stage]: async () => TEMPFAIL }), { mta })
        assert.equal(deferred.verdict, 'tempfail')
        const dropped = await deliver(named({ [stage]: () => DISCARD }), { mta })
        assert.equal(dropped.verdict, 'discard')
      })
    }
  }

  it('on a recipient do not end the message, and it is not among the recipients', async () => {
    const seen: unknown[] = []
    const outcome = await deliver(
      named({
        async recipient(recipient, { sender, recipients }) {
          seen.push([recipient.address, sender.address, recipients.map(String)])
          await sleep(1)
          return recipient.domain === 'gone.example' ? reply(450, '4.2.1', 'later') : undefined
        },
        message: (mail) => void seen.push(mail.recipients.addresses),
      }),
      { to: ['a@example.net', 'b@gone.example', 'c@example.net'] },
    )
    assert.equal(outcome.verdict, 'accept')
    assert.deepEqual(outcome.recipients, ['a@example.net', 'c@example.net'])
    assert.deepEqual(seen, [
      ['a@example.net', 'alice@example.org', []],
      ['b@gone.example', 'alice@example.org', ['a@example.net']],
      ['c@example.net', 'alice@example.org', ['a@example.net']],
      ['a@example.net', 'c@example.net'],
    ])
  })

  it('that let pass keep the edits, others drop them', async () => {
    for (const [verdict, edits] of [
      [undefined, 1],
      [ACCEPT, 1],
      [REJECT, 0],
      [DISCARD, 0],
    ] as const) {
      const outcome = await deliver(
        named({
          message(mail) {
            mail.headers.append('X-A', 'b')
            return verdict
          },
        }),
      )
      assert.equal(outcome.edits.length, edits)
    }
  })

  it('of headers keep the edits for the end, also with ACCEPT', async () => {
    const outcome = await deliver(
      named({
        headers(mail) {
          mail.headers.append('X-A', 'b')
          mail.recipients.add('archive@example.net')
          mail.quarantine('odd')
          return ACCEPT
        },
        message: () => REJECT,
      }),
    )
    assert.equal(outcome.verdict, 'quarantine')
    assert.equal(outcome.quarantine, 'odd')
    assert.deepEqual(outcome.recipients, ['bob@example.net', 'archive@example.net'])
  })

  it('that do not exist are failures', async () => {
    for (const wrong of [SKIP, true, 'reject', {}]) {
      const outcome = await deliver(named({ message: () => wrong as never }))
      assert.equal(outcome.verdict, 'tempfail')
      assert.equal((outcome.errors[0] as { code: string }).code, 'INVALID_VERDICT')
      assert.match(String(outcome.errors[0]), /the handler of message returned/)
    }
  })
})

describe('a stage that fails', () => {
  const boom = (): never => {
    throw new Error('boom')
  }
  for (const stage of [
    'connect',
    'helo',
    'sender',
    'recipient',
    'headers',
    'message',
  ] as const) {
    it(`${stage}: is answered by the policy, and the cause is logged with the filter's name`, async () => {
      for (const handler of [boom, async () => boom()]) {
        const outcome = await deliver(named({ [stage]: handler }))
        assert.equal(outcome.verdict, 'tempfail')
        const line = outcome.log.find(({ level }) => level === 'error')
        assert.equal(line?.fields['filter'], 'test')
        assert.equal(line?.fields['stage'], stage)
        assert.equal(String(outcome.errors[0]), 'Error: boom')
        assert.ok(!outcome.reply.includes('boom'))
        const passing = await deliver(named({ [stage]: handler, onError: 'accept' }))
        assert.equal(passing.verdict, 'accept')
      }
    })
  }

  it('has made no edits', async () => {
    const outcome = await deliver(
      named({
        message(mail) {
          mail.headers.append('X-A', 'b')
          mail.body.replace('gone')
          boom()
        },
        onError: 'continue',
      }),
    )
    assert.equal(outcome.verdict, 'accept')
    assert.deepEqual(outcome.edits, [])
  })

  it('by a stream for the body that breaks has made no edits', async () => {
    const outcome = await deliver(
      named({
        message(mail) {
          mail.headers.append('X-A', 'b')
          // Not waited for: the library does.
          void mail.body.replace(
            (async function* () {
              yield 'half'
              await sleep(1)
              boom()
            })(),
          )
        },
      }),
    )
    assert.equal(outcome.verdict, 'tempfail')
    assert.deepEqual(outcome.edits, [])
    assert.equal(String(outcome.errors[0]), 'Error: boom')
  })

  it('by its deadline gets the signal, and its edits are refused', async () => {
    const events: unknown[] = []
    let late: Promise<void> | undefined
    const outcome = await deliver(
      named({
        deadlines: { message: 20 },
        async message(mail) {
          mail.headers.append('X-A', 'b')
          await new Promise((resolve) => mail.signal.addEventListener('abort', resolve))
          events.push((mail.signal.reason as { code: string }).code)
          late = sleep(5).then(() => {
            try {
              mail.headers.append('X-Late', 'b')
            } catch (error) {
              events.push((error as { code: string }).code)
            }
          })
        },
      }),
    )
    assert.equal(outcome.verdict, 'tempfail')
    assert.deepEqual(outcome.edits, [])
    assert.equal((outcome.errors[0] as { code: string }).code, 'DEADLINE_EXCEEDED')
    await late
    assert.deepEqual(events, ['DEADLINE_EXCEEDED', 'WRONG_STAGE'])
  })

  it("by the server's own deadline for all filters is answered in time, too", async () => {
    const outcome = await deliver(named({ recipient: () => new Promise(nothing) }), {
      filter: { deadlines: { envrcpt: 40 } },
      to: ['a@example.net', 'b@example.net'],
    })
    assert.equal(outcome.verdict, 'tempfail')
    assert.equal(outcome.refused.length, 2)
    assert.match(
      String(outcome.errors[0]),
      /the filter "test" did not answer at recipient within 38 ms/,
    )
  })
})

describe('a handler whose client has gone', () => {
  it('is reported once, and not for its deadline again', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    atEnd(() => mock.timers.reset())
    const filter = defineFilter({
      name: 'asks',
      deadlines: { helo: 1_000 },
      helo: () => new Promise(() => {}),
    })
    const wire = Wire.negotiated(filter).send({ type: 'helo', name: 'x' })
    await wire.send({ type: 'quit' }).settle()
    mock.timers.tick(600_000)
    assert.deepEqual(wire.errors(), [])
    const cut = wire.log.filter(({ message }) => message === 'a handler was cut off')
    assert.deepEqual(
      cut.map(({ fields }) => fields['code']),
      ['DISCONNECTED'],
    )
  })
})

describe('a mail that is over', () => {
  it('cannot be touched, nor touch the next one', async () => {
    const kept: Mail[] = []
    await using session = await openSession(
      named({ message: (mail) => void kept.push(mail) }),
      { mta: 'sendmail' },
    )
    await session.deliver({ macros: { i: 'FIRST' }, authenticated: 'alice' })
    await session.deliver({ macros: { i: 'SECOND' }, authenticated: 'bob' })
    const [first] = kept as [Mail]
    for (const touch of [
      () => first.headers.append('X', 'y'),
      () => first.headers.fields()[0]!.remove(),
      () => (first.headers.fields()[0]!.value = 'x'),
      () => first.recipients.add('x@example.net'),
      () => first.recipients.remove('bob@example.net'),
      () => first.sender.replace('x@example.net'),
      () => first.body.replace('x'),
      () => first.quarantine('x'),
      () => (first.subject = 'x'),
    ]) {
      assert.throws(touch, { code: 'WRONG_STAGE' })
    }
    assert.equal(first.queueId, 'FIRST')
    assert.equal(first.connection.authenticated, undefined)
    assert.equal(first.subject, 'A message')
  })

  it('by ABORT while its handler runs gets the signal', async () => {
    const seen: string[] = []
    let start = nothing
    let end = nothing
    const started = new Promise<void>((resolve) => (start = resolve))
    const ended = new Promise<void>((resolve) => (end = resolve))
    await using session = await openSession(
      named({
        async message({ signal, sender }) {
          if (sender.address === 'next@example.org') return
          start()
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          seen.push((signal.reason as { code: string }).code)
          end()
        },
      }),
    )
    const first = session.deliver()
    await started
    session.client.reset()
    assert.equal((await first).verdict, 'tempfail')
    await ended
    assert.deepEqual(seen, ['MESSAGE_ABORTED'])
    const next = await session.deliver({ from: 'next@example.org' })
    assert.equal(next.verdict, 'accept')
  })

  it('has a state of its own, made when it is first asked for', async () => {
    let made = 0
    const seen: number[] = []
    await using session = await openSession(
      named({
        state: () => ({ number: ++made, recipients: 0 }),
        recipient: (_recipient, { state }) => void state.recipients++,
        message: ({ state }) => void seen.push(state.number, state.recipients),
      }),
    )
    await session.deliver({ to: ['a@example.net', 'b@example.net'] })
    await session.deliver({ to: ['a@example.net'] })
    assert.deepEqual(seen, [1, 2, 2, 1])
  })
})

describe('long work', () => {
  for (const mta of SERVERS) {
    it(`${mta}: keeps the mail server waiting at end of message, by itself`, async () => {
      let go = nothing
      const gone = new Promise<void>((resolve) => (go = resolve))
      await using session = await openSession(named({ message: () => gone }), {
        mta,
        filter: { progressInterval: 5 },
      })
      const delivery = session.deliver()
      const progress = (): number =>
        session.client.trace.entries.filter(({ message }) => message?.type === 'progress')
          .length
      while (progress() < 3) await sleep(5)
      go()
      const outcome = await delivery
      assert.equal(outcome.verdict, 'accept')
      assert.deepEqual(outcome.violations, [])
    })
  }
})

describe('edits that are not granted', () => {
  const few = { version: 6, actions: Action.ADDHDRS, steps: ALL_STEPS }
  it('throw at the call, and nothing is sent', async () => {
    for (const edit of [
      (mail: Mail) => void (mail.subject = 'x'),
      (mail: Mail) => mail.headers.fields()[0]!.remove(),
      (mail: Mail) => mail.body.replace('x'),
      (mail: Mail) => mail.recipients.add('x@example.net'),
      (mail: Mail) => mail.recipients.add('x@example.net', 'NOTIFY=NEVER'),
      (mail: Mail) => void mail.recipients.remove('bob@example.net'),
      (mail: Mail) => mail.sender.replace('x@example.net'),
      (mail: Mail) => mail.quarantine('x'),
    ]) {
      const outcome = await deliver(
        named({
          message(mail) {
            mail.headers.append('X-A', 'b')
            edit(mail)
          },
        }),
        { offer: few },
      )
      assert.equal(outcome.verdict, 'tempfail')
      assert.deepEqual(outcome.edits, [])
      const [error] = outcome.errors as [{ code: string }]
      assert.equal(error.code, 'ACTION_NOT_NEGOTIATED')
    }
  })

  it('are left out with a warning where the filter says so', async () => {
    const outcome = await deliver(
      named({
        onNotGranted: 'skip',
        message(mail) {
          mail.subject = 'new'
          mail.body.replace('new')
          mail.recipients.add('x@example.net')
          mail.headers.prepend('X-A', 'b')
          assert.equal(mail.subject, 'A message')
        },
      }),
      { offer: few },
    )
    assert.deepEqual(outcome.errors, [])
    assert.deepEqual(
      outcome.edits.map(({ type }) => type),
      ['insheader'],
    )
    assert.equal(outcome.log.filter(({ level }) => level === 'warn').length, 3)
  })

  it('are those the filter has not declared, too', async () => {
    const outcome = await deliver(
      named({ edits: ['headers'], message: (mail) => mail.recipients.add('x@example.net') }),
    )
    assert.match(String(outcome.errors[0]), /does not have it in its "edits"/)
  })
})

describe('limits', () => {
  for (const [what, limits, transaction] of [
    ['fields', { headers: 2 }, { message: 'A: 1\r\nB: 2\r\nC: 3\r\n\r\n' }],
    ['bytes of a header', { headerBytes: 100 }, { message: `A: ${'x'.repeat(100)}\r\n\r\n` }],
    ['recipients', { recipients: 1 }, { to: ['a@example.net', 'b@example.net'] }],
    ['bytes of a body', { bodySize: 100 }, { message: `A: 1\r\n\r\n${'x'.repeat(101)}` }],
    [
      'bytes of a spilled body',
      { bodySize: 100_000, bodyMemory: 10 },
      { message: `A: 1\r\n\r\n${'x'.repeat(100_001)}` },
    ],
  ] as const) {
    it(`of ${what}`, async () => {
      let called = false
      const filter = named({ limits, message: () => void (called = true) })
      const outcome = await deliver(filter, transaction)
      assert.equal(outcome.verdict, 'tempfail')
      assert.equal(called, false)
      assert.equal((outcome.errors[0] as { code: string }).code, 'MESSAGE_TOO_LARGE')
      const seen = await deliver(shadow(filter), transaction)
      assert.equal(seen.verdict, 'accept')
    })
  }

  it('of recipients: those above it are deferred, if a filter answers RCPT', async () => {
    const seen: unknown[] = []
    const outcome = await deliver(
      named({
        limits: { recipients: 1 },
        recipient: nothing,
        message: (mail) => void seen.push(mail.recipients.addresses),
      }),
      { to: ['a@example.net', 'b@example.net'] },
    )
    assert.equal(outcome.verdict, 'accept')
    assert.deepEqual(outcome.errors, [])
    assert.deepEqual(outcome.refused, [
      { address: 'b@example.net', reply: '452 4.5.3 Too many recipients' },
    ])
    assert.deepEqual(seen, [['a@example.net']])
  })

  it('that are broken are the failure of each filter that would have got the message', async () => {
    const outcome = await deliver(
      compose(
        defineFilter({ name: 'first', onError: 'continue', message: nothing }),
        defineFilter({ name: 'envelope', onError: 'reject', recipient: nothing }),
        defineFilter({
          name: 'last',
          limits: { headers: 2 },
          onError: 'reject',
          headers: nothing,
        }),
      ),
      { message: 'A: 1\r\n'.repeat(20_000) },
    )
    assert.equal(outcome.verdict, 'reject')
    assert.deepEqual(
      outcome.log
        .filter(({ level }) => level === 'error')
        .map(({ fields }) => [fields['filter'], fields['verdict']]),
      [
        ['first', 'continue'],
        ['last', 'reject'],
      ],
    )
  })

  for (const [what, limits, message] of [
    ['fields', { headers: 2 }, 'A: 1\r\nB: 2\r\nC: 3\r\n\r\n'],
    ['bytes of a header', { headerBytes: 100 }, `A: ${'x'.repeat(100)}\r\n\r\n`],
    ['recipients', { recipients: 1 }, 'A: 1\r\n\r\n'],
    ['bytes of a body', { bodySize: 100 }, `A: 1\r\n\r\n${'x'.repeat(101)}`],
  ] as const) {
    it(`of ${what} are each filter's own in a composition`, async () => {
      const called: string[] = []
      const one = (name: string, own?: object): MessageFilter =>
        defineFilter({
          name,
          limits: own,
          onError: 'continue',
          message(mail) {
            called.push(name)
            mail.headers.append(`X-${name}`, 'yes')
          },
        })
      const outcome = await deliver(compose(one('First'), one('Lower', limits), one('Last')), {
        message,
        to: ['a@example.net', 'b@example.net'],
      })
      assert.equal(outcome.verdict, 'accept')
      assert.deepEqual(called, ['First', 'Last'])
      assert.deepEqual(
        outcome.errors.map((error) => (error as { code: string }).code),
        ['MESSAGE_TOO_LARGE'],
      )
      assert.match(String(outcome.message), /X-First: yes\r\nX-Last: yes/)
    })
  }

  it('of a filter in a composition hold for what others and it make of a message', async () => {
    const called: string[] = []
    const grow = defineFilter({
      name: 'grow',
      message: async (mail) => {
        await mail.body.replace('x'.repeat(200))
      },
    })
    const small = (name: string, to?: string): MessageFilter =>
      defineFilter({
        name,
        limits: { bodySize: 100 },
        onError: 'continue',
        message: async (mail) => {
          called.push(name)
          if (to !== undefined) await mail.body.replace(to)
        },
      })
    const message = 'A: 1\r\n\r\nhello\r\n'
    const outcome = await deliver(compose(grow, small('before')), { message })
    assert.deepEqual(called, [])
    assert.match(String(outcome.errors), /a body of more than 100 bytes/)
    const own = await deliver(compose(small('own', 'y'.repeat(101)), grow), { message })
    assert.deepEqual(called, ['own'])
    assert.match(String(own.errors), /more than 100 bytes/)
    assert.match(String(own.message), /x{200}/)
  })

  it('of recipients: the lowest of a composition counts, shadows left out', async () => {
    const ask = (name: string, recipients: number): MessageFilter =>
      defineFilter({ name, limits: { recipients }, recipient: nothing })
    const { refused } = await deliver(
      compose(ask('most', 5), ask('least', 2), shadow(ask('none', 1))),
      { to: ['a', 'b', 'c'].map((name) => `${name}@example.net`) },
    )
    assert.deepEqual(refused, [
      { address: 'c@example.net', reply: '452 4.5.3 Too many recipients' },
    ])
  })

  it('of memory: a larger body goes through a file, byte for byte', async () => {
    const body = Buffer.alloc(200_000, 'line\r\n')
    for (const mta of SERVERS) {
      const outcome = await deliver(
        named({
          limits: { bodyMemory: 1000 },
          async message(mail) {
            assert.equal(mail.body.size, body.length)
            assert.ok((await mail.body.bytes()).equals(body))
            await mail.body.replace(
              (async function* () {
                for await (const piece of mail.body) yield piece
                yield 'end\r\n'
              })(),
            )
          },
        }),
        { mta, message: Buffer.concat([Buffer.from(MESSAGE.slice(0, -7)), body]) },
      )
      assert.deepEqual(outcome.errors, [])
      assert.ok(
        outcome
          .message!.subarray(-body.length - 5)
          .equals(Buffer.concat([body, Buffer.from('end\r\n')])),
      )
    }
  })

  it('of memory: the same body again is not sent', async () => {
    const outcome = await deliver(
      named({
        limits: { bodyMemory: 1000 },
        async message(mail) {
          await mail.body.replace([...(await mail.body.bytes())].map((byte) => Buffer.of(byte)))
        },
      }),
      { message: `A: 1\r\n\r\n${'x'.repeat(5_000)}\r\n` },
    )
    assert.deepEqual(outcome.errors, [])
    assert.deepEqual(outcome.edits, [])
  })

  it('that are invalid are refused', () => {
    assert.throws(() => named({ limits: { headers: -1 } }), { code: 'INVALID_OPTION' })
    assert.throws(() => named({ limits: { size: 1 } as never }), { code: 'INVALID_OPTION' })
  })
})

describe('a definition', () => {
  for (const [what, definition, code] of [
    ['nothing', undefined, 'INVALID_HANDLER'],
    ['no name', {}, 'INVALID_OPTION'],
    ['a misspelt stage', { name: 'x', mesage: nothing }, 'INVALID_HANDLER'],
    ['a stage that is no function', { name: 'x', message: 'hello' }, 'INVALID_HANDLER'],
    ['a policy that does not exist', { name: 'x', onError: 'drop' }, 'INVALID_OPTION'],
    [
      'a deadline of a stage that does not exist',
      { name: 'x', deadlines: { eom: 1 } },
      'INVALID_OPTION',
    ],
    ['a deadline below 0', { name: 'x', deadlines: { message: -1 } }, 'INVALID_OPTION'],
    ['edits that do not exist', { name: 'x', edits: ['attachments'] }, 'INVALID_OPTION'],
    ['a wrong onNotGranted', { name: 'x', onNotGranted: 'ignore' }, 'INVALID_OPTION'],
  ] as const) {
    it(`with ${what} is refused`, () => {
      assert.throws(() => defineFilter(definition as never), { code })
    })
  }

  for (const [what, definition, message] of [
    ['a stage', { mesage: nothing }, /mesage of .* nor an option; did you mean message\?/],
    ['an option', { onNotGrantd: 'skip' }, /; did you mean onNotGranted\?/],
    ['a deadline', { deadlines: { sendr: 1 } }, /deadlines .*; did you mean sender\?$/],
    ['a limit', { limits: { bodysize: 1 } }, /limits .*; did you mean bodySize\?$/],
    ['an edit', { edits: ['header'] }, /edits .*; did you mean headers\?$/],
  ] as const) {
    it(`with ${what} that is misspelt has the name that was meant`, () => {
      assert.throws(() => defineFilter({ name: 'x', ...definition } as never), { message })
    })
  }

  it('of a composition has the names of its filters', () => {
    const both = compose(named({}), defineFilter({ name: 'other' }))
    assert.equal(both.name, 'test + other')
    assert.throws(() => compose(), { code: 'INVALID_OPTION' })
    assert.throws(() => compose((() => ({})) as never), { code: 'INVALID_OPTION' })
  })
})
