/** What a sender and its name servers may try. The author of all messages is example.org, which wants forgeries rejected. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ResolverAnswer } from '../../../src/toolkit/index.ts'
import { zone } from '../../toolkit/dns/scripted-resolver.ts'
import {
  checked,
  KEYS,
  keyRecord,
  MESSAGE,
  OWN,
  sealed,
  signed,
  ZONE,
  type Delivery,
  type SignOptions,
} from './world.ts'

const HUGE = 'x'.repeat(65_535)
const KEY = 'TXT r._domainkey.example.org'
const DMARC = 'TXT _dmarc.example.org'
const SPF = 'TXT example.org'
const own = { client: { address: OWN, hostname: 'mail.example.org' } }

describe('answers of DNS', () => {
  const good = { message: signed(MESSAGE) }
  const cases: [string, Delivery, 'accept' | 'reject' | 'tempfail' | 'held'][] = [
    [
      'DMARC by an alias',
      {
        zone: {
          ...ZONE,
          [DMARC]: { alias: 'd.example.net' },
          'TXT d.example.net': ['v=DMARC1; p=reject'],
        },
      },
      'reject',
    ],
    [
      'DMARC by an alias to nothing',
      { zone: { ...ZONE, [DMARC]: { alias: 'd.example.net' } } },
      'accept',
    ],
    [
      'an empty record of DMARC beside the real one',
      { zone: { ...ZONE, [DMARC]: ['', 'v=DMARC1; p=reject'] } },
      'reject',
    ],
    [
      '64 KB beside the record of DMARC',
      { zone: { ...ZONE, [DMARC]: [HUGE, 'v=DMARC1; p=reject'] } },
      'reject',
    ],
    [
      '64 KB behind DMARC',
      { zone: { ...ZONE, [DMARC]: [`v=DMARC1; p=reject; x=${HUGE}`] } },
      'reject',
    ],
    ['an empty key', { ...good, zone: { ...ZONE, [KEY]: [''] } }, 'reject'],
    [
      '64 KB in the place of a key',
      { ...good, zone: { ...ZONE, [KEY]: [`v=DKIM1; p=${HUGE}`] } },
      'reject',
    ],
    [
      '64 KB of spaces before a key',
      { ...good, zone: { ...ZONE, [KEY]: [`v=DKIM1; n=${HUGE.replaceAll('x', ' ')}; p=`] } },
      'reject',
    ],
    [
      '64 KB behind a key',
      { ...good, zone: { ...ZONE, [KEY]: [`${keyRecord(KEYS.rsa)}; n=${HUGE}`] } },
      'accept',
    ],
    ['another key', { ...good, zone: { ...ZONE, [KEY]: [keyRecord(KEYS.ed25519)] } }, 'reject'],
    [
      '64 KB of SPF',
      { ...own, zone: { ...ZONE, [SPF]: [`v=spf1 ${'ip4:192.0.2.7 '.repeat(4_600)}-all`] } },
      'reject',
    ],
    [
      '64 KB of includes',
      {
        ...own,
        zone: {
          ...ZONE,
          [SPF]: [`v=spf1 ${'include:example.com '.repeat(3_000)}-all`],
          'TXT example.com': ['v=spf1 ip4:203.0.113.1 -all'],
        },
      },
      'reject',
    ],
    [
      'SPF that includes itself',
      { ...own, zone: { ...ZONE, [SPF]: ['v=spf1 include:example.org +all'] } },
      'reject',
    ],
    [
      'SPF that leads to itself',
      { ...own, zone: { ...ZONE, [SPF]: ['v=spf1 redirect=example.org'] } },
      'reject',
    ],
    [
      'macros that become too long',
      {
        ...own,
        zone: { ...ZONE, [SPF]: [`v=spf1 exists:${'%{s}.'.repeat(100)}example.org -all`] },
      },
      'reject',
    ],
    [
      '1,000 addresses of a name',
      {
        ...own,
        zone: {
          ...ZONE,
          [SPF]: ['v=spf1 a:a.example.org -all'],
          'A a.example.org': {
            found: Array.from({ length: 1_000 }, (_, i) => `198.51.${i >> 8}.${i & 255}`),
          },
        },
      },
      'reject',
    ],
    [
      '1,000 mail servers',
      {
        ...own,
        zone: {
          ...ZONE,
          [SPF]: ['v=spf1 mx -all'],
          'MX example.org': {
            found: Array.from({ length: 1_000 }, (_, i) => ({
              exchange: `m${i}.example.org`,
              priority: 1,
            })),
          },
        },
      },
      'reject',
    ],
  ]
  for (const [name, delivery, end] of cases) {
    it(`${name}: ${end}`, async () => {
      const found = await checked(delivery)
      assert.equal(found.end, end)
      assert.ok(found.asked.length <= 60, String(found.asked.length))
    })
  }

  it('of a wrong type let nothing pass', async () => {
    const lies = [
      { found: [{}] },
      { found: [{ exchange: 5, priority: 'x' }] },
      { found: ['999.999.999.999', '::ffff:', '0', ''] },
      { found: [] },
      { found: [HUGE] },
    ] as unknown as ResolverAnswer[]
    const usual = zone({ ...ZONE, [SPF]: ['v=spf1 a mx ptr -all'] })
    for (const lie of lies) {
      const { end } = await checked({
        ...own,
        answers: (question) => (/^(?:A|AAAA|MX|PTR) /.test(question) ? lie : usual(question)),
      })
      assert.match(end, /^(?:reject|tempfail)$/)
    }
  })
})

describe('signatures', () => {
  const refused: [string, SignOptions][] = [
    ['without From in h=', { tags: { h: 'subject' } }],
    ['with From as a part of a name in h=', { tags: { h: 'x-from:subject' } }],
    ['with an empty h=', { tags: { h: '' } }],
    ['without h=', { tags: { h: undefined } }],
    ['that have expired', { tags: { t: '1000', x: '2000' } }],
    ['that expire before they are made', { tags: { t: '9000000000', x: '8999999999' } }],
    ['with l=0', { length: 0 }],
    ['with l= of a part', { length: 3 }],
    ['with l= that is negative', { tags: { l: '-1' } }],
    ['with l= of 80 digits', { tags: { l: '9'.repeat(80) } }],
    ['of a user in another domain', { tags: { i: '@example.com' } }],
    ['with two d=', { tags: { d: 'example.net; d=example.org' } }],
    ['with d= of a domain above', { domain: 'org' }],
    ['with a domain that ends as the author does', { domain: 'notexample.org' }],
    ['with SHA-1', { hash: 'sha1' }],
    ['of another algorithm than its key', { tags: { a: 'ed25519-sha256' } }],
    ['without v=', { tags: { v: undefined } }],
    ['of the future version', { tags: { v: '2' } }],
  ]
  for (const [name, options] of refused) {
    it(`${name} do not count`, async () => {
      const found = await checked({
        message: signed(MESSAGE, options),
        zone: {
          ...ZONE,
          'TXT r._domainkey.org': [keyRecord(KEYS.rsa)],
          'TXT r._domainkey.notexample.org': [keyRecord(KEYS.rsa)],
        },
      })
      assert.equal(found.end, 'reject')
      assert.equal(found.line['dmarc'], 'fail')
    })
  }

  it('cannot be 1,000', async () => {
    const one = signed(MESSAGE, { domain: 'example.net' }).slice(0, -MESSAGE.length)
    const { end, line, asked } = await checked({ message: one.repeat(1_000) + MESSAGE })
    assert.equal(end, 'reject')
    assert.equal(line['notLookedAt'], 995)
    assert.ok(asked.length < 10)
  })

  it('with h= of thousands of names are checked as others', async () => {
    const h = `from:subject${':x-none'.repeat(5_000)}`
    const { end } = await checked({ message: signed(MESSAGE, { tags: { h } }) })
    assert.equal(end, 'accept')
  })
})

describe('ARC', () => {
  const trusted = { trustedSealers: ['example.net'] }
  const results = 'dmarc=pass header.from=example.org'

  for (const i of [0, 2, 50, 51, 1_000]) {
    it(`an only set with the instance ${i} is no chain`, async () => {
      const one = await sealed(MESSAGE, { domain: 'example.net', results })
      const message = one.replaceAll('i=1;', `i=${i};`)
      const { end, line } = await checked({ message, options: trusted })
      assert.equal(end, 'reject')
      assert.notEqual(line['arc'], 'pass')
    })
  }

  it('chains of 51 sets are not looked at', async () => {
    const one = await sealed(MESSAGE, { domain: 'example.net', results })
    const set = one.slice(0, -MESSAGE.length)
    const sets = Array.from({ length: 51 }, (_, i) => set.replaceAll('i=1;', `i=${51 - i};`))
    const { end, line, asked } = await checked({
      message: sets.join('') + MESSAGE,
      options: trusted,
    })
    assert.equal(end, 'reject')
    assert.notEqual(line['arc'], 'pass')
    assert.ok(asked.length < 10)
  })

  it('two sets with one instance are no chain', async () => {
    const one = await sealed(MESSAGE, { domain: 'example.net', results })
    const message = one.slice(0, -MESSAGE.length) + one
    const { end } = await checked({ message, options: trusted })
    assert.equal(end, 'reject')
  })
})
