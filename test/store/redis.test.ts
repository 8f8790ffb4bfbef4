// The shared suite of stores, with a real server: over TCP and a unix socket.
import { setTimeout as sleep } from 'node:timers/promises'
import { openRedisStore, type RedisStoreOptions, type Store } from '../../src/store/index.ts'
import { silentLogger } from '../../src/index.ts'
import { describeStore, type StoreAtHand } from './suite.ts'
import { redisAvailable, RedisServer } from './support/redis-server.ts'

if (redisAvailable()) {
  const server = await RedisServer.start()
  let made = 0
  const hand = async (options: RedisStoreOptions): Promise<StoreAtHand> => {
    const open = (): Promise<Store> =>
      openRedisStore({ ...options, prefix, deadline: 10_000, logger: silentLogger() })
    const prefix = `test*${++made}:`
    return { store: await open(), again: open, pass: (ms) => sleep(ms + 2) }
  }
  describeStore('a store in Redis', () => hand({ url: server.url }), { exact: false })
  describeStore('a store in Redis by a socket', () => hand({ url: `unix:${server.socket}` }), {
    exact: false,
  })
}
