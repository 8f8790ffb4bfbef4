import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  dnsbl,
  greylist,
  rateLimit,
  recipientCheck,
  rewrite,
  senderAcl,
} from '../../src/filters/index.ts'
import { compose } from '../../src/index.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import { DnsCache, Srs } from '../../src/toolkit/index.ts'
import { files } from '../filters/support.ts'
import { scriptedResolver, zone } from '../toolkit/dns/scripted-resolver.ts'
import { eachServer, message, Stack } from './support/stack.ts'

const file = files()
const FROM = '<a@other.example>'
/** All clients of these tests are the machine itself, which is to count as a stranger. */
const networks: string[] = []

eachServer('filters of the envelope', (kind) => {
  const send = async (stack: Stack, to: string[], from = FROM) => {
    const client = await stack.client()
    await client.command('EHLO client.test')
    const sent = await client.send({ from, to, message: message() })
    client.close()
    return sent
  }

  it('greylist defers, and passes what comes back with its field', async () => {
    const clock = { now: Date.now() }
    const store = openMemoryStore({ clock: () => clock.now })
    await using stack = await Stack.start(kind)
    stack.filter = await greylist({ store, networks, spf: false, clock: () => clock.now })
    const first = await send(stack, ['<bob@example.test>'])
    assert.match(
      JSON.stringify(first),
      /451.{0,3}4\.7\.1.*Greylisted: try again in 300 seconds/,
    )
    clock.now += 310_000
    const second = await send(stack, ['<bob@example.test>'])
    assert.equal(second.data?.code, 250)
    const { data } = await stack.mta.sink.next()
    assert.match(String(data), /^X-Greylist: delayed 310 seconds by tsmilter at /m)
  })

  it('a list refuses, a limit defers, and a recipient that does not exist is refused', async () => {
    const dns = new DnsCache({
      resolver: scriptedResolver(
        zone({
          'A 2.0.0.127.bad.example': ['127.0.0.2'],
          'A 1.0.0.127.list.example': ['127.0.0.2'],
          'A 2.0.0.127.list.example': ['127.0.0.2'],
        }),
      ),
    })
    const valid = `texthash:${file('valid', 'bob@example.test x\ncarol@example.test x\n')}`
    await using stack = await Stack.start(kind)
    stack.filter = compose(
      dnsbl({ zones: [{ zone: 'bad.example' }], networks, dns, refuse: 1 }),
      await recipientCheck({ domains: 'example.test', tables: valid }),
      await rateLimit({ client: { messages: '2/h' }, networks, store: openMemoryStore() }),
    )
    const two = await send(stack, ['<bob@example.test>', '<nobody@example.test>'])
    assert.equal(two.data?.code, 250)
    assert.match(JSON.stringify(two), /550.{0,3}5\.1\.1.*does not exist/)
    assert.equal((await send(stack, ['<carol@example.test>'])).data?.code, 250)
    const third = await send(stack, ['<bob@example.test>'])
    assert.equal(third.data?.code, 451)
    assert.match(JSON.stringify(third), /Too many messages: the limit of this client is 2\/h/)
  })

  it('SRS: forwarded mail, and the bounce to it', async () => {
    const secretsFile = file('secret', 'a secret\n')
    const srs = { domain: 'srs.test', secretsFile, localDomains: 'example.test' }
    await using stack = await Stack.start(kind)
    stack.filter = compose(await senderAcl(), await rewrite({ srs }))
    assert.equal((await send(stack, ['<x@gmail.test>'])).data?.code, 250)
    const forwarded = await stack.mta.sink.next()
    const own = new Srs({ domain: 'srs.test', secrets: ['a secret'] })
    const address = own.forward('a@other.example').address!
    assert.ok(forwarded.sender.includes(address), forwarded.sender)
    assert.equal((await send(stack, [`<${address}>`], '<>')).data?.code, 250)
    const bounce = await stack.mta.sink.next()
    assert.ok(bounce.recipients[0]!.includes('a@other.example'), bounce.recipients[0])
    const forged = await send(stack, [`<${address.replace(/=....=/, '=AAAA=')}>`], '<>')
    assert.match(JSON.stringify(forged), /550.{0,3}5\.1\.1/)
  })
})
