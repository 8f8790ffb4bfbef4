import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { observe } from '../../../src/diagnostics/channels.ts'
import { textLogger } from '../../../src/diagnostics/log.ts'
import {
  Dnsbl,
  DnsCache,
  DnsSession,
  NodeResolver,
  type DnsblChecked,
  type DnsblList,
  type DnsblOptions,
  type DnsSessionOptions,
  type ResolverAnswer,
} from '../../../src/toolkit/index.ts'
import { dnsServer, ipv4, record, strings } from '../../support/dns-server.ts'
import { scriptedResolver, zone } from './scripted-resolver.ts'

type Answers = Record<string, ResolverAnswer | readonly string[]>

/** What a list that works has of itself. */
const working = (...zones: string[]): Answers =>
  Object.fromEntries(zones.map((name) => [`A 2.0.0.127.${name}`, ['127.0.0.2']]))

/** Lists with a script for answers, which a test may change, and a log. */
function lists(
  given: readonly (string | DnsblList)[],
  answers: Answers,
  options: DnsblOptions = {},
) {
  const clock = { now: 0 }
  const now = (): number => clock.now
  const lines: string[] = []
  const resolver = scriptedResolver((question) => zone(answers)(question))
  const dns = new DnsCache({ resolver, now })
  const dnsbl = new Dnsbl(
    given.map((list) => (typeof list === 'string' ? { zone: list } : list)),
    { now, logger: textLogger('info', (line) => lines.push(line.trimEnd())), ...options },
  )
  return {
    dns,
    dnsbl,
    clock,
    lines,
    asked: resolver.asked,
    check: async (subject: string, limits: DnsSessionOptions = {}) =>
      await dnsbl.check(new DnsSession(dns, limits), subject),
  }
}

describe('Dnsbl', () => {
  const of = (subject: DnsblList['of']): DnsblList => ({
    zone: 'l.example',
    ...(subject && { of: subject }),
  })
  const names: readonly [string, DnsblList['of'], string | undefined][] = [
    ['192.0.2.1', undefined, '1.2.0.192.l.example'],
    ['::ffff:192.0.2.1', undefined, '1.2.0.192.l.example'],
    ['2001:db8::1', undefined, `1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.l.example`],
    ['2001:db8::1', ['ipv4'], undefined],
    ['192.0.2.1', ['ipv6', 'domain'], undefined],
    ['Spam.Example.', ['domain'], 'spam.example.l.example'],
    ['bücher.example', ['domain'], 'xn--bcher-kva.example.l.example'],
    ['spam.example', undefined, undefined],
    // A list of domains would answer with an error.
    ['192.0.2.1.', ['domain'], undefined],
    ['1.2.3', ['domain'], undefined],
    ['010.1.1.1', ['ipv4', 'domain'], undefined],
    ['', ['ipv4', 'domain'], undefined],
    ['unknown host', ['ipv4', 'domain'], undefined],
  ]
  for (const [subject, kinds, expected] of names) {
    it(`asks about ${JSON.stringify(subject)}: ${expected}`, async () => {
      const { check, asked } = lists([of(kinds)], {})
      await check(subject)
      assert.equal(asked[0], expected === undefined ? undefined : `A ${expected}`)
    })
  }

  const listed = (codes: string[]): object => ({
    state: 'listed',
    weight: 1,
    codes,
    reason: undefined,
  })
  const NOT = { state: 'not-listed' }
  const answers: readonly [string, ResolverAnswer, object][] = [
    ['an entry', { found: ['127.0.0.2'] }, listed(['127.0.0.2'])],
    [
      'several codes',
      { found: ['127.0.0.2', '127.0.0.4'] },
      listed(['127.0.0.2', '127.0.0.4']),
    ],
    ['another network of 127', { found: ['127.255.254.9'] }, listed(['127.255.254.9'])],
    ['no such name', { none: 'no-domain' }, NOT],
    ['no address', { none: 'no-data' }, NOT],
    [
      'a refusal of the list',
      { found: ['127.255.255.254'] },
      { state: 'failed', failed: 'list-error' },
    ],
    [
      'a refusal beside an entry',
      { found: ['127.0.0.2', '127.255.255.255'] },
      { state: 'failed', failed: 'list-error' },
    ],
    [
      'an address of the world',
      { found: ['192.0.2.80'] },
      { state: 'failed', failed: 'bad-answer' },
    ],
    [
      'one beside an entry',
      { found: ['127.0.0.2', '192.0.2.80'] },
      { state: 'failed', failed: 'bad-answer' },
    ],
    ['no address at all', { found: ['127.0.0'] }, { state: 'failed', failed: 'bad-answer' }],
    ['a timeout', { failed: 'timeout' }, { state: 'failed', failed: 'timeout' }],
    [
      'a dead server',
      { failed: 'server-failure' },
      { state: 'failed', failed: 'server-failure' },
    ],
  ]
  for (const [what, answer, expected] of answers) {
    it(`makes of ${what}: ${JSON.stringify(expected)}`, async () => {
      const { check, lines } = lists(['l.example'], {
        ...working('l.example'),
        'A 1.2.0.192.l.example': answer,
      })
      const result = await check('192.0.2.1')
      assert.deepEqual(result.lists, [{ zone: 'l.example', ...expected }])
      const { state } = expected as { state: string }
      assert.deepEqual(
        [result.listed, result.score],
        state === 'listed' ? [true, 1] : [false, 0],
      )
      assert.equal(result.complete, state !== 'failed')
      assert.equal(lines.length, state === 'failed' ? 1 : 0)
    })
  }

  it('says what it could not ask, once a minute', async () => {
    const { check, lines } = lists(['a.example', 'b.example'], {
      ...working('a.example', 'b.example'),
      'A 1.2.0.192.a.example': { found: ['127.255.255.254'] },
      'A 1.2.0.192.b.example': { failed: 'timeout' },
    })
    await check('192.0.2.1')
    assert.deepEqual(lines, [
      'warn a list in DNS could not be asked zone=a.example failed=list-error codes=127.255.255.254',
    ])
  })

  it('adds weights up to the threshold', async () => {
    const { check } = lists(
      [
        { zone: 'a.example', weight: 2 },
        { zone: 'b.example', weight: 1.5 },
        { zone: 'good.example', weight: -3 },
      ],
      {
        ...working('a.example', 'b.example', 'good.example'),
        'A 1.2.0.192.a.example': ['127.0.0.2'],
        'A 1.2.0.192.b.example': ['127.0.0.2'],
        'A 2.2.0.192.a.example': ['127.0.0.2'],
        'A 3.2.0.192.a.example': ['127.0.0.2'],
        'A 3.2.0.192.b.example': ['127.0.0.2'],
        'A 3.2.0.192.good.example': ['127.0.0.2'],
      },
      { threshold: 3 },
    )
    const scores = await Promise.all(
      ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map((address) => check(address)),
    )
    assert.deepEqual(
      scores.map(({ score, listed }) => [score, listed]),
      [
        [3.5, true],
        [2, false],
        [0.5, false],
        [0, false],
      ],
    )
  })

  it('counts answers by a filter, and asks a zone once for several', async () => {
    const { check, asked } = lists(
      [
        { zone: 'l.example', weight: 8, answers: ['127.0.0.10', '127.0.0.11'] },
        { zone: 'L.example.', weight: 3, answers: ['127.0.0.4/30'] },
        {
          zone: 'l.example',
          weight: 1,
          answers: (address) => (Number(address.split('.')[3]) & 2) === 2,
        },
      ],
      {
        ...working('l.example'),
        'A 1.2.0.192.l.example': ['127.0.0.5', '127.0.0.6'],
        'A 2.2.0.192.l.example': ['127.0.0.11'],
      },
    )
    const first = await check('192.0.2.1')
    assert.equal(first.score, 4)
    assert.deepEqual(
      first.lists.map((list) => ('codes' in list ? list.codes : list.state)),
      ['not-listed', ['127.0.0.5', '127.0.0.6'], ['127.0.0.6']],
    )
    assert.equal((await check('192.0.2.2')).score, 9)
    assert.equal(asked.filter((question) => question === 'A 1.2.0.192.l.example').length, 1)
  })

  const reasons: readonly [ResolverAnswer, string | undefined][] = [
    [{ found: ['https://l.example/?q=192.0.2.1'] }, 'https://l.example/?q=192.0.2.1'],
    [{ found: ['a\r\nb\u202ec é', 'second'] }, 'a?b?c ?'],
    [{ found: ['x'.repeat(10_000)] }, 'x'.repeat(200)],
    [{ found: [''] }, undefined],
    [{ none: 'no-data' }, undefined],
    [{ failed: 'timeout' }, undefined],
  ]
  for (const [answer, expected] of reasons) {
    it(`gives the reason ${JSON.stringify(expected)?.slice(0, 40)}`, async () => {
      const { check } = lists(['l.example'], {
        ...working('l.example'),
        'A 1.2.0.192.l.example': ['127.0.0.2'],
        'TXT 1.2.0.192.l.example': answer,
      })
      const { lists: results, listed: isListed } = await check('192.0.2.1')
      assert.equal(isListed, true)
      assert.equal((results[0] as { reason?: string }).reason, expected)
    })
  }

  it('does not ask for reasons of others, or if it is not to', async () => {
    const answersOf = { ...working('l.example'), 'A 1.2.0.192.l.example': ['127.0.0.2'] }
    const usual = lists(['l.example'], answersOf)
    await usual.check('192.0.2.9')
    const silent = lists(['l.example'], answersOf, { reasons: false })
    await silent.check('192.0.2.1')
    for (const { asked } of [usual, silent])
      assert.ok(!asked.some((one) => one.startsWith('TXT')))
  })

  describe('self-check', () => {
    const dead: readonly [string, Answers, string][] = [
      [
        'lists everything',
        { 'A 2.0.0.127.l.example': ['127.0.0.2'], 'A 1.0.0.127.l.example': ['127.0.0.2'] },
        'it has an entry for what no list may have',
      ],
      ['lists nothing', {}, 'it has no entry for what each list must have'],
      [
        'was sold',
        { 'A 2.0.0.127.l.example': ['192.0.2.80'], 'A 1.0.0.127.l.example': ['192.0.2.80'] },
        'it answers 192.0.2.80',
      ],
      [
        'refuses us',
        { 'A 2.0.0.127.l.example': ['127.255.255.254'] },
        'it answers 127.255.255.254',
      ],
    ]
    for (const [what, answersOf, why] of dead) {
      it(`leaves out a list that ${what}, and says so once`, async () => {
        const { check, dnsbl, dns, lines, asked } = lists(['l.example'], {
          ...answersOf,
          'A 1.2.0.192.l.example': ['127.0.0.2'],
        })
        const result = await check('192.0.2.1')
        const leftOut = { zone: 'l.example', state: 'left-out', why }
        assert.deepEqual(result, { listed: false, score: 0, complete: true, lists: [leftOut] })
        const questions = asked.length
        assert.deepEqual((await check('192.0.2.2')).lists, [leftOut])
        assert.equal(asked.length, questions)
        assert.deepEqual(await dnsbl.selfCheck(dns), [
          { zone: 'l.example', state: 'broken', why },
        ])
        assert.deepEqual(lines, [
          `warn a list in DNS failed its self-check and is left out zone=l.example why=${/^\w+$/.test(why) ? why : JSON.stringify(why)}`,
        ])
      })
    }

    it('at the start says what works', async () => {
      const { dnsbl, dns, lines } = lists(
        ['a.example', 'b.example', 'c.example', 'a.example'],
        {
          ...working('a.example'),
          'A 2.0.0.127.c.example': { failed: 'timeout' },
        },
      )
      const states = await dnsbl.selfCheck(dns)
      assert.deepEqual(
        states.map(({ zone: name, state }) => [name, state]),
        [
          ['a.example', 'working'],
          ['b.example', 'broken'],
          ['c.example', 'unknown'],
        ],
      )
      assert.equal(lines.length, 2)
    })

    it('with the entries of RFC 5782 for each kind of list, or your own', async () => {
      const nibbles = (last: string): string =>
        `${last}.0.0.0.0.0.f.7.f.f.f.f.${'0.'.repeat(20)}l.example`
      const cases: readonly [Omit<DnsblList, 'zone'>, string, string][] = [
        [{}, '2.0.0.127.l.example', '1.0.0.127.l.example'],
        [{ of: ['ipv6'] }, nibbles('2'), nibbles('1')],
        [{ of: ['domain'] }, 'test.l.example', 'invalid.l.example'],
        [
          { of: ['domain'], test: { listed: 'dbltest.com', notListed: 'example.com' } },
          'dbltest.com.l.example',
          'example.com.l.example',
        ],
        [
          { test: { listed: '192.0.2.7', notListed: '192.0.2.8' } },
          '7.2.0.192.l.example',
          '8.2.0.192.l.example',
        ],
      ]
      for (const [list, yes, no] of cases) {
        const { dnsbl, dns, asked } = lists([{ zone: 'l.example', ...list }], {})
        await dnsbl.selfCheck(dns)
        assert.deepEqual(asked, [`A ${yes}`, `A ${no}`])
      }
    })

    it('again after an hour: a list may die, and come back', async () => {
      const answersOf: Answers = {
        ...working('l.example'),
        'A 1.2.0.192.l.example': ['127.0.0.2'],
      }
      const { check, clock, lines } = lists(['l.example'], answersOf)
      const at = async (now: number): Promise<string | undefined> => {
        clock.now = now
        return (await check('192.0.2.1')).lists[0]?.state
      }
      assert.equal(await at(0), 'listed')
      answersOf['A 1.0.0.127.l.example'] = ['127.0.0.2']
      assert.equal(await at(3_599_999), 'listed')
      assert.equal(await at(3_600_000), 'left-out')
      delete answersOf['A 1.0.0.127.l.example']
      assert.equal(await at(7_199_999), 'left-out')
      assert.equal(await at(7_200_000), 'listed')
      assert.deepEqual(
        lines.map((line) => line.split(' ').slice(0, 9).join(' ')),
        [
          'warn a list in DNS failed its self-check and',
          'info a list in DNS passed its self-check and',
        ],
      )
    })

    it('that could not be made changes nothing, and is made again after a minute', async () => {
      const answersOf: Answers = {
        'A 2.0.0.127.l.example': { failed: 'timeout' },
        'A 1.2.0.192.l.example': ['127.0.0.2'],
      }
      const { check, clock, asked } = lists(['l.example'], answersOf)
      assert.equal((await check('192.0.2.1')).score, 1)
      clock.now = 59_999
      await check('192.0.2.1')
      const tests = (): number => asked.filter((one) => one === 'A 2.0.0.127.l.example').length
      assert.equal(tests(), 1)
      delete answersOf['A 2.0.0.127.l.example']
      clock.now = 60_000
      assert.equal((await check('192.0.2.1')).score, 0)
      assert.equal(tests(), 2)
    })

    it('of messages that come at the same time is one', async () => {
      const { check, lines, asked } = lists(['l.example'], {})
      const seen: DnsblChecked[] = []
      const stop = observe({ 'tsmilter:dnsbl:check': (event) => void seen.push(event) })
      await Promise.all(Array.from({ length: 10 }, () => check('192.0.2.1')))
      stop()
      assert.deepEqual([asked.length, lines.length, seen.length], [3, 1, 1])
      assert.deepEqual(seen[0], {
        zone: 'l.example',
        state: 'broken',
        why: 'it has no entry for what each list must have',
      })
    })
  })

  it('does not let a message wait longer than its session', async () => {
    const { check } = lists(['a.example', 'b.example'], {
      ...working('a.example', 'b.example'),
      'A 1.2.0.192.a.example': ['127.0.0.2'],
    })
    const { lists: results, complete } = await check('192.0.2.1', { maxQueries: 1 })
    assert.deepEqual(
      results.map((result) => ('failed' in result ? result.failed : result.state)),
      ['listed', 'query-limit'],
    )
    assert.equal(complete, false)
  })

  it('is cut off with its session', async () => {
    const dns = new DnsCache({ resolver: scriptedResolver(() => new Promise(() => {})) })
    const controller = new AbortController()
    const session = new DnsSession(dns, { signal: controller.signal })
    const result = new Dnsbl([{ zone: 'a.example' }, { zone: 'b.example' }]).check(
      session,
      '192.0.2.1',
    )
    controller.abort(new Error('over'))
    await assert.rejects(result, { message: 'over' })
  })

  const wrong: readonly [DnsblList, RegExp][] = [
    [{ zone: '' }, /zone/],
    [{ zone: 'a..b' }, /zone/],
    [{ zone: 'a.example', weight: NaN }, /weight/],
    [{ zone: 'a.example', of: [] }, /of/],
    [{ zone: 'a.example', of: ['ipv5' as 'ipv4'] }, /of/],
    [{ zone: 'a.example', answers: ['192.0.2.1'] }, /answers/],
    [{ zone: 'a.example', answers: ['127.0.0.0/7'] }, /answers/],
    [{ zone: 'a.example', answers: ['::1'] }, /answers/],
    [{ zone: 'a.example', answers: ['127.0.0.[2..4]'] }, /answers/],
    [{ zone: 'a.example', test: { listed: 'a b', notListed: 'c' } }, /test/],
  ]
  for (const [list, message] of wrong) {
    it(`refuses ${JSON.stringify(list)}`, () => {
      assert.throws(() => new Dnsbl([list]), { code: 'INVALID_OPTION', message })
    })
  }
  it('refuses a threshold that is not a number', () => {
    assert.throws(() => new Dnsbl([], { threshold: NaN }), { code: 'INVALID_OPTION' })
    assert.throws(() => new Dnsbl([], { checkEvery: 0 }), { code: 'INVALID_OPTION' })
  })

  it('with servers on the wire: one works, one is silent, one lies', async () => {
    await using server = await dnsServer(({ name, type }) => {
      if (name.endsWith('silent.example')) return undefined
      const address = name.endsWith('lies.example') ? '127.0.0.2' : '127.0.0.4'
      if (name === '1.0.0.127.works.example') return { rcode: 3 }
      return {
        answers: [
          type === 'TXT'
            ? record(name, 'TXT', strings('sends ', 'spam'))
            : record(name, 'A', ipv4(address)),
        ],
      }
    })
    const resolver = new NodeResolver({ servers: [server.address], timeout: 500, tries: 1 })
    const dnsbl = new Dnsbl(
      ['works.example', 'silent.example', 'lies.example'].map((name) => ({ zone: name })),
      { logger: textLogger('error') },
    )
    const session = new DnsSession(new DnsCache({ resolver }))
    assert.deepEqual((await dnsbl.check(session, '192.0.2.1')).lists, [
      {
        zone: 'works.example',
        state: 'listed',
        weight: 1,
        codes: ['127.0.0.4'],
        reason: 'sends spam',
      },
      { zone: 'silent.example', state: 'failed', failed: 'timeout' },
      {
        zone: 'lies.example',
        state: 'left-out',
        why: 'it has an entry for what no list may have',
      },
    ])
  })
})
