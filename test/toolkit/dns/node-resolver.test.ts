import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeText } from '../../../src/protocol/text.ts'
import { NodeResolver } from '../../../src/toolkit/index.ts'
import type { RecordType } from '../../../src/toolkit/index.ts'
import {
  dnsServer,
  ipv4,
  mx,
  record,
  strings,
  wireName,
  type DnsBehaviour,
} from '../../support/dns-server.ts'

const NAME = 'host.example.org'

/** What becomes of one question to a server that behaves so. */
async function ask(
  behave: DnsBehaviour,
  type: RecordType = 'A',
  name = NAME,
  followAliases = false,
): Promise<{ answer: object; asked: string[] }> {
  await using server = await dnsServer(behave)
  const resolver = new NodeResolver({
    servers: [server.address],
    timeout: 50,
    tries: 1,
    followAliases,
  })
  const answer = { ...(await resolver.resolve(name, type)) }
  if ('cause' in answer) delete answer.cause
  return { answer, asked: server.asked }
}

describe('NodeResolver', () => {
  const records: readonly [RecordType, Buffer[], object][] = [
    ['A', [ipv4('192.0.2.1'), ipv4('192.0.2.2')], { found: ['192.0.2.1', '192.0.2.2'] }],
    [
      'AAAA',
      [Buffer.from('20010db8000000000000000000000001', 'hex')],
      { found: ['2001:db8::1'] },
    ],
    [
      'MX',
      [mx(20, 'b.example.org'), mx(10, 'a.example.org')],
      {
        found: [
          { exchange: 'a.example.org', priority: 10 },
          { exchange: 'b.example.org', priority: 20 },
        ],
      },
    ],
    ['MX', [mx(0, '')], { found: [{ exchange: '', priority: 0 }] }],
    ['TXT', [strings('v=spf1 ', '-all')], { found: ['v=spf1 -all'] }],
    ['TXT', [strings('é')], { found: ['é'] }],
    ['PTR', [wireName('mail.example.org')], { found: ['mail.example.org'] }],
    ['NS', [wireName('ns.example.org')], { found: ['ns.example.org'] }],
    ['CNAME', [wireName('other.example.org')], { found: ['other.example.org'] }],
    [
      'SRV',
      [Buffer.concat([Buffer.from([0, 1, 0, 2, 0, 25]), wireName('m.example.org')])],
      { found: [{ name: 'm.example.org', port: 25, priority: 1, weight: 2 }] },
    ],
  ]
  for (const [type, data, expected] of records) {
    it(`gives ${type} records: ${JSON.stringify(expected)}`, async () => {
      const { answer } = await ask(
        () => ({ answers: data.map((bytes) => record(NAME, type, bytes, 77)) }),
        type,
      )
      // Only of addresses does Node tell the time-to-live.
      const ttl = type === 'A' || type === 'AAAA' ? { ttl: 77_000 } : {}
      assert.deepEqual(answer, { ...expected, ...ttl })
    })
  }

  it('takes the shortest time-to-live', async () => {
    const { answer } = await ask(() => ({
      answers: [90, 30, 60].map((ttl) => record(NAME, 'A', ipv4('192.0.2.1'), ttl)),
    }))
    assert.equal((answer as { ttl: number }).ttl, 30_000)
  })

  it('keeps all bytes of a TXT record', async () => {
    const bytes = Buffer.from([0x61, 0x00, 0xff, 0xe9, 0xc3, 0xa9, 0x80])
    const { answer } = await ask(
      () => ({ answers: [record(NAME, 'TXT', strings(bytes))] }),
      'TXT',
    )
    const [text] = (answer as { found: string[] }).found
    assert.deepEqual(encodeText(text!), bytes)
  })

  const cname = (from: string, to: string): Buffer => record(from, 'CNAME', wireName(to))
  const address = record(NAME, 'A', ipv4('192.0.2.1'))
  const replies: readonly [string, DnsBehaviour, object][] = [
    ['an empty reply', () => ({}), { none: 'no-data' }],
    ['NXDOMAIN', () => ({ rcode: 3 }), { none: 'no-domain' }],
    ['SERVFAIL', () => ({ rcode: 2 }), { failed: 'server-failure' }],
    ['REFUSED', () => ({ rcode: 5 }), { failed: 'refused' }],
    ['NOTIMP', () => ({ rcode: 4 }), { failed: 'bad-answer' }],
    ['no reply', () => undefined, { failed: 'timeout' }],
    [
      'a reply with another id',
      () => ({
        answers: [address],
        distort: (bytes) => Buffer.concat([Buffer.from([bytes[0]! ^ 1]), bytes.subarray(1)]),
      }),
      { failed: 'timeout' },
    ],
    [
      'a reply to another question',
      () => ({
        answers: [address],
        distort: (bytes) =>
          Buffer.concat([bytes.subarray(0, 13), Buffer.from('HXST'), bytes.subarray(17)]),
      }),
      { failed: 'timeout' },
    ],
    [
      'half a header',
      () => ({ distort: (bytes) => bytes.subarray(0, 7) }),
      { failed: 'bad-answer' },
    ],
    [
      'a record that ends too early',
      () => ({ answers: [address], distort: (bytes) => bytes.subarray(0, -2) }),
      { failed: 'bad-answer' },
    ],
    [
      'a name that points to itself',
      () => ({
        answers: [Buffer.concat([Buffer.from([0xc0, 46]), address.subarray(18)])],
      }),
      { failed: 'bad-answer' },
    ],
    [
      'another type of record',
      () => ({ answers: [record(NAME, 'TXT', strings('192.0.2.1'))] }),
      { none: 'no-data' },
    ],
    [
      'a truncated reply, with the whole over TCP',
      ({ overTcp }) => (overTcp ? { answers: [address] } : { truncated: true }),
      { found: ['192.0.2.1'], ttl: 300_000 },
    ],
    [
      'a truncated reply, and nothing over TCP',
      ({ overTcp }) => (overTcp ? undefined : { truncated: true, answers: [address] }),
      { failed: 'timeout' },
    ],
    [
      'an alias with its target',
      () => ({
        answers: [cname(NAME, 'b.example'), record('b.example', 'A', ipv4('192.0.2.1'), 9)],
      }),
      { found: ['192.0.2.1'], ttl: 9_000 },
    ],
    [
      'a record of another name',
      () => ({ answers: [record('b.example', 'A', ipv4('192.0.2.1'), 9)] }),
      { found: ['192.0.2.1'], ttl: 9_000 },
    ],
    [
      'aliases in a circle',
      () => ({ answers: [cname(NAME, 'b.example'), cname('b.example', NAME)] }),
      { none: 'no-data' },
    ],
  ]
  for (const [what, behave, expected] of replies) {
    it(`makes ${JSON.stringify(expected)} of ${what}`, async () => {
      assert.deepEqual((await ask(behave)).answer, expected)
    })
  }

  it('says that nobody answers on the port', async () => {
    const server = await dnsServer(() => undefined)
    await server[Symbol.asyncDispose]()
    const resolver = new NodeResolver({ servers: [server.address], timeout: 50, tries: 1 })
    const { failed } = await resolver.resolve(NAME, 'A')
    assert.equal(failed, 'unreachable')
  })

  it('asks for the alias only if it is to, and if there is nothing else', async () => {
    const behave: DnsBehaviour = ({ type }) =>
      type === 'CNAME' ? { answers: [cname(NAME, 'b.example')] } : {}
    assert.deepEqual(await ask(behave, 'MX', NAME, true), {
      answer: { alias: 'b.example' },
      asked: [`MX ${NAME}`, `CNAME ${NAME}`],
    })
    assert.deepEqual((await ask(behave, 'MX', NAME, false)).asked, [`MX ${NAME}`])
    assert.deepEqual((await ask(() => ({}), 'MX', NAME, true)).answer, { none: 'no-data' })
    assert.deepEqual((await ask(() => ({}), 'CNAME', NAME, true)).asked, [`CNAME ${NAME}`])
    assert.deepEqual((await ask(() => ({ rcode: 3 }), 'MX', NAME, true)).asked, [`MX ${NAME}`])
    // What could not be asked is not "nothing".
    const dead: DnsBehaviour = ({ type }) => (type === 'CNAME' ? { rcode: 2 } : {})
    assert.deepEqual((await ask(dead, 'MX', NAME, true)).answer, { failed: 'server-failure' })
  })

  it('asks for a name that looks like an address as for any other', async () => {
    const { answer, asked } = await ask(() => ({ rcode: 3 }), 'A', '192.0.2.1')
    assert.deepEqual([answer, asked], [{ none: 'no-domain' }, ['A 192.0.2.1']])
  })

  for (const options of [
    { servers: ['name.example'] },
    { servers: [] as string[], timeout: 0 },
    { tries: 11 },
    { timeout: 1.5 },
  ]) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => new NodeResolver(options), { code: 'INVALID_OPTION' })
    })
  }
})
