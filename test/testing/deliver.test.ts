import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  ACCEPT,
  Base,
  defineFilter,
  DISCARD,
  REJECT,
  reply,
  symlist,
  TEMPFAIL,
  type Handlers,
  type Mail,
  type MessageContext,
} from '../../src/index.ts'
import type { MailServerName } from '../../src/mta/models/versions.ts'
import { deliver, openSession, type Transaction } from '../../src/testing/index.ts'

const SERVERS: readonly MailServerName[] = ['postfix', 'sendmail']

const SENDMAIL_REJECTS: Readonly<Record<string, string>> = {
  connect: '550 5.0.0 Command rejected',
  helo: '550 5.0.0 Command rejected',
  mail: '550 5.7.1 <alice@example.org>... Command rejected',
  rcpt: '550 5.7.1 <bob@example.net>... Command rejected',
  data: '550 5.7.1 Command rejected',
  header: '554 5.7.1 Command rejected',
  eoh: '554 5.7.1 Command rejected',
  body: '554 5.7.1 Command rejected',
  eom: '554 5.7.1 Command rejected',
}

describe('deliver', () => {
  it('tells what becomes of a message', async () => {
    const filter = (): Handlers => ({
      header: (_ctx, name, value) =>
        name === 'Subject' && /lottery/i.test(value)
          ? reply(550, '5.7.1', 'No lotteries here')
          : undefined,
      eom: (ctx) => ctx.addHeader('X-Checked', 'yes'),
    })
    const good = await deliver(filter, {
      mta: 'postfix',
      from: 'alice@example.org',
      to: ['bob@example.net'],
      message: 'Subject: Hello\r\n\r\nhello\r\n',
    })
    assert.equal(good.verdict, 'accept')
    assert.equal(good.message?.toString(), 'Subject: Hello\r\nX-Checked: yes\r\n\r\nhello\r\n')
    assert.deepEqual([good.sender, good.recipients], ['alice@example.org', ['bob@example.net']])
    assert.match(good.reply, /^250 2\.0\.0 Ok: queued as [0-9A-F]+$/)
    assert.deepEqual(
      good.edits.map(({ type }) => type),
      ['addheader'],
    )
    assert.deepEqual([good.failure, good.violations, good.errors], [undefined, [], []])

    const bad = await deliver(filter, { message: 'Subject: Win the lottery\n\nhello\n' })
    assert.deepEqual(
      [bad.verdict, bad.reply, bad.stage, bad.message, bad.recipients],
      ['reject', '550 5.7.1 No lotteries here', 'header', undefined, []],
    )
  })

  for (const mta of SERVERS) {
    for (const [stage, handlers] of Object.entries({
      connect: { connect: () => REJECT },
      helo: { helo: () => REJECT },
      mail: { envfrom: () => REJECT },
      rcpt: { envrcpt: () => REJECT },
      data: { data: () => REJECT },
      header: { header: () => REJECT },
      eoh: { eoh: () => REJECT },
      body: { body: () => REJECT },
      eom: { eom: () => REJECT },
    } satisfies Record<string, Handlers>)) {
      it(`${mta}: REJECT at ${stage} is the reply of the server`, async () => {
        const outcome = await deliver((): Handlers => handlers, { mta })
        assert.deepEqual([outcome.verdict, outcome.stage], ['reject', stage])
        assert.equal(
          outcome.reply,
          mta === 'postfix' ? '550 5.7.1 Command rejected' : SENDMAIL_REJECTS[stage],
        )
      })
    }
    it(`${mta}: TEMPFAIL and DISCARD`, async () => {
      const deferred = await deliver((): Handlers => ({ eom: () => TEMPFAIL }), { mta })
      assert.equal(deferred.verdict, 'tempfail')
      assert.match(deferred.reply, mta === 'postfix' ? /^451 4\.7\.1 / : /^451 4\.3\.2 /)
      const dropped = await deliver((): Handlers => ({ envrcpt: () => DISCARD }), { mta })
      assert.equal(dropped.verdict, 'discard')
      assert.match(dropped.reply, /^250 /)
      assert.equal(dropped.message, undefined)
    })
    it(`${mta}: ACCEPT ends the filter's part, and the message goes on`, async () => {
      for (const handlers of [
        { connect: () => ACCEPT },
        { envfrom: () => ACCEPT },
      ] satisfies Handlers[]) {
        let seen = 0
        const outcome = await deliver(
          (): Handlers => ({ ...handlers, eom: () => void seen++ }),
          {
            mta,
            message: 'Subject: x\r\n\r\nbody\r\n',
          },
        )
        assert.equal(outcome.verdict, 'accept')
        assert.match(outcome.message!.toString(), /Subject: x\r\n(?:.*\r\n)*\r\nbody\r\n$/)
        assert.equal(seen, 0)
      }
    })
    it(`${mta}: refused recipients are left out, with the reply each got`, async () => {
      const outcome = await deliver(
        (): Handlers => ({
          envrcpt: (_ctx, to) =>
            to === '<no@example.net>' ? reply(550, '5.1.1', 'Unknown') : undefined,
        }),
        {
          mta,
          to: [
            'no@example.net',
            'yes@example.net',
            { address: 'gone@example.net', refused: '550 5.1.1 Gone' },
          ],
        },
      )
      assert.equal(outcome.verdict, 'accept')
      assert.deepEqual(outcome.recipients, ['yes@example.net'])
      assert.deepEqual(outcome.refused, [
        {
          address: 'no@example.net',
          reply:
            mta === 'postfix' ? '550 5.1.1 Unknown' : '550 5.1.1 <no@example.net>... Unknown',
        },
        { address: 'gone@example.net', reply: '550 5.1.1 Gone' },
      ])
    })
    it(`${mta}: quarantine`, async () => {
      const outcome = await deliver(
        (): Handlers => ({ eom: (ctx) => ctx.quarantine('a virus') }),
        { mta },
      )
      assert.deepEqual([outcome.verdict, outcome.quarantine], ['quarantine', 'a virus'])
      assert.ok(outcome.message)
    })
    it(`${mta}: bytes arrive and go on as they are`, async () => {
      const message = Buffer.from(
        'X-A:caf\xe9\r\nX-B:  \tb \r\n\tc\r\n\r\n\0\xff\r\n.\r\n',
        'latin1',
      )
      const seen: unknown[] = []
      const outcome = await deliver(
        (): Handlers => ({
          header: (_ctx, name, value) => void seen.push([name, value]),
          body: (_ctx, chunk) => void seen.push(chunk.toString('latin1')),
        }),
        { mta, message },
      )
      assert.deepEqual(seen, [['X-A', 'caf\udce9'], ['X-B', ' \tb \n\tc'], '\0\xff\r\n.\r\n'])
      assert.ok(outcome.message!.includes(message))
    })
  }

  it('macros are those of the server, and those of the test', async () => {
    const seen: Record<string, unknown> = {}
    const filter = (): Handlers => ({
      envfrom: (ctx) => {
        for (const name of ['j', 'v', 'i', 'auth_authen', 'mail_addr', 'client_addr']) {
          seen[name] = ctx.macro(name)
        }
      },
    })
    await deliver(filter, { macros: { '{auth_authen}': 'alice' } })
    assert.deepEqual(seen, {
      j: 'mx.example.net',
      v: 'Postfix 3.10.13',
      i: undefined,
      auth_authen: 'alice',
      mail_addr: 'alice@example.org',
      client_addr: undefined,
    })
    await deliver(filter, {
      mta: 'sendmail',
      macros: { i: 'queue-id' },
      macroLists: { connect: ['j', 'client_addr'] },
    })
    assert.deepEqual([seen['i'], seen['client_addr']], ['queue-id', '192.0.2.10'])
  })

  it('takes objects of classes, and null senders', async () => {
    class Tagger extends Base {
      override eom(): void {
        this.addHeader('X-Tag', 'yes')
      }
    }
    const outcome = await deliver(() => new Tagger(), { from: '' })
    assert.match(outcome.message!.toString(), /^X-Tag: yes\r$/m)
    assert.equal(outcome.sender, '')
  })
})

describe('a filter that fails', () => {
  it('by throwing is an outcome with the error', async () => {
    const error = new Error('broken')
    const outcome = await deliver((): Handlers => ({
      eom: () => {
        throw error
      },
    }))
    assert.equal(outcome.verdict, 'tempfail')
    assert.deepEqual(outcome.errors, [error])
    assert.equal(outcome.failure, undefined, 'the protocol was kept')
  })

  for (const stage of ['envfrom', 'header', 'eom'] as const) {
    it(`by never answering at ${stage} is an outcome with the reason`, async () => {
      const outcome = await deliver(
        (): Handlers => ({ [stage]: () => new Promise(() => {}) }),
        {
          timeouts: 50,
          filter: { progressInterval: 0 },
        },
      )
      assert.equal(outcome.verdict, 'tempfail')
      assert.equal(outcome.failure?.code, 'REPLY_TIMEOUT')
      assert.equal(outcome.stage, stage === 'envfrom' ? 'mail' : stage)
    })
  }

  it('by an edit that cannot be sent is an outcome with the error', async () => {
    const outcome = await deliver((): Handlers => ({
      eom: (ctx) => ctx.addHeader('X-Injected', 'a\r\nBcc: b@example.net'),
    }))
    assert.equal(outcome.verdict, 'tempfail')
    assert.equal((outcome.errors[0] as { code: string }).code, 'INVALID_HEADER_VALUE')
  })
})

describe('a transaction', () => {
  const seen = async (transaction: Transaction, mta: MailServerName) => {
    const names = ['auth_type', 'auth_authen', 'auth_author', 'tls_version', 'cipher_bits']
    const macros: (string | undefined)[] = []
    const outcome = await deliver(
      (): Handlers => ({
        envfrom: symlist(...names)((ctx: MessageContext) => {
          for (const name of names) macros.push(ctx.macro(name))
        }),
      }),
      { mta, ...transaction },
    )
    assert.deepEqual(outcome.errors, [])
    return { macros, message: outcome.message?.toString('latin1') }
  }

  for (const mta of SERVERS) {
    it(`${mta}: is built from parts of a message`, async () => {
      const { message } = await seen(
        {
          message: {
            headers: { From: 'a@example.org', 'X-A': ['one', Buffer.from([0xe9])] },
            body: 'hello\r\n',
          },
        },
        mta,
      )
      assert.match(message!, /^From: a@example.org\r$/m)
      assert.match(message!, /^X-A: one\r\nX-A: \xe9\r$/m)
      assert.match(message!, /\r\n\r\nhello\r\n$/)
    })

    it(`${mta}: keeps the order of fields that are given as pairs`, async () => {
      const headers = [
        ['X-A', '1'],
        ['X-B', '2'],
        ['X-A', '3\n\tfolded'],
      ] as const
      const { message } = await seen({ message: { headers } }, mta)
      assert.match(message!, /X-A: 1\r\nX-B: 2\r\nX-A: 3\r\n\tfolded\r\n/)
    })

    it(`${mta}: tells the login, and how the connection is encrypted`, async () => {
      const none = [undefined, undefined, undefined, undefined, undefined]
      assert.deepEqual((await seen({}, mta)).macros, none)
      assert.deepEqual((await seen({ authenticated: 'alice', tls: true }, mta)).macros, [
        'PLAIN',
        'alice',
        undefined,
        'TLSv1.3',
        '256',
      ])
      const { macros } = await seen(
        {
          authenticated: { user: 'alice', mechanism: 'LOGIN', author: 'bob' },
          tls: { version: 'TLSv1.2', bits: 128 },
          macros: { '{cipher_bits}': '112' },
        },
        mta,
      )
      assert.deepEqual(macros, ['LOGIN', 'alice', 'bob', 'TLSv1.2', '112'])
    })
  }
})

describe('a session', () => {
  it('has several messages, and ends with close', async () => {
    const events: string[] = []
    const session = await openSession((): Handlers => ({
      connect: () => void events.push('connect'),
      helo: (_ctx, name) => void events.push(`helo ${name}`),
      envfrom: (_ctx, from) => void events.push(from),
      close: (_ctx, reason) => void events.push(reason),
    }))
    await session.deliver({ from: 'one@example.org' })
    await session.deliver({ from: 'two@example.org' })
    await session.deliver({ from: 'three@example.org', helo: 'other.example' })
    await session.close()
    assert.deepEqual(events, [
      'connect',
      'helo mail.example.org',
      '<one@example.org>',
      '<two@example.org>',
      'helo other.example',
      '<three@example.org>',
      'quit',
    ])
  })

  it('goes on after QUIT_NC as another one on the same connection', async () => {
    const events: string[] = []
    await using session = await openSession((): Handlers => ({
      connect: () => void events.push('connect'),
      close: (_ctx, reason) => void events.push(reason),
    }))
    await session.deliver()
    session.client.quitNc()
    const second = await session.deliver()
    assert.equal(second.verdict, 'accept')
    assert.deepEqual(events, ['connect', 'quit', 'connect'])
  })

  it('shows its conversation', async () => {
    const outcome = await deliver(
      (): Handlers => ({ eom: (ctx) => ctx.addHeader('X-A', 'b') }),
      {
        mta: 'sendmail',
      },
    )
    assert.equal(
      outcome.trace.toString().replaceAll(/=".*?"/g, '='),
      [
        '> optneg version 6, actions 0x1ff, steps 0x1fffff',
        '< optneg version 6, actions 0x1ff, steps 0x77f',
        "> macro for 'C' j= _= {daemon_name}= {if_name}= {if_addr}=",
        "> macro for 'H'",
        "> macro for 'M' i= {mail_mailer}= {mail_host}= {mail_addr}=",
        "> macro for 'R' {rcpt_mailer}= {rcpt_host}= {rcpt_addr}=",
        "> macro for 'E' {msg_id}=",
        '> eom',
        '< addheader "X-A" "b"',
        '< continue',
      ].join('\n'),
    )
  })
})

describe("the mail server's own Received", () => {
  const OWN = 'Received: by mx.example.net (placeholder); Tue, 24 Nov 2026 10:00:00 +0000\r\n'
  const message = 'Received: from a\r\nSubject: x\r\n\r\nhello\r\n'

  for (const mta of ['postfix', 'sendmail'] as const) {
    const delivered = async (
      handler: (mail: Mail) => void,
      received?: boolean,
    ): Promise<string> => {
      const filter = defineFilter({
        name: 'places',
        message: (mail) => {
          handler(mail)
        },
      })
      const outcome = await deliver(filter, {
        mta,
        message: {
          headers: {
            Received: 'from a',
            From: 'a@b.test',
            Date: 'x',
            'Message-ID': '<1@b.test>',
          },
        },
        received,
      })
      assert.deepEqual(outcome.errors, [])
      return outcome.message!.toString('latin1')
    }

    it(`${mta}: is not shown unless asked for`, async () => {
      assert.doesNotMatch(await delivered(() => {}), /placeholder/)
    })

    it(`${mta}: shows what stands above and below it`, async () => {
      assertStart(await delivered(() => {}, true), OWN, 'Received: from a\r\n')
      const prepended = await delivered((mail) => mail.headers.prepend('X-Top', 'y'), true)
      assertStart(prepended, 'X-Top: y\r\n', OWN, 'Received: from a\r\n')
      const inserted = await delivered((mail) => {
        const [first] = mail.headers
        mail.headers.insertBefore(first!, 'X-Below', 'y')
      }, true)
      assertStart(inserted, OWN, 'X-Below: y\r\n', 'Received: from a\r\n')
    })

    it(`${mta}: is not shown to the filter, and no edit reaches it`, async () => {
      const text = await delivered((mail) => {
        assert.deepEqual(
          mail.headers.getAll('Received').map((one) => one.trim()),
          ['from a'],
        )
        mail.headers.delete('Received')
      }, true)
      assertStart(text, OWN, 'From: a@b.test\r\n')
    })
  }

  it('goes with a session too', async () => {
    await using session = await openSession(() => ({}), { received: true })
    for (let i = 0; i < 2; i++) {
      const outcome = await session.deliver({ message })
      assert.equal(outcome.message!.toString('latin1'), OWN + message)
    }
  })
})

const assertStart = (text: string, ...lines: string[]): void =>
  assert.equal(text.slice(0, lines.join('').length), lines.join(''))

describe('421', () => {
  const HANGS_UP = reply(421, '4.3.2', 'Closing')
  const stages = [
    'connect',
    'helo',
    'envfrom',
    'envrcpt',
    'data',
    'eoh',
    'eom',
    'unknown',
  ] as const
  for (const mta of SERVERS) {
    for (const stage of stages) {
      it(`${mta}: ends the session at ${stage}, and nothing more reaches the filter`, async () => {
        let calls = 0
        let closed = 0
        const filter = (): Handlers => ({
          [stage]: () => {
            calls++
            return HANGS_UP
          },
          close: () => void closed++,
        })
        await using session = await openSession(filter, { mta })
        const first = await session.deliver({ unknown: ['XFOO'] })
        assert.match(first.reply, /^421 /)
        assert.deepEqual([first.verdict, first.closed], ['tempfail', true])
        const sent = session.client.trace.entries.length
        const second = await session.deliver({ unknown: ['XFOO'] })
        assert.deepEqual(
          [second.verdict, second.closed, second.reply, second.stage, second.failure],
          ['tempfail', true, first.reply, first.stage, undefined],
        )
        assert.equal(second.trace.entries.length, 0)
        assert.ok(sent > 0)
        assert.equal(calls, 1)
        await session.close()
        assert.equal(closed, 1)
      })
    }

    it(`${mta}: is alone in that`, async () => {
      await using session = await openSession(() => ({ envfrom: () => TEMPFAIL }), { mta })
      for (let i = 0; i < 2; i++) {
        const outcome = await session.deliver({})
        assert.deepEqual([outcome.verdict, outcome.closed], ['tempfail', false])
        assert.ok(outcome.trace.entries.length > 0)
      }
    })
  }
})
