import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { silentLogger } from '../../src/diagnostics/log.ts'
import { serve } from '../../src/server/serve.ts'
import type { MilterServer } from '../../src/server/server.ts'
import type { SocketPermissions } from '../../src/options/types.ts'
import { MtaClient } from '../../src/mta/client.ts'
import { atEnd } from '../support/resources.ts'

const isRoot = process.getuid?.() === 0

/** A socket file nobody listens on, as a crash leaves it. */
function makeStale(path: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  assert.ok(lstatSync(path).isSocket())
}

describe('unix sockets', () => {
  let directory: string
  let path: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tsmilter-'))
    path = join(directory, 'filter.sock')
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  async function start(
    unixSocket: SocketPermissions = {},
    listen = `unix:${path}`,
  ): Promise<MilterServer> {
    const server = await serve(() => ({}), { listen, unixSocket, logger: silentLogger() })
    atEnd(() => server.close({ deadline: 0 }))
    return server
  }
  const answers = async (): Promise<void> => {
    const client = await MtaClient.connect(`unix:${path}`)
    atEnd(() => client.destroy())
    await client.negotiate()
    await client.quit()
  }

  it('have one link from the first moment: Sendmail calls others unsafe', async () => {
    makeStale(path)
    const seen: number[] = []
    const watcher = watch(directory, () => {
      try {
        seen.push(lstatSync(path).nlink)
      } catch {
        // Not there yet.
      }
    })
    atEnd(() => watcher.close())
    for (let i = 0; i < 20; i++) {
      const server = await start()
      seen.push(lstatSync(path).nlink)
      await answers()
      await server.close({ deadline: 0 })
    }
    assert.deepEqual([...new Set(seen)], [1])
  })

  it('serve, and are gone afterwards, with nothing beside them', async () => {
    const server = await start()
    assert.deepEqual(server.addresses, [`unix:${path}`])
    assert.deepEqual(readdirSync(directory), ['filter.sock'])
    await answers()
    await server.close()
    assert.deepEqual(readdirSync(directory), [])
  })

  for (const mode of [0o600, 0o660, 0o666, 0o777]) {
    it(`have mode 0${mode.toString(8)} from the moment they can be seen`, async () => {
      const seen = new Set<number>()
      const watcher = watch(directory, (_event, name) => {
        if (name !== 'filter.sock') return
        try {
          seen.add(statSync(path).mode & 0o777)
        } catch {
          // not there yet, or gone again
        }
      })
      atEnd(() => watcher.close())
      const server = await start({ mode })
      assert.equal(statSync(path).mode & 0o777, mode)
      await server.close()
      watcher.close()
      seen.delete(mode)
      assert.deepEqual([...seen], [])
    })
  }

  it('are prepared where nobody else can reach them', async () => {
    const modes: number[] = []
    const watcher = watch(directory, (_event, name) => {
      if (name === null || name === 'filter.sock') return
      try {
        modes.push(statSync(join(directory, name)).mode & 0o777)
      } catch {
        // already done
      }
    })
    atEnd(() => watcher.close())
    for (let i = 0; i < 20; i++) await (await start({ mode: 0o666 })).close()
    watcher.close()
    for (const mode of modes) assert.equal(mode, 0o700)
  })

  it(
    'have their owner and group by name and by number',
    { skip: !isRoot && 'needs root' },
    async () => {
      for (const [owner, group] of [
        [1, 2],
        ['daemon', 'bin'],
        ['1', '2'],
      ] as const) {
        const server = await start({ owner, group, mode: 0o660 })
        const { uid, gid, mode } = statSync(path)
        assert.deepEqual([uid, gid, mode & 0o777], [1, 2, 0o660])
        await server.close()
      }
      const server = await start({ group: 'daemon' })
      assert.deepEqual([statSync(path).uid, statSync(path).gid], [0, 1])
      await server.close()
    },
  )

  it('of an owner that does not exist are refused, and leave nothing', async () => {
    await assert.rejects(start({ owner: 'no-such-user' }), {
      code: 'LISTEN_FAILED',
      message: /there is no user "no-such-user"/,
    })
    await assert.rejects(start({ group: '-x' }), {
      code: 'LISTEN_FAILED',
      message: /there is no group "-x"/,
    })
    assert.deepEqual(readdirSync(directory), [])
  })

  it('that are stale are replaced', async () => {
    makeStale(path)
    const server = await start()
    await answers()
    await server.close()
    assert.deepEqual(readdirSync(directory), [])
  })

  it('that somebody answers on are left alone', async () => {
    const first = await start()
    await assert.rejects(start(), {
      code: 'ADDRESS_IN_USE',
      message: /another process answers there/,
    })
    await answers()
    assert.deepEqual(readdirSync(directory), ['filter.sock'])
    await first.close()
  })

  it('do not take the place of a file or a link', async () => {
    writeFileSync(path, 'mail')
    await assert.rejects(start(), { code: 'NOT_A_SOCKET' })
    const other = join(directory, 'other')
    unlinkSync(path)
    writeFileSync(other, 'mail')
    symlinkSync(other, path)
    await assert.rejects(start(), { code: 'NOT_A_SOCKET' })
    assert.deepEqual(readdirSync(directory).sort(), ['filter.sock', 'other'])
  })

  it('in a directory that is not there, or is no directory, are refused in words', async () => {
    await assert.rejects(start({}, `unix:${directory}/none/x.sock`), {
      code: 'LISTEN_FAILED',
      message: /its directory does not exist/,
    })
    writeFileSync(join(directory, 'file'), '')
    await assert.rejects(start({}, `unix:${directory}/file/x.sock`), {
      code: 'LISTEN_FAILED',
      message: /not a directory/,
    })
  })

  it('that somebody has replaced are not removed at the end', async () => {
    const server = await start()
    const aside = join(directory, 'aside')
    renameSync(path, aside)
    writeFileSync(path, 'another')
    await server.close()
    assert.ok(existsSync(path))
    unlinkSync(path)
  })

  it('can be as long as the system takes', async () => {
    for (const length of [90, 100, 106, 107]) {
      const room = length - Buffer.byteLength(directory) - 1
      const long = join(directory, 'x'.repeat(room))
      const server = await start({ mode: 0o600 }, `unix:${long}`)
      assert.deepEqual(readdirSync(directory), ['x'.repeat(room)])
      await server.close()
    }
  })

  it('wanted by two servers at once go to exactly one', async () => {
    for (let round = 0; round < 15; round++) {
      if (round % 3 === 0) makeStale(path)
      const results = await Promise.allSettled([start(), start(), start()])
      const winners = results.filter((one) => one.status === 'fulfilled')
      assert.equal(winners.length, 1)
      for (const one of results) {
        if (one.status === 'rejected')
          assert.equal((one.reason as { code: string }).code, 'ADDRESS_IN_USE')
      }
      await answers()
      await winners[0]!.value.close()
      assert.deepEqual(readdirSync(directory), [])
    }
  })

  it('of another kind of server are not taken either', async () => {
    const other = createServer()
    atEnd(() => other.close())
    await new Promise<void>((resolve) => other.listen(path, resolve))
    await assert.rejects(start(), { code: 'ADDRESS_IN_USE' })
    other.close()
  })
})
