import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  callBack,
  storedCallBacks,
  type BounceResult,
  type CallBackCache,
  type CallBackOptions,
} from '../../../src/toolkit/index.ts'
import { silentLogger } from '../../../src/index.ts'
import { openMemoryStore, StoreError, type Store } from '../../../src/store/index.ts'
import { CLOSE, FakeSmtpServer, SILENCE, type Script } from '../../support/fake-smtp-server.ts'
import { mxTable } from '../../support/mx-table.ts'

const TABLE = { 'example.net MX': ['10 mx2.test'], 'mx2.test A': ['127.0.0.2'] }

async function ask(
  script: Script,
  options: Partial<CallBackOptions> = {},
  addresses: string | string[] = 'b@example.net',
): Promise<{ result: BounceResult; commands: string[] }> {
  await using server = await FakeSmtpServer.start(script, { host: '127.0.0.2' })
  const result = await callBack(addresses, {
    name: 'us.test',
    dns: mxTable(TABLE),
    port: server.port,
    ownAddresses: ['127.0.0.99'],
    tls: 'off',
    ...options,
  })
  return { result, commands: server.commands }
}

/** The values of pymilter's send_dsn without a message: None, (code, text) or a map. */
describe('a call-back', () => {
  const cases: [
    name: string,
    script: Script,
    code: number | undefined,
    text: RegExp,
    options?: Partial<CallBackOptions>,
  ][] = [
    ['250 to RCPT', {}, undefined, /^$/],
    ['251 to RCPT', { RCPT: '251 will forward' }, undefined, /^$/],
    ['252 to RCPT', { RCPT: '252 cannot verify' }, 252, /^cannot verify$/],
    ['550 to RCPT', { RCPT: '550 5.1.1 no such user' }, 550, /^no such user$/],
    ['450 to RCPT', { RCPT: '450 4.2.0 greylisted' }, 450, /^greylisted$/],
    ['553 to MAIL', { MAIL: '553 no null sender' }, 553, /^no null sender$/],
    ['251 to MAIL', { MAIL: '251 what' }, 251, /^what$/],
    ['a reply to HELO without a name', { EHLO: '250' }, 553, /without a name/],
    ['a refused HELO without a name', { EHLO: '550', HELO: '550' }, 553, /without a name/],
    [
      'our name in the reply to HELO',
      { EHLO: '500 what', HELO: '250 us.test' },
      553,
      /our name/,
    ],
    ['a refused HELO', { EHLO: '550 no', HELO: '550 no' }, 450, /550 no/],
    ['no greeting', { greeting: CLOSE }, 450, /closed/],
    ['garbage', { MAIL: 'what?' }, 450, /no reply/],
    ['421 at RCPT', { RCPT: '421 bye' }, 450, /421 bye/],
    ['no time', { RCPT: SILENCE }, 450, /time/, { timeouts: { total: 50 } }],
    ['a failure of DNS', {}, 450, /looked up/, { dns: mxTable({ 'example.net MX': 'fail' }) }],
    ['a domain without hosts', {}, 450, /does not exist/, { dns: mxTable({}) }],
    ['a null MX', {}, 556, /takes no mail/, { dns: mxTable({ 'example.net MX': ['0 .'] }) }],
    ['a domain that leads here', {}, 553, /this machine/, { ownAddresses: ['127.0.0.2'] }],
  ]
  for (const [name, script, code, text, options] of cases) {
    it(`gives ${code ?? 'no code'} for ${name}`, async () => {
      const { result, commands } = await ask(script, options)
      assert.equal(result.code, code)
      assert.match(result.code === undefined ? '' : result.text, text)
      assert.ok(!commands.includes('DATA'))
    })
  }

  it('asks as a bounce would, and never sends DATA', async () => {
    assert.deepEqual((await ask({})).commands, [
      'EHLO us.test',
      'MAIL FROM:<>',
      'RCPT TO:<b@example.net>',
    ])
    const { commands } = await ask({}, { sender: 'check@us.test' })
    assert.equal(commands[1], 'MAIL FROM:<check@us.test>')
  })

  it('gives a map for several addresses', async () => {
    const RCPT = (line: string): string =>
      line.includes('<good@') ? '250 ok' : line.includes('<b@') ? '550 5.1.1 no b' : '451 no c'
    const { result } = await ask({ RCPT }, {}, [
      'good@example.net',
      'b@example.net',
      'c@example.net',
    ])
    assert.equal(result.outcome, 'refused')
    assert.deepEqual(result.outcome === 'refused' && [...result.refused], [
      ['b@example.net', { code: 550, enhanced: '5.1.1', text: 'no b' }],
      ['c@example.net', { code: 451, enhanced: undefined, text: 'no c' }],
    ])
    const one = await ask({ RCPT }, {}, ['good@example.net', 'b@example.net'])
    assert.deepEqual(
      [one.result.code, one.result.outcome === 'refused' && one.result.text],
      [550, 'no b'],
    )
  })

  it('is about one domain', async () => {
    for (const addresses of [[], ['a@b.c', 'a@d.e']]) {
      await assert.rejects(ask({}, {}, addresses), { code: 'INVALID_OPTION' })
    }
    await assert.rejects(ask({}, {}, ''), { code: 'INVALID_ADDRESS' })
  })

  it('asks the next host', async () => {
    await using first = await FakeSmtpServer.start({ RCPT: '421 bye' }, { host: '127.0.0.3' })
    await using second = await FakeSmtpServer.start(
      { RCPT: '550 no' },
      { host: '127.0.0.4', port: first.port },
    )
    const dns = mxTable({
      'example.net A': ['127.0.0.3'],
      'example.net AAAA': ['::ffff:127.0.0.4'],
    })
    const { result } = await ask({}, { dns, port: first.port })
    assert.equal(result.code, 550)
    assert.equal(second.connections, 1)
  })
})

const DOWN = new StoreError('STORE_UNAVAILABLE', 'the store is down')
const deadStore = (): Store => {
  const store = openMemoryStore()
  store.get = () => Promise.reject(DOWN)
  store.setIfAbsent = () => Promise.reject(DOWN)
  return store
}

describe('results that are kept', () => {
  for (const [script, time] of [
    [{}, 1_000],
    [{ RCPT: '550 5.1.1 no' }, 2_000],
    [{ RCPT: '450 later' }, 3_000],
    [{ greeting: CLOSE }, 3_000],
    [{ EHLO: '250' }, 3_000],
  ] as [Script, number][]) {
    it(`of ${JSON.stringify(script)} come back without a connection for their time`, async () => {
      let now = 1e12
      const store = openMemoryStore({ clock: () => now })
      const times = { ok: 1_000, refused: 2_000, other: 3_000 }
      const cache = storedCallBacks({ store, onFailure: 'closed', ...times })
      const first = await ask(script, { cache })
      now += time - 1
      const dns = mxTable({ 'example.net MX': 'never' })
      const second = await ask({}, { cache, dns }, 'b@EXAMPLE.net')
      assert.deepEqual(second.result, first.result)
      assert.deepEqual(second.commands, [])
      now += 1
      assert.equal((await ask({}, { cache })).commands.length, 3)
    })
  }

  it('are none of another address, or of several', async () => {
    const cache = storedCallBacks({ store: openMemoryStore(), onFailure: 'closed' })
    await ask({ RCPT: '550 no' }, { cache })
    assert.equal((await ask({}, { cache }, 'B@example.net')).result.outcome, 'ok')
    const both = ['b@example.net', 'c@example.net']
    assert.equal((await ask({}, { cache }, both)).result.outcome, 'ok')
  })

  it('are not kept for a time of 0', async () => {
    const cache = storedCallBacks({ store: openMemoryStore(), onFailure: 'closed', ok: 0 })
    await ask({}, { cache })
    assert.equal((await ask({ RCPT: '550 no' }, { cache })).result.code, 550)
  })

  it('are unknown if something else has written them', async () => {
    const store = openMemoryStore()
    const cache = storedCallBacks({ store, onFailure: 'closed', ok: 0 })
    const key = 'call-back:b@example.net'
    for (const value of [
      'x',
      '',
      '5',
      'null',
      '{}',
      '[]',
      '"ok"',
      '["refused"]',
      '["failed"]',
    ]) {
      await store.setIfAbsent(key, value, { ttl: 10_000 })
      assert.equal((await ask({}, { cache })).result.outcome, 'ok', value)
      await store.compareAndSet(key, value, '["refused",550,null,5,"rcpt"]', { ttl: 10_000 })
      assert.equal((await ask({}, { cache })).result.outcome, 'ok')
      await store.compareAndSet(key, '["refused",550,null,5,"rcpt"]', undefined, { ttl: 1 })
    }
  })

  it('are done without while the store fails, or nobody is asked', async () => {
    const logger = silentLogger()
    const open = storedCallBacks({ store: deadStore(), onFailure: 'open', logger })
    assert.equal((await ask({}, { cache: open })).result.outcome, 'ok')
    const closed = storedCallBacks({ store: deadStore(), onFailure: 'closed', logger })
    await assert.rejects(ask({}, { cache: closed }), { code: 'STORE_UNAVAILABLE' })
  })

  it('can be in a cache of your own', async () => {
    const kept = new Map<string, BounceResult>()
    const cache: CallBackCache = {
      get: (address) => kept.get(address),
      set: (address, result) => void kept.set(address, result),
    }
    await ask({ RCPT: '550 no' }, { cache }, 'b@EXAMPLE.net')
    assert.deepEqual([...kept.keys()], ['b@example.net'])
  })
})
