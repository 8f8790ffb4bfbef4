import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import iconv from 'iconv-lite'
import { utf7Decoder } from '../../src/mime/encodings/utf7.ts'

const bytes = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '+',
        '-',
        '&',
        ',',
        '/',
        '=',
        '\n',
        '\xe9',
        'a',
        '+AOk-',
        '&AOk-',
        '+2D3',
      ),
      fc.string({ maxLength: 6 }),
      fc.base64String({ maxLength: 12 }),
    ),
  )
  .map((pieces) => Buffer.from(pieces.join(''), 'latin1'))

describe('UTF-7 is read as iconv-lite reads it', () => {
  for (const name of ['utf-7', 'unicode-1-1-utf-7', 'utf-7-imap', 'utf7:1997']) {
    it(name, () => {
      fc.assert(
        fc.property(bytes, (text) => {
          assert.equal(utf7Decoder(name)!(text), iconv.decode(text, name))
        }),
        { numRuns: 2_000 },
      )
    })
  }

  it('with marks', () => {
    for (const text of ['+/v8-x', '+/v8AYQ-', 'x+/v8-', '+/v/+/w-', '+AGH+/w-']) {
      const one = Buffer.from(text)
      assert.equal(utf7Decoder('utf-7')!(one), iconv.decode(one, 'utf-7'), text)
    }
  })

  it('and no other charset is', () => {
    for (const name of ['utf-8', 'utf-16', 'utf7x', '']) {
      assert.equal(utf7Decoder(name), undefined)
    }
  })
})
