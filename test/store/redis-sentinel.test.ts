// A primary that fails, and Sentinels that name another one.
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../../src/errors.ts'
import { silentLogger } from '../../src/index.ts'
import { openRedisStore, type RedisStoreOptions, type Store } from '../../src/store/index.ts'
import { eventually, redisAvailable, type RedisServer } from './support/redis-server.ts'
import { startSentinels, type SentinelTrio } from './support/redis-topologies.ts'

const LONG = 3_600_000

if (redisAvailable()) {
  describe('a store behind Sentinels', () => {
    const open = async (
      { sentinels }: SentinelTrio,
      options: RedisStoreOptions = {},
    ): Promise<Store> => {
      const store = await openRedisStore({
        sentinels: sentinels.map(({ address }) => address),
        logger: silentLogger(),
        ...options,
      })
      after(() => store.close())
      return store
    }
    /** Waits for another primary, then for a step; says how long the step took. */
    const failover = async (
      trio: SentinelTrio,
      old: RedisServer,
      step: () => Promise<unknown>,
    ): Promise<string> => {
      await eventually(async () => (await trio.primary()) !== old)
      const promoted = performance.now()
      await eventually(async () => (await step()) !== undefined)
      return `${Math.round(performance.now() - promoted)} ms after the Sentinels had named another primary`
    }

    for (const lose of ['kill', 'stop'] as const) {
      it(`goes on with a new primary after a ${lose} of the old one`, async (t) => {
        const trio = await startSentinels()
        const store = await open(trio)
        const step = (): Promise<unknown> => store.increment('a', { ttl: LONG })
        await eventually(step)
        const old = await trio.primary()
        old[lose]()
        t.diagnostic(`a step ${await failover(trio, old, step)}`)
        old.resume()
        await eventually(step)
      })
    }

    it('needs only one Sentinel', async () => {
      const trio = await startSentinels()
      trio.sentinels[0]!.kill()
      trio.sentinels[1]!.stop()
      const store = await open(trio)
      await eventually(() => store.increment('a', { ttl: LONG }))
      trio.sentinels[1]!.resume()
    })

    it('says that the Sentinels do not know the primary', async () => {
      const trio = await startSentinels()
      const store = await open(trio, { primary: 'other' })
      await eventually(async () => {
        const error = await store.get('a').then(
          () => assert.fail('there is a primary'),
          (cause: unknown) => cause as Error,
        )
        return /other of the Sentinels .* names a server .*No such master/.test(error.message)
      })
    })

    it('says that there is no Sentinel', async () => {
      const trio = await startSentinels()
      for (const sentinel of trio.sentinels) sentinel.kill()
      const store = await open(trio)
      await sleep(500)
      await assert.rejects(store.get('a'), {
        code: 'STORE_UNAVAILABLE',
        message: /mymaster of the Sentinels .*: no Sentinel names a server .*failed to connect/,
      })
    })

    it('counts a step as made only if a replica has it, and a failover admits none too many', async (t) => {
      const trio = await startSentinels()
      const store = await open(trio, { replicas: 1 })
      const primary = await trio.primary()
      const others = trio.servers.filter((server) => server !== primary)
      const step = { ttl: LONG, id: 'm1' }
      await eventually(() => store.increment('before', { ttl: LONG }))

      for (const other of others) other.stop()
      const error = await store.increment('a', step).then(
        () => assert.fail('no replica has it'),
        (cause: unknown) => cause,
      )
      assert.ok(error instanceof StoreError)
      for (const other of others) other.resume()
      // Also over a new connection, where the step is only found to have been made.
      const made = await eventually(() => store.increment('a', step))
      assert.deepEqual(made, { done: true, value: 1 })
      for (const other of others) {
        assert.equal(Number(await other.command('get', 'tsmilter:v{.a}')), 1)
      }

      // Many callers at once, and their primary is killed. What fails counts as refused: policy "closed".
      const bucket = { key: 'limit', capacity: 20_000, fillTime: 20_000 * LONG }
      let admitted = 0
      let failed = 0
      let empty = false
      const caller = async (): Promise<void> => {
        while (!empty) {
          try {
            if ((await store.take([bucket])).taken) admitted++
            else empty = true
          } catch (cause) {
            assert.ok(cause instanceof StoreError)
            failed++
            await sleep(5)
          }
        }
      }
      const callers = Array.from({ length: 100 }, caller)
      await eventually(async () => admitted > 3_000)
      const old = await trio.primary()
      old.kill()
      await Promise.all(callers)
      assert.notEqual(await trio.primary(), old)
      assert.ok(failed > 0)
      assert.ok(admitted <= bucket.capacity, `${admitted} of ${bucket.capacity}`)
      t.diagnostic(`${admitted} of ${bucket.capacity} admitted, ${failed} calls failed`)
    })
  })
}
