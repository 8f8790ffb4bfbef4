/** Filters in Python and here share files: the lock and the address cache of the installed pymilter. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { AddressCache, FileLock, updateFile } from '../../src/toolkit/index.ts'
import { available } from './support/program.ts'

const PYTHON = '/usr/bin/python3'

/** What a script prints. */
function python(script: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', script, ...args], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { TZ: 'UTC', PATH: '/usr/bin:/bin' },
  })
  assert.equal(status, 0, stderr)
  return stdout.trim()
}

const TRY = `
import sys
from Milter.plock import PLock
lock = PLock(sys.argv[1])
try:
  lock.lock()
  print('locked')
except FileExistsError:
  print('waits')
`

describe('files that pymilter shares', () => {
  if (!available(PYTHON, ['-c', 'import Milter'], 'python3-milter')) return
  const directory = mkdtempSync(join(tmpdir(), 'tsmilter-pymilter-'))
  after(() => rmSync(directory, { recursive: true }))

  it('are locked for one of the two', async () => {
    const file = join(directory, 'locked')
    const lock = await FileLock.acquire(file)
    assert.equal(python(TRY, file), 'waits')
    await lock.release()
    // The process ends without unlock, so its lock stays.
    assert.equal(python(TRY, file), 'locked')
    await assert.rejects(
      updateFile(file, () => 'x', { timeout: 20 }),
      { code: 'FILE_LOCKED' },
    )
    assert.equal(await updateFile(file, () => 'x', { staleAfter: 0 }), true)
    assert.equal(python(TRY, file), 'locked')
  })

  it('have the same addresses for both', async () => {
    const file = join(directory, 'cache')
    writeFileSync(file, '')
    python(
      `
import sys
from Milter.cache import AddrCache
cache = AddrCache(30, sys.argv[1])
cache['Foo@bar.com'] = None
cache.addperm('perm.com')
cache['temp@bar.com'] = 'x'
`,
      file,
    )
    const cache = await AddressCache.open(file, { days: 30 })
    assert.deepEqual(
      ['foo@bar.com', 'a@perm.com', 'temp@bar.com', 'a@bar.com'].map((one) => cache.has(one)),
      [true, true, false, false],
    )
    assert.ok(cache.get('foo@bar.com')!.expires! > Date.now() + 29 * 86_400_000)
    assert.equal(cache.get('perm.com')!.expires, undefined)
    assert.deepEqual(cache.problems, [])
    await cache.add('ours@bar.com')
    await cache.addPermanent('stays@bar.com')
    const found = python(
      `
import sys
from Milter.cache import AddrCache
cache = AddrCache(30)
cache.load(sys.argv[1])
print(len(cache), *[name in cache for name in sys.argv[2:]])
`,
      file,
      'foo@bar.com',
      'ours@bar.com',
      'stays@bar.com',
      'a@perm.com',
      'a@bar.com',
    )
    assert.equal(found, '4 True True True True False')
    assert.equal(readFileSync(file, 'utf8').split('\n').length, 5)
  })
})
