import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { dnsbl, type DnsblOptions } from '../../../src/filters/index.ts'
import { inspectDnsbl } from '../../../src/filters/lists/inspect-dnsbl.ts'
import { DNSBL } from '../../../src/filters/lists/dnsbl-options.ts'
import { readShape } from '../../../src/options/shape.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'
import { DnsCache, type ResolverAnswer } from '../../../src/toolkit/index.ts'
import { scriptedResolver, zone } from '../../toolkit/dns/scripted-resolver.ts'
import { resultsIn } from '../support.ts'

const MESSAGE =
  'X-DNSBL: forged\r\nFrom: a@example.org\r\nTo: bob@example.net\r\nSubject: x\r\n\r\nHello\r\n'
const ANSWERS: Record<string, ResolverAnswer | readonly string[]> = {
  ...Object.fromEntries(
    ['bad.example', 'other.example', 'good.example', 'slow.example'].map((name) => [
      `A 2.0.0.127.${name}`,
      ['127.0.0.2'],
    ]),
  ),
  'A 1.2.0.192.bad.example': ['127.0.0.2'],
  'TXT 1.2.0.192.bad.example': ['https://bad.example/?ip=192.0.2.1 \u00fc'],
  'A 1.2.0.192.other.example': ['127.0.0.10'],
  'A 2.2.0.192.bad.example': ['127.0.0.2'],
  'A 2.2.0.192.good.example': ['127.0.0.2'],
  'A 3.2.0.192.bad.example': ['127.255.255.254'],
  'A 4.2.0.192.slow.example': { failed: 'timeout' },
}
const ZONES = [
  { zone: 'bad.example', weight: 2 },
  { zone: 'other.example', weight: 1 },
  { zone: 'good.example', weight: -5 },
]

async function sent(
  options: Partial<DnsblOptions> = {},
  delivery: Partial<TestTransaction> = {},
  answers = ANSWERS,
): Promise<TestOutcome & { results: string[]; field: string | undefined; asked: string[] }> {
  const resolver = scriptedResolver(zone(answers))
  const filter = dnsbl({ zones: ZONES, dns: new DnsCache({ resolver }), ...options })
  const outcome = await deliver(filter, {
    message: MESSAGE,
    from: 'a@example.org',
    to: ['bob@example.net'],
    client: { address: '192.0.2.1' },
    ...delivery,
  })
  assert.deepEqual(outcome.errors, [])
  const field = /^X-DNSBL: (.*)\r$/m.exec(String(outcome.message ?? ''))?.[1]
  return { ...outcome, results: resultsIn(outcome.log), field, asked: resolver.asked }
}

describe('dnsbl', () => {
  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`tags, and removes what came from outside, behind ${mta}`, async () => {
      const { field, results } = await sent({}, { mta })
      assert.equal(field, 'score=3 bad.example other.example')
      assert.deepEqual(results, ['changed listed'])
    })

    it(`refuses each recipient but postmaster, behind ${mta}`, async () => {
      const { refused, recipients, results, field } = await sent(
        { refuse: 3 },
        { mta, to: ['bob@example.net', 'postmaster@example.net'] },
      )
      assert.equal(refused.length, 1)
      assert.match(
        refused[0]!.reply,
        /^550 5\.7\.1 .*192\.0\.2\.1 is listed in bad\.example: https:\/\/bad\.example\/\?ip=192\.0\.2\.1 \?$/,
      )
      assert.deepEqual(recipients, ['postmaster@example.net'])
      assert.deepEqual(results, ['refused listed', 'passed exempt-recipient', 'changed listed'])
      assert.equal(field, 'score=3 bad.example other.example')
    })
  }

  it('says what you want it to say', async () => {
    const zones = [{ zone: 'bad.example', text: 'See https://help.example/%a (%r) 100%%' }]
    const { refused } = await sent({ zones, refuse: 1 })
    assert.equal(
      refused[0]?.reply,
      '550 5.7.1 See https://help.example/192.0.2.1 (https://bad.example/?ip=192.0.2.1 ?) 100%',
    )
  })

  const cases: [string, Partial<DnsblOptions>, Partial<TestTransaction>, string[]][] = [
    [
      'a good list outweighs',
      { refuse: 1 },
      { client: { address: '192.0.2.2' } },
      ['passed not-listed'],
    ],
    [
      'a client in no list',
      { refuse: 1 },
      { client: { address: '192.0.2.9' } },
      ['passed not-listed'],
    ],
    [
      'a list that does not serve us',
      { refuse: 1 },
      { client: { address: '192.0.2.3' } },
      ['passed incomplete'],
    ],
    [
      'a list that is slow',
      { refuse: 1, zones: { zone: 'slow.example' } },
      { client: { address: '192.0.2.4' } },
      ['passed incomplete'],
    ],
    [
      'other answers',
      { refuse: 1, zones: { zone: 'bad.example', answers: '127.0.0.8/29' } },
      {},
      ['passed not-listed'],
    ],
    ['a user', { refuse: 1 }, { authenticated: 'alice' }, ['skipped authenticated']],
    ['the machine', { refuse: 1 }, { client: { address: '127.0.0.1' } }, ['skipped local']],
    ['a network of ours', { refuse: 1, networks: '192.0.2.0/24' }, {}, ['skipped local']],
    [
      'an address of IPv6',
      { refuse: 1 },
      { client: { address: '2001:db8::1' } },
      ['passed not-listed'],
    ],
    [
      'an address of IPv4 in IPv6',
      { refuse: 1 },
      { client: { address: '::ffff:192.0.2.1' } },
      ['refused listed'],
    ],
  ]
  for (const [name, options, delivery, expected] of cases) {
    it(name, async () => {
      assert.deepEqual((await sent(options, delivery)).results, expected)
    })
  }

  it('asks nobody about users', async () => {
    assert.deepEqual((await sent({ refuse: 1 }, { authenticated: 'alice' })).asked, [])
  })

  it('leaves out a list that has everything', async () => {
    const all = { ...ANSWERS, 'A 1.0.0.127.bad.example': ['127.0.0.2'] }
    const { results } = await sent({ zones: { zone: 'bad.example' }, refuse: 1 }, {}, all)
    assert.deepEqual(results, ['passed not-listed'])
  })

  it('waits no longer than its timeout', async () => {
    const resolver = { resolve: async () => await new Promise<never>(() => {}) }
    const { results } = await sent({ dns: new DnsCache({ resolver }), timeout: 50, refuse: 1 })
    assert.deepEqual(results, ['passed incomplete'])
  })

  it('only observes', async () => {
    const { results, field } = await sent({ observe: true, refuse: 1 })
    assert.deepEqual(results, ['would be refused listed', 'would be changed listed'])
    assert.equal(field, 'forged')
  })

  it('its lists are looked at before they are used', async () => {
    const settings = readShape(DNSBL, {
      zones: [{ zone: 'bad.example' }, { zone: 'gone.example' }],
      dns: new DnsCache({ resolver: scriptedResolver(zone(ANSWERS)) }),
    } as never)
    const found = []
    for await (const { level, path } of inspectDnsbl(settings as never))
      found.push([level, path[1]])
    assert.deepEqual(found, [
      ['ok', 0],
      ['warning', 1],
    ])
  })

  const wrong: [string, unknown, RegExp][] = [
    ['no lists', {}, /needs zones/],
    ['a zone that is none', { zones: 'not a zone' }, /an object/],
    [
      'answers that no list gives',
      { zones: { zone: 'a.example', answers: '192.0.2.1' } },
      /answers/,
    ],
    ['a score of nothing', { zones: { zone: 'a.example' }, refuse: 0 }, /refuse takes/],
  ]
  for (const [name, options, message] of wrong) {
    it(`refuses ${name}`, () => {
      assert.throws(() => dnsbl(options as never), { code: 'INVALID_OPTION', message })
    })
  }
})
