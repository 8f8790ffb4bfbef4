import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { greylist, type GreylistOptions } from '../../../src/filters/index.ts'
import { openMemoryStore, type Store } from '../../../src/store/index.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'
import { DnsCache, type ResolverAnswer } from '../../../src/toolkit/index.ts'
import { scriptedResolver, zone } from '../../toolkit/dns/scripted-resolver.ts'
import { brokenStore, files, resultsIn } from '../support.ts'

const MESSAGE = 'From: a@example.org\r\nTo: bob@example.net\r\nSubject: x\r\n\r\nHello\r\n'
const MINUTE = 60_000
const DAY = 86_400_000
const file = files()

const dns = (answers: Record<string, ResolverAnswer | readonly string[]> = {}): DnsCache =>
  new DnsCache({ resolver: scriptedResolver(zone(answers)) })

/** A filter with a clock and a store of its own. */
async function greylisting(options: GreylistOptions = {}) {
  const clock = { now: Date.UTC(2026, 10, 30) }
  const store = openMemoryStore({ clock: () => clock.now })
  const filter = await greylist({ store, dns: dns(), clock: () => clock.now, ...options })
  const send = async (delivery: Partial<TestTransaction> = {}): Promise<TestOutcome> =>
    await deliver(filter, {
      message: MESSAGE,
      from: 'a@example.org',
      to: ['bob@example.net'],
      client: { address: '192.0.2.7', hostname: 'mx.example.org' },
      ...delivery,
    })
  const results = async (delivery: Partial<TestTransaction> = {}): Promise<string[]> => {
    const outcome = await send(delivery)
    assert.deepEqual(outcome.errors, [])
    return resultsIn(outcome.log)
  }
  return { clock, send, results }
}

for (const mta of ['postfix', 'sendmail'] as const) {
  describe(`greylist behind ${mta}`, () => {
    it('defers a new delivery with 451 4.7.1 and the seconds, and passes it later', async () => {
      const { clock, send } = await greylisting()
      const first = await send({ mta })
      assert.equal(first.verdict, 'tempfail')
      assert.equal(first.refused[0]?.reply, '451 4.7.1 Greylisted: try again in 300 seconds')
      clock.now += 100_000
      const early = await send({ mta })
      assert.match(String(early.refused[0]?.reply), /200 seconds/)
      clock.now += 212_000
      const late = await send({ mta })
      assert.equal(late.verdict, 'accept')
      assert.match(
        String(late.message),
        /^X-Greylist: delayed 312 seconds by tsmilter at \S+; \w{3}, 30 Nov 2026 00:05:12 \+0000\r$/m,
      )
      const again = await send({ mta })
      assert.deepEqual(resultsIn(again.log), ['passed seen'])
      assert.doesNotMatch(String(again.message), /X-Greylist/)
    })
  })
}

describe('greylist: who waits', () => {
  const outside = { client: { address: '192.0.2.7', hostname: 'mx.example.org' } }
  const clients = file(
    'clients',
    '# comment\n198.51.100\nexample.com # not example.org\n2001:db8::/32\n/^out\\d+\\.pool\\.example$/\n203.0.113.8/29\n',
  )
  const recipients = file('recipients', 'sales@\nexample.edu\nx@example.net\n/^list-.*@/\n')
  const cases: [string, GreylistOptions, Partial<TestTransaction>, string][] = [
    ['a client from outside', {}, {}, 'deferred new'],
    ['the null sender', {}, { from: '' }, 'deferred new'],
    ['not a user', {}, { authenticated: 'alice' }, 'skipped authenticated'],
    ['not the machine', {}, { client: { address: '127.0.0.1' } }, 'skipped local'],
    ['not what the server made', {}, { client: null }, 'skipped local'],
    ['not a relay of ours', { networks: ['192.0.2.0/28'] }, {}, 'skipped local'],
    [
      'not for postmaster',
      {},
      { to: ['PostMaster@example.net'] },
      'passed whitelisted-recipient',
    ],
    [
      'for postmaster, if you say so',
      { recipients: [] },
      { to: ['postmaster@example.net'] },
      'deferred new',
    ],
    ...(
      [
        ['198.51.100.77', 'unknown', 'passed whitelisted-client'],
        ['192.0.2.1', 'MX.Example.com', 'passed whitelisted-client'],
        ['192.0.2.1', 'badexample.com', 'deferred new'],
        ['2001:db8::7', 'unknown', 'passed whitelisted-client'],
        ['2001:db9::7', 'unknown', 'deferred new'],
        ['192.0.2.1', 'out12.pool.example', 'passed whitelisted-client'],
        ['203.0.113.9', '[203.0.113.9]', 'passed whitelisted-client'],
        ['203.0.113.16', '[203.0.113.16]', 'deferred new'],
        ['::ffff:198.51.100.1', 'unknown', 'passed whitelisted-client'],
      ] as const
    ).map(([address, hostname, expected]): (typeof cases)[number] => [
      `${address} (${hostname}) with a list of clients`,
      { whitelistClients: clients },
      { client: { address, hostname } },
      expected,
    ]),
    ...(
      [
        ['sales@example.net', 'passed whitelisted-recipient'],
        ['sales+tag@example.net', 'passed whitelisted-recipient'],
        ['who@sub.example.edu', 'passed whitelisted-recipient'],
        ['X@example.NET', 'passed whitelisted-recipient'],
        ['list-a@example.net', 'passed whitelisted-recipient'],
        ['y@example.net', 'deferred new'],
      ] as const
    ).map(([to, expected]): (typeof cases)[number] => [
      `${to} with a list of recipients`,
      { whitelistRecipients: [recipients] },
      { to: [to] },
      expected,
    ]),
  ]
  for (const [name, options, delivery, expected] of cases) {
    it(name, async () => {
      const { results } = await greylisting(options)
      assert.deepEqual(await results({ ...outside, ...delivery }), [expected])
    })
  }

  it('each recipient on its own', async () => {
    const { clock, send, results } = await greylisting()
    await send({ to: ['bob@example.net'] })
    clock.now += 6 * MINUTE
    assert.deepEqual(await results({ to: ['bob@example.net', 'carol@example.net'] }), [
      'passed came-back',
      'deferred new',
    ])
  })

  it('a neighbour in /24 and /64 may come back, another network not', async () => {
    for (const [first, second, expected] of [
      ['192.0.2.7', '192.0.2.200', 'passed came-back'],
      ['192.0.2.7', '192.0.3.7', 'deferred new'],
      ['2001:db8::1', '2001:db8::ffff:2', 'passed came-back'],
      ['2001:db8::1', '2001:db8:0:1::1', 'deferred new'],
    ] as const) {
      const { clock, send, results } = await greylisting()
      await send({ client: { address: first } })
      clock.now += 6 * MINUTE
      assert.deepEqual(await results({ client: { address: second } }), [expected], second)
    }
  })

  it('forgets what comes back after two days, and what has passed after 35', async () => {
    const { clock, send, results } = await greylisting()
    await send()
    clock.now += 2 * DAY
    assert.deepEqual(await results(), ['deferred new'])
    clock.now += DAY
    assert.deepEqual(await results(), ['passed came-back'])
    clock.now += 34 * DAY
    assert.deepEqual(await results(), ['passed seen'])
    clock.now += 36 * DAY
    assert.deepEqual(await results(), ['deferred new'])
  })

  it('a client that has come back five times does not wait any more', async () => {
    const { clock, send, results } = await greylisting()
    for (let i = 0; i < 5; i++) {
      const delivery = { from: `a${i}@example.org` }
      await send(delivery)
      clock.now += 6 * MINUTE
      assert.deepEqual(await results(delivery), ['passed came-back'])
    }
    assert.deepEqual(await results({ from: 'other@example.org' }), ['passed known-host'])
    const neighbour = { client: { address: '192.0.2.8' }, from: 'other@example.org' }
    assert.deepEqual(await results(neighbour), ['deferred new'])
  })
})

describe('greylist with SPF', () => {
  const answers = {
    'TXT example.org': ['v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all'],
    'TXT slow.example': { failed: 'timeout' } as const,
  }

  it('a sender may come back from anywhere in its record', async () => {
    const { clock, send, results } = await greylisting({ dns: dns(answers) })
    await send()
    clock.now += 6 * MINUTE
    assert.deepEqual(await results({ client: { address: '198.51.100.9' } }), [
      'passed came-back',
    ])
    const forged = await results({ client: { address: '203.0.113.9' } })
    assert.deepEqual(forged, ['deferred new'])
  })

  it('known domains do not wait, forged ones do', async () => {
    const { results } = await greylisting({ dns: dns(answers), knownDomains: ['example.org'] })
    assert.deepEqual(await results(), ['passed known-domain'])
    const forged = await results({ client: { address: '203.0.113.9' } })
    assert.deepEqual(forged, ['deferred new'])
  })

  it('counts the address if DNS fails, or is not asked', async () => {
    for (const [options, from] of [
      [{ dns: dns(answers) }, 'a@slow.example'],
      [{ dns: dns(answers), spf: false }, 'a@example.org'],
    ] as const) {
      const { clock, send, results } = await greylisting(options)
      await send({ from })
      clock.now += 6 * MINUTE
      assert.deepEqual(await results({ from, client: { address: '198.51.100.9' } }), [
        'deferred new',
      ])
      assert.deepEqual(await results({ from }), ['passed came-back'])
    }
  })
})

describe('greylist while its store fails', () => {
  const cases = [
    ['open', 'accept', ['passed store-failed']],
    ['closed', 'tempfail', ['deferred store-failed']],
    ['local', 'tempfail', ['deferred new']],
  ] as const
  for (const [onStoreFailure, verdict, expected] of cases) {
    it(onStoreFailure, async () => {
      const broken = brokenStore()
      const { send } = await greylisting({ store: broken.store, onStoreFailure })
      broken.fails = true
      const outcome = await send()
      assert.equal(outcome.verdict, verdict)
      assert.deepEqual(resultsIn(outcome.log), expected)
    })
  }
})

describe('greylist with a store that lies', () => {
  it('takes what it cannot read for nothing', async () => {
    const store = openMemoryStore()
    const lying = new Proxy(store, {
      get: (target, name: keyof Store) =>
        name === 'get'
          ? () => Promise.resolve({ value: '{"a":[1', expires: Infinity })
          : name === 'compareAndSet'
            ? () => Promise.resolve(true)
            : (target[name] as unknown),
    })
    const { results } = await greylisting({ store: lying })
    assert.deepEqual(await results(), ['deferred new'])
    assert.deepEqual(await results(), ['deferred new'])
  })

  it('that never answers ends with the deadline of the stage, and onError decides', async () => {
    const silent = new Proxy(openMemoryStore(), {
      get: (target, name: keyof Store) =>
        name === 'get' ? () => new Promise<never>(() => {}) : (target[name] as unknown),
    })
    const { send } = await greylisting({ store: silent, onError: 'continue' })
    const { verdict } = await send({ filter: { deadlines: { envrcpt: 50 } } })
    assert.equal(verdict, 'accept')
  })
})

describe('greylist only observes', () => {
  it('and says what it would have done', async () => {
    const { send } = await greylisting({ observe: true })
    const outcome = await send()
    assert.equal(outcome.verdict, 'accept')
    assert.deepEqual(resultsIn(outcome.log), ['would be deferred new'])
  })
})

describe('greylist: mistakes at the start', () => {
  const cases: [string, GreylistOptions, RegExp][] = [
    ['a missing list', { whitelistClients: '/nowhere/clients' }, /whitelistClients: .*nowhere/],
    [
      'a pattern that cannot be used',
      { whitelistClients: file('bad', 'good.example\n/(?=x)/\n') },
      /bad:2: the pattern/,
    ],
    ['a network that is none', { whitelistClients: file('net', '192.0.2.0/99\n') }, /net:1/],
    ['a recipient with spaces', { whitelistRecipients: file('to', 'a b\n') }, /to:1/],
    [
      'a window that never opens',
      { delay: '2h', window: '1h' },
      /option window takes a time longer/,
    ],
    [
      'a store that is none',
      { store: { embedded: '/x', redis: 'redis://x' } as never },
      /store/,
    ],
    ['an unknown option', { dealy: '5m' } as never, /did you mean delay/],
  ]
  for (const [name, options, message] of cases) {
    it(name, async () => {
      await assert.rejects(async () => await greylist(options), {
        name: 'UsageError',
        code: 'INVALID_OPTION',
        message,
      })
    })
  }
})
