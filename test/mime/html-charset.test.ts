import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { charsetInHtml, metaCharset, otherCharsets } from '../../src/mime/html/html-charset.ts'
import { parseMime } from '../../src/mime/message.ts'

const named = (html: string): string | undefined =>
  charsetInHtml('text/html', Buffer.from(html))

describe('the charset that HTML names', () => {
  const cases: [html: string, name: string | undefined][] = [
    ['<meta charset=gbk>', 'gbk'],
    ['<META CHARSET="GBK" >', 'gbk'],
    ["<meta charset='koi8-r'>", 'koi8-r'],
    ['<meta/charset=gbk>', 'gbk'],
    ['<meta\fx=y charset = gbk>', 'gbk'],
    ['<meta http-equiv=content-type content="text/html; charset=gbk">', 'gbk'],
    ['<meta content="text/html; charset=\'gbk\'" http-equiv=Content-Type>', 'gbk'],
    // Only the attribute of a meta element counts.
    ['<meta name=x content="text/html; charset=gbk">', undefined],
    ['<metax charset=gbk>', undefined],
    ['<p title="<meta charset=gbk>">', undefined],
    ['<!-- <meta charset=gbk> -->', undefined],
    ['<!--><meta charset=gbk>', 'gbk'],
    ['<!-- > <meta charset=koi8-r> --><meta charset=gbk>', 'gbk'],
    ['<?x <meta charset=koi8-r><meta charset=gbk>', 'gbk'],
    ['<!doctype x><meta charset=gbk>', 'gbk'],
    ['</p title="><meta charset=gbk>', undefined],
    ['<meta charset=gbk charset=koi8-r>', 'gbk'],
    ['<meta charset=x-none><meta charset=gbk>', 'gbk'],
    ['<meta charset=x-none>', 'x-none'],
    ['<meta charset="">', undefined],
    ['<meta charset=utf-16le>', 'utf-8'],
    ['<meta charset=x-user-defined>', 'windows-1252'],
    ['<?xml version="1.0" encoding="gbk"?>', 'gbk'],
    ['<?xml version="1.0" encoding="gbk"?><meta charset=koi8-r>', 'koi8-r'],
    ['<?xml version="1.0" encoding="utf-16"?>', 'utf-8'],
    ['<p>', undefined],
  ]
  for (const [html, name] of cases) {
    it(html, () => assert.equal(named(html), name))
  }

  it('tells where it stands', () => {
    for (const html of [
      '<meta charset=" gbk ">',
      '<meta charset=gbk>',
      "<meta http-equiv=content-type content='x; charset=gbk; y'>",
      '<?xml version="1.0" encoding="gbk"?>',
    ]) {
      const { start, end } = metaCharset(html)!
      assert.equal(html.slice(start, end), 'gbk')
    }
  })

  it('counts less than a mark at the start', async () => {
    const text = (type: string, content: Buffer): Promise<string> =>
      parseMime(Buffer.concat([Buffer.from(`Content-Type: ${type}\r\n\r\n`), content])).text()
    const utf16 = Buffer.from('\ufeff<p>ä', 'utf16le')
    assert.match(await text('text/html; charset=iso-8859-1', utf16), /<p>ä$/)
    assert.match(await text('text/html', Buffer.from(utf16).swap16()), /<p>ä$/)
    assert.match(
      await text('text/html; charset=iso-8859-1', Buffer.from('\ufeff<p>ä')),
      /<p>ä$/,
    )
    // Of plain text nobody says so.
    assert.match(await text('text/plain; charset=iso-8859-1', utf16), /^ÿþ/)
  })
})

describe('other charsets that HTML may be read in', () => {
  const cases: [labels: string[], html: string, charsets: string[]][] = [
    [['utf-8'], '<p>\xc3\xa9', []],
    [['utf-8', 'iso-8859-1'], '<p>\xc3\xa9', ['utf-8', 'iso-8859-1']],
    // The same text in both.
    [['utf-8', 'iso-8859-1'], '<p>', []],
    [['UTF-7'], '<p>', ['utf-7']],
    [[], '<meta charset=utf-7>', ['utf-7']],
    [['utf-8'], '\xef\xbb\xbf<p>', ['utf-8']],
    [['utf-8'], '\0<\0p', ['utf-8', 'utf-16']],
  ]
  for (const [labels, html, charsets] of cases) {
    it(`${labels.join(', ')} of ${JSON.stringify(html)}`, () => {
      assert.deepEqual(otherCharsets(labels, Buffer.from(html, 'latin1')), charsets)
    })
  }
})
