import assert from 'node:assert/strict'
import { it } from 'node:test'
import { fc } from '../support/property.ts'
import { defineFilter, REJECT, reply } from '../../src/index.ts'
import { edit, mailEdits, randomMessage, type View } from '../support/mail-edits.ts'
import type { Delivered } from './support/sink.ts'
import { eachServer, FROM, message, Stack, TO, withoutReceived } from './support/stack.ts'
import { SEED } from '../support/seed.ts'

/** How many cases; TSMILTER_MAIL_CASES asks for more, TSMILTER_SEED repeats a run. */
const CASES = Number(process.env['TSMILTER_MAIL_CASES'] ?? 100)

function shown(delivered: Delivered): View {
  const text = withoutReceived(delivered).toString('latin1')
  const end = text.indexOf('\r\n\r\n') + 2
  const bare = (words: string): string => /^<(.*?)>/.exec(words)![1]!
  return {
    header: text.slice(0, end),
    body: text.slice(end + 2),
    sender: bare(delivered.sender),
    recipients: delivered.recipients.map(bare).sort(),
  }
}

/** Sends a message through the server, and gives what is delivered. */
async function pass(stack: Stack, original: Buffer): Promise<string> {
  const client = await stack.client()
  await client.command('EHLO client.test')
  const { data } = await client.send({ from: FROM, to: [TO], message: original })
  assert.equal(data?.code, 250)
  client.close()
  return withoutReceived(await stack.mta.sink.next()).toString('latin1')
}

eachServer('whole messages', (kind) => {
  it("have new fields above the server's own Received, or right below it", async () => {
    await using stack = await Stack.start(kind)
    stack.filter = defineFilter({
      name: 'places',
      headers(mail) {
        mail.headers.insertBefore(mail.headers.fields()[0]!, 'X-Below', '1')
        mail.headers.prepend('X-Top', '2')
      },
    })
    const client = await stack.client()
    await client.command('EHLO client.test')
    const { data } = await client.send({ from: FROM, to: [TO], message: message() })
    assert.equal(data?.code, 250)
    client.close()
    const { data: raw } = await stack.mta.sink.next()
    assert.match(
      raw.toString('latin1'),
      /^X-Top: 2\r\nReceived:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*X-Below: 1\r\n/,
    )
  })

  it('are edited without having been read', async () => {
    await using stack = await Stack.start(kind)
    const bodies = ['new\n', '']
    stack.filter = defineFilter({
      name: 'blind',
      reads: [],
      message(mail) {
        mail.headers.insertFirst('X-Below', '1')
        mail.headers.prepend('X-Top', '2')
        mail.body.replace(bodies.shift()!)
      },
    })
    for (const body of ['new\r\n', '']) {
      const client = await stack.client()
      await client.command('EHLO client.test')
      const { data } = await client.send({ from: FROM, to: [TO], message: message() })
      assert.equal(data?.code, 250)
      client.close()
      const { data: raw } = await stack.mta.sink.next()
      const [header, ...rest] = raw.toString('latin1').split('\r\n\r\n')
      assert.match(
        header!,
        /^X-Top: 2\r\nReceived:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*X-Below: 1\r\n/,
      )
      assert.equal(rest.join('\r\n\r\n'), body)
    }
  })

  it(`arrive as the filter saw them last: ${CASES} random ones, seed ${SEED}`, async () => {
    await using stack = await Stack.start(kind)
    await fc.assert(
      fc.asyncProperty(randomMessage, mailEdits, async (original, edits) => {
        let view: View | undefined
        stack.filter = defineFilter({
          name: 'editing',
          async message(mail) {
            view = await edit(mail, edits)
          },
        })
        const client = await stack.client()
        try {
          await client.command('EHLO client.test')
          const to = ['<bob@example.test>', '<carol@example.test>']
          const { data } = await client.send({ from: FROM, to, message: original })
          assert.equal(data?.code, 250, data?.text)
        } finally {
          client.close()
        }
        await stack.mta.idle()
        const delivered = stack.mta.sink.messages.splice(0)
        assert.equal(delivered.length, 1)
        assert.deepEqual(shown(delivered[0]!), view)
      }),
      { numRuns: CASES, seed: SEED },
    )
  })

  it('cost no edit and arrive byte for byte where nothing is changed', async () => {
    await using stack = await Stack.start(kind)
    const original = message(
      ['X-Fold: a\r\n\tb', 'X-None:v', 'X-Two:  two', 'X-Raw: caf\xe9', 'X-Tab:\tt'],
      'line\r\n'.repeat(30_000),
    )
    let raw: Buffer | undefined
    stack.filter = defineFilter({
      name: 'looking',
      async message(mail) {
        raw = await mail.raw()
        mail.headers.append('X-Gone', 'soon').remove()
        mail.subject = 'original'
        mail.recipients.add(TO)
        mail.sender.replace(mail.sender.address)
        mail.body.replace(await mail.body.bytes())
      },
    })
    const delivered = await pass(stack, original)
    assert.equal(delivered, original.toString('latin1'))
    assert.equal(raw!.toString('latin1'), original.toString('latin1'))
  })

  it('get fields above and below a header that is not read', async () => {
    await using stack = await Stack.start(kind)
    const original = message(['X-A:one', 'X-A:  two', 'X-Fold: a\r\n\tb'], 'line\r\n')
    stack.filter = defineFilter({
      name: 'blind',
      reads: [],
      message({ headers }) {
        headers.append('X-A', 'below')
        headers.append('X-Bare', Buffer.from('bare'))
        headers.prepend('X-A', 'above')
      },
    })
    const delivered = await pass(stack, original)
    const expected = original
      .toString('latin1')
      .replace('\r\n\r\n', '\r\nX-A: below\r\nX-Bare:bare\r\n\r\n')
    assert.equal(delivered, `X-A: above\r\n${expected}`)
  })

  it('are edited as trees: a part is removed, one is added, all other bytes stay', async () => {
    await using stack = await Stack.start(kind)
    const part = (type: string, text: string): string => `Content-Type: ${type}\r\n\r\n${text}`
    const original = message(
      ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="b"'],
      `preamble\r\n--b\r\n${part('text/plain; charset=iso-8859-1', 'caf\xe9')}\r\n--b\r\n` +
        `${part('application/x-msdownload; name=run.exe', 'MZ')}\r\n--b--\r\nepilogue\r\n`,
    )
    stack.filter = defineFilter({
      name: 'tree',
      async message(mail) {
        const tree = await mail.mime()
        for (const attachment of tree.attachments) attachment.remove()
        tree.append({ content: 'note\n' })
      },
    })
    const delivered = await pass(stack, original)
    const text = original.toString('latin1')
    const start = text.indexOf('\r\n--b\r\nContent-Type: application')
    const end = text.indexOf('\r\n--b--')
    assert.equal(
      delivered,
      `${text.slice(0, start)}\r\n--b\r\n${part('text/plain; charset=utf-8', 'note\r\n')}${text.slice(end)}`,
    )
  })

  it('leak nothing into each other: refused early, abandoned, edited, plain', async () => {
    await using stack = await Stack.start(kind)
    const seen: unknown[] = []
    stack.filter = defineFilter({
      name: 'scopes',
      state: () => ({ recipients: 0 }),
      sender: (sender) => (sender.address === 'refused@example.test' ? REJECT : undefined),
      recipient(recipient, { state }) {
        state.recipients++
        return recipient.address.startsWith('gone')
          ? reply(550, '5.1.1', 'No such user')
          : undefined
      },
      message(mail) {
        seen.push([
          mail.sender.address,
          mail.recipients.addresses,
          mail.state.recipients,
          mail.headers.getAll('X-Own'),
          mail.connection.helo,
        ])
        if (mail.sender.address === 'edited@example.test') mail.subject = 'edited'
      },
    })
    const client = await stack.client()
    await client.command('EHLO client.test')
    const refused = await client.send({
      from: '<refused@example.test>',
      to: [TO],
      message: message(),
    })
    assert.match(refused.mail.text, /^550/)
    await client.command('MAIL FROM:<abandoned@example.test>')
    await client.command('RCPT TO:<abandoned@example.test>')
    await client.command('RSET')
    for (const [from, to] of [
      ['edited', ['gone', 'one']],
      ['plain', ['two']],
    ] as const) {
      const { data } = await client.send({
        from: `<${from}@example.test>`,
        to: to.map((one) => `<${one}@example.test>`),
        message: message([`X-Own: ${from}`]),
      })
      assert.equal(data?.code, 250)
    }
    client.close()
    assert.deepEqual(seen, [
      ['edited@example.test', ['one@example.test'], 2, ['edited'], 'client.test'],
      ['plain@example.test', ['two@example.test'], 1, ['plain'], 'client.test'],
    ])
    await stack.mta.idle()
    const subjects = (await stack.mta.sink.waitFor(2)).map(
      ({ data }) => /^Subject: (.*)\r$/m.exec(data.toString('latin1'))?.[1],
    )
    assert.deepEqual(subjects.sort(), ['edited', 'original'])
  })

  it('know the encryption of their connection by name', async () => {
    await using stack = await Stack.start(kind, { mta: { tls: true } })
    const seen: unknown[] = []
    stack.filter = defineFilter({
      name: 'facts',
      message({ connection, server }) {
        const { tls } = connection
        seen.push([tls?.version, tls?.bits, connection.authenticated, server.name])
        seen.push(/^(?:Postfix )?\d/.test(server.software ?? ''))
      },
    })
    for (const encrypted of [false, true]) {
      const client = await stack.client()
      await client.command('EHLO client.test')
      if (encrypted) {
        await client.startTls()
        await client.command('EHLO client.test')
      }
      const { data } = await client.send({ from: FROM, to: [TO], message: message() })
      assert.equal(data?.code, 250)
      client.close()
    }
    const host = `mx.${kind.name}.test`
    assert.deepEqual(seen, [
      [undefined, undefined, undefined, host],
      true,
      ['TLSv1.3', 256, undefined, host],
      true,
    ])
  })

  it('are replaced by a body of 20 MB from a stream, read back byte for byte', async () => {
    await using stack = await Stack.start(kind)
    const line = Buffer.from(`${'0123456789'.repeat(7)}\r\n`)
    const lines = 300_000
    stack.filter = defineFilter({
      name: 'large',
      async message(mail) {
        await mail.body.replace(
          (function* () {
            for (let i = 0; i < lines / 1000; i++)
              yield Buffer.concat(Array<Buffer>(1000).fill(line))
          })(),
        )
      },
    })
    const client = await stack.client()
    await client.command('EHLO client.test')
    const { data } = await client.send({ from: FROM, to: [TO], message: message() })
    assert.equal(data?.code, 250, data?.text)
    client.close()
    const delivered = withoutReceived(await stack.mta.sink.next(60_000))
    const body = delivered.subarray(delivered.indexOf('\r\n\r\n') + 4)
    assert.equal(body.length, lines * line.length)
    assert.ok(body.equals(Buffer.concat(Array<Buffer>(lines).fill(line))))
  })
})
