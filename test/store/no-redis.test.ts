// Options that are wrong, and servers that are absent or no Redis. No Redis is needed here.
import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { textLogger } from '../../src/index.ts'
import { openRedisStore } from '../../src/store/index.ts'
import { callsOf, DEADLINE, failureOf, liar, open } from './support/redis-calls.ts'
import { freePort } from './support/redis-server.ts'

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

  it('is an absent Cluster', async () => {
    const store = await open({ cluster: [`127.0.0.1:${await freePort()}`] })
    await sleep(DEADLINE)
    const { code, message } = await failureOf(store.get('a'))
    assert.equal(code, 'STORE_UNAVAILABLE')
    assert.match(message, /no connection could be made/)
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
      (socket, heard) =>
        socket.write(/tsmilter|f\d+:\.}p/.test(heard) ? ':1\r\n' : '+what\r\n'),
    ],
  ]
  for (const [title, says] of lies) {
    it(title, async () => {
      const store = await open({ url: await liar(says) })
      const failures = await Promise.all(callsOf(store).map((call) => failureOf(call())))
      for (const { code, message } of failures) {
        assert.match(code, /^STORE_(?:UNAVAILABLE|TIMEOUT)$/)
        assert.ok(message.length < 600)
        assert.ok(!message.includes('\u001b'))
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

describe('a password', () => {
  it('is told by what is no Redis, and not by the store', async () => {
    const log: string[] = []
    const logger = textLogger('debug', (line) => log.push(line))
    const url = await liar((socket, heard) =>
      socket.write(`-ERR what is ${heard.split('\r\n')[4]}?\r\n`),
    )
    const store = await open({ url, password: 'top-secret', logger })
    await sleep(DEADLINE)
    const { message } = await failureOf(store.get('a'))
    assert.match(message, /what is \*\*\*\?/)
    assert.doesNotMatch(message + log.splice(0).join(''), /top-secret/)
  })
})
