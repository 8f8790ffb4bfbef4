// A Redis that is dead, stopped, cut off, slow, full or a replica, or lets nobody in: each call ends with its deadline,
// says why, and works again by itself.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StoreError } from '../../src/errors.ts'
import { silentLogger, textLogger } from '../../src/index.ts'
import {
  StoreUse,
  type RedisStoreOptions,
  type Store,
  type Taken,
} from '../../src/store/index.ts'
import { CA, SERVER } from '../support/certificates.ts'
import { bucket, callsOf, DEADLINE, failureOf, LONG, open } from './support/redis-calls.ts'
import { eventually, freePort, redisAvailable, RedisServer } from './support/redis-server.ts'
import { TcpProxy } from './support/tcp-proxy.ts'

const works = (store: Store): Promise<unknown> =>
  eventually(async () => (await store.increment('again', { ttl: LONG })).done)

if (redisAvailable()) {
  describe('a Redis', () => {
    it('is killed, and comes back', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url })
      await store.increment('a', { ttl: LONG })
      server.kill()
      const failures = await Promise.all(callsOf(store).map((call) => failureOf(call())))
      for (const { code } of failures) assert.equal(code, 'STORE_UNAVAILABLE')
      await sleep(DEADLINE)
      for (const call of callsOf(store)) {
        assert.equal((await failureOf(call())).code, 'STORE_UNAVAILABLE')
      }
      await server.restart()
      await works(store)
    })

    it('is stopped, and goes on', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url })
      const step = { ttl: LONG, id: 'message 1' }
      await store.increment('a', { ttl: LONG })
      server.stop()
      const codes: string[] = [(await failureOf(store.increment('a', step))).code]
      // Repeated until the store says that it was made: it counts once, however often it arrived.
      for (let i = 0; i < 10; i++)
        codes.push((await failureOf(store.increment('a', step))).code)
      assert.equal(codes[0], 'STORE_TIMEOUT')
      assert.ok(codes.includes('STORE_UNAVAILABLE'), 'it waits for a stopped server for ever')
      server.resume()
      const made = await eventually(() => store.increment('a', step))
      assert.deepEqual(made, { done: true, value: 2 })
      assert.equal((await store.get('a'))?.value, '2')
    })

    it('takes once, and gives back once, whatever was lost', async () => {
      const server = await RedisServer.start()
      const proxy = await TcpProxy.start(server.port)
      const store = await open({ url: proxy.url })
      await store.take([bucket], { id: 'first' })
      for (let i = 0; i < 3; i++) {
        // The step arrives, its answer does not.
        proxy.delay = 2 * DEADLINE
        await failureOf(store.take([bucket], { id: 'm1' }))
        proxy.cut()
        proxy.delay = 0
      }
      const taken = await eventually(() => store.take([bucket], { id: 'm1' }))
      assert.deepEqual(taken, { taken: true, left: [998] })
      proxy.delay = 2 * DEADLINE
      await failureOf(store.giveBack([bucket], { id: 'm1' }))
      proxy.cut()
      proxy.delay = 0
      assert.equal(await eventually(() => store.giveBack([bucket], { id: 'm1' })), true)
      assert.deepEqual(await store.take([{ ...bucket, tokens: 0 }]), {
        taken: true,
        left: [999],
      })
    })

    it('is cut off without a word, and comes back', async () => {
      const server = await RedisServer.start()
      const proxy = await TcpProxy.start(server.port)
      const store = await open({ url: proxy.url })
      await store.increment('a', { ttl: LONG })
      proxy.swallowing = true
      assert.equal((await failureOf(store.get('a'))).code, 'STORE_TIMEOUT')
      await eventually(
        async () => (await failureOf(store.get('a'))).code === 'STORE_UNAVAILABLE',
      )
      proxy.swallowing = false
      // The first connection is still silent. Nobody waits for the network to give it up.
      await works(store)
      assert.ok(proxy.connections > 1)
    })

    it('is cut off for a moment', async () => {
      const server = await RedisServer.start()
      const proxy = await TcpProxy.start(server.port)
      const store = await open({ url: proxy.url, deadline: 10_000 })
      await store.increment('a', { ttl: LONG })
      proxy.cut()
      await sleep(50)
      // Calls wait for the new connection.
      assert.deepEqual(await store.increment('a', { ttl: LONG }), { done: true, value: 2 })
    })

    it('has a clock that was set back, as after a failover', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url, prefix: 'back:' })
      const one = { key: 'a', capacity: 10, fillTime: 1_000 }
      const future = Date.now() + LONG
      await server.command('set', '{back:.}ba', `10 ${future}`, 'px', LONG)
      const refused = await store.take([one])
      assert.ok(!refused.taken && refused.wait <= 100, JSON.stringify(refused))
      await sleep(refused.wait + 5)
      assert.equal((await store.take([one])).taken, true)
    })

    it('is slow', async () => {
      const server = await RedisServer.start()
      const proxy = await TcpProxy.start(server.port)
      const store = await open({ url: proxy.url })
      await store.increment('a', { ttl: LONG })
      proxy.delay = 3 * DEADLINE
      assert.equal((await failureOf(store.increment('a', { ttl: LONG }))).code, 'STORE_TIMEOUT')
      proxy.delay = 0
      await works(store)
    })

    it('gets only so many calls at a time', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url, maxCalls: 10 })
      server.stop()
      const calls = Array.from({ length: 50 }, () => failureOf(store.get('a')))
      const failures = await Promise.all(calls)
      assert.equal(
        failures.filter(({ message }) => /calls wait already/.test(message)).length,
        40,
      )
      // They are not forgotten before the connection is: each of them is in the memory of this process.
      assert.match((await failureOf(store.get('a'))).message, /calls wait already|not answer/)
      server.resume()
      await works(store)
    })

    it('gets only so many bytes at a time', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url, maxBytes: 1_048_576 })
      server.stop()
      const value = 'x'.repeat(60_000)
      const calls = Array.from({ length: 50 }, (_, i) =>
        failureOf(store.setIfAbsent(`k${i}`, value, { ttl: LONG })),
      )
      const failures = await Promise.all(calls)
      assert.ok(
        failures.filter(({ message }) => /calls wait already/.test(message)).length > 30,
      )
      server.resume()
      await works(store)
    })

    it('is full', async () => {
      const server = await RedisServer.start('--maxmemory', '3mb')
      const store = await open({ url: server.url, prefix: 'full:', deadline: 5_000 })
      const kept = new Map<string, string>()
      const fill = async (size: number): Promise<StoreError> => {
        for (;;) {
          const key = `k${kept.size}`
          try {
            kept.set(key, await store.setIfAbsent(key, 'x'.repeat(size), { ttl: LONG }))
          } catch (error) {
            return error as StoreError
          }
        }
      }
      const full = await fill(60_000)
      assert.equal(full.code, 'STORE_FULL')
      assert.match(full.message, /maxmemory/)
      await eventually(async () => {
        for (const size of [1_000, 10, 1]) assert.equal((await fill(size)).code, 'STORE_FULL')
        return (await failureOf(store.take([bucket], { id: 'a' }))).code === 'STORE_FULL'
      })
      for (const [key, value] of kept) assert.equal((await store.get(key))?.value, value)
      // A new connection can be used for what is there.
      const other = await open({ url: server.url, prefix: 'full:' })
      assert.equal((await other.get('k0'))?.value, kept.get('k0'))
    })

    it('is a replica, and becomes a primary', async () => {
      const primary = await RedisServer.start()
      const server = await RedisServer.start('--replicaof', '127.0.0.1', String(primary.port))
      const store = await open({ url: server.url })
      await sleep(DEADLINE)
      const { code, message } = await failureOf(store.increment('a', { ttl: LONG }))
      assert.equal(code, 'STORE_UNAVAILABLE')
      assert.match(message, /replica/)
      await server.command('replicaof', 'no', 'one')
      await works(store)
      await server.command('replicaof', '127.0.0.1', primary.port)
      await eventually(async () =>
        /replica/.test((await failureOf(store.increment('a', { ttl: LONG }))).message),
      )
      await server.command('replicaof', 'no', 'one')
      await works(store)
    })

    it('fails as each use of it says', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url })
      const one = { ...bucket, capacity: 1 }
      const uses = (['open', 'closed', 'local'] as const).map(
        (onFailure) =>
          new StoreUse(store, { name: onFailure, onFailure, logger: silentLogger() }),
      ) as [StoreUse, StoreUse, StoreUse]
      const yes: Taken = { taken: true, left: [] }
      const take = async (use: StoreUse): Promise<boolean> =>
        (await use.run((there) => there.take([one]), yes)).taken
      assert.equal(await take(uses[0]), true)
      for (const use of uses) assert.equal(await take(use), false)
      server.stop()
      for (let i = 0; i < 3; i++) {
        assert.equal(await take(uses[0]), true)
        assert.ok((await failureOf(take(uses[1]))).code.startsWith('STORE_'))
        assert.equal(await take(uses[2]), i === 0)
      }
      server.resume()
      // Nothing was admitted by the server itself, also not of what it got late.
      for (const use of uses) {
        await eventually(async () => !(await take(use)))
        assert.equal(await take(use), false)
      }
    })

    it('forgets its scripts', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url })
      await store.increment('a', { ttl: LONG })
      await server.command('script', 'flush')
      const results = await Promise.all(
        Array.from({ length: 10 }, () => store.increment('a', { ttl: LONG })),
      )
      assert.deepEqual(
        results.map(({ value }) => value).sort((a, b) => a - b),
        [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
      )
    })

    it('has a value of somebody else', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url, prefix: 'other:' })
      await server.command('lpush', 'other:v{.a}', 'x')
      const { code, message } = await failureOf(store.get('a'))
      assert.equal(code, 'STORE_UNAVAILABLE')
      assert.match(message, /WRONGTYPE/)
    })

    it('is closed while calls wait', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url })
      server.stop()
      const calls = callsOf(store).map((call) => failureOf(call()))
      await sleep(20)
      await store.close()
      for (const { code } of await Promise.all(calls)) assert.equal(code, 'STORE_CLOSED')
      server.resume()
    })

    it('loses a caller, and nothing else', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url })
      server.stop()
      const abort = new AbortController()
      const call = store.increment('a', { ttl: LONG, signal: abort.signal })
      abort.abort(new Error('no longer of interest'))
      await assert.rejects(call, /no longer of interest/)
      server.resume()
      await works(store)
    })
  })

  describe('a password', () => {
    const password = 'correct-horse'
    const start = (): Promise<RedisServer> =>
      RedisServer.configured(
        'user default off',
        `user filter on >${password} ~tsmilter:* ~{tsmilter:.}* +eval +evalsha +get +set +del +pttl +time +scan`,
      )
    const log: string[] = []
    const logger = textLogger('debug', (line) => log.push(line))

    it('lets in a user with the permissions of the documentation', async () => {
      const server = await start()
      const file = join(tmpdir(), `tsmilter-password-${process.pid}`)
      writeFileSync(file, `${password}\n`)
      for (const options of [
        { url: server.url.replace('://', `://filter:${password}@`) },
        { url: server.url, username: 'filter', password },
        { url: server.url, username: 'filter', passwordFile: file },
      ]) {
        const store = await open({ ...options, prefix: 'tsmilter:', deadline: 5_000 })
        await store.increment('a', { ttl: LONG, id: options.url })
        await store.setIfAbsent('b', 'c', { ttl: LONG })
        await store.compareAndSet('b', 'c', undefined, { ttl: LONG })
        await store.take([bucket], { id: JSON.stringify(options) })
        assert.equal(await store.giveBack([bucket], { id: JSON.stringify(options) }), true)
        assert.ok((await store.get('a'))!.expires > Date.now())
        for await (const { key } of store.scan('')) assert.equal(key, 'a')
      }
    })

    const wrong: [string, RedisStoreOptions, RegExp][] = [
      ['missing', {}, /it wants a password: set password or passwordFile/],
      [
        'wrong',
        { username: 'filter', password: 'wrong-secret' },
        /refuses username or password/,
      ],
      [
        'of another prefix',
        { username: 'filter', password, prefix: 'other:' },
        /lacks a permission; docs\/stores-redis\.md/,
      ],
    ]
    for (const [title, options, message] of wrong) {
      it(`is ${title}, and is not told`, async () => {
        const server = await start()
        const store = await open({ ...options, url: server.url, logger })
        await sleep(DEADLINE)
        const error = await failureOf(store.get('a'))
        assert.equal(error.code, 'STORE_UNAVAILABLE')
        assert.match(error.message, message)
        assert.equal(error.cause, undefined)
        const told = log.splice(0).join('')
        assert.match(told, message)
        assert.doesNotMatch(error.message + told, /wrong-secret|correct-horse/)
      })
    }
  })

  describe('TLS', () => {
    const start = async (): Promise<[RedisServer, string]> => {
      const folder = join(tmpdir(), `tsmilter-tls-${process.pid}`)
      for (const [name, text] of Object.entries({ ...SERVER, ca: CA })) {
        writeFileSync(`${folder}.${name}`, text)
      }
      const port = await freePort()
      const server = await RedisServer.configured(
        `tls-port ${port}`,
        'tls-auth-clients no',
        `tls-key-file ${folder}.key`,
        `tls-cert-file ${folder}.cert`,
        `tls-ca-cert-file ${folder}.ca`,
      )
      return [server, `rediss://127.0.0.1:${port}`]
    }

    it('is used', async () => {
      const [, url] = await start()
      const store = await open({ url, tls: { ca: CA }, deadline: 5_000 })
      assert.equal((await store.increment('a', { ttl: LONG })).value, 1)
    })

    it('is refused with a reason', async () => {
      const [server, url] = await start()
      const cases: [RedisStoreOptions, RegExp][] = [
        [{ url }, /certificate/],
        [{ url, tls: { ca: CA, name: 'other.example' } }, /other\.example/],
        [{ url: server.url, tls: true }, /the port may not speak TLS/],
      ]
      for (const [options, message] of cases) {
        const store = await open(options)
        await eventually(async () => {
          const error = await failureOf(store.get('a'))
          assert.equal(error.code, 'STORE_UNAVAILABLE')
          return message.test(error.message)
        })
      }
    })
  })
}
