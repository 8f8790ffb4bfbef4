import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { writePidFile } from '../../src/cli/run/pid-file.ts'
import { nodeChangesUsers } from '../../src/cli/run/setpriv.ts'
import { strangerIn } from '../../src/server/safe-directory.ts'
import { listenOnPath, removeSocket } from '../../src/server/unix-socket.ts'
import { killAtEnd } from '../support/resources.ts'

const skip = process.getuid?.() === 0 ? false : 'needs root'
const OTHER = 65_534

describe('a directory in which root makes something', { skip }, () => {
  let base: string
  let directory: string
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tsmilter-'))
    chmodSync(base, 0o755)
    directory = join(base, 'run')
    mkdirSync(directory)
  })
  afterEach(() => rmSync(base, { recursive: true, force: true }))

  const own = (path: string, uid: number, gid: number, mode: number): void => {
    chownSync(path, uid, gid)
    chmodSync(path, mode)
  }
  const listen = async (trusted?: { uid?: number; gid?: number }): Promise<void> => {
    const server = createServer()
    const path = join(directory, 's')
    try {
      const placed = await listenOnPath(server, path, { mode: 0o660, group: 1 }, 5, trusted)
      assert.ok(lstatSync(path).isSocket())
      await removeSocket(placed)
    } finally {
      server.close()
    }
  }

  for (const [what, uid, gid, mode, words] of [
    ['of another user', OTHER, 0, 0o755, /belongs to user 65534/],
    ['that a group can write', 0, OTHER, 0o775, /group 65534 can write/],
    ['that all can write', 0, 0, 0o777, /all users can write/],
  ] as const) {
    it(`${what} is refused, for a socket and a pid file, and so is one below it`, async () => {
      own(directory, uid, gid, mode)
      await assert.rejects(listen(), { code: 'LISTEN_FAILED', message: words })
      await assert.rejects(writePidFile(join(directory, 'pid')), words)
      assert.deepEqual(readdirSync(directory), [])
      mkdirSync(join(directory, 'inner'))
      assert.match(String(await strangerIn(join(directory, 'inner'))), words)
      symlinkSync(join(directory, 'inner'), join(base, 'link'))
      assert.match(String(await strangerIn(join(base, 'link'))), words)
    })
  }

  it('of the user or the group of the filter is taken for a socket, not for a pid file', async () => {
    own(directory, OTHER, 0, 0o755)
    await listen({ uid: OTHER })
    await assert.rejects(writePidFile(join(directory, 'pid')), /only root can write to/)
    own(directory, 0, OTHER, 0o770)
    await listen({ uid: 1, gid: OTHER })
    await assert.rejects(listen({ uid: OTHER, gid: 1 }), /group 65534/)
  })

  it('in which only owners can move files is taken', async () => {
    own(directory, 0, 0, 0o1777)
    await listen()
    await (
      await writePidFile(join(directory, 'pid'))
    )()
  })

  it('of the user of the filter does not lead root elsewhere, whatever that user swaps', async (t) => {
    if (!nodeChangesUsers()) return t.skip('this Node does not change users')
    own(directory, OTHER, OTHER, 0o755)
    const target = join(base, 'target')
    mkdirSync(target, { mode: 0o700 })
    writeFileSync(join(target, 's'), 'of root', { mode: 0o600 })
    const attacker = killAtEnd(
      fork(join(import.meta.dirname, 'fixtures', 'swap.js'), [directory, target]),
    )
    await once(attacker, 'message')
    let caught = 0
    for (let n = 0; n < 60; n++) {
      await listen({ uid: OTHER }).catch(() => caught++)
    }
    attacker.kill('SIGKILL')
    await once(attacker, 'exit')
    assert.deepEqual(readdirSync(target), ['s'], `${caught} of 60 were caught`)
    const { uid, gid, mode } = statSync(join(target, 's'))
    assert.deepEqual([uid, gid, mode & 0o777], [0, 0, 0o600])
  })
})

describe('a pid file', () => {
  let directory: string
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'tsmilter-'))))
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  for (const [what, make] of [
    ['a symbolic link', symlinkSync],
    ['a hard link', linkSync],
  ] as const) {
    for (const where of ['pid', `pid.${process.pid}`]) {
      it(`takes the place of ${what} named ${where.replace(/\d+/, 'PID')}, and leaves the file alone`, async () => {
        const file = join(directory, 'file')
        writeFileSync(file, 'precious')
        make(file, join(directory, where))
        const path = join(directory, 'pid')
        const remove = await writePidFile(path)
        assert.equal(lstatSync(path).isFile(), true)
        assert.equal(readFileSync(path, 'utf8'), `${process.pid}\n`)
        assert.equal(readFileSync(file, 'utf8'), 'precious')
        await remove()
        assert.deepEqual(readdirSync(directory), ['file'])
      })
    }
  }

  it('does not read what a link leads to, however long that is', async () => {
    const path = join(directory, 'pid')
    symlinkSync('/dev/zero', path)
    await (
      await writePidFile(path)
    )()
    assert.equal(existsSync(path), false)
  })
})
