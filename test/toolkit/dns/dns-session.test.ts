import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { fc } from '../../support/property.ts'
import {
  DnsCache,
  DnsSession,
  NodeResolver,
  SPF_LIMITS,
  type DnsSessionOptions,
  type ResolverAnswer,
} from '../../../src/toolkit/index.ts'
import { dnsServer, ipv4, record } from '../../support/dns-server.ts'
import { scriptedResolver, zone } from './scripted-resolver.ts'

function sessionOf(
  answers: (question: string) => ResolverAnswer | Promise<ResolverAnswer>,
  options: DnsSessionOptions = {},
) {
  const clock = { now: 0 }
  const now = (): number => clock.now
  const resolver = scriptedResolver(answers)
  const cache = new DnsCache({ resolver, now, timeout: 60_000 })
  return {
    session: new DnsSession(cache, { now, ...options }),
    clock,
    asked: resolver.asked,
    now,
  }
}
const never = (): Promise<never> => new Promise(() => {})

describe('DnsSession', () => {
  it('tells records, none, and a failure apart', async () => {
    const { session } = sessionOf(
      zone({
        'A a.example': ['192.0.2.1'],
        'A b.example': { none: 'no-data' },
        'A d.example': { failed: 'server-failure' },
      }),
    )
    assert.deepEqual(await session.resolve('a.example', 'A'), { found: ['192.0.2.1'] })
    assert.deepEqual(await session.resolve('b.example', 'A'), { none: 'no-data' })
    assert.deepEqual(await session.resolve('c.example', 'A'), { none: 'no-domain' })
    assert.deepEqual(await session.resolve('d.example', 'A'), { failed: 'server-failure' })
    assert.deepEqual([session.queries, session.voidLookups], [4, 2])
  })

  it('asks the same question once, however it is written', async () => {
    const { session, asked, clock } = sessionOf(() => ({ found: ['192.0.2.1'] }))
    const [first] = await Promise.all([
      session.resolve('Mail.Example.org.', 'A'),
      session.resolve('mail.example.ORG', 'A'),
    ])
    // Even when the cache has forgotten it: one message has one answer.
    clock.now = 1e9
    assert.equal(await session.resolve('mail.example.org', 'A'), first)
    assert.deepEqual([asked, session.queries], [['A mail.example.org'], 1])
  })

  it('asks nobody about what is not a name', async () => {
    const { session, asked } = sessionOf(() => ({ found: ['192.0.2.1'] }))
    for (const name of [
      '',
      'a..b',
      `${'a'.repeat(64)}.example`,
      'a b',
      '\0',
      'x.'.repeat(128),
    ]) {
      assert.deepEqual(await session.resolve(name, 'A'), { none: 'no-domain' })
    }
    assert.deepEqual([asked, session.queries, session.voidLookups], [[], 0, 0])
  })

  describe('aliases', () => {
    const chain = (length: number): Record<string, ResolverAnswer | string[]> => ({
      ...Object.fromEntries(
        Array.from({ length }, (_, i) => [`A a${i}.example`, { alias: `A${i + 1}.example.` }]),
      ),
      [`A a${length}.example`]: ['192.0.2.1'],
    })
    const cases: readonly [string, Record<string, ResolverAnswer | string[]>, object][] = [
      ['one', chain(1), { found: ['192.0.2.1'] }],
      ['ten', chain(10), { found: ['192.0.2.1'] }],
      ['eleven', chain(11), { failed: 'alias-chain' }],
      ['one to itself', { 'A a0.example': { alias: 'a0.example' } }, { failed: 'alias-loop' }],
      [
        'a circle',
        { 'A a0.example': { alias: 'b.example' }, 'A b.example': { alias: 'A0.example.' } },
        { failed: 'alias-loop' },
      ],
      ['one to nothing', { 'A a0.example': { alias: 'b.example' } }, { none: 'no-domain' }],
      ['one to no name', { 'A a0.example': { alias: 'b..example' } }, { failed: 'bad-answer' }],
      [
        'one to a dead server',
        { 'A a0.example': { alias: 'b.example' }, 'A b.example': { failed: 'timeout' } },
        { failed: 'timeout' },
      ],
    ]
    for (const [what, answers, expected] of cases) {
      it(`${what}: ${JSON.stringify(expected)}`, async () => {
        const { session } = sessionOf(zone(answers))
        assert.deepEqual(await session.resolve('a0.example', 'A'), expected)
      })
    }

    it('each count as a question', async () => {
      const { session } = sessionOf(zone(chain(3)), { maxQueries: 3 })
      assert.deepEqual(await session.resolve('a0.example', 'A'), { failed: 'query-limit' })
      assert.equal(session.queries, 3)
    })
  })

  describe('limits', () => {
    it('of questions: what was asked is still known, more is not asked', async () => {
      const { session, asked } = sessionOf(() => ({ found: ['192.0.2.1'] }), { maxQueries: 2 })
      for (const name of ['a', 'b']) assert.ok((await session.resolve(name, 'A')).found)
      assert.deepEqual(await session.resolve('c', 'A'), { failed: 'query-limit' })
      assert.ok((await session.resolve('a', 'A')).found)
      assert.deepEqual(asked, ['A a', 'A b'])
    })

    it('of void look-ups: the third fails (RFC 7208, 4.6.4)', async () => {
      const { session, asked } = sessionOf(
        zone({
          'A b': { none: 'no-data' },
          'A f': { failed: 'timeout' },
          'A y': ['192.0.2.1'],
        }),
        SPF_LIMITS,
      )
      assert.deepEqual(await session.resolve('a', 'A'), { none: 'no-domain' })
      assert.deepEqual(await session.resolve('f', 'A'), { failed: 'timeout' })
      assert.deepEqual(await session.resolve('b', 'A'), { none: 'no-data' })
      assert.deepEqual(await session.resolve('b', 'A'), { none: 'no-data' })
      assert.ok((await session.resolve('y', 'A')).found)
      assert.deepEqual(await session.resolve('c', 'A'), { failed: 'void-limit' })
      assert.deepEqual(await session.resolve('d', 'A'), { failed: 'void-limit' })
      assert.deepEqual(asked, ['A a', 'A f', 'A b', 'A y', 'A c'])
    })

    it('no limit of void look-ups by default', async () => {
      const { session } = sessionOf(zone({}))
      for (let i = 0; i < 100; i++) await session.resolve(`n${i}`, 'A')
      assert.equal(session.voidLookups, 100)
    })

    it('of a session on a session: both count, and answers are shared', async () => {
      const { session, asked } = sessionOf(zone({ 'A y': ['192.0.2.1'] }), { maxQueries: 5 })
      await session.resolve('a', 'A')
      const spf = new DnsSession(session, { maxVoidLookups: 1, maxQueries: 3 })
      assert.deepEqual(await spf.resolve('a', 'A'), { none: 'no-domain' })
      assert.deepEqual([session.queries, spf.queries, spf.voidLookups], [1, 1, 1])
      assert.deepEqual(await spf.resolve('b', 'A'), { failed: 'void-limit' })
      assert.deepEqual(await session.resolve('b', 'A'), { none: 'no-domain' })
      assert.ok((await session.resolve('y', 'A')).found)
      const dkim = new DnsSession(session)
      assert.ok((await dkim.resolve('y', 'A')).found)
      for (const name of ['c', 'd']) await dkim.resolve(name, 'A')
      assert.deepEqual(await dkim.resolve('e', 'A'), { failed: 'query-limit' })
      assert.deepEqual(asked, ['A a', 'A b', 'A y', 'A c', 'A d'])
    })

    for (const options of [
      { maxQueries: 0 },
      { maxVoidLookups: -1 },
      { maxTime: 0 },
      { maxTime: 2 ** 31 },
    ]) {
      it(`refuse ${JSON.stringify(options)}`, () => {
        assert.throws(() => sessionOf(zone({}), options), { code: 'INVALID_OPTION' })
      })
    }

    it('are kept whatever is asked', async () => {
      const names = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 })
      await fc.assert(
        fc.asyncProperty(names, fc.integer({ min: 1, max: 8 }), async (asks, maxQueries) => {
          const { session, asked } = sessionOf(zone({ 'A n1': { alias: 'n2' } }), {
            maxQueries,
          })
          await Promise.all(asks.map((i) => session.resolve(`n${i}`, 'A')))
          assert.ok(session.queries <= maxQueries && asked.length <= session.queries)
        }),
      )
    })
  })

  describe('time', () => {
    beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
    afterEach(() => mock.timers.reset())

    it('ends the wait for a dead server', async () => {
      const { session, clock } = sessionOf(never, { maxTime: 2_000 })
      const answers = Promise.all([session.resolve('a', 'A'), session.resolve('b', 'A')])
      clock.now = 2_000
      mock.timers.tick(2_000)
      assert.deepEqual(await answers, [{ failed: 'time-limit' }, { failed: 'time-limit' }])
      assert.deepEqual(await session.resolve('c', 'A'), { failed: 'time-limit' })
    })

    it('counts while a question waits, once for all that wait together, and not between', async () => {
      const waiting: ((answer: ResolverAnswer) => void)[] = []
      const { session, clock, asked } = sessionOf(
        () => new Promise((resolve) => waiting.push(resolve)),
        { maxTime: 2_000 },
      )
      const answerAll = async (): Promise<void> => {
        await new Promise(setImmediate)
        for (const answer of waiting.splice(0)) answer({ found: ['192.0.2.1'] })
      }
      const first = Promise.all(['a', 'b', 'c'].map((name) => session.resolve(name, 'A')))
      clock.now = 1_500
      mock.timers.tick(1_500)
      await answerAll()
      assert.ok((await first).every(({ found }) => found))
      // The client takes its time for the body.
      clock.now = 600_000
      const second = session.resolve('d', 'A')
      clock.now += 499
      mock.timers.tick(499)
      await answerAll()
      assert.ok((await second).found)
      const third = session.resolve('e', 'A')
      clock.now += 1
      mock.timers.tick(1)
      assert.deepEqual(await third, { failed: 'time-limit' })
      assert.equal(asked.length, 5)
    })

    it('stops a chain of aliases', async () => {
      const waiting: ((answer: ResolverAnswer) => void)[] = []
      const { session, asked, clock } = sessionOf(
        () => new Promise((resolve) => waiting.push(resolve)),
        { maxTime: 1_000 },
      )
      const answer = session.resolve('a', 'A')
      await new Promise(setImmediate)
      clock.now = 1_000
      mock.timers.tick(1_000)
      assert.deepEqual(await answer, { failed: 'time-limit' })
      waiting[0]!({ alias: 'b' })
      await new Promise(setImmediate)
      assert.deepEqual(asked, ['A a'])
    })
  })

  describe('its signal', () => {
    it('cuts off every wait, with its reason', async () => {
      const controller = new AbortController()
      const { session, asked, now } = sessionOf(never, { signal: controller.signal })
      const inner = new DnsSession(session, { now })
      const answers = [
        session.resolve('a', 'A'),
        inner.resolve('b', 'A'),
        session.resolve('a', 'A'),
      ]
      await new Promise(setImmediate)
      const reason = new Error('the message was aborted')
      controller.abort(reason)
      for (const answer of answers) await assert.rejects(answer, reason)
      await assert.rejects(session.resolve('c', 'A'), reason)
      await assert.rejects(inner.resolve('d', 'A'), reason)
      assert.deepEqual(asked, ['A a', 'A b'])
    })

    it('has one listener, and only while a question waits', async () => {
      const { signal } = new AbortController()
      const add = mock.method(signal, 'addEventListener')
      const remove = mock.method(signal, 'removeEventListener')
      const { session } = sessionOf(zone({}), { signal })
      await Promise.all(Array.from({ length: 20 }, (_, i) => session.resolve(`n${i}`, 'A')))
      assert.deepEqual([add.mock.callCount(), remove.mock.callCount()], [1, 1])
      await session.resolve('other', 'A')
      assert.deepEqual([add.mock.callCount(), remove.mock.callCount()], [2, 2])
    })
  })

  describe('with a server on the wire', () => {
    it('asks once for all messages', async () => {
      await using server = await dnsServer(({ name }) => ({
        answers: [record(name, 'A', ipv4('192.0.2.1'))],
      }))
      const dns = new DnsCache({ resolver: new NodeResolver({ servers: [server.address] }) })
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => new DnsSession(dns).resolve('A.example.org.', 'A')),
      )
      for (const answer of answers) assert.deepEqual(answer, { found: ['192.0.2.1'] })
      assert.deepEqual(server.asked, ['A a.example.org'])
    })

    it('follows a circle of aliases no further than once round', async () => {
      await using server = await dnsServer(({ name, type }) =>
        type === 'CNAME'
          ? { answers: [record(name, 'CNAME', Buffer.from('\x01b\x00', 'latin1'))] }
          : {},
      )
      const resolver = new NodeResolver({ servers: [server.address], followAliases: true })
      const session = new DnsSession(new DnsCache({ resolver }))
      assert.deepEqual(await session.resolve('a', 'A'), { failed: 'alias-loop' })
      assert.deepEqual(server.asked, ['A a', 'CNAME a', 'A b', 'CNAME b'])
    })

    it('gives a dead server up, and asks it again for the next message', async () => {
      let alive = false
      await using server = await dnsServer(({ name }) =>
        alive ? { answers: [record(name, 'A', ipv4('192.0.2.1'))] } : undefined,
      )
      const resolver = new NodeResolver({ servers: [server.address], timeout: 30, tries: 1 })
      const clock = { now: 0 }
      const dns = new DnsCache({ resolver, now: () => clock.now })
      assert.equal((await new DnsSession(dns).resolve('a', 'A')).failed, 'timeout')
      alive = true
      clock.now += 1_000
      assert.deepEqual(await new DnsSession(dns).resolve('a', 'A'), { found: ['192.0.2.1'] })
    })
  })
})
