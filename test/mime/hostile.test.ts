import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseMime, type MimeMessage } from '../../src/mime/index.ts'
import { parseParameters, readingsOf } from '../../src/mime/fields/parameters.ts'
import { parseStructure } from '../../src/mime/tree/parser.ts'
import {
  decodeTransfer,
  decodeTransferInPieces,
} from '../../src/mime/encodings/transfer-encoding.ts'
import { assertGrowth } from '../support/growth.ts'

/** Messages made to be slow. */

/** Reads a message through and through, within limits that do not help it. */
const LARGE = { depth: 1_000, parts: 1_000_000, headerBytes: 100_000_000 }
function readAll(bytes: Buffer): MimeMessage {
  const message = parseMime(bytes, { limits: LARGE })
  for (const part of message.walk()) {
    void [part.type, part.encoding, part.filenames, part.charset, part.isAttachment]
    // Of those that hold others the body would be looked at once more for each part around it.
    if (part.children.length === 0) part.bytes()
  }
  void [message.attachments, message.textParts, message.otherReadings()]
  assert.ok(message.toBytes().equals(bytes))
  return message
}

const text = (value: string): Buffer => Buffer.from(value, 'latin1')
const mixed = (parameters: string, body: string): Buffer =>
  text(`Content-Type: multipart/mixed; ${parameters}\r\n\r\n${body}`)

/** The first line opens a multipart, each part another one. */
function nested(n: number, boundary: (i: number) => string, tail = ''): Buffer {
  let result = ''
  for (let i = 0; i < n; i++) {
    result += `Content-Type: multipart/mixed; boundary="${boundary(i)}"\r\n\r\n--${boundary(i)}\r\n`
  }
  return text(`${result}\r\nthe end\r\n${tail}`)
}

const CASES: [name: string, n: number, make: (n: number) => Buffer][] = [
  ['nested multiparts', 120, (n) => nested(n, (i) => `b${i}`)],
  ['nested messages', 500, (n) => text(`${'Content-Type: message/rfc822\r\n\r\n'.repeat(n)}x`)],
  ['parts side by side', 5_000, (n) => mixed('boundary=b', '--b\r\n\r\nx\r\n'.repeat(n))],
  ['parts without anything', 5_000, (n) => mixed('boundary=b', '--b\r\n'.repeat(n))],
  [
    'boundaries that begin each other, and lines that are nearly one of them',
    75,
    (n) =>
      nested(
        n,
        (i) => 'b'.repeat(i + 1),
        Array.from({ length: 50 * n }, (_none, i) => `--${'b'.repeat(i % 100)}c\r\n`).join(''),
      ),
  ],
  ['equal boundaries', 120, (n) => nested(n, () => 'b', '--b--\r\n'.repeat(n))],
  [
    'delimiters of all multiparts in turn',
    120,
    (n) =>
      nested(
        n,
        (i) => `b${i}`,
        Array.from({ length: n }, (_none, i) => `--b${n - i - 1}--\r\n`).join(''),
      ),
  ],
  ['lines of two dashes', 125_000, (n) => mixed('boundary=b', '--\r\n'.repeat(n))],
  ['lines of dashes', 25_000, (n) => mixed('boundary=-', `${'-'.repeat(20)}\n`.repeat(n))],
  [
    'a line of spaces behind two dashes',
    500_000,
    (n) => mixed('boundary=b', `--${' '.repeat(n)}\n`),
  ],
  ['a long line of a header', 1_250_000, (n) => text(`Subject: ${'x'.repeat(n)}\r\n\r\nx`)],
  ['a header without a line end', 1_250_000, (n) => text(`Content-Type: ${'a'.repeat(n)}`)],
  [
    'a header of folds',
    50_000,
    (n) => text(`Content-Type: text/plain;\r\n${' \r\n'.repeat(n)}\r\nx`),
  ],
  ['lines that are no fields', 50_000, (n) => text('no field\r\n'.repeat(n))],
  ['many fields', 50_000, (n) => text(`${'X: y\r\n'.repeat(n)}\r\n`)],
  ['many fields Content-Type', 12_500, (n) => text(`${'Content-Type: a/b\r\n'.repeat(n)}\r\n`)],
  ['CR', 250_000, (n) => text(`a: b\r\n\r\n${'\r'.repeat(n)}`)],
  ['empty lines', 250_000, (n) => text(`a: b\r\n${'\r\n'.repeat(n)}`)],
  ['a large body', 2_500_000, (n) => text(`a: b\r\n\r\n${'x'.repeat(n)}`)],
  [
    'PGP in the middle of lines',
    25_000,
    (n) => text(`a: b\r\n\r\n${' -----BEGIN PGP \n'.repeat(n)}`),
  ],
]

describe('eight times the message takes about eight times as long', () => {
  for (const [name, n, make] of CASES) {
    it(name, () => assertGrowth(make, n, readAll))
  }
})

describe('eight times the parameters take about eight times as long', () => {
  const cases: [name: string, n: number, make: (n: number) => string][] = [
    ['parameters', 25_000, (n) => 'a/b' + '; a=b'.repeat(n)],
    ['parameters of one name', 25_000, (n) => 'a/b' + '; name=b'.repeat(n)],
    [
      'sections',
      12_500,
      (n) => `a/b${Array.from({ length: n }, (_none, i) => `; name*${i}=b`).join('')}`,
    ],
    [
      'sections from the last on',
      12_500,
      (n) =>
        `a/b${Array.from({ length: n }, (_none, i) => `; name*${n - i - 1}*=%20`).join('')}`,
    ],
    ['one section again and again', 12_500, (n) => `a/b${"; name*0*=''b".repeat(n)}`],
    ['semicolons', 125_000, (n) => 'a/b' + ';'.repeat(n)],
    ['quotes', 125_000, (n) => 'a/b; name=' + '"'.repeat(n)],
    ['backslashes', 125_000, (n) => 'a/b; name="' + '\\'.repeat(n)],
    ['open comments', 125_000, (n) => 'a/b; name=' + '('.repeat(n)],
    ['comments', 50_000, (n) => 'a/b; name=x' + ' ()'.repeat(n)],
    ['spaces', 125_000, (n) => `a/b;${' '.repeat(n)}name${' '.repeat(n)}=${' '.repeat(n)}x`],
    ['quotes in the extended form', 125_000, (n) => `a/b; name*=${"'".repeat(n)}`],
    ['percent signs', 125_000, (n) => `a/b; name*=''${'%'.repeat(n)}`],
    ['encoded words', 12_500, (n) => `a/b; name="${'=?utf-8?Q?a?= '.repeat(n)}"`],
    ['half encoded words', 50_000, (n) => `a/b; name="${'=?'.repeat(n)}"`],
    ['half encoded words with a charset', 25_000, (n) => `a/b; name="${'=?a?Q?'.repeat(n)}"`],
  ]
  for (const [name, n, make] of cases) {
    it(name, () =>
      assertGrowth(
        (size) => text(make(size)),
        n,
        (raw) => {
          readingsOf(parseParameters(raw), 'name')
        },
      ),
    )
  }
})

describe('eight times the encoded content takes about eight times as long', () => {
  const patterns = [
    '\r\n',
    ' ',
    '=',
    '=A',
    '=\r\n',
    '= ',
    '=3',
    'A',
    'A!',
    '-',
    '\r',
    'QUJD\r\n',
  ]
  for (const encoding of ['base64', 'quoted-printable'] as const) {
    for (const pattern of patterns) {
      it(`${encoding} of ${JSON.stringify(pattern)}`, () => {
        const make = (n: number): Buffer => text(`${pattern.repeat(n / pattern.length)}!`)
        return assertGrowth(make, 240_000, (bytes) => {
          const whole = decodeTransfer(bytes, encoding)
          let size = 0
          for (const piece of decodeTransferInPieces(bytes, encoding)) size += piece.length
          assert.equal(size, whole.length)
        })
      })
    }
  }
})

describe('sizes', () => {
  it('takes 4,000 nested parts', () => {
    const bytes = nested(4_000, (i) => `b${i}`)
    const { root } = parseStructure(bytes, { ...LARGE, depth: 10_000 })
    let depth = 0
    for (let part = root.children[0]; part !== undefined; part = part.children[0]) depth++
    assert.equal(depth, 4_000)
    // As deep as can be asked for, and edited there.
    const message = readAll(bytes)
    const parts = [...message.walk()]
    assert.equal(parts.length, 1_000)
    parts.at(-1)!.headers.append('X-New', 'yes')
    assert.ok(message.toBytes().includes('X-New: yes'))
    assert.throws(() => parseMime(bytes, { limits: { depth: 1_001 } }), {
      code: 'INVALID_OPTION',
    })
  })

  it('takes 100,000 parts', () => {
    const message = readAll(mixed('boundary=b', '--b\r\n\r\nx\r\n'.repeat(100_000)))
    assert.equal(message.children.length, 100_000)
  })

  it('looks no deeper than its limits', () => {
    const deep = parseMime(nested(4_000, (i) => `b${i}`))
    assert.equal([...deep.walk()].length, 100)
    assert.ok(deep.problems.some(({ code }) => code === 'TOO_DEEP'))
    const wide = parseMime(mixed('boundary=b', '--b\r\n\r\nx\r\n'.repeat(100_000)))
    assert.equal([...wide.walk()].length, 10_000)
    assert.ok(wide.problems.some(({ code }) => code === 'TOO_MANY_PARTS'))
  })

  it('takes a body of 100 MB as a view', () => {
    const bytes = Buffer.concat([text('a: b\r\n\r\n'), Buffer.alloc(100_000_000, 'x')])
    const message = parseMime(bytes)
    assert.equal(message.raw.buffer, bytes.buffer)
    assert.equal(message.bytes().length, 100_000_000)
  })

  it('takes a line of 10 MB in a header for content above its limit', () => {
    const message = parseMime(text(`A: b\r\nSubject: ${'x'.repeat(10_000_000)}\r\n\r\nbody`))
    assert.deepEqual(message.headers.names(), ['A'])
    assert.deepEqual(
      message.problems.map(({ code }) => code),
      ['HEADER_TOO_LARGE'],
    )
  })

  it('takes 1,000,000 parameters and 100,000 sections', () => {
    const many = parseParameters(text(`a/b${'; a=b'.repeat(1_000_000)}`))
    assert.equal(many.parameters.length, 1_000_000)
    const sections = Array.from({ length: 100_000 }, (_none, i) => `; name*${i}=b`).join('')
    assert.equal(
      readingsOf(parseParameters(text(`a/b${sections}`)), 'name')[0]!.length,
      100_000,
    )
  })

  it('edits deep parts within the usual limits', () => {
    const message = parseMime(nested(4_000, (i) => `b${i}`))
    const part = [...message.walk()].at(-1)!
    part.headers.append('X-New', 'yes')
    assert.ok(message.toBytes().includes('X-New: yes'))
  })

  it('reports at most 1,000 problems', () => {
    const parts = '--b\r\nno field\r\n\r\n'.repeat(5_000)
    assert.equal(parseMime(mixed('boundary=b', parts)).problems.length, 1_000)
  })
})
