// A Redis that is dead, absent, stopped, cut off, slow, full, a replica, or no Redis at all: each call ends with its
// deadline, says why, and works again by itself.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../../src/errors.ts'
import { silentLogger, textLogger } from '../../src/index.ts'
import { openRedisStore, type RedisStoreOptions, type Store } from '../../src/store/index.ts'
import { CA, SERVER } from '../support/certificates.ts'
import { eventually, freePort, redisAvailable, RedisServer } from './support/redis-server.ts'
import { TcpProxy } from './support/tcp-proxy.ts'

const DEADLINE = 500
const LONG = 3_600_000
/** What a call may take beyond its deadline here: the machine is busy, and the event loop is shared. */
const SLACK = 5_000
const bucket = { key: 'a', capacity: 1_000, fillTime: 1_000 * LONG }

const stores: Store[] = []
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})
let made = 0
async function open(options: RedisStoreOptions): Promise<Store> {
  const store = await openRedisStore({
    deadline: DEADLINE,
    prefix: `f${++made}:`,
    logger: silentLogger(),
    ...options,
  })
  stores.push(store)
  return store
}

/** The error of a call, which ends in time. */
async function failureOf(call: Promise<unknown>): Promise<StoreError> {
  const start = performance.now()
  const error = await call.then(
    () => assert.fail('the call succeeded'),
    (cause: unknown) => cause,
  )
  assert.ok(error instanceof StoreError, String(error))
  assert.ok(performance.now() - start < DEADLINE + SLACK)
  return error
}

const works = (store: Store): Promise<unknown> =>
  eventually(async () => (await store.increment('again', { ttl: LONG })).done)

/** What is no Redis: it says something for each piece that it gets. */
async function liar(says: (socket: Socket, heard: string) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => says(socket, bytes.toString()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('openRedisStore', () => {
  const cases: [string, object, RegExp][] = [
    ['no place', {}, /one of the options url, sentinels and cluster/],
    ['two places', { url: 'redis://h', cluster: ['h:1'] }, /one of the options/],
    ['another scheme', { url: 'http://user:secret@h' }, /redis:\/\/host:port/],
    ['a relative socket', { url: 'unix:redis.sock' }, /unix:\/path/],
    ['a database that is none', { url: 'redis://h/one' }, /database may follow/],
    ['a wrong escape', { url: 'redis://u:%ff@h' }, /redis:\/\/host:port/],
    ['braces in the prefix', { url: 'redis://h', prefix: '{a}' }, /without braces/],
    ['a Sentinel without port', { sentinels: ['host'] }, /host:port/],
    ['no node', { cluster: [] }, /host:port/],
    ['a database of a Cluster', { cluster: ['h:1'], database: 1 }, /0 in a Cluster/],
    ['replicas of a Cluster', { cluster: ['h:1'], replicas: 1 }, /0 in a Cluster/],
    ['two passwords', { url: 'redis://h', password: 'a', passwordFile: 'b' }, /not both/],
    ['an empty password', { url: 'redis://h', password: '' }, /takes text/],
    ['a missing file', { url: 'redis://h', passwordFile: '/nowhere/at/all' }, /ENOENT/],
    ['a deadline of 0', { url: 'redis://h', deadline: 0 }, /deadline/],
    ['a misspelt option', { url: 'redis://h', deadLine: 1 }, /deadLine/],
    ['a misspelt option of TLS', { url: 'redis://h', tls: { cafile: 'x' } }, /cafile/],
  ]
  for (const [title, options, message] of cases) {
    it(`refuses ${title}`, async () => {
      await assert.rejects(openRedisStore(options), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'INVALID_OPTION')
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /secret/)
        return true
      })
    })
  }
})

describe('what is no Redis', () => {
  it('is absent', async () => {
    const store = await open({ url: `redis://127.0.0.1:${await freePort()}` })
    await sleep(DEADLINE)
    for (const call of callsOf(store)) {
      const { code, message } = await failureOf(call())
      assert.equal(code, 'STORE_UNAVAILABLE')
      assert.match(message, /^Redis at 127\.0\.0\.1:\d+: connect ECONNREFUSED/)
    }
  })

  it('is a socket that is not there', async () => {
    const store = await open({ url: `unix:${join(tmpdir(), 'no such socket')}` })
    const { code, message } = await failureOf(store.get('a'))
    assert.equal(code, 'STORE_UNAVAILABLE')
    assert.match(message, /ENOENT/)
  })

  const lies: [string, (socket: Socket, heard: string) => void][] = [
    ['says nothing', () => {}],
    ['closes each connection', (socket) => socket.destroy()],
    ['speaks HTTP', (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['says garbage', (socket) => socket.write(Buffer.alloc(5_000, 0xff))],
    ['gives each question the same text', (socket) => socket.write('$4\r\nevil\r\n')],
    ['gives numbers', (socket) => socket.write(':42\r\n')],
    ['gives lists', (socket) => socket.write('*2\r\n:1\r\n$-1\r\n')],
    ['gives too many answers', (socket) => socket.write(':7\r\n'.repeat(100))],
    ['sends to another node', (socket) => socket.write('-MOVED 1 127.0.0.1:1\r\n')],
    ['has an error without words', (socket) => socket.write('-\r\n')],
    ['has a long error', (socket) => socket.write(`-ERR ${'\u001b[31m'.repeat(9_999)}\r\n`)],
    ['begins a text without end', (socket) => socket.write('$536870912\r\nxxxx')],
    [
      'says yes to the first question only',
      (socket, heard) => socket.write(/tsmilter|f\d+:\.}p/.test(heard) ? ':1\r\n' : '+what\r\n'),
    ],
  ]
  for (const [title, says] of lies) {
    it(title, async () => {
      const store = await open({ url: await liar(says) })
      const failures = await Promise.all(callsOf(store).map((call) => failureOf(call())))
      for (const { code, message } of failures) {
        assert.match(code, /^STORE_(?:UNAVAILABLE|TIMEOUT)$/)
        assert.ok(message.length < 600)
        assert.doesNotMatch(message, /\u001b/)
      }
    })
  }

  it('sends text without end', async () => {
    const url = await liar((socket) => {
      socket.write('$536870912\r\n')
      const timer = setInterval(() => socket.write(Buffer.alloc(1_000)), 5)
      socket.once('close', () => clearInterval(timer))
    })
    const store = await open({ url })
    assert.equal((await failureOf(store.get('a'))).code, 'STORE_UNAVAILABLE')
  })
})

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
      for (let i = 0; i < 10; i++) codes.push((await failureOf(store.increment('a', step))).code)
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
      await eventually(async () => (await failureOf(store.get('a'))).code === 'STORE_UNAVAILABLE')
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
      assert.equal(failures.filter(({ message }) => /calls wait already/.test(message)).length, 40)
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
      assert.ok(failures.filter(({ message }) => /calls wait already/.test(message)).length > 30)
      server.resume()
      await works(store)
    })

    it('is full', async () => {
      const server = await RedisServer.start('--maxmemory', '3mb')
      const store = await open({ url: server.url, deadline: 5_000 })
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
      const other = await openRedisStore({ url: server.url, prefix: `f${made}:` })
      stores.push(other)
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

    it('forgets its scripts', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url })
      await store.increment('a', { ttl: LONG })
      await server.command('script', 'flush')
      const results = await Promise.all(
        Array.from({ length: 10 }, () => store.increment('a', { ttl: LONG })),
      )
      assert.deepEqual(results.map(({ value }) => value).sort((a, b) => a - b), [
        2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
      ])
    })

    it('has a value of somebody else', async () => {
      const server = await RedisServer.start()
      const store = await open({ url: server.url })
      await server.command('lpush', `f${made}:v{.a}`, 'x')
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
      ['wrong', { username: 'filter', password: 'wrong-secret' }, /refuses username or password/],
      [
        'of another prefix',
        { username: 'filter', password, prefix: 'other:' },
        /lacks a permission; docs\/stores\.md/,
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

    it('is told by what is no Redis, and not by the store', async () => {
      const url = await liar((socket, heard) => socket.write(`-ERR what is ${heard.split('\r\n')[4]}?\r\n`))
      const store = await open({ url, password: 'top-secret', logger })
      await sleep(DEADLINE)
      const { message } = await failureOf(store.get('a'))
      assert.match(message, /what is \*\*\*\?/)
      assert.doesNotMatch(message + log.splice(0).join(''), /top-secret/)
    })
  })

  describe('TLS', () => {
    const start = async (): Promise<[RedisServer, string]> => {
      const folder = join(tmpdir(), `tsmilter-tls-${process.pid}`)
      for (const [name, text] of Object.entries({ ...SERVER, ca: CA })) {
        writeFileSync(`${folder}.${name}`, text)
      }
      const port = await freePort()
      const server = await RedisServer.start(
        ...['--tls-port', String(port), '--tls-auth-clients', 'no'],
        ...['--tls-key-file', `${folder}.key`, '--tls-cert-file', `${folder}.cert`],
        ...['--tls-ca-cert-file', `${folder}.ca`],
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

/** One call of each method. */
function callsOf(store: Store): (() => Promise<unknown>)[] {
  return [
    () => store.get('k'),
    () => store.setIfAbsent('k', 'v', { ttl: LONG }),
    () => store.compareAndSet('k', undefined, 'v', { ttl: LONG }),
    () => store.increment('n', { ttl: LONG }),
    () => store.take([bucket]),
    () => store.giveBack([bucket], { id: 'x' }),
    async () => {
      for await (const { key } of store.scan('')) assert.ok(key)
    },
  ]
}
