import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { main } from '../../src/cli/main.ts'
import { serve, silentLogger } from '../../src/index.ts'
import { sourcePath, temporaryDirectory } from '../conformance/support/program.ts'
import { until } from '../support/resources.ts'
import { CA, CLIENT, SERVER } from '../support/certificates.ts'

interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function run(...args: string[]): Promise<Result> {
  let out = ''
  let err = ''
  const code = await main(args, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
  })
  return { code, out, err }
}

/** Something else on the port. */
async function other(
  onConnect: (socket: Socket) => void,
): Promise<AsyncDisposable & { address: string }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnect(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    address: `inet:${port}@127.0.0.1`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('tsmilter check', () => {
  it('says what a milter has chosen, and disturbs nobody', async () => {
    const calls: string[] = []
    const path = join(tmpdir(), `tsmilter-check-${process.pid}.sock`)
    await using server = await serve(
      () => ({
        connect: () => void calls.push('connect'),
        eom: () => void calls.push('eom'),
      }),
      { listen: ['inet:0@127.0.0.1', `unix:${path}`] },
    )
    for (const address of server.addresses) {
      const { code, out, err } = await run('check', address)
      assert.equal(err, '')
      assert.match(
        out,
        /^(?:inet|unix):\S+ answers after \d+ ms: version 6, actions [A-Z_ ]+, steps NO\S+.*\n$/,
      )
      assert.equal(code, 0)
    }
    assert.deepEqual(calls, [])
    const quiet = await run('check', '--quiet', server.addresses[0]!)
    assert.deepEqual(quiet, { code: 0, out: '', err: '' })
  })

  it('understands addresses as Postfix writes them', async () => {
    await using server = await serve(() => ({}), { listen: 'inet:0@127.0.0.1' })
    const port = /\d+/.exec(server.addresses[0]!)![0]
    for (const host of ['127.0.0.1', 'localhost']) {
      const { code, out } = await run('check', `inet:${host}:${port}`)
      assert.match(out, /answers after/)
      assert.equal(code, 0)
    }
    const wrong = await run('check', `127.0.0.1:${port}`)
    assert.equal(wrong.code, 2)
    assert.match(wrong.err, /^cannot connect to .*'inet:\d+@127\.0\.0\.1'\n$/)
  })

  it('fails where a filter cannot be made any more, and is well when it can', async () => {
    let broken = false
    await using server = await serve(
      () => {
        if (broken) throw new Error('no directory')
        return { eom: () => {} }
      },
      { listen: 'inet:0@127.0.0.1', logger: silentLogger() },
    )
    assert.equal((await run('check', server.addresses[0]!)).code, 0)
    broken = true
    const { code, err } = await run('check', server.addresses[0]!)
    assert.equal(code, 1)
    assert.match(err, /answers, but refuses all mail/)
    assert.equal(server.healthy, false)
    broken = false
    // It tries for itself, once a second at most.
    await until(() => server.healthy)
    assert.equal((await run('check', server.addresses[0]!)).code, 0)
  })

  it('is a command', async () => {
    await using server = await serve(() => ({}), { listen: 'inet:0@127.0.0.1' })
    const command = sourcePath('bin', 'tsmilter.js')
    const check = spawn(process.execPath, [command, 'check', server.addresses[0]!])
    let out = ''
    check.stdout.on('data', (text) => void (out += String(text)))
    const [code] = (await once(check, 'close')) as [number]
    assert.match(out, /answers after/)
    assert.equal(code, 0)
  })

  it('fails where nobody listens', async () => {
    const { code, out, err } = await run('check', 'unix:/nonexistent/filter.sock')
    assert.equal(code, 1)
    assert.equal(out, '')
    assert.match(
      err,
      /^unix:\/nonexistent\/filter\.sock does not answer: no connection [^\n]+\n$/,
    )
    assert.deepEqual(await run('check', '-q', 'unix:/nonexistent/filter.sock'), {
      code: 1,
      out: '',
      err: '',
    })
  })

  it('fails where something else answers, or nobody does', async () => {
    await using http = await other((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    })
    await using silent = await other(() => {})
    await using closing = await other((socket) => void socket.end())
    for (const [{ address }, reason] of [
      [http, /HTTP, TLS or SMTP|announces/],
      [silent, /has not answered|did not answer|0\.2|200 ms/],
      [closing, /closed the connection/],
    ] as const) {
      const { code, err } = await run('check', '--timeout', '0.2', address)
      assert.equal(code, 1, err)
      assert.match(err, reason)
      assert.equal(err.split('\n').length, 2)
    }
  })

  it('speaks TLS', async () => {
    const directory = temporaryDirectory()
    const file = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text)
      return join(directory, name)
    }
    const ca = ['--tls-ca', file('ca.pem', CA)]
    const identity = [
      ['--tls-cert', file('cert.pem', CLIENT.cert)],
      ['--tls-key', file('key.pem', CLIENT.key)],
    ].flat()
    await using server = await serve(() => ({}), {
      listen: 'inet:0@127.0.0.1',
      tls: { ...SERVER, ca: CA },
      logger: silentLogger(),
    })
    const [address] = server.addresses
    const good = await run('check', address!, ...ca, ...identity)
    assert.match(good.out, /answers after/)
    assert.deepEqual([good.code, good.err], [0, ''])
    const named = ['--tls-name', 'filter.example.org']
    assert.equal((await run('check', address!, ...ca, ...identity, ...named)).code, 0)
    const bad: readonly (readonly [string[], number, RegExp])[] = [
      [[], 1, /does not answer: /],
      [['--tls'], 1, /does not answer: no connection .*certificate/],
      [ca, 1, /does not answer: /],
      [[...ca, ...identity, '--tls-name', 'mx.example.org'], 1, /mx\.example\.org/],
      [['--tls-ca', 'nix.pem'], 2, /tls\.ca: nix\.pem cannot be read: ENOENT/],
      [[...ca, ...identity.slice(0, 2)], 2, /tls\.key is missing/],
      [[...ca, ...identity.slice(2)], 2, /tls\.cert is missing/],
      [[...ca, ...identity.slice(0, 2), '--tls-key', file('o.pem', SERVER.key)], 2, /mismatch/],
    ]
    for (const [args, code, reason] of bad) {
      const result = await run('check', address!, ...args)
      assert.match(result.err, reason)
      assert.equal(result.code, code, result.err)
      assert.equal(result.err.split('\n').length, 2)
    }
    await using plain = await serve(() => ({}), { listen: 'inet:0@127.0.0.1' })
    const result = await run('check', plain.addresses[0]!, ...ca)
    assert.match(result.err, /does not answer: no connection /)
  })

  it('explains what it was not asked rightly', async () => {
    for (const [args, reason] of [
      [['check'], /missing required argument 'address'/],
      [['check', '127.0.0.1:8890'], /inet:8890@127\.0\.0\.1/],
      [['check', '--timeout', 'soon', 'inet:1@127.0.0.1'], /It must be a number of seconds/],
      [['chekc'], /unknown command 'chekc'/],
    ] as const) {
      const { code, out, err } = await run(...args)
      assert.equal(code, 2)
      assert.equal(out, '')
      assert.match(err, reason)
    }
    const { code, out } = await run('--help')
    assert.equal(code, 0)
    assert.match(out, /check \[options\] <address>/)
  })
})
