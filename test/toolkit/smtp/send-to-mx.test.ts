import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  DnsCache,
  DnsSession,
  localAddresses,
  sendToMx,
  type DnsResolver,
  type MxOptions,
} from '../../../src/toolkit/index.ts'
import { CLOSE, FakeSmtpServer, SILENCE, type Script } from '../../support/fake-smtp-server.ts'
import { mxTable } from '../../support/mx-table.ts'

const MESSAGE = Buffer.from('Subject: x\r\n\r\nHello\r\n')

/** Servers at 127.0.0.2 and up, all with one port. */
async function servers(...scripts: Script[]): Promise<FakeSmtpServer[] & AsyncDisposable> {
  const list: FakeSmtpServer[] = []
  for (const [i, script] of scripts.entries()) {
    const port = list[0]?.port
    const where = { host: `127.0.0.${i + 2}`, ...(port === undefined ? {} : { port }) }
    list.push(await FakeSmtpServer.start(script, where))
  }
  return Object.assign(list, {
    async [Symbol.asyncDispose]() {
      for (const one of list) await one[Symbol.asyncDispose]()
    },
  })
}

/** Three hosts at 127.0.0.2, .3 and .4. */
const HOSTS = {
  'mx2.test A': ['127.0.0.2'],
  'mx3.test A': ['127.0.0.3'],
  'mx4.test A': ['127.0.0.4'],
}

async function send(
  port: number,
  table: Parameters<typeof mxTable>[0],
  options: Partial<MxOptions> = {},
  to: string | string[] = 'b@example.net',
  message: Buffer = MESSAGE,
): Promise<string[]> {
  const { recipients } = await sendToMx(
    { sender: 'a@example.org', recipients: [to].flat(), message },
    {
      name: 'us.test',
      dns: mxTable(table),
      port,
      ownAddresses: ['127.0.0.99'],
      tls: 'off',
      ...options,
    },
  )
  return recipients.map((result) =>
    result.outcome === 'failed'
      ? result.reason
      : `${result.outcome} ${result.reply.code} ${result.host}`,
  )
}

describe('sending mail to the servers of a domain', () => {
  it('asks by preference, and the next one if a host does not answer', async () => {
    const mx = { 'example.net MX': ['30 mx4.test', '10 mx2.test', '20 mx3.test'], ...HOSTS }
    for (const [scripts, host] of [
      [[{}, {}, {}], 'accepted 250 127.0.0.2'],
      [[{ greeting: CLOSE }, {}, {}], 'accepted 250 127.0.0.3'],
      [[{ greeting: '554 no' }, { EHLO: '421 no' }, {}], 'accepted 250 127.0.0.4'],
      [[{ MAIL: '421 no' }, { DATA: CLOSE }, {}], 'accepted 250 127.0.0.4'],
      [[{ RCPT: '550 no' }, {}, {}], 'refused 550 127.0.0.2'],
      [[{ RCPT: '450 no' }, {}, {}], 'refused 450 127.0.0.2'],
      // It may have arrived, so nobody else gets it.
      [[{ message: CLOSE }, {}, {}], 'closed'],
      [[{ greeting: CLOSE }, { greeting: CLOSE }, { greeting: CLOSE }], 'closed'],
    ] as const) {
      await using list = await servers(...(scripts as readonly Script[]))
      assert.deepEqual(await send(list[0]!.port, mx), [host])
    }
  })

  it('asks equals in any order', async () => {
    await using list = await servers({}, {})
    const mx = { 'example.net MX': ['10 mx2.test', '10 mx3.test'], ...HOSTS }
    const first = new Set<string>()
    for (let i = 0; i < 100 && first.size < 2; i++) {
      first.add((await send(list[0]!.port, mx))[0]!)
    }
    assert.equal(first.size, 2)
  })

  it('asks the domain itself if it has no MX', async () => {
    await using list = await servers({})
    for (const table of [
      { 'example.net A': ['127.0.0.2'] },
      { 'example.net A': 'fail' as const, 'example.net AAAA': ['::ffff:127.0.0.2'] },
    ]) {
      assert.match((await send(list[0]!.port, table))[0]!, /^accepted/)
    }
  })

  it('knows address literals and domains in Unicode', async () => {
    await using list = await servers({})
    const { port } = list[0]!
    assert.match((await send(port, {}, {}, 'b@[127.0.0.2]'))[0]!, /^accepted/)
    assert.match((await send(port, {}, {}, 'b@[IPv6:::ffff:127.0.0.2]'))[0]!, /^accepted/)
    assert.deepEqual(await send(port, {}, {}, 'b@[127.1]'), ['no-host'])
    const table = { 'xn--bcher-kva.example A': ['127.0.0.2'] }
    assert.match((await send(port, table, {}, 'b@Bücher.example'))[0]!, /^accepted/)
  })

  const cases: [name: string, table: Parameters<typeof mxTable>[0], reason: string][] = [
    ['null MX', { 'example.net MX': ['0 '] }, 'null-mx'],
    ['null MX as a dot', { 'example.net MX': ['0 .'] }, 'null-mx'],
    ['no such domain', {}, 'no-host'],
    ['no address', { 'example.net TXT': ['x'] }, 'no-host'],
    ['an MX without address', { 'example.net MX': ['10 mx.test'] }, 'no-host'],
    ['an MX that is an address', { 'example.net MX': ['10 1.2'] }, 'no-host'],
    ['a failure for MX', { 'example.net MX': 'fail' }, 'dns'],
    ['a failure for A', { 'example.net MX': ['10 mx.test'], 'mx.test A': 'fail' }, 'dns'],
    ['our name', { 'example.net MX': ['10 US.test.', '20 mx3.test'], ...HOSTS }, 'loop'],
    ['our other name', { 'example.net MX': ['10 alias.test'] }, 'loop'],
    [
      'our address',
      { 'example.net MX': ['10 mx.test', '20 mx3.test'], 'mx.test A': ['127.0.0.99'] },
      'loop',
    ],
    ['an answer that never comes', { 'example.net MX': 'never' }, 'time-over'],
  ]
  for (const [name, table, reason] of cases) {
    it(`finds ${name}`, async () => {
      const options = {
        ownNames: ['Alias.test'],
        timeouts: { total: reason === 'time-over' ? 50 : 5_000 },
      }
      assert.deepEqual(await send(1, table, options), [reason])
    })
  }

  it('asks only hosts before this machine', async () => {
    await using list = await servers({ greeting: CLOSE }, {}, {})
    const own = {
      'example.net MX': ['10 mx2.test', '20 us.test', '20 mx3.test', '30 mx4.test'],
      ...HOSTS,
    }
    assert.deepEqual(await send(list[0]!.port, own), ['closed'])
    const address = {
      ...own,
      'example.net MX': ['10 mx2.test', '20 mx.test', '30 mx4.test'],
      'mx.test A': ['127.0.0.99'],
    }
    assert.deepEqual(await send(list[0]!.port, address), ['closed'])
    assert.deepEqual(
      list.map(({ connections }) => connections),
      [2, 0, 0],
    )
  })

  it('never connects to this machine by default', async () => {
    await using list = await servers({})
    const table = { 'example.net A': ['127.0.0.2'] }
    assert.deepEqual(await send(list[0]!.port, table, { ownAddresses: localAddresses() }), [
      'loop',
    ])
    assert.equal(list[0]!.connections, 0)
  })

  it('ends at a server that greets with our name, or with none', async () => {
    const mx = { 'example.net MX': ['10 mx2.test', '20 mx3.test'], ...HOSTS }
    for (const [EHLO, reason] of [
      ['250 Us.Test hello', 'loop'],
      ['250', 'no-name'],
      ['451 ', 'no-name'],
    ] as const) {
      await using list = await servers({ EHLO }, {})
      assert.deepEqual(await send(list[0]!.port, mx), [reason])
      assert.equal(list[1]!.connections, 0)
    }
  })

  it('asks a limited number of hosts and addresses', async () => {
    await using list = await servers({ greeting: CLOSE }, { greeting: CLOSE }, {})
    const mx = { 'example.net MX': ['10 mx2.test', '20 mx3.test', '30 mx4.test'], ...HOSTS }
    assert.deepEqual(await send(list[0]!.port, mx, { maxHosts: 2 }), ['closed'])
    assert.deepEqual(await send(list[0]!.port, mx, { maxAddresses: 2 }), ['closed'])
    assert.equal(list[2]!.connections, 0)
  })

  it('spends no more time than it has', async () => {
    await using list = await servers({ greeting: SILENCE }, {})
    const mx = { 'example.net MX': ['10 mx2.test', '20 mx3.test'], ...HOSTS }
    const timeouts = { total: 100 }
    assert.deepEqual(await send(list[0]!.port, mx, { timeouts }), ['time-over'])
    assert.equal(list[1]!.connections, 0)
    // With time left, a silent host costs its own time only.
    assert.match(
      (await send(list[0]!.port, mx, { timeouts: { reply: 1_000 } }))[0]!,
      /^accepted/,
    )
  })

  it('has a result for each recipient of several domains', async () => {
    await using list = await servers({}, { RCPT: '550 no' })
    const table = {
      'example.net MX': ['10 mx2.test'],
      'example.com MX': ['10 mx3.test'],
      'example.org MX': 'fail' as const,
      ...HOSTS,
    }
    const to = ['a@example.org', 'b@example.net', 'c@example.com', 'd@EXAMPLE.net']
    assert.deepEqual(await send(list[0]!.port, table, {}, to), [
      'dns',
      'accepted 250 127.0.0.2',
      'refused 550 127.0.0.3',
      'accepted 250 127.0.0.2',
    ])
    assert.equal(list[0]!.messages.length, 1)
  })

  it('sends no message that may be taken for two', async () => {
    await using list = await servers({})
    const message = Buffer.from('a: b\r\n\r\n\n.\r\nMAIL FROM:<x@y>\r\n')
    const table = { 'example.net A': ['127.0.0.2'] }
    assert.deepEqual(await send(list[0]!.port, table, {}, 'b@example.net', message), [
      'ambiguous-end',
    ])
    assert.equal(list[0]!.connections, 0)
    const forced = await send(
      list[0]!.port,
      table,
      { sendAmbiguousEnd: true },
      'b@example.net',
      message,
    )
    assert.match(forced[0]!, /^accepted/)
    assert.deepEqual(list[0]!.messages, [message])
  })

  it('asks a DnsSession', async () => {
    await using list = await servers({})
    const { port } = list[0]!
    const resolver = mxTable({ 'example.net MX': ['10 MX2.test'], ...HOSTS })
    const dns = (): DnsSession =>
      new DnsSession(new DnsCache({ resolver: resolver as DnsResolver }))
    assert.match((await send(port, {}, { dns: dns() }))[0]!, /^accepted/)
    assert.deepEqual(await send(port, {}, { dns: dns() }, 'b@example.com'), ['no-host'])
  })

  it('is cut off while it asks DNS', async () => {
    const stop = new AbortController()
    const waiting = send(1, { 'example.net MX': 'never' }, { signal: stop.signal })
    stop.abort(new Error('cut off'))
    await assert.rejects(waiting, /cut off/)
  })
})
