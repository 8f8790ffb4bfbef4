import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Step } from '../../src/protocol/constants.ts'
import { withEnvelope, type Handlers } from '../../src/index.ts'
import { startPostfix } from './support/postfix.ts'
import { eachServer, FROM, message, Stack, TO, withoutReceived } from './support/stack.ts'

/** A filter that looks at everything and edits. */
const filter = (seen: string[]): (() => Handlers) => {
  return () => ({
    connect: (ctx, hostname, family, address) =>
      void seen.push(`connect ${hostname} ${family} ${address} v${ctx.negotiated.version}`),
    helo: (ctx, name) =>
      void seen.push(`helo ${name}${ctx.macro('tls_version') ? ' tls' : ''}`),
    envfrom: (ctx, sender) => void seen.push(`envfrom ${sender} ${ctx.sender.address}`),
    envrcpt: (ctx, to) =>
      void seen.push(
        `envrcpt ${to} ${ctx.recipient.address}${ctx.rejectedByServer ? ' rejected' : ''}`,
      ),
    data: () => void seen.push('data'),
    eom: (ctx) => {
      seen.push('eom')
      ctx.addHeader('X-Seen', 'yes')
    },
  })
}

eachServer('the envelope', (kind) => {
  it('is sent without a reply where a filter only wants to know it', async () => {
    await using stack = await Stack.start(kind)
    const seen: unknown[] = []
    let silent = 0
    stack.filter = () => ({
      eom: withEnvelope(({ sender, recipients, server, negotiated }) => {
        silent = negotiated.steps & (Step.NR_MAIL | Step.NR_RCPT)
        seen.push(sender.raw, ...recipients.map(({ raw }) => raw), server.kind)
      }),
    })
    const client = await stack.client()
    await client.command('EHLO client.test')
    const to = [TO, '<carol@example.test>']
    const { data } = await client.send({ from: FROM, to, message: message() })
    assert.equal(data?.code, 250)
    client.close()
    await stack.mta.sink.next()
    assert.deepEqual(seen, [FROM, ...to, kind.name])
    assert.equal(silent, Step.NR_MAIL | Step.NR_RCPT)
  })
})

eachServer('dialects', (kind) => {
  if (kind.name !== 'postfix') return // only Postfix can be told to speak older versions
  for (const version of [2, 3, 4, 6] as const) {
    it(`protocol version ${version}`, async () => {
      await using stack = await Stack.start(kind, { mta: { milterProtocol: version } })
      const seen: string[] = []
      stack.filter = filter(seen)
      const client = await stack.client()
      await client.command('EHLO client.test')
      const { data } = await client.send({ from: FROM, to: [TO], message: message() })
      assert.equal(data?.code, 250)
      client.close()
      assert.deepEqual(withoutReceived(await stack.mta.sink.next()), message(['X-Seen: yes']))
      assert.match(seen[0]!, new RegExp(`inet 127\\.0\\.0\\.1 v${version}$`))
      assert.equal(seen.includes('data'), version >= 4)
    })
  }

  it('IPv6 and unknown clients, and STARTTLS with a second EHLO', async () => {
    await using stack = await Stack.start(kind, { mta: { tls: true } })
    const seen: string[] = []
    stack.filter = filter(seen)
    const client = await stack.client()
    await client.command('EHLO one.test')
    await client.startTls()
    await client.command('EHLO two.test')
    assert.equal(
      (await client.send({ from: FROM, to: [TO], message: message() })).data?.code,
      250,
    )
    await client.quit()
    assert.deepEqual(
      seen.filter((line) => line.startsWith('helo')),
      ['helo one.test', 'helo two.test tls'],
    )
    await stack.mta.sink.next()
    for (const [xclient, expected] of [
      ['NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::25', /^connect \S+ inet6 2001:db8::25 /],
      [
        'NAME=host.example.test ADDR=198.51.100.7',
        /^connect host\.example\.test inet 198\.51\.100\.7 /,
      ],
    ] as const) {
      seen.length = 0
      const other = await stack.client()
      await other.command('EHLO client.test')
      await other.command(`XCLIENT ${xclient}`)
      await other.command('EHLO client.test')
      await other.send({ from: '<>', to: [TO], message: message() })
      other.close()
      const line = seen.findLast((one) => one.startsWith('connect'))
      assert.match(line!, expected)
      assert.ok(seen.includes('envfrom <> '))
    }
  })

  it('local submission: no brackets, no port, the null sender is empty', async () => {
    const seen: string[] = []
    await using stack = await Stack.start({
      name: 'postfix',
      missing: () => undefined,
      start: (options) => startPostfix({ ...options, nonSmtpdMilters: true }),
    })
    stack.filter = filter(seen)
    const postfix = stack.mta as Awaited<ReturnType<typeof startPostfix>>
    await postfix.submit('me@example.test', ['you@example.test'], message())
    await stack.mta.sink.next()
    assert.deepEqual(
      seen.filter((line) => line.startsWith('env')),
      ['envfrom me@example.test me@example.test', 'envrcpt you@example.test you@example.test'],
    )
  })
})
