import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defang, parseMime } from '../../src/mime/index.ts'
import { ownCodeOf } from '../../src/mime/encodings/own-codes.ts'
import { dangerousName } from '../../src/mime/index.ts'

/** Charsets in which ASCII is something else. */

const LABELS: Record<string, string> = {
  ebcdic:
    'ibm037 IBM037 cp037 cp37 ebcdic-cp-us cp500 cp1047 IBM01047 x-ebcdic-germany IBM273 CCSID01140 cp875 ibm424 ' +
    'ebcdic-us ebcdic csIBM037 x-cp20273 ibm-930_P120-1999',
  'utf-7':
    'utf-7 utf7 UTF_7 u7 csUTF7 csUnicode11UTF7 x-unicode-1-1-utf-7 x-unicode-2-0-utf-7 unicode-2-0-utf-7 cp65000 ' +
    'windows-65000 65000 unicode11utf7 csUTF7IMAP utf-7-imap x-imap-modified-utf7 utf\\-7 x-utf-7',
  'utf-32': 'utf-32 utf-32le ucs-4 iso-10646-ucs-4 csUCS4 utf_32 x-utf-32 cp12000 cp12001',
  'iso-2022-jp':
    'iso-2022-jp csISO2022JP iso-2022-jp-2 iso-2022-jp-3 iso-2022-jp-2004 iso-2022-jp-ms cp50220 cp50221 jis junet ' +
    'x-windows-iso2022jp iso2022jp',
  'iso-2022': 'iso-2022-kr csISO2022KR iso2022kr iso-2022-cn iso-2022-cn-ext cp50225 x-cp50227',
  hz: 'hz HZ hz-gb-2312 hz-gb2312 hzgb x-cp52936 cp52936',
  wide: 'utf-16 utf16le ucs-2 unicode iso-10646-ucs-2 csUnicode cp1200 U16',
  other: 'scsu csBOCU-1',
  none:
    'utf-8 utf8 us-ascii iso-8859-1 windows-1252 cp1252 cp437 ibm852 koi8-r gb2312 gbk big5 euc-jp shift_jis cp932 ' +
    'jis_x0201 x-user-defined macintosh tis-620 x-unknown',
}

describe('a charset of its own', () => {
  for (const [code, labels] of Object.entries(LABELS)) {
    it(code, () => {
      for (const label of labels.split(' '))
        assert.equal(ownCodeOf(label) ?? 'none', code, label)
    })
  }
})

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const EBCDIC = Buffer.from(
  '4c88a394936e4ca283998997a36e8193859aa34df15d4c61a283998997a36e',
  'hex',
)
const UTF_7 = latin1('<p>hi +ADw-script+AD4-alert(1)+ADw-/script+AD4-</p>')
const JIS = latin1('<a title="\x1b$B"><b>x\x1b(B" onmouseover=alert(1) x="">t</a>')
const HZ = latin1('<a title="~{"><b>x~}" onmouseover=alert(1) x="">t</a>')
const KR = latin1('\x1b$)C<a title="\x0e"><b>x\x0f" onmouseover=alert(1) x="">t</a>')
const UTF_32 = Buffer.from(
  Uint32Array.from('<script>alert(1)</script>', (one) => one.charCodeAt(0)).buffer,
)

const html = (label: string, content: Buffer): Buffer =>
  latin1(
    `Content-Type: text/html${label === '' ? '' : `; charset="${label}"`}\r\n` +
      `Content-Transfer-Encoding: base64\r\n\r\n${content.toString('base64')}\r\n`,
  )

describe('HTML in one is cleaned or found', () => {
  const texts: Record<string, Buffer> = {
    ebcdic: EBCDIC,
    'utf-7': UTF_7,
    'utf-32': UTF_32,
    'iso-2022-jp': JIS,
    'iso-2022': KR,
    hz: HZ,
  }
  const cases = Object.entries(texts).flatMap(([code, text]) =>
    LABELS[code]!.split(' ').map((label): [string, Buffer] => [label, text]),
  )
  cases.push(
    ['', JIS],
    ['us-ascii', JIS],
    ['x-unknown', JIS],
    ['utf-8', JIS],
    ['_autodetect', JIS],
    ['utf-8', Buffer.concat([latin1('<meta charset=iso-2022-jp>'), JIS])],
    ['utf-8', Buffer.concat([latin1('<meta charset=hz-gb-2312>'), HZ])],
    ['utf-8', Buffer.concat([latin1("<?xml version='1.0' encoding='utf-7'?>"), UTF_7])],
    ['', KR],
    // Some forget the shift at the end of a line, some do not.
    ['iso-2022-kr', latin1('<p title="\x0e\n" onclick=alert(1) x="\x0f">')],
    ['', Buffer.concat([latin1('\xff\xfe\0\0'), UTF_32])],
    ['', UTF_32],
    ['', Buffer.from(UTF_32).swap32()],
  )
  for (const [label, text] of cases) {
    it(`${label}: ${text.toString('latin1')}`, async () => {
      const { cleaned, findings } = await defang(parseMime(html(label, text)), { html: {} })
      assert.ok(cleaned + findings.length > 0)
    })
  }
})

describe('HTML is left as it is', () => {
  const cases: [label: string, text: string][] = [
    // Without shifts it is ASCII for all.
    ['iso-2022-kr', '<p>x</p>'],
    ['hz-gb-2312', '<p>x</p>'],
    ['cp50220', '<p>\x1b$B4A;z\x1b(B</p>'],
    ['iso-2022-jp', '<p title="\x1b$B4A;z\x1b(B">\x1b(I1\x1b(J~\x1b(B</p>'],
    ['', '<p>\x1b$B4A;z\x1b(B</p>'],
    ['utf-8', '<p title="~{">x</p><p>charset=utf-7</p>'],
  ]
  for (const [label, text] of cases) {
    it(`${label}: ${text}`, async () => {
      const message = parseMime(html(label, latin1(text)))
      const { cleaned, findings } = await defang(message, { html: {} })
      assert.deepEqual([cleaned, findings], [0, []])
    })
  }
})

it('a name in one is read', () => {
  const names = (field: string): readonly string[] =>
    parseMime(`Content-Disposition: attachment; ${field}\r\n\r\nx`).filenames
  for (const field of [
    "filename*=cp037''%85%a5%89%93%4b%91%a2",
    "filename*=x-unicode-2-0-utf-7''evil+AC4-js",
    "filename*=csucs4''%00%00%00e%00%00%00%2e%00%00%00j%00%00%00s",
  ]) {
    assert.ok(
      names(field).some((name) => dangerousName(name) !== undefined),
      field,
    )
  }
})
