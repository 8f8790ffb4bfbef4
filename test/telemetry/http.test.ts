import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it, mock } from 'node:test'
import { fc } from '../support/property.ts'
import {
  hostAndPort,
  serveTelemetry,
  type TelemetryServer,
  type TelemetryServerOptions,
} from '../../src/telemetry/http.ts'
import { collectMetrics } from '../../src/telemetry/metrics.ts'
import { deliver } from '../../src/testing/deliver.ts'
import { atEnd } from '../support/resources.ts'

async function start(options: TelemetryServerOptions = {}): Promise<TelemetryServer> {
  const server = await serveTelemetry({ listen: '127.0.0.1:0', ...options })
  atEnd(() => server.close())
  return server
}
async function get(server: TelemetryServer, path: string, init?: RequestInit) {
  const response = await fetch(server.url + path, init)
  return { status: response.status, headers: response.headers, text: await response.text() }
}
/** Everything the server answers to raw bytes until it closes. */
async function raw(server: TelemetryServer, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  atEnd(() => socket.destroy())
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  socket.on('error', () => {})
  socket.write(bytes)
  await once(socket, 'close')
  return answer
}

describe('the HTTP server', () => {
  it('shows metrics', async () => {
    const metrics = await collectMetrics()
    atEnd(() => metrics.close())
    const server = await start({ metrics })
    await deliver(() => ({ eom: () => {} }))
    const { status, headers, text } = await get(server, '/metrics?x=1')
    assert.equal(status, 200)
    assert.equal(headers.get('content-type'), metrics.contentType)
    assert.match(text, /^tsmilter_messages_total\{verdict="accept"\} 1$/m)
  })

  const answers: readonly [
    name: string,
    answer: () => unknown,
    status: number,
    text: string,
  ][] = [
    ['true', () => true, 200, 'ok'],
    ['false', () => false, 503, 'unavailable'],
    ['a word', () => 'draining', 503, 'draining'],
    ['a word, later', async () => 'no-workers', 503, 'no-workers'],
    ['a sentence', () => 'Subject: secret', 503, 'unavailable'],
    ['two lines', () => 'a\nb', 503, 'unavailable'],
    ['nothing', () => undefined, 503, 'unavailable'],
    ['a number', () => 1, 503, 'unavailable'],
    [
      'an exception',
      () => {
        throw new Error('secret')
      },
      503,
      'error',
    ],
    ['a rejection', () => Promise.reject(new Error('secret')), 503, 'error'],
  ]
  for (const [name, answer, status, text] of answers) {
    it(`makes ${status} ${text} of ${name}`, async () => {
      const server = await start({ healthy: answer as () => boolean })
      for (const path of ['/healthz', '/readyz']) {
        const got = await get(server, path)
        assert.deepEqual([got.status, got.text], [status, `${text}\n`])
      }
    })
  }

  it('does not wait for a check that hangs', async () => {
    let asked: () => void = () => {}
    const wasAsked = new Promise<void>((resolve) => (asked = resolve))
    const hang = (): Promise<never> => {
      asked()
      return new Promise<never>(() => {})
    }
    const server = await start({ healthy: hang, metrics: { text: hang } })
    const head = 'HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      let answer = raw(server, `GET /healthz ${head}`)
      await wasAsked
      mock.timers.tick(5_000)
      assert.match(await answer, /^HTTP\/1\.1 503 [^]*\r\n\r\ntimeout\n$/)
      const again = new Promise<void>((resolve) => (asked = resolve))
      answer = raw(server, `GET /metrics ${head}`)
      await again
      mock.timers.tick(5_000)
      assert.match(await answer, /^HTTP\/1\.1 500 [^]*\r\n\r\nerror\n$/)
    } finally {
      mock.timers.reset()
    }
  })

  it('asks for health and readiness apart, anew each time', async () => {
    let ready: string | boolean = 'starting'
    const server = await start({ healthy: () => true, ready: () => ready })
    assert.equal((await get(server, '/healthz')).status, 200)
    assert.equal((await get(server, '/readyz')).text, 'starting\n')
    ready = true
    assert.equal((await get(server, '/readyz')).status, 200)
  })

  it('answers HEAD without a body, and with its length', async () => {
    const server = await start()
    const got = await get(server, '/healthz', { method: 'HEAD' })
    assert.deepEqual([got.status, got.text, got.headers.get('content-length')], [200, '', '3'])
  })

  it('has nothing else', async () => {
    const server = await start()
    const paths = [
      '/',
      '/metrics',
      '/healthz/',
      '/HEALTHZ',
      '/__proto__',
      '/constructor',
      '/..',
    ]
    for (const path of paths) {
      const got = await get(server, path)
      assert.deepEqual([got.status, got.text], [404, 'not found\n'], path)
    }
  })

  it('takes GET and HEAD only, and no body', async () => {
    const server = await start()
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const got = await get(server, '/healthz', { method })
      assert.deepEqual([got.status, got.headers.get('allow')], [405, 'GET, HEAD'], method)
    }
    const endless =
      'POST /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\nabc'
    assert.match(await raw(server, endless), /^HTTP\/1\.1 405 /)
  })

  it('says nothing about why metrics cannot be had', async () => {
    const text = (): Promise<string> => Promise.reject(new Error('secret'))
    const got = await get(await start({ metrics: { text } }), '/metrics')
    assert.deepEqual([got.status, got.text], [500, 'error\n'])
  })

  it('closes on what is no HTTP, or too much of it', async () => {
    const server = await start()
    assert.equal(await raw(server, '\0\0\0\rO\0\0\0\x06\r\n\r\n'), '')
    const long = `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`
    assert.doesNotMatch(await raw(server, long), /200/)
    assert.equal((await get(server, '/healthz')).status, 200)
  })

  it('bears many connections that say nothing, and still answers after them', async () => {
    const server = await start()
    const port = Number(new URL(server.url).port)
    const idle = Array.from({ length: 60 }, () => connect(port, '127.0.0.1'))
    for (const socket of idle) {
      socket.on('error', () => {})
      atEnd(() => socket.destroy())
    }
    const dropped = idle.slice(50)
    await Promise.all(dropped.map((socket) => once(socket, 'close')))
    for (const socket of idle) socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal((await get(server, '/healthz')).status, 200)
  })

  it('closes also what is open', async () => {
    const server = await serveTelemetry({ listen: 0 })
    await get(server, '/healthz')
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    const closed = once(socket, 'close')
    await server.close()
    await closed
    await assert.rejects(get(server, '/healthz'))
  })

  it('says where it cannot listen', async () => {
    const first = await start()
    await assert.rejects(serveTelemetry({ listen: new URL(first.url).port }), {
      code: 'ADDRESS_IN_USE',
    })
  })
})

describe('where it listens', () => {
  const cases: readonly [string | number, string, number][] = [
    [9464, '127.0.0.1', 9464],
    ['9464', '127.0.0.1', 9464],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['localhost:0', 'localhost', 0],
    ['[::1]:9464', '::1', 9464],
  ]
  for (const [listen, host, port] of cases) {
    it(`understands ${listen}`, () => {
      assert.deepEqual(hostAndPort(listen), { host, port })
    })
  }

  for (const listen of [
    '',
    'localhost',
    ':80',
    '[x]:1',
    '::1:80',
    '1:65536',
    -1,
    1.5,
    'a b:1',
  ]) {
    it(`refuses ${JSON.stringify(listen)}`, () => {
      assert.throws(() => hostAndPort(listen), { code: 'INVALID_OPTION' })
    })
  }

  it('says INVALID_OPTION or gives a port, whatever it gets', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          const { host, port } = hostAndPort(text)
          assert.ok(host !== '' && port >= 0 && port <= 65_535)
        } catch (error) {
          assert.equal((error as { code: string }).code, 'INVALID_OPTION')
        }
      }),
    )
  })
})

describe('requests to the HTTP server', () => {
  const ask = async (server: TelemetryServer, host: string): Promise<string> => {
    const answer = await raw(
      server,
      `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    )
    return answer.slice(9, 12)
  }

  for (const [host, status] of [
    ['localhost', '200'],
    ['LOCALHOST.:9464', '200'],
    ['127.0.0.1:9464', '200'],
    ['[::1]:9464', '200'],
    ['rebound.example.org', '421'],
    ['localhost.example.org:9464', '421'],
    ['127.0.0.1.example.org', '421'],
  ] as const) {
    it(`gets ${status} on loopback as ${host}`, async () => {
      assert.equal(await ask(await start(), host), status)
    })
  }

  it('may name any host elsewhere', async () => {
    assert.equal(await ask(await start({ listen: '0.0.0.0:0' }), 'mail.example.org'), '200')
  })

  it('is answered beside any number of half-sent requests', async () => {
    const server = await start()
    const port = Number(new URL(server.url).port)
    let closed = 0
    for (let i = 0; i < 120; i++) {
      const socket = connect(port, '127.0.0.1')
      atEnd(() => socket.destroy())
      socket.on('error', () => {})
      socket.on('close', () => closed++)
      await once(socket, 'connect')
      socket.write('GET /healthz HTTP/1.1\r\nHost: ')
    }
    assert.equal((await get(server, '/healthz')).status, 200)
    assert.ok(closed >= 70, `${closed} closed`)
  })
})
