// What each store does, whatever it is made of: the cases that memory, file and Redis are held to.
import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { MAX_BUCKETS, MAX_KEY, MAX_TIME, MAX_TOKENS, MAX_VALUE } from '../../src/store/store.ts'
import type { Bucket, Store, Taken } from '../../src/store/store.ts'

/** A store without any value, and what the suite can do with it. */
export interface StoreAtHand {
  readonly store: Store
  /** Opens the same data again, as another process would. Missing if the kind of store is not shared. */
  readonly again?: () => Promise<Store>
  /** Lets at least so many milliseconds pass by the clock of the store: moves a clock, or waits. */
  readonly pass: (milliseconds: number) => Promise<void>
  /** Releases what was opened; the stores are closed already. */
  readonly release?: () => unknown
}

/** With the clock of a server, time also passes between two calls. Then this many milliseconds may have passed. */
interface Clock {
  readonly exact: boolean
}

const LONG = 3_600_000
/** short enough to wait for, with the clock of a server */
const SHORT = 60

/** Holds a kind of store to what `src/store/store.ts` says. */
export function describeStore(
  name: string,
  open: () => Promise<StoreAtHand>,
  { exact }: Clock = { exact: true },
): void {
  describe(name, () => {
    const opened: (() => unknown)[] = []
    afterEach(async () => {
      for (const close of opened.splice(0).reverse()) await close()
    })
    const fresh = async (): Promise<StoreAtHand> => {
      const hand = await open()
      if (hand.release !== undefined) opened.push(hand.release)
      opened.push(() => hand.store.close())
      return hand
    }
    const two = async (hand: StoreAtHand): Promise<[Store, Store]> => {
      const other = (await hand.again?.()) ?? hand.store
      if (other !== hand.store) opened.push(() => other.close())
      return [hand.store, other]
    }

    describe('values', () => {
      it('are absent at first', async () => {
        const { store } = await fresh()
        assert.equal(await store.get('a'), undefined)
        assert.deepEqual(await listed(store, ''), [])
      })

      it('are set once', async () => {
        const { store } = await fresh()
        const before = Date.now()
        assert.equal(await store.setIfAbsent('a', 'one', { ttl: LONG }), 'one')
        assert.equal(await store.setIfAbsent('a', 'two', { ttl: LONG }), 'one')
        const entry = await store.get('a')
        assert.equal(entry?.value, 'one')
        assert.ok(Number.isSafeInteger(entry.expires))
        if (!exact) assert.ok(entry.expires > before)
      })

      it('are claimed by one of many', async () => {
        const [first, second] = await two(await fresh())
        const wanted = Array.from({ length: 50 }, (_, i) => `claim ${i}`)
        const got = await Promise.all(
          wanted.map((value, i) =>
            (i % 2 === 0 ? first : second).setIfAbsent('a', value, { ttl: LONG }),
          ),
        )
        assert.equal(new Set(got).size, 1)
        assert.ok(wanted.includes(got[0]!))
      })

      it('are any text, up to the limits', async () => {
        const { store } = await fresh()
        const texts = [
          '',
          '\0',
          ' ',
          '\n',
          '{a}b',
          '*[?]\\',
          'é',
          '\u{1f4e7}',
          '1',
          '0x10',
          'nil',
        ]
        for (const text of texts) {
          const key = `k${text}`
          assert.equal(await store.setIfAbsent(key, text, { ttl: LONG }), text)
          assert.equal((await store.get(key))?.value, text)
        }
        assert.deepEqual(
          await listed(store, 'k'),
          texts.map((text) => [`k${text}`, text]).sort(byKey),
        )
        const key = 'é'.repeat(MAX_KEY / 2)
        const value = 'v'.repeat(MAX_VALUE)
        assert.equal(await store.setIfAbsent(key, value, { ttl: MAX_TIME }), value)
        assert.equal((await store.get(key))?.value, value)
      })

      it('have their own keys, whatever is beside them', async () => {
        const { store } = await fresh()
        await store.setIfAbsent('a', 'value', { ttl: LONG })
        await store.take([bucket('a', 1)], { id: 'a' })
        await store.increment('b', { ttl: LONG, id: 'a' })
        assert.equal((await store.get('a'))?.value, 'value')
        assert.deepEqual(await listed(store, ''), [
          ['a', 'value'],
          ['b', '1'],
        ])
      })

      it('are forgotten', async () => {
        const { store, pass } = await fresh()
        await store.setIfAbsent('short', 'one', { ttl: SHORT })
        await store.setIfAbsent('long', 'two', { ttl: LONG })
        await store.increment('number', { ttl: SHORT })
        await pass(SHORT)
        assert.equal(await store.get('short'), undefined)
        assert.equal((await store.get('long'))?.value, 'two')
        assert.deepEqual(await listed(store, ''), [['long', 'two']])
        assert.deepEqual(await store.increment('number', { ttl: LONG }), {
          done: true,
          value: 1,
        })
        assert.equal(await store.compareAndSet('short', 'one', 'three', { ttl: LONG }), false)
        assert.equal(await store.setIfAbsent('short', 'four', { ttl: LONG }), 'four')
      })

      it('are shared', async () => {
        const [first, second] = await two(await fresh())
        await first.setIfAbsent('a', 'one', { ttl: LONG })
        assert.equal((await second.get('a'))?.value, 'one')
        assert.equal(await second.compareAndSet('a', 'one', 'two', { ttl: LONG }), true)
        assert.equal((await first.get('a'))?.value, 'two')
      })
    })

    describe('compareAndSet', () => {
      const cases: [
        title: string,
        there: string | undefined,
        expected: string | undefined,
        value: string | undefined,
        result: boolean,
        after: string | undefined,
      ][] = [
        ['replaces what is expected', 'one', 'one', 'two', true, 'two'],
        ['leaves what is not expected', 'other', 'one', 'two', false, 'other'],
        [
          'replaces nothing if something is expected',
          undefined,
          'one',
          'two',
          false,
          undefined,
        ],
        ['sets what is absent', undefined, undefined, 'two', true, 'two'],
        ['does not set what is there', 'one', undefined, 'two', false, 'one'],
        ['may be repeated', 'two', 'one', 'two', true, 'two'],
        ['may be repeated after a first value', 'two', undefined, 'two', true, 'two'],
        ['deletes what is expected', 'one', 'one', undefined, true, undefined],
        ['does not delete another', 'other', 'one', undefined, false, 'other'],
        ['may delete again', undefined, 'one', undefined, true, undefined],
        ['knows that there is nothing', undefined, undefined, undefined, true, undefined],
        ['knows that there is something', 'one', undefined, undefined, false, 'one'],
        ['sees the empty value', '', '', 'two', true, 'two'],
        ['tells empty from absent', undefined, '', 'two', false, undefined],
      ]
      for (const [title, there, expected, value, result, after] of cases) {
        it(title, async () => {
          const { store } = await fresh()
          if (there !== undefined) await store.setIfAbsent('a', there, { ttl: LONG })
          assert.equal(await store.compareAndSet('a', expected, value, { ttl: LONG }), result)
          assert.equal((await store.get('a'))?.value, after)
        })
      }

      it('sets the time', async () => {
        const { store, pass } = await fresh()
        await store.setIfAbsent('a', 'one', { ttl: SHORT })
        assert.equal(await store.compareAndSet('a', 'one', 'one', { ttl: LONG }), true)
        await store.setIfAbsent('b', 'one', { ttl: LONG })
        assert.equal(await store.compareAndSet('b', 'one', 'two', { ttl: SHORT }), true)
        await pass(SHORT)
        assert.equal((await store.get('a'))?.value, 'one')
        assert.equal(await store.get('b'), undefined)
      })

      it('lets one of many win', async () => {
        const [first, second] = await two(await fresh())
        await first.setIfAbsent('a', '0', { ttl: LONG })
        const add = async (store: Store, i: number): Promise<void> => {
          for (;;) {
            const old = (await store.get('a'))!.value
            const next = `${Number(old.split(' ')[0]) + 1} ${i}`
            if (await store.compareAndSet('a', old, next, { ttl: LONG })) return
          }
        }
        await Promise.all(
          Array.from({ length: 20 }, (_, i) => add(i % 2 === 0 ? first : second, i)),
        )
        assert.match((await first.get('a'))!.value, /^20 /)
      })
    })

    describe('increment', () => {
      it('counts from 0', async () => {
        const { store } = await fresh()
        assert.deepEqual(await store.increment('a', { ttl: LONG }), { done: true, value: 1 })
        assert.deepEqual(await store.increment('a', { ttl: LONG, by: 41 }), {
          done: true,
          value: 42,
        })
        assert.deepEqual(await store.increment('a', { ttl: LONG, by: -50 }), {
          done: true,
          value: -8,
        })
        assert.deepEqual(await store.increment('a', { ttl: LONG, by: 0 }), {
          done: true,
          value: -8,
        })
        assert.equal((await store.get('a'))?.value, '-8')
      })

      it('stays in its range', async () => {
        const { store } = await fresh()
        const range = { ttl: LONG, min: 0, max: 3 }
        assert.deepEqual(await store.increment('a', { ...range, by: -1 }), {
          done: false,
          value: 0,
        })
        assert.deepEqual(await store.increment('a', { ...range, by: 4 }), {
          done: false,
          value: 0,
        })
        assert.equal(await store.get('a'), undefined)
        assert.deepEqual(await store.increment('a', { ...range, by: 3 }), {
          done: true,
          value: 3,
        })
        assert.deepEqual(await store.increment('a', range), { done: false, value: 3 })
        assert.deepEqual(await store.increment('a', { ...range, by: -3 }), {
          done: true,
          value: 0,
        })
      })

      it('is exact up to the limit of exact numbers', async () => {
        const { store } = await fresh()
        const most = Number.MAX_SAFE_INTEGER
        assert.deepEqual(await store.increment('a', { ttl: LONG, by: most }), {
          done: true,
          value: most,
        })
        assert.deepEqual(await store.increment('a', { ttl: LONG }), {
          done: false,
          value: most,
        })
        assert.equal((await store.get('a'))?.value, String(most))
        assert.deepEqual(await store.increment('a', { ttl: LONG, by: -most }), {
          done: true,
          value: 0,
        })
      })

      it('counts an id once', async () => {
        const { store } = await fresh()
        const once = { ttl: LONG, id: 'message 1' }
        assert.deepEqual(await store.increment('a', once), { done: true, value: 1 })
        await store.increment('a', { ttl: LONG, id: 'message 2' })
        assert.deepEqual(await store.increment('a', once), { done: true, value: 1 })
        assert.deepEqual(await store.increment('b', once), { done: true, value: 1 })
        assert.equal((await store.get('a'))?.value, '2')
      })

      it('tries an id again that was refused', async () => {
        const { store } = await fresh()
        const once = { ttl: LONG, id: 'message 1', max: 1 }
        await store.increment('a', { ttl: LONG })
        assert.deepEqual(await store.increment('a', once), { done: false, value: 1 })
        await store.increment('a', { ttl: LONG, by: -1 })
        assert.deepEqual(await store.increment('a', once), { done: true, value: 1 })
      })

      it('keeps the number as long as the last step says', async () => {
        const { store, pass } = await fresh()
        await store.increment('a', { ttl: SHORT })
        await store.increment('a', { ttl: LONG })
        await store.increment('b', { ttl: SHORT, max: 1 })
        assert.equal((await store.increment('b', { ttl: LONG, max: 1 })).done, false)
        await pass(SHORT)
        assert.equal((await store.get('a'))?.value, '2')
        assert.equal(await store.get('b'), undefined)
      })

      it('loses nothing', async () => {
        const [first, second] = await two(await fresh())
        await Promise.all(
          Array.from({ length: 200 }, (_, i) =>
            (i % 2 === 0 ? first : second).increment('a', { ttl: LONG }),
          ),
        )
        assert.equal((await first.get('a'))?.value, '200')
      })

      it('refuses a value that is no number', async () => {
        const { store } = await fresh()
        for (const [i, value] of [
          '',
          'one',
          '1.5',
          '1e3',
          ' 1',
          '0x1',
          '9007199254740993',
        ].entries()) {
          await store.setIfAbsent(`a${i}`, value, { ttl: LONG })
          await assert.rejects(store.increment(`a${i}`, { ttl: LONG }), {
            name: 'UsageError',
            code: 'INVALID_OPTION',
          })
          assert.equal((await store.get(`a${i}`))?.value, value)
        }
        await store.setIfAbsent('number', '-7', { ttl: LONG })
        assert.deepEqual(await store.increment('number', { ttl: LONG }), {
          done: true,
          value: -6,
        })
      })
    })

    describe('take', () => {
      it('takes what is there', async () => {
        const { store } = await fresh()
        const ten = bucket('a', 10)
        assert.deepEqual(await store.take([ten]), { taken: true, left: [9] })
        assert.deepEqual(await store.take([{ ...ten, tokens: 9 }]), { taken: true, left: [0] })
        const refused = await store.take([ten])
        assert.deepEqual(
          { ...refused, wait: 0 },
          { taken: false, bucket: 0, left: [0], wait: 0 },
        )
        assert.ok(waitOf(refused) > 0 && waitOf(refused) <= LONG)
      })

      it('only looks for 0 tokens', async () => {
        const { store } = await fresh()
        const look = { ...bucket('a', 3), tokens: 0 }
        assert.deepEqual(await store.take([look], { id: 'x' }), { taken: true, left: [3] })
        await store.take([{ ...look, tokens: 3 }], { id: 'y' })
        assert.deepEqual(await store.take([look]), { taken: true, left: [0] })
        assert.equal(await store.giveBack([look], { id: 'x' }), false)
      })

      it('takes of all buckets or of none', async () => {
        const { store } = await fresh()
        const [small, large] = [bucket('small', 2), bucket('large', 5)]
        assert.deepEqual(await store.take([large, small]), { taken: true, left: [4, 1] })
        const both = await store.take([large, { ...small, tokens: 2 }])
        assert.deepEqual(
          { ...both, wait: 0 },
          { taken: false, bucket: 1, left: [4, 1], wait: 0 },
        )
        assert.deepEqual(await store.take([small, large]), { taken: true, left: [0, 3] })
      })

      it('never gives more than the capacity at once', async () => {
        const { store } = await fresh()
        assert.deepEqual(
          await store.take([bucket('b', 5), { ...bucket('a', 10), tokens: 11 }]),
          {
            taken: false,
            bucket: 1,
            left: [5, 10],
            wait: Infinity,
          },
        )
      })

      it('fills at an even rate', async () => {
        const { store, pass } = await fresh()
        const fast = { key: 'a', capacity: 6, fillTime: 2 * SHORT }
        assert.equal((await store.take([{ ...fast, tokens: 6 }])).taken, true)
        await pass(SHORT)
        const { left } = await store.take([{ ...fast, tokens: 0 }])
        if (exact) assert.deepEqual(left, [3])
        else assert.ok(left[0]! >= 3)
        await pass(20 * SHORT)
        assert.deepEqual(await store.take([{ ...fast, tokens: 0 }]), { taken: true, left: [6] })
      })

      it('has enough after the wait that it said', async () => {
        const { store, pass } = await fresh()
        const odd = { key: 'a', capacity: 7, fillTime: 101 }
        for (let i = 0; i < 10; i++) {
          const refused = await store.take([{ ...odd, tokens: 7 }])
          if (!refused.taken) {
            await pass(refused.wait)
            assert.equal((await store.take([{ ...odd, tokens: 7 }])).taken, true)
          }
        }
      })

      it('admits as many as there are tokens', async () => {
        const [first, second] = await two(await fresh())
        const hundred = bucket('a', 100)
        const results = await Promise.all(
          Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? first : second).take([hundred])),
        )
        assert.equal(results.filter(({ taken }) => taken).length, 100)
      })

      it('counts an id once', async () => {
        const { store } = await fresh()
        const ten = bucket('a', 10)
        const first = await store.take([ten], { id: 'm1' })
        await store.take([ten], { id: 'm2' })
        assert.deepEqual(await store.take([ten], { id: 'm1' }), first)
        assert.deepEqual(await store.take([{ ...ten, tokens: 0 }]), { taken: true, left: [8] })
        // Another set of buckets is another step.
        assert.deepEqual(await store.take([ten, bucket('b', 2)], { id: 'm1' }), {
          taken: true,
          left: [7, 1],
        })
      })

      it('tries an id again that was refused', async () => {
        const { store } = await fresh()
        const one = bucket('a', 1)
        await store.take([one], { id: 'm1' })
        assert.equal((await store.take([one], { id: 'm2' })).taken, false)
        assert.equal(await store.giveBack([one], { id: 'm1' }), true)
        assert.equal((await store.take([one], { id: 'm2' })).taken, true)
      })
    })

    describe('giveBack', () => {
      it('puts back what was taken, once', async () => {
        const { store } = await fresh()
        const buckets = [{ ...bucket('a', 10), tokens: 4 }, bucket('b', 2)]
        await store.take(buckets, { id: 'm1' })
        assert.equal(await store.giveBack(buckets, { id: 'm1' }), true)
        assert.deepEqual(await look(store, buckets), [10, 2])
        await store.take(buckets, { id: 'm2' })
        // Repeated, it says what it said, and does nothing.
        assert.equal(await store.giveBack(buckets, { id: 'm1' }), true)
        assert.deepEqual(await look(store, buckets), [6, 1])
      })

      it('comes before its take', async () => {
        const { store } = await fresh()
        const ten = bucket('a', 10)
        await store.take([ten])
        assert.equal(await store.giveBack([ten], { id: 'm1' }), false)
        assert.deepEqual(await store.take([ten], { id: 'm1' }), { taken: true, left: [9] })
        assert.deepEqual(await look(store, [ten]), [9])
        assert.equal(await store.giveBack([ten], { id: 'm1' }), false)
        assert.deepEqual(await look(store, [ten]), [9])
      })

      it('does not bring a take to life again', async () => {
        const { store } = await fresh()
        const ten = bucket('a', 10)
        await store.take([ten], { id: 'm1' })
        await store.giveBack([ten], { id: 'm1' })
        assert.deepEqual(await store.take([ten], { id: 'm1' }), { taken: true, left: [10] })
        assert.deepEqual(await look(store, [ten]), [10])
      })

      it('never makes a bucket fuller than full', async () => {
        const { store, pass } = await fresh()
        const fast = { key: 'a', capacity: 4, fillTime: SHORT, tokens: 4 }
        await store.take([fast], { id: 'm1' })
        await pass(SHORT)
        assert.equal(await store.giveBack([fast], { id: 'm1' }), true)
        assert.deepEqual(await look(store, [fast]), [4])
      })

      it('counts what was taken, not what it is asked for', async () => {
        const { store } = await fresh()
        const ten = bucket('a', 10)
        await store.take([{ ...ten, tokens: 5 }])
        await store.take([{ ...ten, tokens: 1 }], { id: 'm1' })
        assert.equal(await store.giveBack([{ ...ten, tokens: 4 }], { id: 'm1' }), true)
        assert.deepEqual(await look(store, [ten]), [5])
      })
    })

    describe('scan', () => {
      it('gives each value below a prefix once', async () => {
        const { store } = await fresh()
        await Promise.all(
          Array.from({ length: 2_500 }, (_, i) =>
            store.setIfAbsent(`p:${i}`, `v${i}`, { ttl: LONG }),
          ),
        )
        await store.setIfAbsent('p', 'shorter', { ttl: LONG })
        await store.setIfAbsent('q:1', 'later', { ttl: LONG })
        await store.setIfAbsent('p*:1', 'pattern', { ttl: LONG })
        const found = await listed(store, 'p:')
        assert.equal(found.length, 2_500)
        assert.equal(new Set(found.map(([key]) => key)).size, 2_500)
        for (const [key, value] of found) assert.equal(value, key!.replace('p:', 'v'))
        assert.deepEqual(await listed(store, 'p*'), [['p*:1', 'pattern']])
        for await (const { expires } of store.scan('q'))
          assert.ok(Number.isSafeInteger(expires))
      })

      it('goes on while values change', async () => {
        const { store } = await fresh()
        await Promise.all(
          Array.from({ length: 1_200 }, (_, i) =>
            store.setIfAbsent(`k${i}`, '0', { ttl: LONG }),
          ),
        )
        const seen: string[] = []
        for await (const { key } of store.scan('k')) {
          seen.push(key)
          // What was seen goes; what is still to come stays, and changes.
          await Promise.all([
            store.compareAndSet(key, '0', undefined, { ttl: LONG }),
            store.increment(`k${(seen.length * 7) % 1_200}`, { ttl: LONG, by: 0 }),
            store.setIfAbsent(`new${seen.length}`, '0', { ttl: LONG }),
          ])
        }
        const kept = new Set(seen)
        for (let i = 0; i < 1_200; i++) assert.ok(kept.has(`k${i}`), `k${i}`)
      })

      it('may be left', async () => {
        const { store } = await fresh()
        for (let i = 0; i < 10; i++) await store.setIfAbsent(`k${i}`, '0', { ttl: LONG })
        for await (const { value } of store.scan('k')) {
          assert.equal(value, '0')
          break
        }
        assert.equal((await listed(store, 'k')).length, 10)
      })
    })

    describe('a mistake', () => {
      const ttl = LONG
      const one: Bucket = { key: 'a', capacity: 1, fillTime: 1 }
      const long = 'x'.repeat(MAX_KEY + 1)
      const calls: [string, (store: Store) => Promise<unknown>][] = [
        ['an empty key', (s) => s.get('')],
        ['a long key', (s) => s.get(long)],
        ['a key that is no text', (s) => s.get(1 as never)],
        ['half a pair', (s) => s.setIfAbsent('a', '\ud800', { ttl })],
        ['a long value', (s) => s.setIfAbsent('a', 'é'.repeat(MAX_VALUE / 2 + 1), { ttl })],
        ['no ttl', (s) => s.setIfAbsent('a', 'b', {} as never)],
        ['a ttl of 0', (s) => s.compareAndSet('a', undefined, 'b', { ttl: 0 })],
        ['a ttl of half a millisecond', (s) => s.setIfAbsent('a', 'b', { ttl: 1.5 })],
        ['an endless ttl', (s) => s.setIfAbsent('a', 'b', { ttl: Infinity })],
        ['half a step', (s) => s.increment('a', { ttl, by: 0.5 })],
        ['an empty range', (s) => s.increment('a', { ttl, min: 2, max: 1 })],
        ['an empty id', (s) => s.increment('a', { ttl, id: '' })],
        ['a long id', (s) => s.take([one], { id: long })],
        ['no bucket', (s) => s.take([])],
        ['the same bucket twice', (s) => s.take([one, { ...one, tokens: 2 }])],
        [
          'too many buckets',
          (s) =>
            s.take(
              Array.from({ length: MAX_BUCKETS + 1 }, (_, i) => ({ ...one, key: `${i}` })),
            ),
        ],
        ['a bucket for nothing', (s) => s.take([{ ...one, capacity: 0 }])],
        ['a bucket too large', (s) => s.take([{ ...one, capacity: MAX_TOKENS + 1 }])],
        ['a bucket without time', (s) => s.take([{ ...one, fillTime: 0 }])],
        ['fewer than no tokens', (s) => s.take([{ ...one, tokens: -1 }])],
        ['giving back without id', (s) => s.giveBack([one], {} as never)],
        ['a long prefix', (s) => listed(s, long)],
      ]
      for (const [title, call] of calls) {
        it(`${title} is refused`, async () => {
          const { store } = await fresh()
          await assert.rejects(call(store), { name: 'UsageError', code: 'INVALID_OPTION' })
          assert.deepEqual(await listed(store, ''), [])
        })
      }
    })

    describe('an end', () => {
      it('of the caller ends the wait', async () => {
        const { store } = await fresh()
        const reason = new Error('the message was aborted')
        const signal = AbortSignal.abort(reason)
        for (const call of callsOf(store, signal)) await assert.rejects(call(), reason)
      })

      it('of the store ends all use', async () => {
        const { store } = await fresh()
        await store.setIfAbsent('a', 'b', { ttl: LONG })
        await store.close()
        for (const call of callsOf(store)) {
          await assert.rejects(call(), { name: 'StoreError', code: 'STORE_CLOSED' })
        }
        await store.close()
      })

      it('of one handle leaves the others', async () => {
        const [first, second] = await two(await fresh())
        if (first === second) return
        await first.setIfAbsent('a', 'b', { ttl: LONG })
        await first.close()
        assert.equal((await second.get('a'))?.value, 'b')
        assert.equal(await second.setIfAbsent('c', 'd', { ttl: LONG }), 'd')
      })
    })
  })
}

/** A bucket that does not fill while a test runs. */
const bucket = (key: string, capacity: number): Bucket => ({
  key,
  capacity,
  fillTime: capacity * LONG,
})

const waitOf = (taken: Taken): number => (taken.taken ? 0 : taken.wait)

const byKey = ([a]: string[], [b]: string[]): number => (a! < b! ? -1 : 1)

const look = async (store: Store, buckets: readonly Bucket[]): Promise<readonly number[]> =>
  (await store.take(buckets.map((one) => ({ ...one, tokens: 0 })))).left

/** The keys and values below a prefix, sorted. */
async function listed(store: Store, prefix: string): Promise<string[][]> {
  const found: string[][] = []
  for await (const { key, value } of store.scan(prefix)) found.push([key, value])
  return found.sort(byKey)
}

/** One call of each method. */
function callsOf(store: Store, signal?: AbortSignal): (() => Promise<unknown>)[] {
  const buckets = [bucket('t', 1)]
  return [
    () => store.get('k', { signal }),
    () => store.setIfAbsent('k', 'v', { ttl: LONG, signal }),
    () => store.compareAndSet('k', undefined, 'v', { ttl: LONG, signal }),
    () => store.increment('n', { ttl: LONG, signal }),
    () => store.take(buckets, { signal }),
    () => store.giveBack(buckets, { id: 'x', signal }),
    async () => {
      for await (const { key } of store.scan('', { signal })) assert.ok(key)
    },
  ]
}
