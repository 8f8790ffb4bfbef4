import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { openUnlinked } from '../../src/message/unlinked-file.ts'
import { atEnd } from '../support/resources.ts'

it('a file without a name can be written and read, and nobody else sees it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tsmilter-'))
  atEnd(() => rmSync(directory, { recursive: true }))
  await using file = await openUnlinked(directory)
  await file.write('bytes')
  assert.equal(
    (await file.read({ buffer: Buffer.alloc(5), position: 0 })).buffer.toString(),
    'bytes',
  )
  const { nlink, mode } = await file.stat()
  assert.deepEqual([nlink, mode & 0o777], [0, 0o600])
  assert.deepEqual(readdirSync(directory), [])
})

it('a file that cannot be is an error of the system', async () => {
  await assert.rejects(openUnlinked('/nowhere'), { code: 'ENOENT', path: /^\/nowhere/ })
  // No file of either kind can be there.
  await assert.rejects(openUnlinked('/proc'), { code: /^E/ })
})
