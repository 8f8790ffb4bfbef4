// A store in a Cluster: slots on three nodes, one that is missing, one that is stopped, slots that move.
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../../src/errors.ts'
import { silentLogger } from '../../src/index.ts'
import { openRedisStore, type RedisStoreOptions, type Store } from '../../src/store/index.ts'
import { describeStore } from './suite.ts'
import { eventually, redisAvailable, type RedisServer } from './support/redis-server.ts'
import { startCluster } from './support/redis-topologies.ts'

const LONG = 3_600_000
const bucket = { key: 'b', capacity: 1_000, fillTime: 1_000 * LONG }

if (redisAvailable()) {
  const nodes = await startCluster(0)
  let made = 0
  const open = async (
    servers: readonly RedisServer[],
    options: RedisStoreOptions = {},
  ): Promise<Store> => {
    const store = await openRedisStore({
      cluster: servers.map(({ address }) => address),
      logger: silentLogger(),
      ...options,
    })
    after(() => store.close())
    return store
  }

  describeStore(
    'a store in a Cluster',
    async () => {
      const prefix = `suite${++made}:`
      const again = (): Promise<Store> => open(nodes, { prefix, deadline: 10_000 })
      return { store: await again(), again, pass: (ms) => sleep(ms + 2) }
    },
    { exact: false },
  )

  describe('a Cluster', () => {
    it('has values on all nodes', async () => {
      const store = await open(nodes, { prefix: 'spread:', deadline: 10_000 })
      for (let i = 0; i < 60; i++) await store.increment(`k${i}`, { ttl: LONG, id: 'once' })
      for (const node of nodes) {
        assert.notEqual((await node.command('keys', 'spread:v*')) as string[], [])
      }
    })

    it('moves slots while they are used', async () => {
      const store = await open(nodes, { prefix: 'moved:', deadline: 10_000 })
      await store.take([bucket], { id: 'm1' })
      await store.increment('a', { ttl: LONG, id: 'm1' })
      const steps = async (id: string): Promise<void> => {
        await eventually(() => store.take([bucket], { id }))
        await eventually(() => store.increment('a', { ttl: LONG, id }))
      }
      for (const [i, key] of ['{moved:.}b', 'moved:v{.a}'].entries()) {
        const slot = Number(await nodes[0]!.command('cluster', 'keyslot', key))
        const owner = (await ownerOf(nodes, slot))!
        const target = nodes.find((node) => node !== owner)!
        const [from, to] = await Promise.all(
          [owner, target].map((node) => node.command('cluster', 'myid')),
        )
        await target.command('cluster', 'setslot', slot, 'importing', String(from))
        await owner.command('cluster', 'setslot', slot, 'migrating', String(to))
        // While some of its keys are here and some are there.
        const waiting = steps(`m2 ${i}`)
        await sleep(30)
        const keys = (await owner.command('cluster', 'getkeysinslot', slot, 100)) as string[]
        for (const one of keys) {
          await owner.command('migrate', '127.0.0.1', target.port, one, 0, 5_000)
        }
        for (const node of [target, ...nodes]) {
          await node.command('cluster', 'setslot', slot, 'node', String(to))
        }
        await waiting
        await steps(`m3 ${i}`)
      }
      assert.equal((await store.get('a'))?.value, '5')
      assert.deepEqual(await store.take([{ ...bucket, tokens: 0 }]), {
        taken: true,
        left: [995],
      })
    })

    it('has a node that is killed, stopped and comes back', async () => {
      const store = await open(nodes, { prefix: 'lost:' })
      const keys = Array.from({ length: 30 }, (_, i) => `k${i}`)
      const count = (): Promise<PromiseSettledResult<unknown>[]> =>
        Promise.allSettled(keys.map((key) => store.increment(key, { ttl: LONG })))
      const all = async (): Promise<boolean> =>
        (await count()).every(({ status }) => status === 'fulfilled')
      await eventually(all)
      const [first, second] = nodes as [RedisServer, RedisServer]
      for (const [lose, back] of [
        [() => first.stop(), () => first.resume()],
        [() => second.kill(), () => second.restart()],
      ] as const) {
        lose()
        await eventually(async () => {
          const results = await count()
          const failed = results.filter((result) => result.status === 'rejected')
          for (const { reason } of failed) {
            assert.ok(reason instanceof StoreError)
            assert.match(reason.code, /^STORE_(?:UNAVAILABLE|TIMEOUT)$/)
          }
          // The other nodes go on.
          return failed.length > 0 && failed.length < results.length
        })
        await assert.rejects(
          async () => {
            for await (const { key } of store.scan('')) assert.ok(key)
          },
          (error) => error instanceof StoreError,
        )
        await back()
        await eventually(all)
      }
    })

    it('fails over', async (t) => {
      const servers = await startCluster(1)
      const store = await open(servers, { prefix: 'over:' })
      await eventually(() => store.take([bucket], { id: 'm1' }))
      for (const lose of ['kill', 'stop'] as const) {
        const slot = Number(await servers[0]!.command('cluster', 'keyslot', '{over:.}b'))
        const owner = await eventually(() => ownerOf(servers, slot))
        const others = servers.filter((server) => server !== owner)
        owner[lose]()
        await eventually(async () => (await ownerOf(others, slot)) !== undefined)
        const promoted = performance.now()
        await eventually(async () => (await store.take([bucket])).taken)
        t.diagnostic(`${lose}: a step ${Math.round(performance.now() - promoted)} ms after`)
        if (lose === 'kill') await owner.restart()
        else owner.resume()
        await eventually(async () =>
          /role:slave[^]*master_link_status:up/.test(
            String(await owner.command('info', 'replication')),
          ),
        )
      }
    })

    it('is not what a store of one server takes', async () => {
      const store = await openRedisStore({ url: nodes[0]!.url, logger: silentLogger() })
      const failures = await Promise.allSettled(
        Array.from({ length: 30 }, (_, i) => store.increment(`k${i}`, { ttl: LONG })),
      )
      const messages = failures.map((one) =>
        one.status === 'rejected' ? String(one.reason) : '',
      )
      assert.ok(messages.some((message) => /use the option cluster/.test(message)))
      await store.close()
    })
  })
}

/** The node that has a slot, and says so itself. */
async function ownerOf(
  nodes: readonly RedisServer[],
  slot: number,
): Promise<RedisServer | undefined> {
  for (const node of nodes) {
    const slots = (await node.command('cluster', 'slots').catch(() => [])) as [
      number,
      number,
      [string, number],
    ][]
    const [, , owner] = slots.find(([from, to]) => from <= slot && slot <= to) ?? []
    if (owner !== undefined && owner[1] === node.port) return node
  }
  return undefined
}
