import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { compose, defineFilter } from 'tsmilter'
import { deliver } from 'tsmilter/testing'
import { journal } from './journal.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'journal-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

for (const mta of ['postfix', 'sendmail'] as const) {
  describe(`journal behind ${mta}`, () => {
    it('keeps the message, byte for byte', async () => {
      const message = Buffer.from(
        'From: alice@example.org\r\nSubject: \xfc\r\n folded\r\n\r\nhello \xff\r\n.dot\r\n',
        'latin1',
      )
      const outcome = await deliver(journal(directory), { mta, message })
      assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
      assert.deepEqual(outcome.errors, [])
      assert.deepEqual(outcome.edits, [])
      const [name, ...others] = await readdir(directory)
      assert.deepEqual(others, [])
      assert.match(name!, /^\d+-\w+\.eml$/)
      assert.deepEqual(await readFile(join(directory, name!)), message)
      assert.equal((await stat(join(directory, name!))).mode & 0o777, 0o600)
    })

    it('is named after the queue id, or at random', async () => {
      await deliver(journal(directory), { mta, macros: { i: '4cX1y2Zz' } })
      assert.match((await readdir(directory)).join(), /^\d+-4cX1y2Zz\.eml$/)
      await rm(directory, { recursive: true })
      directory = await mkdtemp(join(tmpdir(), 'journal-'))
      await deliver(journal(directory), { mta, macros: { i: '' } })
      assert.match((await readdir(directory)).join(), /^\d+-[-0-9a-f]{36}\.eml$/)
    })

    it('streams a message that is larger than the memory for it', async () => {
      const body = Buffer.alloc(5_000_000, 'All work and no play makes Jack a dull boy.\r\n')
      const outcome = await deliver(journal(directory), { mta, message: { body } })
      assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
      const [name] = await readdir(directory)
      const kept = await readFile(join(directory, name!))
      assert.equal(kept.subarray(0, 2).toString(), '\r\n')
      assert.ok(kept.subarray(2).equals(body))
    })

    it('defers mail while the directory is missing', async () => {
      const outcome = await deliver(journal(join(directory, 'gone')), { mta })
      assert.equal(outcome.verdict, 'tempfail')
      assert.match(String(outcome.errors[0]), /ENOENT/)
    })

    it('defers mail while the disk is full, and leaves nothing behind', async () => {
      const probe = await open(join(directory, 'probe'), 'w')
      const prototype = Object.getPrototypeOf(probe) as typeof probe
      await probe.close()
      await rm(join(directory, 'probe'))
      const full = Object.assign(new Error('ENOSPC: no space left on device, fsync'), {
        code: 'ENOSPC',
      })
      mock.method(prototype, 'sync', () => Promise.reject(full))
      try {
        const outcome = await deliver(journal(directory), { mta })
        assert.equal(outcome.verdict, 'tempfail')
        assert.match(String(outcome.errors[0]), /ENOSPC/)
      } finally {
        mock.restoreAll()
      }
      assert.deepEqual(await readdir(directory), [])
    })

    it('keeps no mail that a filter before it has refused', async () => {
      const refusing = defineFilter({
        name: 'refusing',
        message() {
          throw new Error('no')
        },
      })
      const outcome = await deliver(compose(refusing, journal(directory)), { mta })
      assert.equal(outcome.verdict, 'tempfail')
      assert.deepEqual(await readdir(directory), [])
    })
  })
}
