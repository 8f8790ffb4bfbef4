import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { inspect } from 'node:util'
import { fc } from '../../support/property.ts'
import {
  DnsCache,
  type DnsCacheOptions,
  type ResolverAnswer,
} from '../../../src/toolkit/index.ts'
import { scriptedResolver } from './scripted-resolver.ts'

const A = (address: string, ttl?: number): ResolverAnswer => ({ found: [address], ttl })

/** A cache with a clock of its own, and a resolver that says what `answers` has. */
function cacheOf(
  answers: (question: string) => ResolverAnswer | Promise<ResolverAnswer>,
  options: DnsCacheOptions = {},
) {
  const clock = { now: 0 }
  const resolver = scriptedResolver(answers)
  const cache = new DnsCache({ resolver, now: () => clock.now, ...options })
  return { cache, clock, asked: resolver.asked }
}

describe('DnsCache', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
  afterEach(() => mock.timers.reset())

  const lifetimes: readonly [string, ResolverAnswer, number][] = [
    ['its time-to-live', A('192.0.2.1', 77_000), 77_000],
    ['a minimum', A('192.0.2.1', 0), 5_000],
    ['a maximum', A('192.0.2.1', 86_400_000), 3_600_000],
    ['a minute, if the time-to-live is not known', A('192.0.2.1'), 60_000],
    ['half a minute, if there is nothing', { none: 'no-domain' }, 30_000],
    ['at most that, whatever its time-to-live', { none: 'no-data', ttl: 86_400_000 }, 30_000],
    ['its time-to-live, if there is nothing', { none: 'no-data', ttl: 7_000 }, 7_000],
    ['a second, if the server failed', { failed: 'server-failure' }, 1_000],
    ['a minute, if it is an alias', { alias: 'b.example' }, 60_000],
  ]
  for (const [what, answer, milliseconds] of lifetimes) {
    it(`keeps an answer for ${what}`, async () => {
      const { cache, clock, asked } = cacheOf(() => answer)
      assert.deepEqual(await cache.ask('a.example', 'A'), answer)
      clock.now = milliseconds - 1
      assert.deepEqual(await cache.ask('a.example', 'A'), answer)
      assert.equal(asked.length, 1)
      clock.now = milliseconds
      assert.deepEqual(await cache.ask('a.example', 'A'), answer)
      assert.equal(asked.length, 2)
    })
  }

  it('keeps no failure if it is not to', async () => {
    const { cache, asked } = cacheOf(() => ({ failed: 'refused' }), { failureTtl: 0 })
    await cache.ask('a.example', 'A')
    await cache.ask('a.example', 'A')
    assert.deepEqual([asked.length, cache.size, cache.bytes], [2, 0, 0])
  })

  it('tells types apart', async () => {
    const { cache } = cacheOf((question) => ({ found: [question] }))
    assert.deepEqual((await cache.ask('a.example', 'A')).found, ['A a.example'])
    assert.deepEqual((await cache.ask('a.example', 'TXT')).found, ['TXT a.example'])
  })

  it('asks once for all who wait', async () => {
    const { cache, asked } = cacheOf(() => A('192.0.2.1'))
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => cache.ask('a.example', 'A')),
    )
    assert.equal(new Set(answers).size, 1)
    assert.deepEqual([asked.length, cache.pending], [1, 0])
  })

  it('does not let a filter change what others get', async () => {
    const records = [{ exchange: 'a.example', priority: 1 }]
    const { cache } = cacheOf(() => ({ found: records }))
    const { found } = await cache.ask('a.example', 'MX')
    records.pop()
    assert.throws(() => (found as object[]).pop(), TypeError)
    assert.throws(() => Object.assign(found![0]!, { priority: 0 }), TypeError)
  })

  it('makes a failure of whatever the resolver throws', async () => {
    const error = new Error('a bug')
    for (const resolve of [
      () => Promise.reject(error),
      () => {
        throw error
      },
    ]) {
      const cache = new DnsCache({ resolver: { resolve } })
      assert.deepEqual(await cache.ask('a.example', 'A'), { failed: 'error', cause: error })
    }
  })

  it('makes the best of what a resolver should not give', async () => {
    const { cache } = cacheOf(() => ({ found: [] }))
    assert.deepEqual(await cache.ask('a.example', 'A'), { none: 'no-data' })
    const nothings: unknown[] = [undefined, null, {}, 7, 'x']
    nothings.push({ found: 'x' }, { found: 5 }, { found: null }, { alias: 42 })
    nothings.push({ none: 'x' }, { failed: 5 }, { failed: '' })
    for (const nothing of nothings) {
      const { cache: other } = cacheOf(() => nothing as ResolverAnswer)
      assert.equal((await other.ask('a.example', 'A')).failed, 'error', JSON.stringify(nothing))
    }
  })

  for (const [type, ...records] of [
    ['A', null, undefined, 5, { address: '192.0.2.1' }],
    ['TXT', ['v=spf1 -all'], Buffer.from('x')],
    ['MX', null, 'mx.example', {}, { exchange: 5, priority: 5 }, { exchange: 'a' }],
    ['MX', { exchange: 'a', priority: Number.NaN }, { exchange: 'a', priority: -1 }],
    ['SRV', null, 'a', { name: 'a', port: 1, priority: 1 }],
  ] as const) {
    it(`takes no answer with what is no ${type} record`, async () => {
      for (const record of records) {
        for (const found of [[record], [{ exchange: 'good', priority: 1 }, record]]) {
          const { cache } = cacheOf(() => ({ found }) as unknown as ResolverAnswer)
          assert.equal((await cache.ask('a.example', type)).failed, 'bad-answer')
          assert.ok(Number.isSafeInteger(cache.bytes))
        }
      }
    })
  }

  for (const ttl of [Number.NaN, '5', null, {}]) {
    it(`keeps an answer with a time-to-live of ${inspect(ttl)} as one without`, async () => {
      let now = 0
      const answer = { ...A('192.0.2.1'), ttl } as unknown as ResolverAnswer
      const { cache, asked } = cacheOf(() => answer, { now: () => now, unknownTtl: 60_000 })
      await cache.ask('a.example', 'A')
      now = 59_999
      await cache.ask('a.example', 'A')
      assert.equal(asked.length, 1)
      now = 60_000
      await cache.ask('a.example', 'A')
      assert.equal(asked.length, 2)
    })
  }

  it('waits no longer than its timeout, and keeps what comes late', async () => {
    let answer!: (answer: ResolverAnswer) => void
    let cutOff: AbortSignal | undefined
    const cache = new DnsCache({
      timeout: 3_000,
      now: () => 0,
      resolver: {
        resolve: (_name, _type, { signal }) => {
          cutOff = signal
          return new Promise((resolve) => {
            answer = resolve as typeof answer
          })
        },
      },
    })
    const asked = cache.ask('a.example', 'A')
    mock.timers.tick(2_999)
    assert.deepEqual([cutOff?.aborted, cache.pending], [false, 1])
    mock.timers.tick(1)
    assert.deepEqual(await asked, { failed: 'timeout' })
    assert.deepEqual([cutOff?.aborted, cache.pending], [true, 0])
    answer(A('192.0.2.1'))
    await new Promise(setImmediate)
    assert.deepEqual((await cache.ask('a.example', 'A')).found, ['192.0.2.1'])
  })

  it('lets no late failure take the place of an answer', async () => {
    const late: ((answer: ResolverAnswer) => void)[] = []
    const cache = new DnsCache({
      failureTtl: 0,
      now: () => 0,
      resolver: scriptedResolver(() => new Promise((resolve) => late.push(resolve))),
    })
    const first = cache.ask('a.example', 'A')
    mock.timers.tick(5_000)
    assert.equal((await first).failed, 'timeout')
    const second = cache.ask('a.example', 'A')
    await new Promise(setImmediate)
    late[1]!(A('192.0.2.1'))
    assert.deepEqual((await second).found, ['192.0.2.1'])
    late[0]!({ failed: 'server-failure' })
    await new Promise(setImmediate)
    assert.deepEqual((await cache.ask('a.example', 'A')).found, ['192.0.2.1'])
  })

  it('lets no more questions wait than its limit', async () => {
    const { cache, asked } = cacheOf(() => new Promise(() => {}), { maxPending: 3 })
    const waiting = ['a', 'b', 'c'].map((name) => cache.ask(name, 'A'))
    assert.deepEqual(await cache.ask('d', 'A'), { failed: 'busy' })
    // One more for a question that waits already costs nothing.
    waiting.push(cache.ask('a', 'A'))
    mock.timers.tick(5_000)
    assert.deepEqual(
      await Promise.all(waiting),
      Array.from({ length: 4 }, () => ({ failed: 'timeout' })),
    )
    assert.deepEqual([asked.length, cache.pending], [3, 0])
  })

  it('forgets what was not used for longest', async () => {
    const { cache, asked } = cacheOf((question) => ({ found: [question] }), { maxEntries: 2 })
    for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) await cache.ask(name, 'A')
    assert.deepEqual(asked, ['A a', 'A b', 'A c', 'A b'])
    assert.equal(cache.size, 2)
  })

  it('is never above its bounds, and counts what it has', async () => {
    const step = fc.record({
      name: fc.integer({ min: 0, max: 30 }),
      size: fc.integer({ min: 0, max: 3_000 }),
      pause: fc.integer({ min: 0, max: 20_000 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        let size = 0
        const { cache, clock } = cacheOf(() => ({ found: ['x'.repeat(size)] }), {
          maxEntries: 10,
          maxBytes: 20_000,
        })
        for (const { name, size: next, pause } of steps) {
          clock.now += pause
          size = next
          await cache.ask(`name${name}`, 'TXT')
          assert.ok(cache.size <= 10 && cache.bytes <= 20_000)
          assert.equal(cache.size === 0, cache.bytes === 0)
        }
      }),
    )
  })

  it('does not keep an answer larger than all its memory', async () => {
    const { cache } = cacheOf(() => ({ found: ['x'.repeat(1_000)] }), { maxBytes: 1_000 })
    assert.equal((await cache.ask('a', 'TXT')).found?.length, 1)
    assert.deepEqual([cache.size, cache.bytes], [0, 0])
  })

  for (const name of [
    'timeout',
    'maxPending',
    'maxEntries',
    'maxBytes',
    'minTtl',
    'maxTtl',
    'unknownTtl',
    'negativeTtl',
    'failureTtl',
  ]) {
    it(`refuses -1 as ${name}`, () => {
      assert.throws(() => new DnsCache({ [name]: -1 }), {
        code: 'INVALID_OPTION',
        message: new RegExp(name),
      })
    })
  }
})
