import assert from 'node:assert/strict'
import { it } from 'node:test'
import { compose, defineFilter } from '../../src/index.ts'
import { authenticate, dkimSign } from '../../src/filters/index.ts'
import { deliver } from '../../src/testing/index.ts'
import { DnsCache } from '../../src/toolkit/index.ts'
import { DOMAIN, KEYS, MESSAGES, RECORDS } from '../conformance/support/dkim.ts'
import { eachServer, Stack, TO } from './support/stack.ts'

const RECORDS_OF_ALL: Readonly<Record<string, string>> = {
  ...RECORDS,
  [`_dmarc.${DOMAIN}`]: 'v=DMARC1; p=reject',
}
const dns = new DnsCache({
  resolver: {
    resolve: async (name, type) => {
      const record = RECORDS_OF_ALL[name]
      return (
        type === 'TXT' && record !== undefined ? { found: [record] } : { none: 'no-domain' }
      ) as never
    },
  },
})

const tag = defineFilter({
  name: 'tag',
  edits: ['headers'],
  message: (mail) => void (mail.subject = `[x] ${mail.subject}`),
})

async function signed(name: string): Promise<string> {
  const outcome = await deliver(dkimSign({ keys: KEYS }), {
    message: Buffer.from(MESSAGES[name]!, 'latin1'),
    authenticated: 'alice',
  })
  return outcome.message!.toString('latin1')
}

async function sent(
  stack: Stack,
  message: string,
): Promise<{ code: number | undefined; text: string }> {
  const client = await stack.client()
  await client.command('EHLO client.test')
  const { data } = await client.send({
    from: `<alice@${DOMAIN}>`,
    to: [TO],
    message: Buffer.from(message, 'latin1'),
  })
  client.close()
  if (data?.code !== 250) return { code: data?.code, text: data?.lines.join(' ') ?? '' }
  const { data: text } = await stack.mta.sink.next()
  return { code: 250, text: Buffer.from(text).toString('latin1') }
}

eachServer('mail checked by authenticate', (kind) => {
  // The test itself is the client, from 127.0.0.1.
  const filter = () => compose(authenticate({ policy: 'reject', dns, networks: [] }), tag)

  it('passes as it came, with results on top, and without forged ones', async () => {
    await using stack = await Stack.start(kind)
    stack.filter = filter()
    for (const name of [
      'usual',
      'folded fields',
      '8-bit text in the subject',
      'spaces everywhere',
      'dots at the start of lines',
    ]) {
      const first = await sent(stack, await signed(name))
      assert.equal(first.code, 250, `${name}: ${first.text}`)
      const unfolded = first.text.replaceAll(/\r\n[ \t]+/g, ' ')
      const [id] = /^Authentication-Results: (\S+);/m.exec(unfolded)!.slice(1)
      const [top] = unfolded.split('\r\n', 1)
      assert.match(
        top!,
        /^Authentication-Results: \S+; spf=none .*dkim=pass .*dkim=pass .*dmarc=pass .*arc=none/,
        name,
      )
      assert.match(unfolded, /^Subject: \[x\] /m, name)
      // The same id, which only the server has, from outside.
      const forged = `Authentication-Results: (x)\r\n "${id!.toUpperCase()}" 1; dmarc=pass\r\n`
      const second = await sent(stack, forged + (await signed(name)))
      assert.equal(second.text.match(/^Authentication-Results:/gm)?.length, 1, name)
      assert.equal(second.text.match(/^Received-SPF:/gm)?.length, 1, name)
    }
  })

  it('is refused with the reason', async () => {
    await using stack = await Stack.start(kind)
    stack.filter = filter()
    const { code, text } = await sent(stack, MESSAGES['usual']!)
    assert.equal(code, 550)
    assert.match(text, /5\.7\.26 DMARC of example\.test: neither SPF nor DKIM vouch/)
  })
})
