import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { describe, it } from 'node:test'
import { KeyMemory, type KeyCache } from '../../../src/filters/authentication/key-memory.ts'
import type { NodeStyleResolver } from '../../../src/toolkit/index.ts'
import { KEYS } from './world.ts'

const PEM = String(createPublicKey(KEYS.ed25519).export({ type: 'spki', format: 'pem' }))

/** Keys of a memory whose records a test can change, and how many were read. */
function played(): { keys: KeyCache; records: Map<string, string>; reads: () => number } {
  let reads = 0
  const records = new Map<string, string>()
  const read: KeyCache = {
    get: (_type, name) => {
      reads++
      const text = records.get(name)!
      return text.startsWith('bad')
        ? Promise.reject(new Error(text))
        : Promise.resolve({ publicKey: PEM, text })
    },
  }
  const resolve = ((name: string) =>
    records.has(name)
      ? Promise.resolve([[records.get(name)!]])
      : Promise.reject(new Error('no record'))) as NodeStyleResolver
  return { keys: new KeyMemory().over(read, resolve), records, reads: () => reads }
}
const OPTIONS = { strict: true, hashAlgo: 'sha256' }

describe('keys of earlier messages', () => {
  it('are read once for each text of a record', async () => {
    const { keys, records, reads } = played()
    records.set('a', 'one').set('b', 'one').set('c', 'two')
    for (const name of ['a', 'b', 'c', 'a']) await keys.get('DKIM', name, 1024, OPTIONS)
    assert.equal(reads(), 2)
    records.set('a', 'other')
    await keys.get('DKIM', 'a', 1024, OPTIONS)
    assert.equal(reads(), 3)
    await keys.get('DKIM', 'a', 2048, OPTIONS)
    await keys.get('DKIM', 'a', 1024, { ...OPTIONS, hashAlgo: 'sha1' })
    assert.equal(reads(), 5)
  })

  it('are not kept if they cannot be read, or have a long record', async () => {
    const { keys, records, reads } = played()
    records.set('a', 'bad').set('b', 'x'.repeat(3_000))
    for (let i = 0; i < 2; i++) {
      await assert.rejects(keys.get('DKIM', 'a', 1024, OPTIONS), /bad/)
      await keys.get('DKIM', 'b', 1024, OPTIONS)
    }
    assert.equal(reads(), 4)
    await assert.rejects(keys.get('DKIM', 'c', 1024, OPTIONS), /no record/)
  })

  it('are at most 1,000', async () => {
    const { keys, records, reads } = played()
    for (let i = 0; i <= 1_000; i++) records.set(`n${i}`, String(i))
    for (const name of records.keys()) await keys.get('DKIM', name, 1024, OPTIONS)
    await keys.get('DKIM', 'n1000', 1024, OPTIONS)
    assert.equal(reads(), 1_001)
    await keys.get('DKIM', 'n0', 1024, OPTIONS)
    assert.equal(reads(), 1_002)
  })
})
