import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import {
  decodeTransfer,
  decodeTransferInPieces,
  encodeTransfer,
  isText,
  simplestEncoding,
  transferEncoding,
} from '../../src/mime/encodings/transfer-encoding.ts'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('names of encodings', () => {
  const cases: [field: string, encoding: string | undefined][] = [
    ['', '7bit'],
    ['7bit', '7bit'],
    ['8BIT', '8bit'],
    ['8-bit', '8bit'],
    [' binary ', 'binary'],
    ['Quoted-Printable', 'quoted-printable'],
    ['base64; charset=x', 'base64'],
    ['base64(comment)', 'base64'],
    ['(comment) base64', 'base64'],
    ['\r\n base64\r\n (comment)', 'base64'],
    ['x-uuencode', undefined],
    ['base64,', undefined],
  ]
  for (const [field, encoding] of cases) {
    it(JSON.stringify(field), () => assert.equal(transferEncoding(field), encoding))
  }
})

describe('decoding quoted-printable', () => {
  const cases: [encoded: string, decoded: string][] = [
    ['', ''],
    ['a=3Db', 'a=b'],
    ['=e9=E9', '\xe9\xe9'],
    ['a=\r\nb', 'ab'],
    ['a=\nb', 'ab'],
    ['a= \t\r\nb', 'ab'],
    ['a=', 'a'],
    ['a= ', 'a'],
    // Spaces at the end of a line were added on the way.
    ['a \t\r\nb  ', 'a\r\nb'],
    ['a=20\r\n', 'a \r\n'],
    ['a =\r\nb', 'a b'],
    // What is no escape stays.
    ['a=xyz', 'a=xyz'],
    ['a=3', 'a=3'],
    ['a==3D', 'a=='],
    ['\xe9', '\xe9'],
    ['a\rb', 'a\rb'],
    ['a=\rb', 'a=\rb'],
  ]
  for (const [encoded, decoded] of cases) {
    it(JSON.stringify(encoded), () => {
      assert.equal(
        decodeTransfer(latin1(encoded), 'quoted-printable').toString('latin1'),
        decoded,
      )
    })
  }
})

describe('decoding base64', () => {
  const cases: [encoded: string, decoded: string][] = [
    ['', ''],
    ['YWJj', 'abc'],
    ['YW\r\nJj\r\n', 'abc'],
    ['YWI=', 'ab'],
    ['YQ==', 'a'],
    ['YWI', 'ab'],
    ['YQ', 'a'],
    ['Y', ''],
    ['YWJjY', 'abc'],
    // Bytes that are no digits.
    ['YW!Jj', 'abc'],
    ['Y-W_Jj', 'abc'],
    ['\xffYWJj\0', 'abc'],
    // Pieces joined.
    ['YQ==YQ==', 'aa'],
    ['YQ==\r\nYWI=\r\n', 'aab'],
    ['YWJj=YWJj', 'abcabc'],
    ['====', ''],
  ]
  for (const [encoded, decoded] of cases) {
    it(JSON.stringify(encoded), () => {
      assert.equal(decodeTransfer(latin1(encoded), 'base64').toString('latin1'), decoded)
    })
  }
})

describe('encoding quoted-printable', () => {
  const cases: [content: string, encoded: string][] = [
    ['', ''],
    ['a=b', 'a=3Db'],
    ['\xe9', '=E9'],
    ['a \r\nb\t\r\n', 'a=20\r\nb=09\r\n'],
    ['a\tb c', 'a\tb c'],
    ['From me\r\nFrom', '=46rom me\r\nFrom'],
    ['.\r\n..', '=2E\r\n..'],
    ['--b\r\n-b', '=2D-b\r\n-b'],
    // Other line ends are bytes of the content.
    ['a\nb', 'a=0Ab'],
    ['a\rb', 'a=0Db'],
  ]
  for (const [content, encoded] of cases) {
    it(JSON.stringify(content), () => {
      assert.equal(
        encodeTransfer(latin1(content), 'quoted-printable', '\r\n').toString('latin1'),
        encoded,
      )
    })
  }

  it('writes no line that means something else, behind a soft break too', () => {
    const content = latin1(`${'-'.repeat(500)}\r\n${'From '.repeat(100)}\r\n${'x'.repeat(75)}.`)
    const lines = encodeTransfer(content, 'quoted-printable', '\r\n')
      .toString('latin1')
      .split('\r\n')
    for (const line of lines) assert.doesNotMatch(line, /^(?:--|From |\.$)/)
  })
})

/** Bytes with many of those that matter. */
const content = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\r\n',
        '\n',
        '\r',
        ' ',
        '\t',
        '=',
        '--',
        'From ',
        '.',
        '=\r\n',
        '\0',
        '\xff',
      ),
      fc.constantFrom(73, 74, 75, 76, 77, 150).map((n) => 'x'.repeat(n)),
      fc.string({ unit: 'binary-ascii', maxLength: 20 }),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
    { maxLength: 30 },
  )
  .map((pieces) => latin1(pieces.join('')))
const encoding = fc.constantFrom('7bit', '8bit', 'binary', 'quoted-printable', 'base64')

describe('laws', () => {
  it('what is encoded is decoded to the same bytes, in lines that are short', () => {
    fc.assert(
      fc.property(content, encoding, fc.constantFrom('\r\n', '\n'), (bytes, name, eol) => {
        const encoded = encodeTransfer(bytes, name, eol)
        assert.ok(decodeTransfer(encoded, name).equals(bytes))
        if (name === 'quoted-printable' || name === 'base64') {
          const lines = encoded.toString('latin1').split(eol)
          assert.ok(lines.every((line) => /^[\t -~]{0,76}$/.test(line)))
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('pieces are the whole, whatever is decoded', () => {
    const padding = fc.constantFrom(0, 65_530, 65_534, 65_535, 65_536, 65_537, 131_070)
    fc.assert(
      fc.property(content, content, padding, encoding, (start, end, size, name) => {
        const middle = Buffer.alloc(size, name === 'base64' ? 'QUJD' : 'x')
        const bytes = Buffer.concat([start, middle, end])
        const pieces = [...decodeTransferInPieces(bytes, name)]
        assert.ok(pieces.every(({ length }) => length > 0 && length <= 65_536))
        assert.ok(Buffer.concat(pieces).equals(decodeTransfer(bytes, name)))
      }),
      { numRuns: 500 },
    )
  })

  it('the simplest encoding carries the content in lines of 998 bytes of ASCII', () => {
    fc.assert(
      fc.property(content, (bytes) => {
        const name = simplestEncoding(bytes)
        const encoded = encodeTransfer(bytes, name, '\r\n')
        assert.ok(isText(encoded))
        assert.match(encoded.toString('latin1'), /^[\t\r\n -~]*$/)
      }),
      { numRuns: 1_000 },
    )
  })
})
