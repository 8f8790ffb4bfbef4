import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compose, defineFilter } from '../../../src/index.ts'
import { authenticate, type AuthenticateOptions } from '../../../src/filters/index.ts'
import { collectMetrics, observe } from '../../../src/telemetry/index.ts'
import { deliver } from '../../../src/testing/index.ts'
import { DnsCache } from '../../../src/toolkit/index.ts'
import { zone } from '../../toolkit/dns/scripted-resolver.ts'
import {
  checked,
  ELSEWHERE,
  KEYS,
  MESSAGE,
  OWN,
  sealed,
  signed,
  ZONE,
  type Delivery,
} from './world.ts'

describe('authenticate: results', () => {
  const own = { client: { address: OWN, hostname: 'mail.example.org' } }
  const cases: [string, Delivery, Record<string, string>, string][] = [
    [
      'from its own server, signed',
      { message: signed(MESSAGE), ...own },
      { spf: 'pass', dkim: 'pass', dmarc: 'pass', arc: 'none' },
      'accept',
    ],
    [
      'from its own server',
      own,
      { spf: 'pass', dkim: 'none', dmarc: 'pass', arc: 'none' },
      'accept',
    ],
    [
      'forwarded: signed, SPF fails',
      { message: signed(MESSAGE) },
      { spf: 'fail', dkim: 'pass', dmarc: 'pass', arc: 'none' },
      'accept',
    ],
    [
      'with Ed25519',
      { message: signed(MESSAGE, { key: KEYS.ed25519, selector: 'e' }) },
      { spf: 'fail', dkim: 'pass', dmarc: 'pass', arc: 'none' },
      'accept',
    ],
    [
      'with both',
      { message: signed(signed(MESSAGE), { key: KEYS.ed25519, selector: 'e' }) },
      { spf: 'fail', dkim: 'pass pass', dmarc: 'pass', arc: 'none' },
      'accept',
    ],
    [
      'SPF of another domain passes',
      { from: 'eve@example.net', ...own },
      { spf: 'pass', dkim: 'none', dmarc: 'fail', arc: 'none' },
      'reject',
    ],
    [
      'a signature of another domain',
      { message: signed(MESSAGE, { domain: 'example.net' }) },
      { spf: 'fail', dkim: 'pass', dmarc: 'fail', arc: 'none' },
      'reject',
    ],
    ['nothing', {}, { spf: 'fail', dkim: 'none', dmarc: 'fail', arc: 'none' }, 'reject'],
    [
      'a changed body',
      { message: signed(MESSAGE).replace('Hello', 'Hallo') },
      { spf: 'fail', dkim: 'fail', dmarc: 'fail', arc: 'none' },
      'reject',
    ],
    [
      'a null sender: the HELO name',
      {
        from: '',
        helo: 'mail.example.org',
        ...own,
        zone: { ...ZONE, 'TXT mail.example.org': ['v=spf1 ip4:192.0.2.1 -all'] },
      },
      { spf: 'pass', dkim: 'none', dmarc: 'pass', arc: 'none' },
      'accept',
    ],
    [
      'a null sender and an address as HELO',
      { from: '', helo: '[192.0.2.99]' },
      { spf: 'none', dkim: 'none', dmarc: 'fail', arc: 'none' },
      'reject',
    ],
    [
      'a subdomain, relaxed',
      {
        from: 'a@b.example.org',
        ...own,
        zone: { ...ZONE, 'TXT b.example.org': ['v=spf1 +all'] },
      },
      { spf: 'pass', dkim: 'none', dmarc: 'pass', arc: 'none' },
      'accept',
    ],
    [
      'a subdomain, strict',
      {
        from: 'a@b.example.org',
        ...own,
        zone: {
          ...ZONE,
          'TXT b.example.org': ['v=spf1 +all'],
          'TXT _dmarc.example.org': ['v=DMARC1; p=reject; aspf=s'],
        },
      },
      { spf: 'pass', dkim: 'none', dmarc: 'fail', arc: 'none' },
      'reject',
    ],
    [
      'DKIM, strict',
      {
        message: signed(MESSAGE.replace('@example.org', '@b.example.org')),
        zone: { ...ZONE, 'TXT _dmarc.example.org': ['v=DMARC1; p=reject; adkim=s'] },
      },
      { spf: 'fail', dkim: 'pass', dmarc: 'fail', arc: 'none' },
      'reject',
    ],
    [
      'no record',
      { zone: { ...ZONE, 'TXT _dmarc.example.org': { none: 'no-data' } } },
      { spf: 'fail', dkim: 'none', dmarc: 'none', arc: 'none' },
      'accept',
    ],
    [
      'two records: as good as none (RFC 9989, section 4.10)',
      {
        zone: {
          ...ZONE,
          'TXT _dmarc.example.org': ['v=DMARC1; p=reject', 'v=DMARC1; p=none'],
        },
      },
      { spf: 'fail', dkim: 'none', dmarc: 'none', arc: 'none' },
      'accept',
    ],
    [
      'another text beside the record',
      { zone: { ...ZONE, 'TXT _dmarc.example.org': ['x', 'v=DMARC1; p=reject'] } },
      { spf: 'fail', dkim: 'none', dmarc: 'fail', arc: 'none' },
      'reject',
    ],
    [
      'p=quarantine',
      { zone: { ...ZONE, 'TXT _dmarc.example.org': ['v=DMARC1; p=quarantine'] } },
      { spf: 'fail', dkim: 'none', dmarc: 'fail', arc: 'none' },
      'held',
    ],
    [
      'p=none',
      { zone: { ...ZONE, 'TXT _dmarc.example.org': ['v=DMARC1; p=none'] } },
      { spf: 'fail', dkim: 'none', dmarc: 'fail', arc: 'none' },
      'accept',
    ],
    [
      'testing: one step less',
      { zone: { ...ZONE, 'TXT _dmarc.example.org': ['v=DMARC1; p=reject; t=y'] } },
      { spf: 'fail', dkim: 'none', dmarc: 'fail', arc: 'none' },
      'held',
    ],
    [
      'pct counts no more',
      { zone: { ...ZONE, 'TXT _dmarc.example.org': ['v=DMARC1; p=reject; pct=0'] } },
      { spf: 'fail', dkim: 'none', dmarc: 'fail', arc: 'none' },
      'reject',
    ],
    [
      'sp of a subdomain',
      {
        message: MESSAGE.replace('@example.org', '@b.example.org'),
        zone: { ...ZONE, 'TXT _dmarc.example.org': ['v=DMARC1; p=reject; sp=none'] },
      },
      { spf: 'fail', dkim: 'none', dmarc: 'fail', arc: 'none' },
      'accept',
    ],
    [
      'np of a subdomain that does not exist',
      {
        message: MESSAGE.replace('@example.org', '@nowhere.example.org'),
        zone: { ...ZONE, 'TXT _dmarc.example.org': ['v=DMARC1; p=none; np=reject'] },
      },
      { spf: 'fail', dkim: 'none', dmarc: 'fail', arc: 'none' },
      'reject',
    ],
    [
      'several addresses of one domain',
      { message: signed(MESSAGE.replace('Alice', 'c@example.org, Alice')) },
      { spf: 'fail', dkim: 'pass', dmarc: 'pass', arc: 'none' },
      'accept',
    ],
  ]
  for (const [name, delivery, results, end] of cases) {
    it(name, async () => {
      const found = await checked(delivery)
      assert.equal(found.end, end)
      // A message that is refused has no fields; the log has the results.
      if (end === 'reject') {
        assert.deepEqual(
          [found.line['spf'], found.line['dmarc'], found.line['arc']],
          [results['spf'], results['dmarc'], results['arc']],
        )
      } else assert.deepEqual(found.results, results)
    })
  }
})

describe('authenticate: fields', () => {
  it('stand on top, with the properties of RFC 8601', async () => {
    const { header, methods } = await checked({ message: signed(MESSAGE) })
    assert.match(header[0]!, /^Authentication-Results: mx\.example\.net; spf=fail /)
    assert.match(
      header[1]!,
      /^Received-SPF: fail \(mx\.example\.net: .*\) client-ip=192\.0\.2\.99; envelope-from="alice@example\.org"; helo=mail\.example\.org; identity=mailfrom; receiver=mx\.example\.net;$/,
    )
    const [spf, dkim, dmarc, arc] = methods.map(({ properties }) =>
      properties.map(({ type, name, value }) => `${type}.${name}=${value}`),
    )
    assert.deepEqual(spf, ['smtp.mailfrom=alice@example.org'])
    assert.deepEqual(dkim!.slice(0, 4), [
      'header.d=example.org',
      'header.i=@example.org',
      'header.s=r',
      'header.a=rsa-sha256',
    ])
    assert.match(dkim![4]!, /^header\.b=.{8}$/)
    assert.deepEqual(dmarc, ['policy.dmarc=reject', 'header.from=example.org'])
    assert.deepEqual(arc, ['smtp.remote-ip=192.0.2.99'])
  })

  it('keep hostile values in quotes or out', async () => {
    for (const helo of ['a;dkim=pass', 'a(b', 'a"b', 'x'.repeat(500), 'caf\u00e9', 'a b']) {
      const { methods, header } = await checked({ from: '', helo, message: signed(MESSAGE) })
      assert.deepEqual(
        methods.map(({ method }) => method),
        ['spf', 'dkim', 'dmarc', 'arc'],
      )
      assert.match(header[1]!, /^Received-SPF: \w+ \([^()]*\) client-ip=/)
    }
    for (const from of [
      '"a;dkim=pass"@example.org',
      '"a\\"b"@example.org',
      "'a'@example.org",
    ]) {
      const { methods } = await checked({ from, message: signed(MESSAGE) })
      assert.equal(methods.length, 4)
      assert.equal(methods[0]!.properties[0]!.value, from)
    }
  })

  it('of ours from outside are removed, others are kept', async () => {
    const forged = [
      'Authentication-Results: mx.example.net; dmarc=pass',
      'Authentication-Results: (x) "MX.example.NET" 1; dmarc=pass',
      'AUTHENTICATION-RESULTS: mx.example.net.; dmarc=pass',
      'Authentication-Results:\r\n mx.example.net/7;\r\n dmarc=pass',
      'Authentication-Results: inner.example.net; dmarc=pass',
      'X-Authentication-Results: mx.example.net; dmarc=pass',
      'Received-SPF: pass (mx.example.net)',
      'received-spf: pass',
    ]
    const kept = [
      'Authentication-Results: other.example; dmarc=fail',
      'X-Authentication-Results: other.example; dmarc=fail',
      'X-Received-SPF: pass',
      'ARC-Authentication-Results: i=1; mx.example.net; dmarc=pass',
    ]
    const message = [...forged, ...kept, signed(MESSAGE)].join('\r\n')
    const { header, line } = await checked({
      message,
      options: { removeIds: ['.example.net'] },
    })
    const found = header.filter((one) => /results|received-spf/i.test(one)).slice(2)
    assert.deepEqual(found, kept)
    assert.equal(line['removed'], forged.length)
  })

  it('of Received-SPF stay if you want it', async () => {
    const message = `Received-SPF: pass\r\n${signed(MESSAGE)}`
    const { header } = await checked({ message, options: { removeReceivedSpf: false } })
    assert.equal(header.filter((one) => one.startsWith('Received-SPF')).length, 2)
  })

  it('have the name you choose', async () => {
    const { header } = await checked({
      message: `Authentication-Results: auth.example; dmarc=pass\r\n${signed(MESSAGE)}`,
      options: { authservId: 'auth.example' },
    })
    const fields = header.filter((one) => one.startsWith('Authentication-Results'))
    assert.equal(fields.length, 1)
    assert.match(fields[0]!, /^Authentication-Results: auth\.example; spf=fail/)
  })

  it('that are removed are judged before: a signature may cover them', async () => {
    const message = `Authentication-Results: mx.example.net; dmarc=pass\r\n${MESSAGE}`
    const { results, header } = await checked({
      message: signed(message, { tags: { h: 'from:authentication-results' } }),
    })
    assert.equal(results['dkim'], 'pass')
    assert.equal(header.filter((one) => one.startsWith('Authentication-Results')).length, 1)
  })
})

describe('authenticate: which mail', () => {
  const forged = `Authentication-Results: mx.example.net; dmarc=pass\r\n${MESSAGE}`
  const cases: [string, Delivery, string, boolean][] = [
    ['of a client that has logged in', { authenticated: 'alice' }, 'authenticated', true],
    ['of the machine', { client: { address: '127.0.0.1' } }, 'local', false],
    ['of the machine, by IPv6', { client: { address: '::1' } }, 'local', false],
    ['of nobody on the network', { client: null }, 'local', false],
    ['of a network', { options: { networks: ['192.0.2.0/24'] } }, 'local', false],
  ]
  for (const [name, delivery, reason, removed] of cases) {
    it(`not ${name}`, async () => {
      const { line, header, end, asked } = await checked({ message: forged, ...delivery })
      assert.equal(end, 'accept')
      assert.equal(line['reason'], reason)
      assert.deepEqual(asked, [])
      assert.equal(header[0]!.startsWith('Authentication-Results'), !removed)
    })
  }

  it('of a client that has logged in, if you want it', async () => {
    const { end } = await checked({
      authenticated: 'alice',
      options: { checkAuthenticated: true },
    })
    assert.equal(end, 'reject')
  })
})

describe('authenticate: policy', () => {
  const replies: [string, Delivery, string | undefined][] = [
    [
      'DMARC',
      {},
      '550 5.7.26 DMARC of example.org: neither SPF nor DKIM vouch for this domain (policy reject)',
    ],
    [
      'no From',
      { message: MESSAGE.replace(/^From.*\r\n/, '') },
      '550 5.7.1 The message has no From field',
    ],
    [
      'several From',
      { message: `From: b@example.net\r\n${MESSAGE}` },
      '550 5.7.1 The message has several From fields',
    ],
    [
      'SPF',
      {
        options: { spfFail: 'reject' },
        zone: { ...ZONE, 'TXT _dmarc.example.org': { none: 'no-domain' } },
      },
      '550 5.7.23 SPF of example.org does not permit this client',
    ],
    [
      'SPF, and DMARC passes',
      { options: { spfFail: 'reject' }, message: signed(MESSAGE) },
      undefined,
    ],
    [
      'DNS',
      { answers: () => ({ failed: 'timeout' }) },
      '451 4.7.0 DMARC of example.org cannot be checked now: DNS failure: queryTxt ETIMEOUT _dmarc.example.org (timeout)',
    ],
  ]
  for (const [name, delivery, wanted] of replies) {
    it(`says why: ${name}`, async () => {
      const { outcome } = await checked(delivery)
      assert.equal(
        wanted === undefined ? 'accept' : String(outcome.reply),
        wanted ?? outcome.verdict,
      )
    })
  }

  const modes: [AuthenticateOptions, Delivery, string, string | undefined][] = [
    [{ policy: 'observe' }, {}, 'accept', 'reject'],
    [{ policy: 'quarantine' }, {}, 'held', 'reject'],
    [{ policy: 'reject' }, {}, 'reject', undefined],
    [{ policy: 'observe', badFrom: 'reject' }, {}, 'accept', 'reject'],
    [
      { policy: 'observe', badFrom: 'reject' },
      { message: 'Subject: x\r\n\r\n' },
      'reject',
      undefined,
    ],
    [
      { policy: 'reject', badFrom: 'observe' },
      { message: 'Subject: x\r\n\r\n' },
      'accept',
      'reject',
    ],
    [
      { policy: 'reject', badFrom: 'quarantine' },
      { message: 'Subject: x\r\n\r\n' },
      'held',
      'reject',
    ],
    [{ policy: 'observe' }, { answers: () => ({ failed: 'refused' }) }, 'accept', 'defer'],
    [{ policy: 'quarantine' }, { answers: () => ({ failed: 'refused' }) }, 'accept', 'defer'],
    [{ policy: 'reject' }, { answers: () => ({ failed: 'refused' }) }, 'tempfail', undefined],
    [{ policy: 'reject', observe: true }, {}, 'accept', undefined],
  ]
  for (const [options, delivery, end, wanted] of modes) {
    it(`${JSON.stringify(options)} ${JSON.stringify(delivery)}: ${end}`, async () => {
      const found = await checked({ ...delivery, options })
      assert.equal(found.end, end)
      assert.equal(found.line['wanted'], wanted)
    })
  }

  it('changes nothing if it only observes', async () => {
    const { header } = await checked({ options: { observe: true } })
    assert.match(header[0]!, /^From/)
  })

  const overrides: [string, Delivery, string | undefined][] = [
    ['an author in allow', { options: { allow: ['Example.org'] } }, 'allow'],
    ['another author in allow', { options: { allow: ['example.net'] } }, undefined],
    ['a network in allow', { options: { allow: ['192.0.2.96/28'] } }, 'allow'],
    ['a network of lists', { options: { lists: ['192.0.2.99'] } }, 'list'],
    [
      'a list that SPF proves',
      {
        options: { lists: ['example.net'] },
        from: 'list@example.net',
        client: { address: OWN, hostname: 'x' },
      },
      'list',
    ],
    [
      'a list that DKIM proves',
      {
        options: { lists: ['example.net'] },
        message: signed(MESSAGE, { domain: 'example.net' }),
      },
      'list',
    ],
    [
      'a list that nothing proves',
      { options: { lists: ['example.net'] }, from: 'list@example.net' },
      undefined,
    ],
    [
      'a list by its List-Id only',
      {
        options: { lists: ['example.net'] },
        message: `List-Id: <x.example.net>\r\n${MESSAGE}`,
      },
      undefined,
    ],
  ]
  for (const [name, delivery, override] of overrides) {
    it(`of the domain does not count: ${name}, ${override}`, async () => {
      const { end, line, methods } = await checked(delivery)
      assert.equal(end, override === undefined ? 'reject' : 'accept')
      assert.equal(line['override'], override)
      if (override !== undefined) {
        assert.equal(
          methods.find(({ method }) => method === 'dmarc')!.comment,
          `override: ${override}`,
        )
      }
    })
  }

  const passed = 'dmarc=pass header.from=example.org'
  const arc: [string, () => Promise<string>, readonly string[], string, string][] = [
    [
      'a trusted server has seen it pass',
      () => sealed(MESSAGE, { domain: 'example.net', results: passed }),
      ['example.net'],
      'pass',
      'accept',
    ],
    [
      'a server that is not trusted',
      () => sealed(MESSAGE, { domain: 'example.net', results: passed }),
      ['example.com'],
      'pass',
      'reject',
    ],
    [
      'it has seen it fail',
      () =>
        sealed(MESSAGE, {
          domain: 'example.net',
          results: 'dmarc=fail header.from=example.org',
        }),
      ['example.net'],
      'pass',
      'reject',
    ],
    [
      'it has seen another author',
      () =>
        sealed(MESSAGE, {
          domain: 'example.net',
          results: 'dmarc=pass header.from=example.com',
        }),
      ['example.net'],
      'pass',
      'reject',
    ],
    [
      'it says so in a comment only',
      () => sealed(MESSAGE, { domain: 'example.net', results: `spf=none (${passed})` }),
      ['example.net'],
      'pass',
      'reject',
    ],
    [
      'the message was changed after the seal',
      async () =>
        (await sealed(MESSAGE, { domain: 'example.net', results: passed })).replace(
          'Hello',
          'Bye',
        ),
      ['example.net'],
      'fail',
      'reject',
    ],
    [
      'a trusted server behind one that is not: the claim is not its own',
      async () =>
        await sealed(await sealed(MESSAGE, { domain: 'example.net', results: passed }), {
          domain: 'example.org',
          results: 'dmarc=fail header.from=example.org',
          cv: 'pass',
          i: 2,
        }),
      ['example.org'],
      'pass',
      'reject',
    ],
    [
      'two trusted servers',
      async () =>
        await sealed(await sealed(MESSAGE, { domain: 'example.net', results: passed }), {
          domain: 'example.org',
          results: 'dmarc=fail header.from=example.org',
          cv: 'pass',
          i: 2,
        }),
      ['example.org', 'example.net'],
      'pass',
      'accept',
    ],
  ]
  for (const [name, message, trustedSealers, result, end] of arc) {
    it(`ARC: ${name}: ${end}`, async () => {
      const found = await checked({ message: await message(), options: { trustedSealers } })
      assert.equal(found.line['arc'], result)
      assert.equal(found.end, end)
    })
  }
})

describe('authenticate: bounds', () => {
  it('looks at five signatures, first at those of the author', async () => {
    let message = signed(MESSAGE)
    for (let i = 0; i < 60; i++) {
      message = signed(message, {
        domain: 'example.net',
        selector: i % 2 === 0 ? 'r' : `s${i}`,
      })
    }
    const { results, line, asked } = await checked({ message })
    assert.equal(results['dmarc'], 'pass')
    assert.equal(line['notLookedAt'], 56)
    assert.equal((line['dkim'] as string[]).length, 5)
    assert.ok(asked.length < 10)
    assert.match(results['dkim']!, / policy$/)
  })

  it('leaves a long chain of ARC alone', async () => {
    const message = await sealed(MESSAGE, { domain: 'example.net', results: 'spf=none' })
    const { methods } = await checked({
      message,
      options: { maxArcSets: 0, policy: 'observe' },
    })
    const arc = methods.find(({ method }) => method === 'arc')!
    assert.deepEqual([arc.result, arc.reason], ['policy', 'more than 0 sets'])
  })

  it('asks no more than allowed, and defers what it cannot know', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `mx${i}.example.org`)
    const records = {
      ...ZONE,
      'TXT example.org': [`v=spf1 ${names.map((name) => `a:${name}`).join(' ')} -all`],
      ...Object.fromEntries(names.map((name) => [`A ${name}`, ['192.0.2.50']])),
    }
    const { line, end, asked } = await checked({
      zone: records,
      options: { maxQueries: 10 },
    })
    assert.equal(line['spf'], 'temperror')
    assert.equal(end, 'tempfail')
    assert.ok(asked.length <= 10)
  })

  it('waits no longer than allowed', async () => {
    const { end, line } = await checked({
      answers: async (question) => {
        if (question.startsWith('TXT _dmarc')) return { found: ['v=DMARC1; p=reject'] }
        return await new Promise(() => {})
      },
      options: { maxTime: 20 },
    })
    assert.deepEqual([end, line['spf'], line['dmarc']], ['tempfail', 'temperror', 'temperror'])
  })

  it('a key whose server is silent takes no time of the others', async () => {
    const silent = Array.from({ length: 4 }, (_, i) => `s${i}`)
    let message = signed(MESSAGE)
    for (const selector of silent)
      message = signed(message, { domain: 'example.net', selector })
    const answers = zone(ZONE)
    const { results, end } = await checked({
      message,
      answers: (question) =>
        / s\d\._domainkey/.test(question) ? new Promise(() => {}) : answers(question),
      options: { maxTime: 300 },
    })
    assert.equal(results['dkim'], 'temperror temperror temperror temperror pass')
    assert.equal(end, 'accept')
  })

  it('does not read a From that is too long', async () => {
    const long = MESSAGE.replace('Alice', 'g:a@b;'.repeat(5_000))
    const { end, line } = await checked({ message: signed(long) })
    assert.deepEqual([end, line['from']], ['reject', 'long-from'])
  })

  it('is cut off when the message is aborted', async () => {
    const asked: string[] = []
    const dns = new DnsCache({
      resolver: {
        resolve: async (name) => {
          asked.push(name)
          return await new Promise(() => {})
        },
      },
    })
    const outcome = await deliver(authenticate({ policy: 'reject', dns }), {
      message: MESSAGE,
      client: { address: ELSEWHERE, hostname: 'x' },
      filter: { deadlines: { eom: 30 } },
    })
    assert.equal(outcome.verdict, 'tempfail')
    assert.ok(asked.length > 0)
  })
})

describe('authenticate: in a composition', () => {
  const tag = defineFilter({
    name: 'tag',
    edits: ['headers'],
    message: (mail) => void (mail.subject = `[x] ${mail.subject}`),
  })

  it('judges before others edit', async () => {
    const dns = new DnsCache({
      resolver: {
        resolve: async (name, type) => {
          const found = ZONE[`${type} ${name}`]
          return (found === undefined ? { none: 'no-domain' } : { found }) as never
        },
      },
    })
    const filter = compose(authenticate({ policy: 'reject', dns }), tag)
    const outcome = await deliver(filter, {
      message: signed(MESSAGE),
      client: { address: ELSEWHERE, hostname: 'x' },
    })
    assert.equal(outcome.verdict, 'accept')
    assert.match(String(outcome.message), /dkim=pass/)
    assert.match(String(outcome.message), /^Subject: \[x\]/m)
  })

  it('refuses to stand behind an editor', () => {
    assert.throws(() => compose(tag, authenticate()), { code: 'INVALID_OPTION' })
  })
})

describe('authenticate: options', () => {
  for (const [options, message] of [
    [{ polcy: 'reject' }, /policy/],
    [{ policy: 'none' }, /observe, quarantine or reject/],
    [{ authservId: 'a b' }, /authservId/],
    [{ removeIds: ['a;b'] }, /removeIds/],
    [{ trustedSealers: ['192.0.2.0/24'] }, /trustedSealers/],
    [{ allow: ['x y'] }, /allow/],
    [{ networks: ['example.org'] }, /networks/],
    [{ maxSignatures: 0 }, /maxSignatures/],
    [{ minKeyBits: 512 }, /minKeyBits/],
    [{ minKeyBits: 4096, maxKeyBits: 2048 }, /minKeyBits must not be above/],
    [{ dns: {} }, /DnsCache/],
    [{ maxQueries: 1 }, /maxQueries/],
    [{ maxTime: 0 }, /maxTime/],
    [{ now: 5 }, /now/],
  ] as const) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => authenticate(options as never), { code: 'INVALID_OPTION', message })
    })
  }
})

it('publishes results that can be counted', async () => {
  const events: object[] = []
  const stop = observe({ 'tsmilter:authentication': (event) => void events.push(event) })
  await checked({ message: signed(MESSAGE) })
  stop()
  assert.equal(events.length, 1)
  const { spf, dkim, dmarc, arc, action, reason } = events[0] as Record<string, unknown>
  assert.deepEqual(
    [spf, dkim, dmarc, arc, action, reason],
    ['fail', 'pass', 'pass', 'none', 'accept', undefined],
  )
})

it('counts results by method', async () => {
  const metrics = await collectMetrics()
  await checked({ message: signed(MESSAGE) })
  await checked({ message: signed(MESSAGE) })
  await checked()
  const text = await metrics.text()
  metrics.close()
  const counts = [
    ...text.matchAll(
      /^tsmilter_authentication_results_total\{method="(\w+)",result="(\w+)"\} (\d+)$/gm,
    ),
  ].map(([, method, result, count]) => `${method} ${result} ${count}`)
  assert.deepEqual(counts.toSorted(), [
    'arc none 3',
    'dkim none 1',
    'dkim pass 2',
    'dmarc fail 1',
    'dmarc pass 2',
    'spf fail 3',
  ])
})
