import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { killAtEnd } from '../support/resources.ts'

describe('a closed connection', { timeout: 120_000 }, () => {
  // Else they fill the heap until the next major collection, which everybody has to wait for.
  it('is gone after a minor collection, but for what Node keeps of a socket', async () => {
    const fixture = join(import.meta.dirname, 'fixtures', 'leftovers.js')
    const execArgv = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64']
    const child = killAtEnd(fork(fixture, { execArgv }))
    const [{ bare, own }] = (await once(child, 'message')) as [{ bare: number; own: number }]
    assert.ok(own < bare + 600, `${own} bytes are left of one, ${bare} of a plain socket`)
  })
})
