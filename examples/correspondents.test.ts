import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { deliver } from 'tsmilter/testing'
import { AddressCache } from 'tsmilter/toolkit'
import { correspondents } from './correspondents.ts'

it('knows those whom users have written to, also after a restart', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tsmilter-'))
  try {
    const file = join(directory, 'correspondents')
    const marked = async (from: string): Promise<boolean> => {
      const filter = correspondents(await AddressCache.open(file, { days: 60 }))
      return (await deliver(filter, { from }))
        .message!.toString()
        .includes('X-Correspondent: yes')
    }
    assert.equal(await marked('friend@example.org'), false)
    const filter = correspondents(await AddressCache.open(file, { days: 60 }))
    const { verdict } = await deliver(filter, {
      to: ['Friend@example.org'],
      macros: { auth_authen: 'alice' },
    })
    assert.equal(verdict, 'accept')
    assert.equal(await marked('friend@example.org'), true)
    assert.equal(await marked('other@example.org'), false)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
