import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { observe, type ConnectionRefused } from '../../src/diagnostics/channels.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
import type { ClientTls } from '../../src/mta/channel.ts'
import { MtaClient } from '../../src/mta/client.ts'
import { encodeCommand } from '../../src/protocol/commands.ts'
import type { ServeOptions } from '../../src/server/options.ts'
import { serve } from '../../src/server/serve.ts'
import type { MilterServer } from '../../src/server/server.ts'
import type { TlsOptions } from '../../src/server/tls.ts'
import { temporaryDirectory } from '../conformance/support/program.ts'
import { CA, CLIENT, RENEWED, SERVER, STRANGER } from '../support/certificates.ts'
import { binaryHeader, INET, lineHeader, LOCAL, PROXY } from '../support/proxy-header.ts'
import { mtaOver } from '../support/mta-over.ts'
import { atEnd, until } from '../support/resources.ts'
import { eom, FULL_OFFER, helo, mail, recordingLogger, type LogLine } from '../support/wire.ts'

const LOOPBACK = ['127.0.0.0/8', '::1']
const NEGOTIATION = encodeCommand({ type: 'optneg', offer: FULL_OFFER })
const FROM = lineHeader('TCP4 192.0.2.7 127.0.0.1 12345 25')

/** A server, and what was seen of it. */
interface Served {
  readonly server: MilterServer
  readonly log: LogLine[]
  /** `peer` of each connection that was served */
  readonly peers: (string | undefined)[]
  readonly refused: ConnectionRefused[]
  /** how many reasons handlers have had to be made */
  made: number
}

async function start(
  options: Partial<ServeOptions>,
  handlers: Handlers = { helo: () => {}, eom: () => {} },
): Promise<Served> {
  const log: LogLine[] = []
  const seen = { log, peers: [], refused: [], made: 0 } as Omit<Served, 'server'>
  atEnd(
    observe({
      'tsmilter:connection:open': ({ peer }) => void seen.peers.push(peer),
      'tsmilter:connection:refused': (event) => void seen.refused.push(event),
    }),
  )
  const factory = (): Handlers => {
    seen.made++
    return handlers
  }
  const server = await serve(factory, {
    listen: 'inet:0@127.0.0.1',
    logger: recordingLogger(log),
    ...options,
  })
  atEnd(() => server.close({ deadline: 0 }))
  // One is made before it listens.
  seen.made = 0
  return Object.assign(seen, { server })
}

const portOf = (server: MilterServer): number =>
  Number(/:(\d+)@/.exec(server.addresses[0]!)![1])
const pathOf = (server: MilterServer): string =>
  /^unix:(.*)$/.exec(server.addresses.at(-1)!)![1]!

async function dial(to: MilterServer | string): Promise<Socket> {
  const socket = typeof to === 'string' ? connect(to) : connect(portOf(to), '127.0.0.1')
  atEnd(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Somebody who has accepted what a server serves. */
async function inFrontOf(
  server?: MilterServer,
  host = '127.0.0.1',
): Promise<{ readonly port: number; readonly sockets: Socket[] }> {
  const sockets: Socket[] = []
  const front = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.push(socket)
    server?.accept(socket)
  })
  atEnd(() => front.close())
  front.listen(0, host)
  await once(front, 'listening')
  return { port: (front.address() as { port: number }).port, sockets }
}

/** A whole message, which shows that nothing on the way was lost or doubled. */
async function works(client: MtaClient): Promise<void> {
  await client.negotiate()
  assert.deepEqual(await client.command(helo()), { type: 'continue' })
  assert.deepEqual(await client.command(mail()), undefined)
  assert.deepEqual(await client.command(eom()), { type: 'continue' })
  await client.quit()
}

async function secureClient(server: MilterServer, tls: ClientTls = {}): Promise<MtaClient> {
  const client = await MtaClient.connect(server.addresses[0]!, { tls: { ca: CA, ...tls } })
  atEnd(() => client.destroy())
  return client
}

/** TLS on a connection that has begun. */
async function encrypt(socket: Socket, options: ConnectionOptions = {}): Promise<Socket> {
  const secure = connectTls({ socket, ca: CA, servername: 'localhost', ...options })
  atEnd(() => secure.destroy())
  secure.on('error', () => {})
  await once(secure, 'secureConnect')
  return secure
}

async function isClosed(socket: Socket): Promise<void> {
  socket.resume()
  // Not `once` of node:events, for which an error before it is a failure.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
}

const codes = ({ refused }: Served): string[] => refused.map(({ code }) => code)
const warnings = ({ log }: Served): LogLine[] =>
  log.filter(({ level }) => level === 'warn' || level === 'error')

describe('the option allow', () => {
  it('admits the addresses on it', async () => {
    const seen = await start({ allow: ['192.0.2.0/24', ...LOOPBACK] })
    await works(await mtaOver(await dial(seen.server)))
    assert.match(String(seen.peers[0]), /^127\.0\.0\.1:\d+$/)
    assert.deepEqual([codes(seen), warnings(seen)], [[], []])
  })

  it('closes the connections of others, without a handler and with few lines', async () => {
    const seen = await start({ allow: '192.0.2.0/24' })
    for (let i = 0; i < 20; i++) {
      const socket = await dial(seen.server)
      let answer = 0
      socket.on('data', (chunk) => (answer += chunk.length))
      socket.write(NEGOTIATION)
      await isClosed(socket)
      assert.equal(answer, 0)
    }
    await until(() => seen.refused.length === 20)
    assert.deepEqual(new Set(codes(seen)), new Set(['PEER_REFUSED']))
    assert.match(String(seen.refused[0]!.peer), /^127\.0\.0\.1:\d+$/)
    assert.deepEqual([seen.made, seen.peers], [0, []])
    const lines = warnings(seen)
    assert.equal(lines.length, 1)
    assert.equal(lines[0]!.message, 'a connection was refused: not allowed')
    assert.equal(lines[0]!.fields['code'], 'PEER_REFUSED')
    assert.match(String(lines[0]!.fields['peer']), /^127\.0\.0\.1:\d+$/)
    assert.match(String(lines[0]!.fields['reason']), /option allow/)
  })

  it('does not concern unix sockets', async () => {
    const seen = await start({
      allow: '192.0.2.0/24',
      listen: ['inet:0@127.0.0.1', `unix:${join(temporaryDirectory(), 's')}`],
    })
    await works(await mtaOver(await dial(pathOf(seen.server))))
    assert.deepEqual(codes(seen), [])
  })

  it('knows IPv4 on a socket of IPv6', async () => {
    const seen = await start({ allow: '127.0.0.1' })
    const { port } = await inFrontOf(seen.server, '::ffff:127.0.0.1')
    const socket = connect(port, '127.0.0.1')
    atEnd(() => socket.destroy())
    await once(socket, 'connect')
    await works(await mtaOver(socket))
    assert.match(String(seen.peers[0]), /^127\.0\.0\.1:\d+$/)
  })

  it('is not got round by a connection that was reset, whose address is lost', async () => {
    const seen = await start({ allow: '192.0.2.0/24' })
    const { port, sockets } = await inFrontOf()
    const client = connect(port, '127.0.0.1')
    await until(() => sockets.length === 1)
    const [socket] = sockets as [Socket]
    await new Promise((resolve) =>
      client.write(Buffer.concat([NEGOTIATION, encodeCommand(helo())]), resolve),
    )
    client.resetAndDestroy()
    await once(client, 'close')
    assert.equal(socket.remoteAddress, undefined)
    seen.server.accept(socket)
    await isClosed(socket)
    assert.deepEqual([seen.made, seen.peers], [0, []])
  })

  it('takes what networks are, and says what they are', async () => {
    for (const allow of [[], ['mx.example.org'], ['192.0.2.0/33'], 5, null]) {
      await assert.rejects(start({ allow: allow as unknown as string[] }), {
        code: 'INVALID_OPTION',
        message: /^the option allow takes IP addresses and networks, such as/,
      })
    }
  })
})

describe('the option proxies', () => {
  const cases: readonly (readonly [string, Buffer, RegExp])[] = [
    ['of version 1', FROM, /^192\.0\.2\.7:12345$/],
    ['of IPv6', lineHeader('TCP6 2001:DB8::7 ::1 12345 25'), /^\[2001:db8::7\]:12345$/],
    [
      'of version 2, with additions',
      binaryHeader(PROXY, INET, [192, 0, 2, 7, 127, 0, 0, 1, 0x30, 0x39, 0, 25], [4, 0, 1, 0]),
      /^192\.0\.2\.7:12345$/,
    ],
    ['that knows nothing', lineHeader('UNKNOWN'), /^127\.0\.0\.1:\d+$/],
    ['of its own', binaryHeader(LOCAL, 0), /^127\.0\.0\.1:\d+$/],
  ]
  for (const [what, header, peer] of cases) {
    it(`takes a header ${what}, alone and with what follows`, async () => {
      const seen = await start({ proxies: LOOPBACK })
      const alone = await dial(seen.server)
      alone.write(header)
      await until(() => seen.peers.length === 1)
      await works(await mtaOver(alone))
      const together = await dial(seen.server)
      together.cork()
      together.write(header)
      process.nextTick(() => together.uncork())
      await works(await mtaOver(together))
      assert.equal(seen.peers.length, 2)
      for (const one of seen.peers) assert.match(String(one), peer)
      assert.deepEqual([codes(seen), warnings(seen)], [[], []])
    })
  }

  it('takes a header byte by byte', async () => {
    const seen = await start({ proxies: LOOPBACK })
    const socket = await dial(seen.server)
    socket.setNoDelay(true)
    for (const byte of FROM) {
      await new Promise((resolve) => socket.write(Buffer.of(byte), resolve))
      await new Promise(setImmediate)
    }
    await works(await mtaOver(socket))
    assert.deepEqual(seen.peers, ['192.0.2.7:12345'])
  })

  it('loses nothing of a connection that comes in one piece, its end included', async () => {
    const seen = await start({ proxies: LOOPBACK })
    const quit = encodeCommand({ type: 'quit' })
    for (const padding of [0, 200_000]) {
      const socket = await dial(seen.server)
      let size = 0
      socket.on('data', (chunk) => (size += chunk.length))
      // A command nobody has to answer, to be longer than what streams buffer.
      const line = encodeCommand({
        type: 'macro',
        command: 0x43,
        pairs: [['j', 'x'.repeat(padding)]],
      })
      socket.end(Buffer.concat([FROM, NEGOTIATION, line, encodeCommand(helo()), quit]))
      await isClosed(socket)
      assert.ok(size > 17, String(size))
    }
    assert.equal(seen.made, 2)
  })

  it('takes it over unix sockets where it says so', async () => {
    const seen = await start({
      proxies: 'unix',
      allow: ['192.0.2.7', '127.0.0.1'],
      listen: ['inet:0@127.0.0.1', `unix:${join(temporaryDirectory(), 's')}`],
    })
    const path = pathOf(seen.server)
    const one = await dial(path)
    one.write(FROM)
    await works(await mtaOver(one))
    assert.deepEqual(seen.peers, ['192.0.2.7:12345'])
    for (const header of ['TCP4 192.0.2.8 127.0.0.1 1 2', 'UNKNOWN']) {
      const other = await dial(path)
      other.write(lineHeader(header))
      await isClosed(other)
    }
    const own = await dial(path)
    own.write(binaryHeader(LOCAL, 0))
    await works(await mtaOver(own))
    // No addresses are named, so those of TCP speak for themselves.
    await works(await mtaOver(await dial(seen.server)))
    assert.deepEqual(
      seen.refused.map(({ peer, code }) => [peer, code]),
      [
        ['192.0.2.8:1', 'PEER_REFUSED'],
        [undefined, 'PEER_REFUSED'],
      ],
    )
  })

  it('leaves unix sockets alone where it does not', async () => {
    const seen = await start({
      proxies: LOOPBACK,
      listen: `unix:${join(temporaryDirectory(), 's')}`,
    })
    await works(await mtaOver(await dial(pathOf(seen.server))))
    assert.deepEqual(seen.peers, [undefined])
  })

  it('has the client checked against allow, and the balancer only if there is no client', async () => {
    const seen = await start({ proxies: LOOPBACK, allow: '192.0.2.0/24' })
    const tries: readonly (readonly [Buffer, boolean])[] = [
      [FROM, true],
      [binaryHeader(LOCAL, 0), true],
      [lineHeader('TCP4 198.51.100.7 127.0.0.1 1 2'), false],
      [lineHeader('TCP6 ::ffff:198.51.100.7 ::1 1 2'), false],
      [lineHeader('TCP6 ::ffff:192.0.2.9 ::1 1 2'), true],
      [lineHeader('UNKNOWN'), false],
      [binaryHeader(PROXY, 0), false],
    ]
    for (const [header, good] of tries) {
      const socket = await dial(seen.server)
      socket.write(header)
      if (good) await works(await mtaOver(socket))
      else await isClosed(socket)
    }
    assert.deepEqual(codes(seen), Array(4).fill('PEER_REFUSED'))
    assert.equal(seen.refused[0]!.peer, '198.51.100.7:1')
    const [line] = warnings(seen)
    assert.equal(line!.fields['peer'], '198.51.100.7:1')
    assert.equal(line!.fields['proxy'], '127.0.0.1')
    const both = await start({ proxies: LOOPBACK, allow: LOOPBACK })
    const socket = await dial(both.server)
    socket.write(lineHeader('UNKNOWN'))
    await works(await mtaOver(socket))
  })

  it('closes the connections of others, whatever they send', async () => {
    const seen = await start({ proxies: '192.0.2.0/24', allow: LOOPBACK })
    const socket = await dial(seen.server)
    socket.write(FROM)
    await isClosed(socket)
    assert.deepEqual(codes(seen), ['PEER_REFUSED'])
    assert.match(String(warnings(seen)[0]!.fields['reason']), /option proxies/)
  })

  for (const [what, send] of [
    ['speaks the milter protocol at once', (socket: Socket) => void socket.write(NEGOTIATION)],
    [
      'sends an invalid header',
      (socket: Socket) => void socket.write(lineHeader('TCP4 a b c d')),
    ],
    ['leaves within its header', (socket: Socket) => void socket.end(FROM.subarray(0, 20))],
    ['stops within its header', (socket: Socket) => void socket.write(FROM.subarray(0, 20))],
    ['says nothing', () => {}],
  ] as const) {
    it(`closes the connection of a balancer that ${what}`, async () => {
      const seen = await start({ proxies: LOOPBACK, timeouts: { frame: 50 } })
      const socket = await dial(seen.server)
      send(socket)
      await isClosed(socket)
      await until(() => seen.refused.length === 1)
      assert.deepEqual(codes(seen), ['INVALID_PROXY_HEADER'])
      assert.match(String(warnings(seen)[0]!.fields['reason']), /PROXY header/)
      assert.equal(seen.made, 0)
    })
  }

  it('stays calm about connections that come and go', async () => {
    const seen = await start({ proxies: LOOPBACK, tls: SERVER })
    for (const header of [Buffer.alloc(0), binaryHeader(LOCAL, 0)]) {
      for (const end of ['destroy', 'end', 'resetAndDestroy'] as const) {
        const socket = await dial(seen.server)
        if (header.length > 0) await new Promise((resolve) => socket.write(header, resolve))
        socket[end]()
        await isClosed(socket)
      }
    }
    await seen.server.close({ quiet: 0 })
    assert.deepEqual([codes(seen), seen.log], [[], []])
  })

  it('takes addresses, networks and unix', async () => {
    for (const proxies of [[], ['mx.example.org'], ['unix:/run/s'], 5]) {
      await assert.rejects(start({ proxies: proxies as unknown as string[] }), {
        code: 'INVALID_OPTION',
        message: /^the option proxies takes IP addresses and networks.*unix/,
      })
    }
  })
})

describe('the option tls', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`encrypts with ${version}, and all of a long answer arrives`, async () => {
      const body = Buffer.alloc(3_000_000, 'x'.repeat(76) + '\r\n')
      const seen = await start({ tls: SERVER }, { eom: (ctx) => ctx.replaceBody(body) })
      const socket = await dial(seen.server)
      const client = await mtaOver(
        await encrypt(socket, { minVersion: version, maxVersion: version }),
      )
      await client.negotiate()
      const chunks: Buffer[] = []
      const answer = await client.command(eom(), (edit) => {
        if (edit.type === 'replbody') chunks.push(Buffer.from(edit.chunk))
      })
      assert.deepEqual(answer, { type: 'continue' })
      assert.ok(Buffer.concat(chunks).equals(body))
      await client.quit()
      assert.deepEqual([codes(seen), warnings(seen)], [[], []])
    })
  }

  it('says of a client without TLS that it does not speak it', async () => {
    const seen = await start({ tls: SERVER })
    for (const bytes of [encodeCommand(helo()), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
      const socket = await dial(seen.server)
      socket.write(bytes)
      await once(socket, 'close')
    }
    await until(() => seen.refused.length === 2)
    const reasons = seen.log.map(({ fields }) => String(fields['reason']))
    assert.match(reasons[0]!, /the other side does not use TLS; Postfix and Sendmail cannot/)
  })

  it('refuses older versions', async () => {
    const seen = await start({ tls: SERVER })
    const socket = await dial(seen.server)
    const old = encrypt(socket, {
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    await assert.rejects(old)
    await until(() => seen.refused.length === 1)
    assert.deepEqual(codes(seen), ['TLS_FAILED'])
  })

  it('does not send the last answer in half when it closes at once', async () => {
    const seen = await start({ tls: SERVER })
    const client = await mtaOver(await encrypt(await dial(seen.server)))
    await client.negotiate()
    // Something the protocol has not: the server says its last word and closes.
    const bad = Buffer.from([0, 0, 0, 1, 0xff])
    client.write(Buffer.concat([encodeCommand(helo()), encodeCommand(helo()), bad]))
    assert.deepEqual(await client.reply(), { type: 'continue' })
    assert.deepEqual(await client.reply(), { type: 'continue' })
    await assert.rejects(client.reply(), { code: 'DISCONNECTED' })
  })

  it('is of TCP alone', async () => {
    const seen = await start({
      tls: { ...SERVER, ca: CA },
      listen: ['inet:0@127.0.0.1', `unix:${join(temporaryDirectory(), 's')}`],
    })
    await works(await mtaOver(await dial(pathOf(seen.server))))
    await works(await secureClient(seen.server, CLIENT))
    assert.equal(seen.peers[0], undefined)
    assert.match(String(seen.peers[1]), /^127\.0\.0\.1:\d+$/)
  })

  it('with a CA lets in only whose certificate it has signed', async () => {
    const seen = await start({ tls: { ...SERVER, ca: [CA] } })
    await works(await secureClient(seen.server, CLIENT))
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options = { minVersion: version, maxVersion: version }
      for (const identity of [{}, STRANGER]) {
        const socket = await dial(seen.server)
        const secure = connectTls({
          socket,
          ca: CA,
          servername: 'localhost',
          ...options,
          ...identity,
        })
        secure.on('error', () => {})
        secure.write(Buffer.concat([NEGOTIATION, encodeCommand(helo())]))
        await isClosed(secure)
      }
    }
    await until(() => seen.refused.length === 4)
    assert.deepEqual(codes(seen), Array(4).fill('TLS_FAILED'))
    assert.deepEqual([seen.made, seen.peers.length], [1, 1])
    assert.equal(warnings(seen).length, 1)
    assert.match(String(warnings(seen)[0]!.fields['reason']), /did not return a certificate/)
  })

  it('says what was wrong with a certificate', async () => {
    const seen = await start({ tls: { ...SERVER, ca: CA } })
    const client = await secureClient(seen.server, STRANGER).catch(() => undefined)
    await assert.rejects(client?.negotiate() ?? Promise.reject(new Error('at once')))
    await until(() => warnings(seen).length === 1)
    assert.match(
      String(warnings(seen)[0]!.fields['reason']),
      /UNABLE_TO_(?:VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)/,
    )
  })

  for (const [what, send] of [
    ['speaks without it', (socket: Socket) => void socket.write(NEGOTIATION)],
    ['leaves in the middle', (socket: Socket) => void socket.end(Buffer.from('160301', 'hex'))],
    [
      'stops in the middle',
      (socket: Socket) => void socket.write(Buffer.from('160301', 'hex')),
    ],
    ['says nothing', () => {}],
  ] as const) {
    it(`sends away who ${what}`, async () => {
      const seen = await start({ tls: SERVER, timeouts: { frame: 100 } })
      const socket = await dial(seen.server)
      send(socket)
      await isClosed(socket)
      await until(() => seen.refused.length === 1)
      assert.deepEqual(codes(seen), ['TLS_FAILED'])
      assert.equal(warnings(seen).length, 1)
      assert.deepEqual([seen.made, seen.peers], [0, []])
    })
  }

  it('a handshake that comes in small pieces is overdue all the same', async () => {
    const seen = await start({ tls: SERVER, timeouts: { frame: 300 } })
    const socket = await dial(seen.server)
    let closed = false
    socket.once('close', () => (closed = true)).resume()
    // The beginning of a ClientHello of 16 KiB.
    socket.write(Buffer.from('1603014000010000', 'hex'))
    await until(() => {
      socket.write(Buffer.of(0))
      return closed
    })
    await until(() => seen.refused.length === 1)
    assert.deepEqual(codes(seen), ['TLS_FAILED'])
  })

  it('behind a balancer comes after the header', async () => {
    const seen = await start({
      proxies: LOOPBACK,
      allow: '192.0.2.0/24',
      tls: { ...SERVER, ca: CA },
    })
    for (const together of [true, false]) {
      const socket = await dial(seen.server)
      if (together) {
        socket.cork()
        // After the first bytes of TLS.
        setImmediate(() => socket.uncork())
      }
      socket.write(FROM)
      await works(await mtaOver(await encrypt(socket, CLIENT)))
    }
    assert.deepEqual(seen.peers, ['192.0.2.7:12345', '192.0.2.7:12345'])
    // The other way round.
    await assert.rejects(encrypt(await dial(seen.server), CLIENT))
    await until(() => seen.refused.length === 1)
    assert.deepEqual(codes(seen), ['INVALID_PROXY_HEADER'])
    const socket = await dial(seen.server)
    socket.write(FROM)
    const stranger = encrypt(socket, STRANGER)
    await stranger.then(isClosed, () => {})
    await until(() => seen.refused.length === 2)
    assert.deepEqual(seen.refused[1], { peer: '192.0.2.7:12345', code: 'TLS_FAILED' })
  })

  it('is not spoken by a server without it', async () => {
    const seen = await start({})
    await assert.rejects(secureClient(seen.server), { code: 'CONNECT_FAILED' })
    await until(() => seen.server.connections === 0)
    assert.deepEqual(warnings(seen), [])
    await works(await mtaOver(await dial(seen.server)))
  })

  it('takes an encrypted key', async () => {
    const key = createPrivateKey(SERVER.key).export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'secret',
    })
    const seen = await start({ tls: { key, cert: SERVER.cert, passphrase: 'secret' } })
    await works(await secureClient(seen.server))
    for (const passphrase of ['public', undefined]) {
      await assert.rejects(start({ tls: { key, cert: SERVER.cert, passphrase } }), {
        code: 'INVALID_OPTION',
        message: /tls\.key: cannot read a private key from it/,
      })
    }
  })

  it('can be renewed while connections go on', async () => {
    const seen = await start({ tls: SERVER })
    const before = await secureClient(seen.server)
    await before.negotiate()
    seen.server.renewTls(RENEWED)
    assert.throws(() => seen.server.renewTls({ ...RENEWED, key: SERVER.key }), {
      code: 'INVALID_OPTION',
    })
    await works(await secureClient(seen.server, { name: 'renewed.example.org' }))
    await assert.rejects(secureClient(seen.server), { code: 'CONNECT_FAILED' })
    assert.deepEqual(await before.command(helo()), { type: 'continue' })
    const plain = await start({})
    assert.throws(() => plain.server.renewTls(SERVER), { code: 'INVALID_OPTION' })
  })

  it('stays mutual, and as strict, when it is renewed', async () => {
    const seen = await start({ tls: { ...SERVER, ca: CA, minVersion: 'TLSv1.3' } })
    seen.server.renewTls(RENEWED)
    const servername = 'renewed.example.org'
    for (const options of [{ servername }, { servername, ...CLIENT, maxVersion: 'TLSv1.2' }]) {
      const secure = connectTls({
        socket: await dial(seen.server),
        ca: CA,
        ...(options as ConnectionOptions),
      })
      secure.on('error', () => {})
      secure.write(NEGOTIATION)
      await isClosed(secure)
    }
    await until(() => seen.refused.length === 2)
    assert.deepEqual(codes(seen), ['TLS_FAILED', 'TLS_FAILED'])
    await works(await secureClient(seen.server, { name: servername, ...CLIENT }))
  })

  it('says which part of it is wrong', async () => {
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [true, /tls takes an object with key and cert/],
      [{}, /tls\.key is missing/],
      [{ key: SERVER.key }, /tls\.cert is missing/],
      [{ ...SERVER, key: '/etc/ssl/key.pem' }, /tls\.key takes .*, not its path/],
      [{ ...SERVER, key: SERVER.cert }, /tls\.key: cannot read a private key from it/],
      [{ ...SERVER, cert: SERVER.key }, /tls\.cert: cannot read a certificate from it/],
      [{ ...SERVER, cert: Buffer.from(CLIENT.cert) }, /do not match: key values mismatch/],
      [{ ...SERVER, ca: '' }, /tls\.ca takes/],
      [{ ...SERVER, ca: [] }, /tls\.ca takes/],
      [{ ...SERVER, ca: [CA, SERVER.key] }, /tls\.ca: cannot read a certificate from it/],
      [{ ...SERVER, ciphers: 'none' }, /do not match/],
      [{ ...SERVER, minVersion: 'TLSv1' }, /tls\.minVersion takes TLSv1\.2 or TLSv1\.3/],
      [{ ...SERVER, requestCert: true }, /tls takes key, cert, ca/],
    ]
    for (const [tls, message] of cases) {
      await assert.rejects(start({ tls: tls as TlsOptions }), {
        code: 'INVALID_OPTION',
        message,
      })
    }
  })
})

describe('before the first command', () => {
  it('connections count, so that there is an end of them', async () => {
    const seen = await start({ tls: SERVER, maxConnections: 2 })
    let dropped = 0
    atEnd(observe({ 'tsmilter:connection:overload': () => void dropped++ }))
    const waiting = [await dial(seen.server), await dial(seen.server)]
    await isClosed(await dial(seen.server))
    assert.equal(dropped, 1)
    for (const socket of waiting) socket.destroy()
    // Until it has heard of that.
    let client: MtaClient | undefined
    while (client === undefined) {
      client = await secureClient(seen.server).catch(() => undefined)
    }
    await works(client)
  })

  it('a server that stops waits for those on their way in, for a while', async () => {
    const seen = await start({ proxies: LOOPBACK })
    const { port, sockets } = await inFrontOf(seen.server)
    const late = connect(port, '127.0.0.1')
    late.write(FROM.subarray(0, 10))
    const never = connect(port, '127.0.0.1')
    await until(() => sockets.length === 2)
    const closed = seen.server.close({ quiet: 60_000, deadline: 60_000 })
    late.write(FROM.subarray(10))
    await works(await mtaOver(late))
    let over = false
    void closed.then(() => (over = true))
    assert.ok(!over)
    await seen.server.close({ deadline: 0 })
    await isClosed(never)
    await closed
    assert.deepEqual(codes(seen), [])
  })
})
