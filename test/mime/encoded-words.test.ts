import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import {
  decodeEncodedWords,
  encodeWords,
  trimSpaces,
  unfold,
  type Style,
} from '../../src/mime/fields/encoded-words.ts'
import { decodeText, encodeText } from '../../src/protocol/text.ts'

const SUBJECT: Style = { column: 'Subject:'.length }

const b = (charset: string, bytes: readonly number[] | string): string =>
  `=?${charset}?B?${Buffer.from(bytes as string, 'latin1').toString('base64')}?=`
const q = (charset: string, bytes: readonly number[]): string =>
  `=?${charset}?Q?${bytes.map((byte) => `=${byte.toString(16).padStart(2, '0')}`).join('')}?=`

/** A text as an encoded word of UTF-8: the shorter one. */
function word(text: string): string {
  const quoted = Array.from(Buffer.from(text), (byte) => {
    const one = String.fromCharCode(byte)
    if (one === ' ') return '_'
    return /[\w!*+/-]/.test(one) && one !== '_'
      ? one
      : `=${byte.toString(16).padStart(2, '0').toUpperCase()}`
  }).join('')
  const base64 = Buffer.from(text).toString('base64')
  return quoted.length <= base64.length ? `=?UTF-8?Q?${quoted}?=` : `=?UTF-8?B?${base64}?=`
}

/** What a reader of mail makes of a value. */
const read = (value: string): string => decodeEncodedWords(trimSpaces(unfold(value)))

describe('reading encoded words of a charset', () => {
  const cases: [charset: string, bytes: number[], text: string][] = [
    ['utf-8', [0x4a, 0xc3, 0xb6, 0x72, 0x67, 0xf0, 0x9f, 0x98, 0x80], 'Jörg😀'],
    ['utf8', [0xc3, 0xb6], 'ö'],
    ['us-ascii', [0x61, 0x62], 'ab'],
    ['iso-8859-1', [0x4a, 0xf6, 0x72, 0x67], 'Jörg'],
    // What says Latin-1 and has these is Windows.
    ['iso-8859-1', [0x93, 0x80, 0x94], '“€”'],
    ['latin1', [0xe9], 'é'],
    ['iso-8859-2', [0xb1], 'ą'],
    ['iso-8859-15', [0xa4, 0xbd], '€œ'],
    ['windows-1252', [0x80, 0x84, 0x93, 0x94, 0x9f, 0xff], '€„“”Ÿÿ'],
    ['windows-1251', [0xcf, 0xf0, 0xe8], 'При'],
    ['koi8-r', [0xf0, 0xd2, 0xc9, 0xd7, 0xc5, 0xd4], 'Привет'],
    ['gb2312', [0xc4, 0xe3, 0xba, 0xc3], '你好'],
    ['gb18030', [0xc4, 0xe3, 0x94, 0x39, 0xfc, 0x36], '你😀'],
    ['cp936', [0xc4, 0xe3], '你'],
    ['big5', [0xa4, 0xa4, 0xa4, 0xe5], '中文'],
    ['cp950', [0xa4, 0xa4], '中'],
    ['euc-kr', [0xc7, 0xd1, 0xb1, 0xdb], '한글'],
    ['ks_c_5601-1987', [0xc7, 0xd1], '한'],
    ['cp949', [0xc7, 0xd1], '한'],
    ['shift_jis', [0x83, 0x65, 0x83, 0x58], 'テス'],
    ['cp932', [0x83, 0x65], 'テ'],
    ['euc-jp', [0xa5, 0xc6, 0xa5, 0xb9], 'テス'],
    ['iso-2022-jp', [...Buffer.from('\x1b$B%F%9\x1b(B', 'latin1')], 'テス'],
  ]
  for (const [charset, bytes, text] of cases) {
    it(`${charset}: ${text}`, () => {
      assert.equal(decodeEncodedWords(b(charset, bytes)), text)
      assert.equal(decodeEncodedWords(q(charset, bytes)), text)
      assert.equal(decodeEncodedWords(q(charset.toUpperCase(), bytes)), text)
      assert.equal(decodeEncodedWords(q(charset, bytes).replace('?Q?', '?q?')), text)
      assert.equal(decodeEncodedWords(b(charset, bytes).replace('?B?', '?b?')), text)
      assert.equal(decodeEncodedWords(q(`${charset}*en-GB`, bytes)), text)
    })
  }
})

describe('reading', () => {
  const cases: [what: string, value: string, text: string][] = [
    ['nothing', '', ''],
    ['plain text', 'a =b? c', 'a =b? c'],
    ['an underscore in Q', '=?utf-8?q?a_b=5Fc?=', 'a b_c'],
    ['hexadecimal digits of both cases', '=?utf-8?q?=c3=A9?=', 'é'],
    ['an empty word', 'a =?utf-8?q??= b', 'a  b'],
    ['a language (RFC 2231)', '=?US-ASCII*EN?Q?Keith_Moore?=', 'Keith Moore'],

    ['spaces between two words', '=?utf-8?q?a?=  \t =?utf-8?q?b?=', 'ab'],
    ['a fold between two words', '=?utf-8?q?a?=\n =?utf-8?b?Yg==?=', 'ab'],
    ['spaces between words of two charsets', '=?utf-8?q?a?= =?koi8-r?q?=F0?=', 'aП'],
    ['no space between two words', '=?utf-8?q?a?==?utf-8?q?b?=', 'ab'],
    ['a space between word and text', '=?utf-8?q?a?= b =?utf-8?q?c?=', 'a b c'],
    ['a fold between word and text', '=?utf-8?q?a?=\n b\n\t=?utf-8?q?c?=', 'a b\tc'],
    ['a word in the middle of text', 'a(=?utf-8?q?b?=)c', 'a(b)c'],
    ['a word in quotes', '"=?utf-8?q?b?=" <a@b>', '"b" <a@b>'],

    ['a character over two words, Q', '=?utf-8?q?=C3?= =?utf-8?q?=A9?=', 'é'],
    ['a character over two words, B', '=?utf-8?b?4pw=?=\n =?UTF-8?b?kw==?=', '✓'],
    ['a character over a word of each kind', '=?utf-8?q?=E2=9C?= =?utf-8?b?kw==?=', '✓'],
    [
      'ISO-2022-JP in two words',
      `${b('iso-2022-jp', '\x1b$B%F%9\x1b(B')}\n ${b('iso-2022-jp', '\x1b$B%H\x1b(B')}`,
      'テスト',
    ],
    [
      'ISO-2022-JP cut between two words',
      `${b('iso-2022-jp', '\x1b$B%F%9')} ${b('iso-2022-jp', '%H\x1b(B')}`,
      'テスト',
    ],

    ['spaces in a Q word', '=?utf-8?q?a b?=', 'a b'],
    ['spaces in a B word', '=?utf-8?b?YW Jj?=', 'abc'],
    ['a B word without padding', '=?utf-8?b?YQ?=', 'a'],
    ['a B word with too much padding', '=?utf-8?b?YQ====?=', 'a'],
    ['a broken escape in a Q word', '=?utf-8?q?100=ZZ=?=', '100=ZZ='],
    ['raw UTF-8 in a word', '=?utf-8?q?é=C3=A9€?=', 'éé€'],
    ['raw Latin-1 in a word', '=?iso-8859-1?q?caf\udce9?=', 'café'],
    ['raw Latin-1 in a word of UTF-8', '=?utf-8?q?caf\udce9?=', 'caf\udce9'],
    ['bytes that are no UTF-8', '=?utf-8?q?=FF=C3?=', '\udcff\udcc3'],
    ['bytes that are no Shift_JIS', '=?shift_jis?q?a=FF?=', 'a\ufffd'],
    ['raw UTF-8 beside a word', 'é =?utf-8?q?=C3=A9?= é', 'é é é'],
    ['raw bytes beside a word', '\udcff =?utf-8?q?=C3=A9?=', '\udcff é'],
  ]
  for (const [what, value, text] of cases) it(what, () => assert.equal(read(value), text))

  const broken: [what: string, value: string][] = [
    ['an unknown charset', '=?x-nobody?q?a?='],
    ['a charset that is a name of JavaScript', '=?__proto__?q?a?= =?constructor?q?a?='],
    ['an unknown encoding', '=?utf-8?x?a?='],
    ['no charset', '=??q?a?='],
    ['no end', '=?utf-8?q?abc'],
    ['half an end', '=?utf-8?q?abc?'],
    ['no content', '=?utf-8?q?='],
    ['a question mark in it', '=?utf-8?q?what?now?='],
    ['base64 that is none', '=?utf-8?b?!!!?='],
    ['base64 with something behind its padding', '=?utf-8?b?YQ==YQ==?='],
    ['base64 of one digit too many', '=?utf-8?b?YWJjZ?='],
  ]
  for (const [what, value] of broken) {
    it(`leaves a word as it is: ${what}`, () => {
      assert.equal(read(value), value)
      assert.equal(
        read(`=?utf-8?q?=C3=A9?= ${value} =?utf-8?q?=C3=A9?= `),
        `é ${value} é`,
        'with the spaces around it',
      )
    })
  }

  const HOSTILE_PARTS = [
    '=?',
    '?=',
    '?q?',
    '?B?',
    '=',
    '?',
    '*',
    '_',
    ' ',
    '\n ',
    '\t',
    '\x1b$B',
    '\x1b(B',
    'utf-8',
    'iso-2022-jp',
    'gb18030',
    'big5',
    'YQ==',
    '=C3',
    '=1B',
  ]
  const HOSTILE = fc
    .array(
      fc.oneof(
        fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
        fc.constantFrom(...HOSTILE_PARTS).map((text) => Buffer.from(text)),
      ),
    )
    .map((parts) => Buffer.concat(parts))

  it('never fails, whatever the bytes are', () => {
    fc.assert(
      fc.property(HOSTILE, (bytes) => {
        // Text that can be sent again.
        encodeText(read(decodeText(bytes)))
      }),
      { numRuns: 2000 },
    )
  })

  it('gives the same bytes as text where there are no encoded words', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        const text = decodeText(Buffer.from(bytes))
        fc.pre(!text.includes('=?'))
        assert.equal(decodeEncodedWords(text), text)
      }),
    )
  })

  // Where one of these took time that grows with the square, it would not come to an end.
  const MEGABYTE = 1_000_000
  const long: [what: string, value: string][] = [
    ['beginnings', '=?'.repeat(MEGABYTE / 2)],
    ['beginnings of words', '=?utf-8?q?'.repeat(MEGABYTE / 10)],
    ['a charset', `=?${'a'.repeat(MEGABYTE)}`],
    ['languages', `=?a${'*'.repeat(MEGABYTE)}`],
    ['beginnings with a language', '=?a*'.repeat(MEGABYTE / 4)],
    ['a content without an end', `=?utf-8?q?${'a'.repeat(MEGABYTE)}`],
    ['padding', `=?utf-8?b?${'='.repeat(MEGABYTE)}!?=`],
    ['base64 with an error at its end', `=?utf-8?b?${'A'.repeat(MEGABYTE)}!?=`],
    ['spaces', `a${' '.repeat(MEGABYTE)}b`],
    ['spaces before what is no word', `=?utf-8?q?a?=${' '.repeat(MEGABYTE)}b`],
    ['folds', `a${'\n '.repeat(MEGABYTE / 2)}b`],
    ['line breaks', `a${'\r\n'.repeat(MEGABYTE / 2)}b`],
  ]
  for (const [what, value] of long) {
    it(`comes to an end with a megabyte of ${what}`, () => {
      assert.ok(read(value).length > 0)
    })
  }

  it('comes to an end with a megabyte of words', () => {
    assert.equal(read('=?utf-8?q?a?= '.repeat(71_000)), 'a'.repeat(71_000))
    assert.equal(read('=?utf-8?q?a?= b '.repeat(62_500)).length, 62_500 * 4 - 1)
    assert.equal(read('=?x?q?a?= '.repeat(1_000)).length, 10_000 - 1)
    for (let i = 0; i < 500; i++) assert.equal(read(`=?x-${i}?q?a?=`), `=?x-${i}?q?a?=`)
  })
})

const UNITS = [
  ' ',
  '  ',
  '\t',
  ' \t ',
  '          ',
  '\u00a0',
  '\u2028',
  '\u0085',
  '\x0b',
  '\x7f',
  '=?',
  '?=',
  '=',
  '?',
  '?q?',
  '=?utf-8?q?',
  '=?utf-8?q?=C3=A9?=',
  '=?x?b?a',
  '*',
  'é',
  'ü ö',
  '😀',
  '"',
  '\\',
  '<a@b>',
  ',',
  '(',
  ')',
  'x'.repeat(80),
]
/** Text of any kind, with what is difficult more often than chance would have it. */
const UNIT = fc.oneof(
  { weight: 4, arbitrary: fc.string({ minLength: 1, maxLength: 6 }) },
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }) },
  {
    weight: 5,
    arbitrary: fc.constantFrom(...UNITS),
  },
)
const TEXT = fc.array(UNIT, { maxLength: 30 }).map((units) =>
  units
    .join('')
    .replaceAll(/[\r\n\0]/g, '')
    .toWellFormed(),
)

/** The encoded words of a value, as a strict reader finds them. */
const strictWords = (value: string): string[] =>
  value.split(/[ \n]+/).filter((word) => /^\(*=\?UTF-8\?[BQ]\?[!->@-~]*\?=\)*$/.test(word))

function checkLimits(name: string, value: string): void {
  for (const line of `${name}:${value}`.split('\n')) {
    if (strictWords(line).length > 0) {
      assert.ok(Buffer.byteLength(line) <= 76, `${Buffer.byteLength(line)}: ${line}`)
    }
  }
  for (const word of strictWords(value)) {
    const [, encoding, content] = /^\(*=\?UTF-8\?([BQ])\?(.*)\?=\)*$/.exec(word)!
    assert.ok(word.length <= 75, word)
    const bytes =
      encoding === 'B'
        ? Buffer.from(content!, 'base64')
        : Buffer.from(
            content!
              .replaceAll('_', ' ')
              .replaceAll(/=(..)/g, (_all, hex: string) =>
                String.fromCharCode(Number.parseInt(hex, 16)),
              ),
            'latin1',
          )
    // Fails where a character is cut.
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  }
}

describe('writing', () => {
  const write = (text: string): string => encodeWords(text, SUBJECT)

  const cases: [what: string, text: string, value: string][] = [
    ['nothing', '', ' '],
    ['ASCII', 'Hello, world', ' Hello, world'],
    ['ASCII with many spaces', ' a  b\tc ', '  a  b\tc '],
    ['question marks', 'a=?b ?= http://x/?=?', ' a=?b ?= http://x/?=?'],
    ['Q where that is shorter', 'Mönchengladbach', ' =?UTF-8?Q?M=C3=B6nchengladbach?='],
    ['B where that is shorter', 'テスト', ' =?UTF-8?B?44OG44K544OI?='],
    ['only the words that need it', 'Hi Jörg, hello', ` Hi ${word('Jörg,')} hello`],
    ['words beside each other as one', 'é ü x', ` ${word('é ü')} x`],
    ['spaces at the ends not at all', ' é ', ` ${word('é')}`],
    ['a no-break space', 'a\u00a0b', ` ${word('a\u00a0b')}`],
    ['a control character', 'a\x01b', ` ${word('a\x01b')}`],
    ['what looks like a word', '=?utf-8?q?a?=', ` ${word('=?utf-8?q?a?=')}`],
    ['bytes that are no UTF-8', 'é \udce9', ' é \udce9'],
    ['a fold, kept where nothing is encoded', 'a\n b', ' a\n b'],
    ['a fold between encoded words, gone', 'é\n é', ` ${word('é é')}`],
  ]
  for (const [what, text, value] of cases) it(what, () => assert.equal(write(text), value))

  it('comes back as it was, but for spaces at its ends', () => {
    fc.assert(
      fc.property(TEXT, (text) => assert.equal(read(write(text)), trimSpaces(text))),
      { numRuns: 3000 },
    )
  })

  it('comes back also where ASCII looks like encoded words', () => {
    const MARKS = [
      '=?',
      '?=',
      '=',
      '?',
      'utf-8',
      'q',
      'b',
      '?q?',
      '?B?',
      ' ',
      '_',
      'é',
      '*',
      'YQ==',
    ]
    const MARK = fc.constantFrom(...MARKS)
    fc.assert(
      fc.property(fc.array(MARK, { maxLength: 20 }), (parts) => {
        const text = parts.join('')
        assert.equal(read(write(text)), trimSpaces(text))
      }),
      { numRuns: 3000 },
    )
  })

  it('keeps the limits of lines and words, and cuts no character', () => {
    fc.assert(
      fc.property(TEXT, fc.integer({ min: 1, max: 70 }), (text, length) => {
        const name = 'N'.repeat(length)
        checkLimits(name, encodeWords(text, { column: length + 1 }))
      }),
      { numRuns: 2000 },
    )
  })

  it('is ASCII, with spaces after every line break', () => {
    fc.assert(
      fc.property(TEXT, (text) => assert.match(write(text), /^(?:[\t\x20-\x7e]|\n[ \t])*$/)),
    )
  })

  it('leaves ASCII as it is', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 900 }), (text) => {
        fc.pre(!/=\?/.test(text))
        assert.equal(write(text), ` ${text}`)
      }),
    )
  })

  it('folds ASCII above 998 bytes of a line, at spaces', () => {
    const text = `${'word '.repeat(400)}end`
    const lines = `Subject:${write(text)}`.split('\n')
    assert.deepEqual(
      lines.map(({ length }) => length > 990 && length <= 998),
      [true, true, false],
    )
    assert.equal(read(write(text)), text)
    const longest = 'x'.repeat(998 - 'Subject: '.length)
    assert.equal(write(longest), ` ${longest}`)
    assert.equal(write(`${longest.slice(2)} y`), ` ${longest.slice(2)} y`)
    assert.equal(write(`${longest} y`), ` ${longest}\n y`)
    assert.equal(write('x'.repeat(2000)), ` ${'x'.repeat(2000)}`, 'and not inside a word')
  })

  it('begins on a line of its own after a long name', () => {
    const value = encodeWords('é'.repeat(20), { column: 60 })
    assert.ok(value.startsWith('\n =?UTF-8?'))
  })

  it('gives back the bytes of text that is no UTF-8', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 900 }), (given) => {
        const bytes = Buffer.from(given.filter((byte) => ![0, 0x0a, 0x0d].includes(byte)))
        const text = decodeText(bytes)
        fc.pre(!text.isWellFormed())
        assert.deepEqual(encodeText(write(text)), Buffer.concat([Buffer.from(' '), bytes]))
      }),
    )
  })

  it('comes to an end with a long text', () => {
    for (const unit of [
      'é',
      'é ',
      'テ',
      '=?',
      '=?a',
      ' ',
      '"',
      'a ',
      '\udcff',
      '😀'.repeat(3),
    ]) {
      const text = `${unit.repeat(200_000 / unit.length)}é`
      assert.equal(read(write(text)), trimSpaces(text))
    }
  })
})
