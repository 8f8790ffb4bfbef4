import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { decodeFieldName } from '../../src/protocol/field-names.ts'
import { decodeText } from '../../src/protocol/text.ts'

const nameOf = (bytes: Buffer): string => decodeFieldName(bytes, 0, bytes.length)

describe('the name of a field', () => {
  it('is the text of its bytes, whatever came before it', () => {
    const letter = fc.constantFrom(...Buffer.from('aB-\0\x7f\x80\xc3\xa9\xe9\xff', 'latin1'))
    fc.assert(
      fc.property(fc.array(fc.array(letter, { maxLength: 4 }), { maxLength: 40 }), (names) => {
        for (const name of [...names, ...names]) {
          const bytes = Buffer.from(name)
          assert.equal(nameOf(bytes), decodeText(bytes))
        }
      }),
      { numRuns: 300 },
    )
  })

  it('in Latin-1 is never taken for the one in UTF-8 that was at its place', () => {
    // Among so many names, some hundred pairs share a place.
    for (let letter = 0x41; letter <= 0x7a; letter++) {
      for (let beyond = 0x80; beyond <= 0xff; beyond++) {
        const [a, b] = [String.fromCharCode(letter), String.fromCharCode(beyond)]
        for (const text of [`${b}${a}`, `${b}${a}${a}`, `X${b}${a}${a}`, `XX${b}${a}`]) {
          const utf8 = Buffer.from(text)
          const latin1 = Buffer.from(text, 'latin1')
          for (const bytes of [utf8, latin1, utf8])
            assert.equal(nameOf(bytes), decodeText(bytes))
        }
      }
    }
  })

  it('is read from within a chunk, and when it is very long', () => {
    const chunk = Buffer.from(`xSubject\0${'L'.repeat(200)}`)
    for (let i = 0; i < 2; i++) {
      assert.equal(decodeFieldName(chunk, 1, 8), 'Subject')
      assert.equal(decodeFieldName(chunk, 9, 209), 'L'.repeat(200))
      assert.equal(decodeFieldName(chunk, 3, 3), '')
    }
  })
})
