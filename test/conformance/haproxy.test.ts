import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { defineFilter } from '../../src/index.ts'
import { observe } from '../../src/diagnostics/channels.ts'
import { silentLogger } from '../../src/diagnostics/log.ts'
import type { MtaClient } from '../../src/mta/client.ts'
import type { ServeOptions } from '../../src/server/options.ts'
import { serve } from '../../src/server/serve.ts'
import { CA, CLIENT, SERVER, STRANGER, type Identity } from '../support/certificates.ts'
import { lineHeader } from '../support/proxy-header.ts'
import { mtaOver } from '../support/mta-over.ts'
import { atEnd, until } from '../support/resources.ts'
import { available, startFilter, temporaryDirectory } from './support/program.ts'

const tag = defineFilter({
  name: 'tag',
  message: (mail) => void mail.headers.append('X-Seen', 'yes'),
})
const TLS = { tls: { ...SERVER, ca: CA }, proxies: '127.0.0.1', allow: '192.0.2.0/24' }
const FROM = lineHeader('TCP4 192.0.2.7 127.0.0.1 12345 25')

interface Served {
  readonly address: string
  readonly peers: (string | undefined)[]
  readonly refused: [string | undefined, string][]
}

async function start(options: Partial<ServeOptions>): Promise<Served> {
  const seen = { peers: [], refused: [] } as Omit<Served, 'address'>
  atEnd(
    observe({
      'tsmilter:connection:open': ({ peer }) => void seen.peers.push(peer),
      'tsmilter:connection:refused': ({ peer, code }) => void seen.refused.push([peer, code]),
    }),
  )
  const server = await serve(tag, {
    listen: 'inet:0@127.0.0.1',
    logger: silentLogger(),
    ...options,
  })
  atEnd(() => server.close({ deadline: 0 }))
  return { ...seen, address: server.addresses[0]! }
}

/**
 * haproxy on a unix socket, which it gives back. What connects there says who it is by a header of its
 * own, so that haproxy has a client to tell of.
 */
async function balance(
  { address }: Served,
  options: string,
  identity: Identity = CLIENT,
): Promise<string> {
  const directory = temporaryDirectory()
  const [front, ca, crt, config] = ['front', 'ca.pem', 'crt.pem', 'haproxy.cfg'].map((name) =>
    join(directory, name),
  ) as [string, string, string, string]
  writeFileSync(ca, CA)
  writeFileSync(crt, identity.cert + identity.key, { mode: 0o600 })
  const port = /:(\d+)@/.exec(address)?.[1]
  const target = port === undefined ? address.replace(':', '@') : `127.0.0.1:${port}`
  writeFileSync(
    config,
    `defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen milter
  bind unix@${front} accept-proxy
  server filter ${target} ${options.replace('CA', ca).replace('CRT', crt)}
`,
  )
  await startFilter('haproxy', ['-db', '-f', config], front)
  return front
}

/** The mail server's side, through haproxy. */
async function talk(front: string): Promise<MtaClient> {
  const socket = connect(front)
  socket.on('error', () => {})
  socket.write(FROM)
  return mtaOver(socket)
}

async function delivers(front: string): Promise<void> {
  const client = await talk(front)
  const body = 'x'.repeat(70) + '\r\n'
  const message = `Subject: hello\r\n\r\n${body.repeat(20_000)}`
  const outcome = await client.deliver({ message })
  assert.equal(outcome.failure, undefined)
  assert.match(String(outcome.message), /^X-Seen: yes\r?$/m)
  await client.quit()
}

const MUTUAL = 'ssl verify required ca-file CA verifyhost localhost crt CRT'

describe('haproxy', () => {
  if (!available('haproxy', ['-v'], 'haproxy')) return

  it('brings TLS with its certificate, and tells the client (send-proxy-v2)', async () => {
    const seen = await start(TLS)
    await delivers(await balance(seen, `send-proxy-v2 ${MUTUAL}`))
    assert.deepEqual([seen.peers, seen.refused], [['192.0.2.7:12345'], []])
  })

  it('is refused with another certificate', async () => {
    const seen = await start(TLS)
    const client = await talk(await balance(seen, `send-proxy-v2 ${MUTUAL}`, STRANGER))
    await assert.rejects(client.negotiate(), { code: 'DISCONNECTED' })
    assert.deepEqual([seen.peers, seen.refused], [[], [['192.0.2.7:12345', 'TLS_FAILED']]])
  })

  for (const version of ['send-proxy', 'send-proxy-v2']) {
    it(`tells the client over a unix socket (${version})`, async () => {
      const seen = await start({
        proxies: 'unix',
        allow: '192.0.2.7',
        listen: `unix:${join(temporaryDirectory(), 's')}`,
      })
      await delivers(await balance(seen, version))
      assert.deepEqual([seen.peers, seen.refused], [['192.0.2.7:12345'], []])
    })
  }

  it('looks after the filter without alarm (check)', async () => {
    const seen = await start(TLS)
    const front = await balance(seen, `send-proxy-v2 ${MUTUAL} check inter 50ms`)
    await until(() => seen.peers.length >= 5)
    for (const peer of seen.peers) assert.match(String(peer), /^127\.0\.0\.1:\d+$/)
    await delivers(front)
    assert.deepEqual(seen.refused, [])
  })
})
