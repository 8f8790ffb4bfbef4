import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { uniqueId } from '../../src/toolkit/index.ts'

describe('uniqueId', () => {
  it('gives 26 characters, another each time, in the order of time', async () => {
    const first = Array.from({ length: 10_000 }, () => uniqueId())
    for (const id of first) assert.match(id, /^[0-9a-v]{26}$/)
    assert.equal(new Set(first).size, first.length)
    await new Promise((resolve) => setTimeout(resolve, 2))
    assert.ok(first.every((id) => id.slice(0, 10) < uniqueId().slice(0, 10)))
  })
})
