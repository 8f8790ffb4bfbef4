import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { decodeText, encodeText, latin1Decoder } from '../../src/protocol/text.ts'

const escaped = (bytes: readonly number[]): string =>
  bytes.map((byte) => String.fromCharCode(0xdc00 + byte)).join('')

describe('text', () => {
  it('of any bytes becomes the same bytes again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.deepEqual(encodeText(decodeText(Buffer.from(bytes))), Buffer.from(bytes))
      }),
      { numRuns: 2000 },
    )
  })

  it('of bytes and letters of all sizes becomes the same bytes again', () => {
    const piece = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom('a', 'é', '€', '\uffff', '😀', '\0').map((text) => Buffer.from(text)),
    )
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const bytes = Buffer.concat(pieces)
        assert.deepEqual(encodeText(decodeText(bytes)), bytes)
      }),
      { numRuns: 2000 },
    )
  })

  it('with many bytes that are kept is written into one piece of memory', (test) => {
    const text = decodeText(Buffer.from('\xffa\xc3\xa9'.repeat(10_000), 'latin1'))
    const made = [test.mock.method(Buffer, 'from'), test.mock.method(Buffer, 'allocUnsafe')]
    encodeText(text)
    assert.equal(made.map(({ mock }) => mock.callCount()).join(), '0,1')
  })

  it('that is UTF-8 is what it says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        assert.equal(decodeText(Buffer.from(text)), text.toWellFormed())
        assert.deepEqual(encodeText(text.toWellFormed()), Buffer.from(text.toWellFormed()))
      }),
    )
    for (const text of ['\u{1f480}', '\u{10ffff}', '\uffff', '\ud7ff', '\ue000', 'a\0b']) {
      assert.equal(decodeText(Buffer.from(text)), text)
    }
  })

  it('is refused where it is neither text nor bytes', () => {
    for (const wrong of [undefined, null, 5, 5n, {}, [1, 2], Symbol('x'), new ArrayBuffer(2)]) {
      assert.throws(() => encodeText(wrong as never), {
        name: 'UsageError',
        code: 'INVALID_TEXT',
      })
    }
  })

  const invalid: [string, number[]][] = [
    ['a lone continuation', [0x80]],
    ['Latin-1', [0xe9]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['another overlong slash', [0xe0, 0x80, 0xaf]],
    ['an overlong of four bytes', [0xf0, 0x80, 0x80, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['above the last character', [0xf4, 0x90, 0x80, 0x80]],
    ['bytes that never occur', [0xf5, 0xfe, 0xff]],
    ['a character cut off', [0xe2, 0x82]],
  ]
  for (const [what, bytes] of invalid) {
    it(`of ${what} keeps each byte as one lone surrogate`, () => {
      assert.equal(decodeText(Buffer.from(bytes)), escaped(bytes))
      assert.equal(decodeText(Buffer.from([0x61, ...bytes, 0x62])), `a${escaped(bytes)}b`)
    })
  }

  it('is decoded within its bounds', () => {
    assert.equal(decodeText(Buffer.from('xxcaf\xe9yy', 'latin1'), 2, 6), 'caf\udce9')
  })

  it('with half a character that stands for no byte is an error', () => {
    for (const text of ['\ud800', 'a\udfff', '\udc7f', '\udd00', '\ud83dx']) {
      assert.throws(() => encodeText(text), { name: 'UsageError', code: 'INVALID_TEXT' })
    }
  })

  it('is what it says wherever something else than ASCII is in it', () => {
    for (let size = 0; size < 14; size++) {
      for (let at = 0; at < size; at++) {
        for (const byte of [0, 1, 0x7f, 0x80, 0x81, 0xff]) {
          const bytes = Buffer.alloc(size, 0x61)
          bytes[at] = byte
          const one = byte < 0x80 ? String.fromCharCode(byte) : escaped([byte])
          const expected = 'a'.repeat(at) + one + 'a'.repeat(size - at - 1)
          assert.equal(decodeText(bytes), expected, `${byte} at ${at} of ${size}`)
        }
      }
    }
  })

  it('of a character for each byte is the same without the method that makes it fast', () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    for (const decoder of [latin1Decoder({}), latin1Decoder(Buffer.prototype)]) {
      assert.equal(decoder(bytes, 3, 250), bytes.toString('latin1', 3, 250))
    }
  })

  it('may be bytes already', () => {
    assert.deepEqual(encodeText(new Uint8Array([1, 255])), Buffer.from([1, 255]))
  })
})
