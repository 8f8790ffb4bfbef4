import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readSrsSecrets, Srs } from '../../src/toolkit/index.ts'
import { atEnd, killAtEnd } from '../support/resources.ts'
import { available, temporaryDirectory } from './support/program.ts'

const SECRETS = ['first secret', '1/2+3=', 'older']
const DOMAIN = 'srs.example.test'
const SENDERS = [
  'user@other.example',
  'User.Name+tag@Other.Example',
  'a=b==c@other.example',
  `${'long'.repeat(15)}@${'sub.'.repeat(10)}other.example`,
  'SRS0=abcd=AB=origin.example=user@first.example',
  'SRS0+abcd=AB=origin.example=user@first.example',
  'SRS0-abcd=AB=origin.example=a=b@first.example',
  'SRS1=abcd=first.example==abcd=AB=origin.example=user@second.example',
  'SRS1+abcd=first.example=-abcd=AB=origin.example=user@second.example',
]

/** A port that was free a moment ago. */
async function port(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port: free } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return free
}

/** A table of postsrsd 1.x, which speaks Postfix's tcp_table(5). */
class Table {
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>

  constructor(socket: Socket) {
    this.#socket = socket
    this.#lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  }

  async get(key: string): Promise<string | undefined> {
    this.#socket.write(`get ${encodeURIComponent(key)}\n`)
    const line: IteratorResult<string, unknown> = await this.#lines.next()
    assert.ok(line.done !== true)
    const [code, value] = line.value.split(' ')
    return code === '200' ? decodeURIComponent(value!) : undefined
  }
}

async function openTable(number: number): Promise<Table> {
  for (let left = 500; ; left--) {
    const socket = connect(number, '127.0.0.1')
    const error = await new Promise((resolve) => {
      socket.once('connect', () => resolve(undefined))
      socket.once('error', resolve)
    })
    if (error === undefined) {
      atEnd(() => void socket.destroy())
      return new Table(socket)
    }
    if (left === 0) throw error as Error
    await sleep(20)
  }
}

async function start(separator: string): Promise<{ forward: Table; reverse: Table; srs: Srs }> {
  const path = join(temporaryDirectory(), 'postsrsd.secret')
  writeFileSync(path, `${SECRETS.join('\n')}\n`)
  const [forward, reverse] = [await port(), await port()]
  const args = [
    '-4',
    `-s${path}`,
    `-d${DOMAIN}`,
    `-a${separator}`,
    `-f${forward}`,
    `-r${reverse}`,
  ]
  killAtEnd(spawn('/usr/sbin/postsrsd', args, { stdio: 'ignore' }))
  return {
    forward: await openTable(forward),
    reverse: await openTable(reverse),
    srs: new Srs({
      domain: DOMAIN,
      secrets: await readSrsSecrets(path),
      separator: separator as '=',
    }),
  }
}

if (available('/usr/sbin/postsrsd', ['-v'], 'postsrsd')) {
  describe('SRS beside postsrsd', () => {
    for (const separator of ['=', '+', '-']) {
      it(`the same addresses, separator ${separator}`, async () => {
        const { forward, srs } = await start(separator)
        for (const sender of SENDERS) {
          const theirs = await forward.get(sender)
          assert.equal(plain(srs.forward(sender).address), plain(theirs), sender)
        }
        for (let n = 0; n < 200; n++) {
          const sender = `user${n}@host${n % 7}.example`
          assert.equal(plain(srs.forward(sender).address), plain(await forward.get(sender)))
        }
      })

      it(`each reads what the other wrote, separator ${separator}`, async () => {
        const { forward, reverse, srs } = await start(separator)
        for (const sender of SENDERS) {
          const ours = srs.forward(sender).address!
          const theirs = (await forward.get(sender))!
          const back = await reverse.get(older(ours))
          assert.equal(srs.reverse(theirs).address, back, sender)
          assert.equal(srs.reverse(ours).address, back, sender)
          if (!ours.startsWith('SRS1')) assert.equal(back, sender)
        }
      })
    }

    it('an address of an older secret', async () => {
      const { reverse, srs } = await start('=')
      const before = new Srs({ domain: DOMAIN, secrets: SECRETS.slice(2) })
      const address = before.forward('user@other.example').address!
      assert.equal(await reverse.get(older(address)), 'user@other.example')
      assert.equal(srs.reverse(address).address, 'user@other.example')
    })

    it('a forged address', async () => {
      const { reverse, srs } = await start('=')
      const forger = new Srs({ domain: DOMAIN, secrets: ['guess'] })
      for (let n = 0; n < 100; n++) {
        const address = forger.forward(`user${n}@other.example`).address!
        assert.equal(await reverse.get(older(address)), undefined)
        assert.equal(srs.reverse(address).address, undefined)
      }
    })
  })
}

/** Version 1 writes `+` and `/` in a hash, and reads nothing else. Version 2 writes `-` and `_`, and reads all. */
const plain = (address: string | undefined): string | undefined =>
  address && hashIn(address, '-', '_')
const older = (address: string): string => hashIn(address, '+', '/')

const hashIn = (address: string, plus: string, slash: string): string =>
  address.replace(
    /^(SRS[01].)([^=]*)/,
    (_, tag: string, hash: string) =>
      tag + hash.replaceAll(/[+-]/g, plus).replaceAll(/[/_]/g, slash),
  )
