import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import {
  ACCEPT,
  DISCARD,
  REJECT,
  reply,
  SKIP,
  TEMPFAIL,
  type Handlers,
} from '../../src/index.ts'
import { eachServer, FROM, message, Stack, TO, withoutReceived } from './support/stack.ts'
import type { SmtpClient, SmtpOutcome } from './support/smtp.ts'

eachServer('verdicts', (kind) => {
  const sendmail = kind.name === 'sendmail'
  let stack: Stack
  before(async () => {
    stack = await Stack.start(kind)
  })
  after(async () => stack[Symbol.asyncDispose]())

  async function session(
    filter: () => Handlers,
    work: (client: SmtpClient) => Promise<void>,
  ): Promise<void> {
    stack.filter = filter
    const client = await stack.client()
    try {
      await work(client)
    } finally {
      client.close()
    }
  }

  async function send(
    filter: () => Handlers,
    to: readonly string[] = [TO],
  ): Promise<SmtpOutcome> {
    let outcome: SmtpOutcome | undefined
    await session(filter, async (client) => {
      await client.command('EHLO client.test')
      outcome = await client.send({ from: FROM, to, message: message() })
    })
    return outcome!
  }

  const delivered = async (): Promise<number> => {
    await stack.mta.idle()
    return stack.mta.sink.messages.length
  }

  it('accept: the message arrives byte for byte', async () => {
    const { data } = await send(() => ({ eom: () => ACCEPT }))
    assert.equal(data?.code, 250)
    assert.deepEqual(withoutReceived(await stack.mta.sink.next()), message())
  })

  it('no handlers at all: the message arrives byte for byte', async () => {
    assert.equal((await send(() => ({}))).data?.code, 250)
    assert.deepEqual(withoutReceived(await stack.mta.sink.next()), message())
  })

  for (const [name, verdict] of [
    ['reject', REJECT],
    ['tempfail', TEMPFAIL],
  ] as const) {
    const code = name === 'reject' ? 5 : 4
    it(`${name} at connect`, async () => {
      await session(
        () => ({ connect: () => verdict }),
        async (client) => {
          assert.equal(client.greeting.code, name === 'reject' ? 554 : 220)
          await client.command('EHLO client.test')
          assert.equal(Math.floor((await client.command(`MAIL FROM:${FROM}`)).code / 100), code)
        },
      )
    })

    it(`${name} at HELO`, async () => {
      await session(
        () => ({ helo: () => verdict }),
        async (client) => {
          assert.equal((await client.command('EHLO client.test')).code, 250)
          assert.equal(Math.floor((await client.command(`MAIL FROM:${FROM}`)).code / 100), code)
        },
      )
    })

    const texts: Record<string, RegExp> = {
      reject: sendmail ? /^55[04] 5\.7\.1 .*Command rejected/ : /^550 5\.7\.1 Command rejected/,
      tempfail: sendmail
        ? /^451 4\.3\.2 .*try again later/
        : /^451 4\.7\.1 Service unavailable/,
    }
    it(`${name} at MAIL`, async () => {
      const { mail } = await send(() => ({ envfrom: () => verdict }))
      assert.match(mail.text, texts[name]!)
    })

    it(`${name} of one of several recipients`, async () => {
      const { recipients, data } = await send(
        () => ({ envrcpt: (_ctx, to) => (to === '<bad@example.test>' ? verdict : undefined) }),
        ['<one@example.test>', '<bad@example.test>', '<two@example.test>'],
      )
      assert.deepEqual(
        recipients.map((one) => Math.floor(one.code / 100)),
        [2, code, 2],
      )
      assert.match(recipients[1]!.text, texts[name]!)
      assert.equal(data?.code, 250)
      const { recipients: to } = await stack.mta.sink.next()
      assert.deepEqual(to.map((one) => one.split(' ')[0]).sort(), [
        '<one@example.test>',
        '<two@example.test>',
      ])
    })

    for (const stage of ['data', 'header', 'eoh', 'body', 'eom'] as const) {
      it(`${name} at ${stage}`, async () => {
        const before = await delivered()
        const { data } = await send(() => ({ [stage]: () => verdict }) as Handlers)
        assert.match(data!.text, texts[name]!)
        assert.equal(await delivered(), before)
      })
    }
  }

  for (const stage of ['envfrom', 'envrcpt', 'data', 'header', 'eoh', 'body', 'eom'] as const) {
    it(`discard at ${stage}: the client gets 250 and nothing is delivered`, async () => {
      const before = await delivered()
      const { data } = await send(() => ({ [stage]: () => DISCARD }) as Handlers)
      assert.equal(data?.code, 250)
      assert.equal(await delivered(), before)
      assert.deepEqual(await stack.mta.held(), [])
    })
  }

  it('quarantine: held, not delivered, not dropped', async () => {
    const before = await delivered()
    const { data } = await send(() => ({ eom: (ctx) => ctx.quarantine('looks odd') }))
    assert.equal(data?.code, 250)
    assert.equal(await delivered(), before)
    const [held, ...others] = await stack.mta.held()
    assert.deepEqual(others, [])
    assert.match(held!.content, /Subject: original/)
    if (sendmail) assert.equal(held!.reason, 'looks odd')
  })

  it('accept at MAIL skips the filter for this message alone', async () => {
    let eoms = 0
    const filter = (): Handlers => {
      let first = true
      return {
        envfrom: () => {
          if (!first) return undefined
          first = false
          return ACCEPT
        },
        eom: () => void eoms++,
      }
    }
    await session(filter, async (client) => {
      await client.command('EHLO client.test')
      for (let i = 0; i < 2; i++) {
        assert.equal(
          (await client.send({ from: FROM, to: [TO], message: message() })).data?.code,
          250,
        )
      }
    })
    assert.equal(eoms, 1)
    await stack.mta.sink.next()
    await stack.mta.sink.next()
  })

  it('skip: the body is not sent on, and the message arrives whole', async () => {
    const chunks: number[] = []
    const big = message([], Buffer.alloc(300_000, 'x'.repeat(70) + '\r\n'))
    await session(
      () => ({
        body: (_ctx, chunk) => {
          chunks.push(chunk.length)
          return SKIP
        },
      }),
      async (client) => {
        await client.command('EHLO client.test')
        assert.equal(
          (await client.send({ from: FROM, to: [TO], message: big })).data?.code,
          250,
        )
      },
    )
    assert.deepEqual(chunks, [65_535])
    const arrived = withoutReceived(await stack.mta.sink.next())
    assert.equal(arrived.length - (arrived.length % 72), big.length - (big.length % 72))
  })

  it('replies of one and of several lines come as written, percent signs and all', async () => {
    const lines = ['100% of it', 'see %s and %% at 5%', 'last']
    const { data } = await send(() => ({ eom: () => reply(550, '5.7.1', ...lines) }))
    assert.deepEqual(data!.lines, [
      `550-5.7.1 ${lines[0]}`,
      `550-5.7.1 ${lines[1]}`,
      `550 5.7.1 ${lines[2]}`,
    ])
    const defer = await send(() => ({ eom: () => reply(452, '4.2.2', 'box 99% full') }))
    assert.equal(defer.data!.text, '452 4.2.2 box 99% full')
  })

  it('a reply at RCPT and MAIL', async () => {
    const shown = (address: string, text: string): string =>
      sendmail ? `${address}... ${text}` : text
    const refused = await send(() => ({ envrcpt: () => reply(550, '5.1.1', 'No such user') }))
    assert.equal(refused.recipients[0]!.text, `550 5.1.1 ${shown(TO, 'No such user')}`)
    const deferred = await send(() => ({ envfrom: () => reply(450, '4.7.1', 'MaybePromise') }))
    assert.equal(deferred.mail.text, `450 4.7.1 ${shown(FROM, 'MaybePromise')}`)
  })

  it('a reply without a text or an enhanced code, and one that begins with a digit', async () => {
    const plain = await send(() => ({ eom: () => reply(554, '5.6.0') }))
    assert.equal(plain.data!.text, '554 5.6.0 Command rejected')
    const digit = await send(() => ({ eom: () => reply(550, null, '3 strikes') }))
    assert.equal(digit.data!.text, '550 5.0.0 3 strikes')
  })

  it('421 ends the SMTP session', async () => {
    await session(
      () => ({ envrcpt: () => reply(421, '4.3.2', 'Closing') }),
      async (client) => {
        await client.command('EHLO client.test')
        const outcome = await client.send({ from: FROM, to: [TO], message: message() })
        assert.match(outcome.recipients[0]!.text, /^421 4\.3\.2 .*Closing/)
        await assert.rejects(client.command('NOOP'))
      },
    )
  })

  it('unknown commands reach the filter', async () => {
    const lines: string[] = []
    await session(
      () => ({ unknown: (_ctx, line) => void lines.push(line) }),
      async (client) => {
        await client.command('EHLO client.test')
        assert.equal(Math.floor((await client.command('XFOO bar')).code / 100), 5)
      },
    )
    assert.match(lines[0]!, /^XFOO/)
  })

  it('accept for an unknown command lets no message pass', async () => {
    await session(
      () => ({ unknown: () => ACCEPT, eom: () => REJECT }),
      async (client) => {
        await client.command('EHLO client.test')
        await client.command('XFOO bar')
        assert.equal((await client.command(`MAIL FROM:${FROM}`)).code, 250)
        await client.command('XFOO bar')
        assert.equal((await client.command(`RCPT TO:${TO}`)).code, 250)
        assert.equal(Math.floor((await client.data(message())).code / 100), 5)
      },
    )
  })

  it('several messages on one connection, RSET and a new HELO between them', async () => {
    const calls: string[] = []
    const ids: (string | undefined)[] = []
    const filter = (): Handlers => ({
      connect: () => void calls.push('C'),
      helo: () => void calls.push('H'),
      envfrom: () => void calls.push('M'),
      eom: (ctx) => {
        calls.push('E')
        ids.push(ctx.queueId)
        ctx.addHeader('X-Queue', String(ctx.queueId))
      },
      abort: () => void calls.push('A'),
      close: () => void calls.push('Q'),
    })
    await session(filter, async (client) => {
      await client.command('EHLO client.test')
      for (let i = 0; i < 3; i++) {
        assert.equal(
          (await client.send({ from: FROM, to: [TO], message: message() })).data?.code,
          250,
        )
        await client.command(`MAIL FROM:${FROM}`)
        await client.command(`RCPT TO:${TO}`)
        await client.command(i === 1 ? 'EHLO again.test' : 'RSET')
      }
      await client.quit()
    })
    while (calls.at(-1) !== 'Q') await setTimeout(10)
    assert.equal(new Set(ids).size, 3)
    for (const id of ids) {
      assert.match(
        (await stack.mta.sink.next()).data.toString('latin1'),
        new RegExp(`X-Queue: ${id}\r\n`),
      )
    }
    const order = calls.join('').replace(/Q$/, '')
    // Postfix tells of RSET only with the next MAIL, and of a new EHLO before it aborts.
    assert.equal(order.replaceAll('A', ''), 'CHMEMMEMHMEM')
    assert.equal(calls.filter((one) => one === 'A').length, 3)
  })
})
