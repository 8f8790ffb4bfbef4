import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect as connectSocket, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { ClientTls } from '../../src/mta/channel.ts'
import { MtaClient } from '../../src/mta/client.ts'
import {
  CA,
  CLIENT,
  RENEWED,
  SERVER,
  STRANGER,
  type Identity,
} from '../support/certificates.ts'
import { lineHeader } from '../support/proxy-header.ts'
import { atEnd } from '../support/resources.ts'
import { field, get, launch, MESSAGE, project, send, start, until } from './support/command.ts'

/** Tells which process has served. */
const TAG = `
import { defineFilter } from 'tsmilter'
export default defineFilter({ name: 'tag', message(mail) { mail.headers.append('X-Pid', String(process.pid)) } })
`
const TCP = ['--listen', 'inet:0@127.0.0.1']
const TLS = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem']

const filesOf = ({ key, cert }: Identity): Record<string, string> => ({
  'key.pem': key,
  'cert.pem': cert,
})
function place(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
}

async function secure(address: string, tls: ClientTls = {}): Promise<MtaClient> {
  const client = await MtaClient.connect(address, { tls: { ca: CA, ...tls } })
  atEnd(() => client.destroy())
  return client
}

async function raw(address: string): Promise<Socket> {
  const socket = connectSocket(Number(/:(\d+)@/.exec(address)![1]), '127.0.0.1')
  atEnd(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

async function metrics(said: string): Promise<string> {
  const url = /telemetry url=(\S+)/.exec(said)![1]!.replaceAll('"', '')
  return await (await get(new URL('/metrics', url))).text()
}

describe('tsmilter run, before a connection is served', () => {
  it('closes connections that are not allowed, and counts them', async () => {
    const directory = project({ 'tag.mjs': TAG })
    const path = join(directory, 's')
    await using running = await start(
      ['tag.mjs', ...TCP, '--listen', path, '--allow', '192.0.2.0/24', '--telemetry', '0'],
      directory,
    )
    const [tcp, unix] = running.addresses
    for (let i = 0; i < 3; i++) {
      const socket = await raw(tcp!)
      socket.resume()
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
    }
    await running.says(/WARN .*a connection was refused: .*PEER_REFUSED/)
    assert.equal(running.count(/a connection was refused/), 1)
    const pattern = /^tsmilter_connections_refused_total\{code="PEER_REFUSED"\} 3$/m
    await until('the metric', async () => pattern.test(await metrics(running.said)))
    field(await send(unix!), 'X-Pid')
    assert.equal(await running.stop(), 0)
  })

  it('takes PROXY headers, and reports the client', async () => {
    const directory = project({
      'config.mjs': `
        import { defineConfig } from 'tsmilter'
import { observe } from 'tsmilter/telemetry'
        import tag from './tag.mjs'
        observe({ 'tsmilter:connection:open': ({ peer }) => console.log('client', peer) })
        export default defineConfig({
          filters: [tag], proxies: ['127.0.0.1'], allow: ['192.0.2.0/24'], workers: 2,
        })`,
      'tag.mjs': TAG,
    })
    await using running = await start(['config.mjs', ...TCP], directory)
    const socket = await raw(running.address)
    socket.write(lineHeader('TCP4 192.0.2.7 127.0.0.1 12345 25'))
    await running.says(/^client 192\.0\.2\.7:12345$/)
    const other = await raw(running.address)
    other.write(lineHeader('TCP4 198.51.100.7 127.0.0.1 1 2'))
    await running.says(/peer=198\.51\.100\.7:1 proxy=127\.0\.0\.1/)
    const third = await raw(running.address)
    third.write('EHLO there\r\n')
    await running.says(/INVALID_PROXY_HEADER/)
  })

  it('speaks TLS, with the new certificate after a reload, and the old one if that is bad', async () => {
    const directory = project({ 'tag.mjs': TAG, ...filesOf(SERVER) })
    await using running = await start(['tag.mjs', ...TCP, ...TLS], directory)
    const { address } = running
    const before = await secure(address)
    const old = field(await before.deliver({ message: MESSAGE }), 'X-Pid')

    place(directory, filesOf(RENEWED))
    running.signal('SIGHUP')
    await running.says(/INFO  reloaded /)
    await assert.rejects(secure(address), { code: 'CONNECT_FAILED' })
    const renewed = { name: 'renewed.example.org' }
    const after = await secure(address, renewed)
    const fresh = field(await after.deliver({ message: MESSAGE }), 'X-Pid')
    assert.notEqual(fresh, old)
    // Nothing happens to connections that were made before.
    assert.equal(field(await before.deliver({ message: MESSAGE }), 'X-Pid'), old)

    const bad: readonly (readonly [Record<string, string>, RegExp])[] = [
      [{ 'key.pem': SERVER.key }, /old one goes on.*option tls: .*key values mismatch/],
      [{ 'key.pem': '' }, /old one goes on.*option tls\.key: there is no PEM text in key\.pem/],
    ]
    for (const [files, reason] of bad) {
      place(directory, files)
      running.signal('SIGHUP')
      await running.says(reason)
      const still = await secure(address, renewed)
      assert.equal(field(await still.deliver({ message: MESSAGE }), 'X-Pid'), fresh)
    }
    await before.quit()
    assert.equal(await running.stop(), 0)
  })

  it('lets in only clients with a certificate, where there is a CA', async () => {
    const directory = project({ 'tag.mjs': TAG, ...filesOf(SERVER), 'ca.pem': CA })
    await using running = await start(
      ['tag.mjs', ...TCP, ...TLS, '--tls-ca', 'ca.pem'],
      directory,
    )
    for (const identity of [{}, STRANGER]) {
      const client = await secure(running.address, identity).catch(() => undefined)
      await assert.rejects(client?.negotiate() ?? Promise.reject(new Error('at once')))
    }
    await running.says(/WARN .*a connection was refused: .*TLS_FAILED/)
    const client = await secure(running.address, CLIENT)
    field(await client.deliver({ message: MESSAGE }), 'X-Pid')
    await client.quit()
  })

  it('does not start with certificates that cannot be', async () => {
    const directory = project({
      'tag.mjs': TAG,
      ...filesOf(SERVER),
      'other.pem': RENEWED.key,
      'empty.pem': '',
    })
    const cases: readonly (readonly [string[], RegExp])[] = [
      [['--tls-cert', 'cert.pem'], /tls\.key is missing: TLS needs both/],
      [['--tls-ca', 'cert.pem'], /tls\.key is missing: TLS needs both/],
      [
        ['--tls-cert', 'cert.pem', '--tls-key', 'nix.pem'],
        /tls\.key: nix\.pem cannot be read: ENOENT/,
      ],
      [
        ['--tls-cert', 'key.pem', '--tls-key', 'key.pem'],
        /tls\.cert: cannot read a certificate from it/,
      ],
      [['--tls-cert', 'cert.pem', '--tls-key', 'other.pem'], /key values mismatch/],
      [[...TLS, '--tls-ca', 'empty.pem'], /tls\.ca: there is no PEM text in empty\.pem/],
      [['--allow', 'localhost'], /option allow of the command line \(--allow\).*"localhost"/],
    ]
    for (const [args, reason] of cases) {
      await using running = launch(['tag.mjs', ...TCP, ...args], directory)
      assert.equal(await running.ended, 2, running.said)
      assert.match(running.said, reason)
    }
  })
})
