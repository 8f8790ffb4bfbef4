import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { storeKey } from '../../src/store/index.ts'

describe('storeKey', () => {
  it('keeps printable text readable', () => {
    assert.equal(
      storeKey('grey', '192.0.2.0/24', 'a@example.org', ''),
      'grey:192.0.2.0/24:a@example.org:',
    )
    assert.equal(storeKey('a:b', '50%', 'é', '\udcff', '{x}'), 'a%3Ab:50%25:%C3%A9:%FF:%7Bx%7D')
  })

  it('gives other parts another key, of at most 200 printable characters', () => {
    const part = fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.constantFrom('a', 'b', ':', '%', 'a:b', '%3A', '~', 'x'.repeat(250)),
    )
    const seen = new Map<string, string>()
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const key = storeKey(...parts)
        assert.match(key, /^[!-~]{0,200}$/)
        const text = JSON.stringify(parts)
        assert.equal(seen.get(key) ?? text, text)
        seen.set(key, text)
      }),
      { numRuns: 2_000 },
    )
  })
})
