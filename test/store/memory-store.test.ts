import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { describeStore } from './suite.ts'

describeStore('the memory store', async () => {
  let now = Date.UTC(2026, 10, 30)
  return {
    store: openMemoryStore({ clock: () => now }),
    pass: async (milliseconds) => void (now += milliseconds),
  }
})

describe('the room of the memory store', () => {
  const maxBytes = 65_536
  async function fill(store: Store, prefix: string): Promise<number> {
    for (let i = 0; ; i++) {
      try {
        await store.setIfAbsent(`${prefix}${i}`, 'v', { ttl: 10_000 })
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'STORE_FULL')
        return i
      }
    }
  }

  it('ends with STORE_FULL, and comes back', async () => {
    let now = 0
    const store = openMemoryStore({ maxBytes, clock: () => now })
    const count = await fill(store, 'a')
    assert.ok(count > 200)
    for (let i = 0; i < count; i++) assert.equal((await store.get(`a${i}`))?.value, 'v')
    const ttl = 10_000
    // What needs no more room is made: changing and deleting. What was deleted makes room.
    assert.equal(await store.compareAndSet('a0', 'v', 'w', { ttl }), true)
    assert.equal(await store.compareAndSet('a1', 'v', undefined, { ttl }), true)
    assert.equal(await store.setIfAbsent('b', 'v', { ttl }), 'v')
    // Of a step with several changes, none is made.
    const bucket = { capacity: 10, fillTime: 10_000 }
    const buckets = Array.from({ length: 10 }, (_, i) => ({ key: `t${i}`, ...bucket }))
    await assert.rejects(store.take(buckets, { id: 'x' }), { code: 'STORE_FULL' })
    assert.equal(await store.giveBack([buckets[0]!], { id: 'x' }).catch(() => 'full'), 'full')
    for (let round = 0; round < 5; round++) {
      now += 11_000
      const again = await fill(store, `b${round}`)
      assert.ok(Math.abs(again - count) < 20, `${again} of ${count}`)
    }
  })

  it('is not used up by ids, buckets and values that come and go', async () => {
    let now = 0
    const store = openMemoryStore({ maxBytes, clock: () => now })
    for (let i = 0; i < 20_000; i++) {
      now += 10_000
      await store.take([{ key: `b${i}`, capacity: 10, fillTime: 1_000 }], { id: `${i}` })
      await store.increment(`n${i}`, { ttl: 1_000, id: `${i}` })
    }
  })

  it('is checked', () => {
    for (const options of [{ maxBytes: 1 }, { maxByte: 65_536 }]) {
      assert.throws(() => openMemoryStore(options as never), { code: 'INVALID_OPTION' })
    }
  })
})

describe('a bucket', () => {
  const steps = fc.array(
    fc.record({
      pass: fc.oneof(fc.nat({ max: 50 }), fc.nat({ max: 20_000 })),
      tokens: fc.nat({ max: 12 }),
      back: fc.boolean(),
    }),
    { minLength: 1, maxLength: 60 },
  )
  const bucket = { key: 'b', capacity: 10, fillTime: 7_000 }

  it('never admits more than its capacity and what has flowed in, in any window', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        let now = 0
        const store = openMemoryStore({ clock: () => now })
        const admitted: { at: number; tokens: number }[] = []
        for (const [i, { pass, tokens, back }] of all.entries()) {
          now += pass
          const id = String(i)
          const result = await store.take([{ ...bucket, tokens }], { id })
          assert.ok(result.left[0]! >= 0 && result.left[0]! <= bucket.capacity)
          if (!result.taken) continue
          if (back) await store.giveBack([{ ...bucket, tokens }], { id })
          else admitted.push({ at: now, tokens })
        }
        for (const [i, { at: start }] of admitted.entries()) {
          let sum = 0
          for (const { at, tokens } of admitted.slice(i)) {
            sum += tokens
            const most = bucket.capacity + ((at - start) * bucket.capacity) / bucket.fillTime
            assert.ok(sum <= most + 1e-9, `${sum} of ${most} from ${start} to ${at}`)
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  it('says how long to wait, to the millisecond', async () => {
    const sizes = fc.record({
      capacity: fc.integer({ min: 1, max: 1_000 }),
      fillTime: fc.integer({ min: 1, max: 1_000_000 }),
      waits: fc.array(fc.nat({ max: 10_000 }), { maxLength: 5 }),
      tokens: fc.integer({ min: 1, max: 1_000 }),
    })
    await fc.assert(
      fc.asyncProperty(sizes, async ({ capacity, fillTime, waits, tokens }) => {
        let now = 1_796_000_000_000
        const store = openMemoryStore({ clock: () => now })
        const one = { key: 'b', capacity, fillTime, tokens }
        for (const wait of [0, ...waits]) {
          now += wait
          await store.take([{ ...one, tokens: Math.ceil(capacity / 2) }])
        }
        const refused = await store.take([one])
        if (refused.taken) return
        if (tokens > capacity) {
          assert.equal(refused.wait, Infinity)
          return
        }
        assert.ok(Number.isSafeInteger(refused.wait) && refused.wait > 0)
        now += refused.wait - 1
        assert.equal((await store.take([one])).taken, false)
        now += 1
        assert.equal((await store.take([one])).taken, true)
      }),
      { numRuns: 500 },
    )
  })

  for (const [what, take] of [
    ['refused', 1],
    ['looked at', 0],
  ] as const) {
    it(`fills again after the clock was set back, as soon as it was ${what}`, async () => {
      let now = 1_796_000_000_000
      const store = openMemoryStore({ clock: () => now })
      await store.take([{ ...bucket, tokens: 10 }])
      now -= 10 * 365 * 86_400_000
      const seen = await store.take([{ ...bucket, tokens: take }])
      assert.deepEqual(seen.left, [0])
      // It is the time for one token, not the ten years until the clock is where it was.
      if (!seen.taken) assert.equal(seen.wait, bucket.fillTime / bucket.capacity)
      now += bucket.fillTime / bucket.capacity
      assert.deepEqual(await store.take([bucket]), { taken: true, left: [0] })
    })
  }

  it('is given back after the clock was set back', async () => {
    let now = 1_796_000_000_000
    const store = openMemoryStore({ clock: () => now })
    await store.take([{ ...bucket, tokens: 10 }], { id: 'a' })
    await store.take([{ ...bucket, tokens: 0 }])
    now -= 3_600_000
    assert.equal(await store.giveBack([bucket], { id: 'a' }), true)
    assert.deepEqual(await store.take([{ ...bucket, tokens: 10 }]), { taken: true, left: [0] })
  })
})
