import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../../../src/diagnostics/log.ts'
import { openMemoryStore, StoreError, type Store } from '../../../src/store/index.ts'
import { RateLimiter } from '../../../src/toolkit/index.ts'
import type { Limit } from '../../../src/toolkit/index.ts'

const common = { onFailure: 'closed', logger: silentLogger() } as const

function limiterWith<const Subject extends string>(
  limits: Readonly<Record<Subject, Limit | readonly Limit[]>>,
) {
  const clock = { now: Date.UTC(2026, 10, 30) }
  const store = openMemoryStore({ clock: () => clock.now })
  return { clock, store, limiter: new RateLimiter({ store, limits, ...common }) }
}

describe('RateLimiter', () => {
  it('lets so many through, and then as many as flow in', async () => {
    const { clock, limiter } = limiterWith({ user: '10/60s' })
    for (let i = 9; i >= 0; i--) {
      assert.deepEqual(await limiter.take({ user: 'alice' }), {
        allowed: true,
        left: { user: i },
      })
    }
    assert.deepEqual(await limiter.take({ user: 'alice' }), {
      allowed: false,
      left: { user: 0 },
      subject: 'user',
      limit: '10/60s',
      wait: 6_000,
    })
    assert.equal((await limiter.take({ user: 'bob' })).allowed, true)
    clock.now += 5_999
    assert.equal((await limiter.take({ user: 'alice' })).allowed, false)
    clock.now += 1
    assert.equal((await limiter.take({ user: 'alice' })).allowed, true)
    assert.equal((await limiter.take({ user: 'alice' })).allowed, false)
  })

  it('takes of all limits of all subjects, or of none', async () => {
    const { limiter } = limiterWith({ user: ['3/m', '4/d'], client: '5/h' })
    const both = { user: 'alice', client: '192.0.2.1' }
    assert.deepEqual((await limiter.take(both)).left, { user: 2, client: 4 })
    // Sixteen copies at once: refused, and not counted (they would lock the user out).
    const refused = await limiter.take(both, { tokens: { user: 16 } })
    assert.equal(refused.allowed, false)
    assert.ok(!refused.allowed && refused.subject === 'user' && refused.wait === Infinity)
    assert.deepEqual((await limiter.take(both, { tokens: 2 })).left, { user: 0, client: 2 })
    const again = await limiter.take(both)
    assert.ok(!again.allowed && again.limit === '3/m')
    assert.deepEqual((await limiter.take({ client: '192.0.2.1' })).left, { client: 1 })
    assert.deepEqual(await limiter.take({ user: undefined }), { allowed: true, left: {} })
  })

  it('keeps two limits of one subject apart', async () => {
    const { clock, limiter } = limiterWith({ user: ['2/s', '3/d'] })
    let count = 0
    for (let i = 0; i < 10; i++, clock.now += 1_000) {
      if ((await limiter.take({ user: 'alice' })).allowed) count++
    }
    assert.equal(count, 3)
  })

  it('counts an id once, and gives it back once', async () => {
    const { limiter } = limiterWith({ user: '2/h' })
    const alice = { user: 'alice' }
    await limiter.take(alice, { id: 'm1' })
    await limiter.take(alice, { id: 'm1' })
    await limiter.take(alice, { id: 'm2', tokens: 1 })
    assert.equal((await limiter.take(alice, { id: 'm3' })).allowed, false)
    assert.equal(await limiter.giveBack(alice, { id: 'm3' }), false)
    assert.equal(await limiter.giveBack(alice, { id: 'm1' }), true)
    await limiter.giveBack(alice, { id: 'm1' })
    assert.equal((await limiter.take(alice, { id: 'm4' })).allowed, true)
    assert.equal((await limiter.take(alice, { id: 'm5' })).allowed, false)
    assert.equal(await limiter.giveBack({}, { id: 'm5' }), false)
  })

  it('admits as many as there are tokens, whoever asks at once', async () => {
    const { limiter } = limiterWith({ user: '50/h' })
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, i) => limiter.take({ user: 'alice' }, { id: `m${i}` })),
    )
    assert.equal(results.filter(({ allowed }) => allowed).length, 50)
  })

  it('takes a burst apart from the rate', async () => {
    const { clock, limiter } = limiterWith({ user: { tokens: 60, per: '1h', burst: 5 } })
    for (let i = 0; i < 5; i++) assert.ok((await limiter.take({ user: 'alice' })).allowed)
    const refused = await limiter.take({ user: 'alice' })
    assert.ok(!refused.allowed && refused.wait === 60_000)
    clock.now += 60_000
    assert.ok((await limiter.take({ user: 'alice' })).allowed)
  })

  it('fails, passes or goes on by itself if the store fails', async () => {
    const logger = silentLogger()
    const limits = { user: '1/h' }
    const store = openMemoryStore()
    await store.close()
    const alice = { user: 'alice' }
    const closed = new RateLimiter({ store, limits, onFailure: 'closed', logger })
    await assert.rejects(closed.take(alice, { id: 'm' }), { code: 'STORE_CLOSED' })
    assert.equal(await closed.giveBack(alice, { id: 'm' }), false)
    const open = new RateLimiter({ store, limits, onFailure: 'open', logger })
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(await open.take(alice), { allowed: true, left: {} })
    }
    const local = new RateLimiter({ store, limits, onFailure: 'local', logger })
    assert.equal((await local.take(alice)).allowed, true)
    assert.equal((await local.take(alice)).allowed, false)
  })

  it('takes nothing for a message that is deferred because the answer was late', async () => {
    const inner = openMemoryStore()
    let late = true
    const store = {
      kind: 'redis',
      // The step is made after its deadline.
      take: async (...call: Parameters<Store['take']>) => {
        if (!late) return inner.take(...call)
        void sleep(5).then(() => inner.take(...call))
        throw new StoreError('STORE_TIMEOUT', 'too late')
      },
      giveBack: (...call: Parameters<Store['giveBack']>) => inner.giveBack(...call),
    } as unknown as Store
    const limits = { user: '1/h' }
    const limiter = new RateLimiter({
      store,
      limits,
      ...common,
      clock: () => Date.now() * 1_000,
    })
    await assert.rejects(limiter.take({ user: 'alice' }, { id: 'm1' }), {
      code: 'STORE_TIMEOUT',
    })
    await sleep(20)
    late = false
    assert.equal((await limiter.take({ user: 'alice' }, { id: 'm2' })).allowed, true)
  })

  const wrong: [title: string, limits: unknown, message: RegExp][] = [
    ['no limits', {}, /the option limits takes an object such as/],
    ['an empty list', { user: [] }, /limits\.user takes one or several limits/],
    ['no unit', { user: '10/60' }, /limits\.user takes limits such as '10\/60s'/],
    ['no number', { user: 'many/h' }, /limits\.user takes limits such as/],
    ['none', { user: '0/h' }, /limits\.user\.tokens takes a whole number from 1 to .* got 0/],
    ['no time', { user: '1/0s' }, /limits\.user\.per takes milliseconds from 1/],
    ['an unknown unit', { user: '1/w' }, /limits\.user\.per takes .*'36d'; it got "w"/],
    ['the same twice', { user: ['1/h', '1 / h'] }, /each once/],
    ['half a token', { user: { tokens: 0.5, per: '1s' } }, /limits\.user\.tokens takes/],
    ['no burst', { user: { tokens: 1, per: '1s', burst: 0 } }, /limits\.user\.burst takes/],
    ['nothing', { user: null }, /limits\.user takes limits such as/],
  ]
  for (const [title, limits, message] of wrong) {
    it(`refuses ${title}`, () => {
      assert.throws(
        () => new RateLimiter({ store: openMemoryStore(), limits: limits as never, ...common }),
        { name: 'UsageError', code: 'INVALID_OPTION', message },
      )
    })
  }

  it('refuses a subject without limits, and suggests one', async () => {
    const { limiter } = limiterWith({ user: '1/h' })
    await assert.rejects(limiter.take({ usr: 'alice' } as never), {
      code: 'INVALID_OPTION',
      message: /did you mean user/i,
    })
  })

  for (const [limit, count, time] of [
    ['10/60s', 10, 60_000],
    ['10 / 1m', 10, 60_000],
    ['1/500ms', 1, 500],
    ['150/d', 150, 86_400_000],
    ['150/1d', 150, 86_400_000],
    ['7/h', 7, 3_600_000],
    [{ tokens: 2, per: 1_000 }, 2, 1_000],
  ] as const) {
    it(`understands ${JSON.stringify(limit)}`, async () => {
      const { clock, limiter } = limiterWith({ user: limit })
      assert.equal((await limiter.take({ user: 'a' }, { tokens: count })).allowed, true)
      clock.now += time - 1
      assert.equal((await limiter.take({ user: 'a' }, { tokens: count })).allowed, false)
      clock.now += 1
      assert.equal((await limiter.take({ user: 'a' }, { tokens: count })).allowed, true)
    })
  }
})

describe('limits of one call', () => {
  it('replace those of a subject, and go back with the same limits', async () => {
    const limiter = new RateLimiter({
      store: openMemoryStore(),
      limits: { user: '1/h', client: '100/h' },
      onFailure: 'closed',
    })
    const who = { user: 'alice', client: '192.0.2.1' }
    const limits = { user: ['3/h', '50/d'] }
    for (let i = 0; i < 3; i++) {
      assert.equal((await limiter.take(who, { id: `m${i}`, limits })).allowed, true)
    }
    const refused = await limiter.take(who, { id: 'm3', limits })
    assert.equal(!refused.allowed && refused.limit, '3/h')
    assert.equal(await limiter.giveBack(who, { id: 'm0', limits }), true)
    assert.equal((await limiter.take(who, { id: 'm4', limits })).allowed, true)
    // Without any, only the others count; the usual limit is untouched.
    assert.equal((await limiter.take(who, { id: 'm5', limits: { user: [] } })).allowed, true)
    assert.equal((await limiter.take(who, { id: 'm6' })).allowed, true)
    await assert.rejects(limiter.take(who, { limits: { user: ['1/h', '1/h'] } }), {
      code: 'INVALID_OPTION',
    })
  })
})
