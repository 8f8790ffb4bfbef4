import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkSpf } from '../../../src/filters/authentication/check-spf.ts'
import { loadMailauth } from '../../../src/filters/authentication/mailauth.ts'
import { DnsCache, DnsSession } from '../../../src/toolkit/index.ts'
import { scriptedResolver, zone } from '../../toolkit/dns/scripted-resolver.ts'
import type { Zone } from './world.ts'

async function result(
  records: Zone,
  address: string,
  sender: string,
  helo = 'client.example.net',
): Promise<string> {
  const dns = new DnsCache({ resolver: scriptedResolver(zone(records)) })
  const subject = { sender, helo, address, server: 'mx.example.net' }
  return (await checkSpf(loadMailauth(), new DnsSession(dns), subject)).result
}

const mx = (...names: string[]) => ({
  found: names.map((exchange, i) => ({ exchange, priority: 10 * (i + 1) })),
})

/** RFC 7208, appendix A. */
const ZONE: Zone = {
  'MX example.com': mx('mail-a.example.com', 'mail-b.example.com'),
  'A example.com': ['192.0.2.10', '192.0.2.11'],
  'A amy.example.com': ['192.0.2.65'],
  'A bob.example.com': ['192.0.2.66'],
  'A mail-a.example.com': ['192.0.2.129'],
  'A mail-b.example.com': ['192.0.2.130'],
  'A www.example.com': { alias: 'example.com' },
  'MX example.org': mx('mail-c.example.org'),
  'A mail-c.example.org': ['192.0.2.140'],
  'PTR 10.2.0.192.in-addr.arpa': ['example.com'],
  'PTR 11.2.0.192.in-addr.arpa': ['example.com'],
  'PTR 65.2.0.192.in-addr.arpa': ['amy.example.com'],
  'PTR 66.2.0.192.in-addr.arpa': ['bob.example.com'],
  'PTR 129.2.0.192.in-addr.arpa': ['mail-a.example.com'],
  'PTR 130.2.0.192.in-addr.arpa': ['mail-b.example.com'],
  'PTR 140.2.0.192.in-addr.arpa': ['mail-c.example.org'],
  'PTR 4.0.0.10.in-addr.arpa': ['bob.example.com'],
}

const ALL = ['10', '11', '65', '66', '129', '130', '140', '131', '143', '144'].map(
  (host) => `192.0.2.${host}`,
)

describe('SPF: the examples of RFC 7208, appendix A.1', () => {
  const records: [string, string[]][] = [
    ['v=spf1 +all', ALL],
    ['v=spf1 a -all', ['192.0.2.10', '192.0.2.11']],
    ['v=spf1 a:example.org -all', []],
    ['v=spf1 mx -all', ['192.0.2.129', '192.0.2.130']],
    ['v=spf1 mx:example.org -all', ['192.0.2.140']],
    ['v=spf1 mx mx:example.org -all', ['192.0.2.129', '192.0.2.130', '192.0.2.140']],
    [
      'v=spf1 mx/30 mx:example.org/30 -all',
      ['192.0.2.129', '192.0.2.130', '192.0.2.131', '192.0.2.140', '192.0.2.143'],
    ],
    [
      'v=spf1 ptr -all',
      ['192.0.2.10', '192.0.2.11', '192.0.2.65', '192.0.2.66', '192.0.2.129', '192.0.2.130'],
    ],
    [
      'v=spf1 ip4:192.0.2.128/28 -all',
      ['192.0.2.129', '192.0.2.130', '192.0.2.140', '192.0.2.131', '192.0.2.143'],
    ],
  ]
  for (const [record, passes] of records) {
    it(record, async () => {
      for (const address of [...ALL, '10.0.0.4']) {
        const isIn = passes.includes(address) || record === 'v=spf1 +all'
        assert.equal(
          await result({ ...ZONE, 'TXT example.com': [record] }, address, 'x@example.com'),
          isIn ? 'pass' : 'fail',
          address,
        )
      }
    })
  }
})

describe('SPF: the examples of appendix A.2 to A.4', () => {
  it('multiple domains', async () => {
    const records: Zone = {
      'TXT example.org': ['v=spf1 include:example.com include:example.net -all'],
      'TXT la.example.org': ['v=spf1 redirect=example.org'],
      'TXT ny.example.org': ['v=spf1 redirect=example.org'],
      'TXT example.com': ['v=spf1 ip4:192.0.2.1 -all'],
      'TXT example.net': ['v=spf1 ip4:192.0.2.2 -all'],
    }
    for (const domain of ['example.org', 'la.example.org', 'ny.example.org']) {
      assert.equal(await result(records, '192.0.2.1', `a@${domain}`), 'pass')
      assert.equal(await result(records, '192.0.2.2', `a@${domain}`), 'pass')
      assert.equal(await result(records, '192.0.2.3', `a@${domain}`), 'fail')
    }
  })

  it('a list like those of DNSBLs', async () => {
    const records: Zone = {
      'TXT example.com': ['v=spf1 mx include:mobile-users._spf.%{d} -all'],
      'MX example.com': mx('mail-a.example.com'),
      'A mail-a.example.com': ['192.0.2.129'],
      'TXT mobile-users._spf.example.com': ['v=spf1 exists:%{l1r+}.%{d} -all'],
      'A mary.mobile-users._spf.example.com': ['127.0.0.2'],
      'A fred.mobile-users._spf.example.com': ['127.0.0.2'],
    }
    assert.equal(await result(records, '198.51.100.1', 'mary@example.com'), 'pass')
    // The last part, split at each plus sign.
    assert.equal(await result(records, '198.51.100.1', 'fred+x@example.com'), 'pass')
    assert.equal(await result(records, '198.51.100.1', 'x+joe@example.com'), 'fail')
    assert.equal(await result(records, '198.51.100.1', 'joe@example.com'), 'fail')
    assert.equal(await result(records, '192.0.2.129', 'joe@example.com'), 'pass')
  })

  it('several requirements', async () => {
    const records: Zone = {
      ...ZONE,
      'TXT example.com': ['v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all'],
      'TXT ip4._spf.example.com': ['v=spf1 -ip4:192.0.2.0/24 +all'],
      'TXT ptr._spf.example.com': ['v=spf1 -ptr:example.com +all'],
    }
    assert.equal(await result(records, '192.0.2.65', 'a@example.com'), 'pass')
    assert.equal(await result(records, '192.0.2.140', 'a@example.com'), 'fail')
    assert.equal(await result(records, '10.0.0.4', 'a@example.com'), 'fail')
  })
})

describe('SPF: limits and odd things', () => {
  const many = (count: number): Zone => ({
    'TXT example.org': [
      `v=spf1 ${Array.from({ length: count }, (_, i) => `a:a${i}.example.org`).join(' ')} -all`,
    ],
    ...Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`A a${i}.example.org`, ['192.0.2.50']]),
    ),
  })
  const cases: [string, Zone, string, string][] = [
    ['10 look-ups', many(10), 'a@example.org', 'fail'],
    ['11 look-ups', many(11), 'a@example.org', 'permerror'],
    [
      '2 void look-ups',
      { 'TXT example.org': ['v=spf1 a:x.example a:y.example -all'] },
      'a@example.org',
      'fail',
    ],
    [
      '3 void look-ups',
      { 'TXT example.org': ['v=spf1 a:x.example a:y.example a:z.example -all'] },
      'a@example.org',
      'permerror',
    ],
    [
      'a loop',
      { 'TXT example.org': ['v=spf1 include:example.org -all'] },
      'a@example.org',
      'permerror',
    ],
    [
      'two records',
      { 'TXT example.org': ['v=spf1 +all', 'v=spf1 -all'] },
      'a@example.org',
      'permerror',
    ],
    ['another text', { 'TXT example.org': ['v=spf10 -all', 'x'] }, 'a@example.org', 'none'],
    ['no record', {}, 'a@example.org', 'none'],
    [
      'an error behind the match',
      { 'TXT example.org': ['v=spf1 +all foo:bar'] },
      'a@example.org',
      'permerror',
    ],
    [
      'include without a record',
      { 'TXT example.org': ['v=spf1 include:x.example -all'] },
      'a@example.org',
      'permerror',
    ],
    ['softfail', { 'TXT example.org': ['v=spf1 ~all'] }, 'a@example.org', 'softfail'],
    ['neutral', { 'TXT example.org': ['v=spf1 ?all'] }, 'a@example.org', 'neutral'],
    ['nothing matches', { 'TXT example.org': ['v=spf1'] }, 'a@example.org', 'neutral'],
    ['capitals', { 'TXT example.org': ['V=SPF1 IP4:192.0.2.9 -ALL'] }, 'a@EXAMPLE.org', 'pass'],
    [
      'a local part in quotes',
      { 'TXT example.org': ['v=spf1 +all'] },
      '"a@b"@example.org',
      'pass',
    ],
    ['no domain', {}, 'postmaster', 'none'],
    ['an address literal', {}, 'a@[192.0.2.9]', 'none'],
    ['a name that is none', {}, 'a@exa mple.org', 'none'],
    ['a NUL', {}, 'a@exam\0ple.org', 'none'],
    ['one label', {}, 'a@localhost', 'none'],
    [`a label of 64`, {}, `a@${'x'.repeat(64)}.example`, 'none'],
  ]
  for (const [name, records, sender, wanted] of cases) {
    it(`${name}: ${wanted}`, async () => {
      assert.equal(await result(records, '192.0.2.9', sender), wanted)
      // An IPv4 address in IPv6 is the same client (section 5).
      assert.equal(await result(records, '::ffff:192.0.2.9', sender), wanted)
    })
  }

  it('checks the HELO name for the null sender', async () => {
    const records = { 'TXT mail.example.org': ['v=spf1 ip4:192.0.2.9 -all'] }
    assert.equal(await result(records, '192.0.2.9', '', 'mail.example.org'), 'pass')
    assert.equal(await result(records, '192.0.2.8', '', 'mail.example.org'), 'fail')
    assert.equal(await result(records, '192.0.2.8', '', ''), 'none')
    assert.equal(await result(records, '192.0.2.8', '', '[192.0.2.8]'), 'none')
  })
})
