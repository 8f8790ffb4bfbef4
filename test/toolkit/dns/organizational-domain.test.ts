import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../../support/property.ts'
import {
  DnsCache,
  DnsSession,
  loadPublicSuffixList,
  organizationalDomainByTreeWalk,
  type ResolverAnswer,
  type TreeWalkReason,
} from '../../../src/toolkit/index.ts'
import { scriptedResolver, zone } from './scripted-resolver.ts'

/** @param records texts of `_dmarc` records by domain */
async function walk(
  domain: string,
  records: Readonly<Record<string, string | string[] | ResolverAnswer>>,
) {
  const answers = Object.entries(records).map(([name, record]) => [
    `TXT _dmarc.${name}`,
    typeof record === 'string' ? [record] : record,
  ])
  const resolver = scriptedResolver(zone(Object.fromEntries(answers)))
  const session = new DnsSession(new DnsCache({ resolver }))
  const result = await organizationalDomainByTreeWalk(session, domain)
  return {
    result,
    asked: resolver.asked.map((question) => question.replace('TXT _dmarc.', '')),
  }
}

const P = 'v=DMARC1; p=none'

describe('organizationalDomainByTreeWalk', () => {
  const cases: readonly [
    string,
    string,
    Record<string, string | string[]>,
    string,
    TreeWalkReason,
  ][] = [
    // RFC 9989, section 4.10.2 and appendix B.
    [
      'the highest record',
      'a.mail.example.com',
      { 'mail.example.com': P, 'example.com': P },
      'example.com',
      'fewest labels',
    ],
    [
      'psd=n',
      'a.mail.example.com',
      { 'mail.example.com': `${P}; psd=n`, 'example.com': P },
      'mail.example.com',
      'psd=n',
    ],
    [
      'a record of a registry without psd',
      'a.mail.example.com',
      { com: P },
      'com',
      'fewest labels',
    ],
    [
      'psd=y of a registry',
      'a.mail.example.com',
      { com: `${P}; psd=y` },
      'example.com',
      'below psd=y',
    ],
    [
      'one below psd=y, with a record',
      'giant.bank.example',
      { 'giant.bank.example': P, 'bank.example': `${P}; psd=y` },
      'giant.bank.example',
      'below psd=y',
    ],
    [
      'the same for its subdomain',
      'mail.giant.bank.example',
      { 'giant.bank.example': P, 'bank.example': `${P}; psd=y` },
      'giant.bank.example',
      'below psd=y',
    ],
    [
      'one below psd=y, without a record',
      'mail.mega.bank.example',
      { 'giant.bank.example': P, 'bank.example': `${P}; psd=y` },
      'mega.bank.example',
      'below psd=y',
    ],
    ['the domain itself', 'example.com', { 'example.com': P }, 'example.com', 'fewest labels'],
    [
      'a subdomain with a record of its own',
      'signing.example.com',
      { 'signing.example.com': P, 'example.com': P },
      'example.com',
      'fewest labels',
    ],
    ['no record', 'a.mail.example.com', {}, 'a.mail.example.com', 'no record'],
    [
      'psd=y of the domain itself',
      'bank.example',
      { 'bank.example': `${P}; psd=y`, example: P },
      'bank.example',
      'fewest labels',
    ],
    [
      'psd=n above psd=u',
      'a.b.example',
      { 'a.b.example': `${P};psd=u`, 'b.example': `${P};psd=n` },
      'b.example',
      'psd=n',
    ],
    [
      'two records of one domain',
      'a.example',
      { 'a.example': [P, P], example: [] },
      'a.example',
      'no record',
    ],
    [
      'other records beside',
      'a.b.example',
      { 'b.example': ['v=spf1 -all', P, 'x'] },
      'b.example',
      'fewest labels',
    ],
    [
      'an unknown psd',
      'a.b.example',
      { 'b.example': `${P}; psd=x` },
      'b.example',
      'fewest labels',
    ],
    [
      'PSD = Y with spaces',
      'a.b.example',
      { example: 'v = DMARC1 ; psd = Y' },
      'b.example',
      'below psd=y',
    ],
    [
      'a tag that comes twice',
      'a.b.example',
      { 'b.example': `${P}; psd=n; psd=y` },
      'a.b.example',
      'no record',
    ],
    [
      'psd in the name of another tag',
      'a.b.example',
      { 'b.example': `${P}; xpsd=n` },
      'b.example',
      'fewest labels',
    ],
    [
      'another version',
      'a.b.example',
      { 'b.example': 'v=DMARC12; psd=n' },
      'a.b.example',
      'no record',
    ],
    [
      'a version in lower case',
      'a.b.example',
      { 'b.example': 'v=dmarc1; psd=n' },
      'a.b.example',
      'no record',
    ],
    [
      'a version that is not first',
      'a.b.example',
      { 'b.example': 'psd=n; v=DMARC1' },
      'a.b.example',
      'no record',
    ],
    [
      'nothing but the version',
      'a.b.example',
      { 'b.example': 'V=DMARC1' },
      'b.example',
      'fewest labels',
    ],
    ['upper case and a dot', 'A.B.Example.', { 'b.example': P }, 'b.example', 'fewest labels'],
  ]
  for (const [what, domain, records, found, why] of cases) {
    it(`${what}: ${found}`, async () => {
      const { result } = await walk(domain, records)
      assert.deepEqual([result.found, (result as { why: string }).why], [found, why])
    })
  }

  it('asks at most eight times (section 4.10)', async () => {
    assert.deepEqual((await walk('a.b.c.d.e.f.g.h.i.j.mail.example.com', {})).asked, [
      'a.b.c.d.e.f.g.h.i.j.mail.example.com',
      'g.h.i.j.mail.example.com',
      'h.i.j.mail.example.com',
      'i.j.mail.example.com',
      'j.mail.example.com',
      'mail.example.com',
      'example.com',
      'com',
    ])
    assert.deepEqual((await walk('a.b.c.d.e.f.example.com', {})).asked.slice(0, 2), [
      'a.b.c.d.e.f.example.com',
      'b.c.d.e.f.example.com',
    ])
  })

  it('stops at psd=y and psd=n', async () => {
    for (const psd of ['y', 'n']) {
      const { asked } = await walk('a.b.example', { 'b.example': `${P}; psd=${psd}` })
      assert.deepEqual(asked, ['a.b.example', 'b.example'])
    }
  })

  it('gives the records that it found', async () => {
    const { result } = await walk('a.b.example', { 'a.b.example': P, example: `${P}; psd=y` })
    assert.deepEqual((result as { records: unknown }).records, [
      { domain: 'a.b.example', text: P, psd: 'u' },
      { domain: 'example', text: `${P}; psd=y`, psd: 'y' },
    ])
  })

  it('says at which name it could not ask, and does not guess', async () => {
    const { result } = await walk('a.b.example', {
      'a.b.example': P,
      'b.example': { failed: 'server-failure' },
    })
    assert.deepEqual(result, { failed: 'server-failure', at: 'b.example' })
  })

  it('knows no organisational domain of what is not a name', async () => {
    for (const text of ['', 'a..b', 'a b', `${'a'.repeat(64)}.example`]) {
      assert.deepEqual(await walk(text, {}), { result: { none: 'no-domain' }, asked: [] })
    }
  })

  it('takes a name that is too long with _dmarc for one without a record', async () => {
    const long = `${`${'a'.repeat(61)}.`.repeat(4)}example`.slice(-253).replace(/^\./, 'a')
    const { result } = await walk(long, { example: P })
    assert.equal(result.found, 'example')
  })

  it('reads a record as long as DNS can carry it in time of its length', async () => {
    const spaces = ' '.repeat(65_000)
    for (const tags of [`t=x${spaces}y`, `${spaces}t${spaces}y`, `t=${spaces};${spaces}=`]) {
      const { result } = await walk('example.org', { 'example.org': `${P}; ${tags}; psd=n` })
      assert.deepEqual([result.found, 'why' in result && result.why], ['example.org', 'psd=n'])
    }
  })

  it('always gives the domain or a parent of it, after at most eight questions', async () => {
    const label = fc.constantFrom('a', 'b', 'mail')
    const domains = fc.array(label, { minLength: 1, maxLength: 20 })
    const tags = fc.constantFrom('', '; psd=y', '; psd=n', '; psd=u')
    await fc.assert(
      fc.asyncProperty(
        domains,
        fc.dictionary(fc.constantFrom('1', '2', '3', '9'), tags),
        async (labels, psd) => {
          const records = Object.entries(psd).map(([count, tag]) => [
            labels.slice(-Number(count)).join('.'),
            `${P}${tag}`,
          ])
          const domain = labels.join('.')
          const { result, asked } = await walk(domain, Object.fromEntries(records))
          assert.ok(asked.length <= 8)
          assert.ok(domain === result.found || domain.endsWith(`.${result.found}`))
        },
      ),
    )
  })
})

describe('loadPublicSuffixList', () => {
  const cases: readonly [string, string | undefined, string | undefined, string][] = [
    ['news.example.co.uk', 'example.co.uk', 'co.uk', 'registry'],
    ['example.com', 'example.com', 'com', 'registry'],
    ['A.Example.COM.', 'example.com', 'com', 'registry'],
    ['a.b.user.github.io', 'user.github.io', 'github.io', 'private'],
    ['github.io', undefined, 'github.io', 'suffix'],
    ['co.uk', undefined, 'co.uk', 'suffix'],
    ['com', undefined, 'com', 'suffix'],
    ['a.b.corp.internal-name', 'corp.internal-name', 'internal-name', 'unlisted'],
    ['www.city.kawasaki.jp', 'city.kawasaki.jp', 'kawasaki.jp', 'registry'],
    ['_dmarc.example.org', 'example.org', 'org', 'registry'],
    ['a.bücher.example.de', 'example.de', 'de', 'registry'],
    ['192.0.2.1', undefined, undefined, 'not-a-domain'],
    ['::1', undefined, undefined, 'not-a-domain'],
    ['', undefined, undefined, 'not-a-domain'],
    ['a..b', undefined, undefined, 'not-a-domain'],
    ['http://example.com/', undefined, undefined, 'not-a-domain'],
    ['user@example.com:25', undefined, undefined, 'not-a-domain'],
  ]
  for (const [domain, found, suffix, why] of cases) {
    it(`of ${JSON.stringify(domain)}: ${found} (${why})`, async () => {
      const organizationalDomainByPublicSuffix = await loadPublicSuffixList()
      assert.deepEqual(organizationalDomainByPublicSuffix(domain), { found, suffix, why })
    })
  }

  it('leaves out the suffixes of companies if you say so', async () => {
    const byRegistry = await loadPublicSuffixList({ privateSuffixes: false })
    assert.deepEqual(byRegistry('a.user.github.io'), {
      found: 'github.io',
      suffix: 'io',
      why: 'registry',
    })
  })
})
