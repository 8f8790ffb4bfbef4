import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defang } from '../../src/mime/attachments/attachment-policy.ts'
import { rewriteHtmlPart, sanitizeHtml } from '../../src/mime/html/html.ts'
import { parseMime } from '../../src/mime/message.ts'

const ACTIVE = '<p>x</p><script>alert(1)</script>'
const clean = { html: cleaner }
/** An attribute in ISO-2022-JP, a start tag where that is not known. */
const JIS = '<p title="\x1b$B">x</p>\x1b(B<p onclick=alert(1)>x'
const XHTML = 'http://www.w3.org/1999/xhtml'
/** By the rules of XML; those of HTML see nothing in most of them. */
const XML = [
  `<h:script xmlns:h="${XHTML}">alert(1)</h:script>`,
  `<ä:img xmlns:ä="${XHTML}" src="x" onerror="alert(1)"/>`,
  `<h:a xmlns:h="${XHTML}" href="&#106;avascript:alert(1)"/>`,
  `<h:link xmlns:h="${XHTML}" rel="stylesheet" href="//a"/>`,
  `<h:style xmlns:h="${XHTML}">@im<![CDATA[port "//a"]]></h:style>`,
  '<s:set xmlns:s="http://www.w3.org/2000/svg" attributeName="href" to="x"/>',
  '<?xml-stylesheet href="//a"?>',
]

async function cleaner(part: Parameters<typeof rewriteHtmlPart>[0]): Promise<boolean> {
  return await rewriteHtmlPart(part, async (html) => (await sanitizeHtml(html)).html)
}

const mail = (type: string, content: string | Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(`MIME-Version: 1.0\r\nContent-Type: ${type}\r\n\r\n`),
    Buffer.from(content),
  ])

const within = (type: string, content: string): Buffer =>
  mail(
    'multipart/signed; boundary=b; protocol="application/pgp-signature"; micalg=pgp-sha256',
    `--b\r\nContent-Type: ${type}\r\n\r\n${content}\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n`,
  )

describe('HTML that a policy has cleaned', () => {
  const utf16 = Buffer.from(`\ufeff${ACTIVE}`, 'utf16le')
  const cases: [what: string, bytes: Buffer][] = [
    ['plain', mail('text/html', ACTIVE)],
    ['meta utf-16le', mail('text/html', `<meta charset=utf-16le>${ACTIVE}`)],
    ['meta utf-32', mail('text/html', `<meta charset="utf-32">${ACTIVE}`)],
    ['meta ucs-2', mail('text/html', `<meta charset=ucs-2>${ACTIVE}`)],
    ...['utf-32', 'utf-16', 'ucs4', 'utf-7', 'utf-16be', 'iso-2022-kr', 'ibm037'].map(
      (one): [string, Buffer] => [one, mail(`text/html; charset=${one}`, ACTIVE)],
    ),
    ['utf-7', mail('text/html; charset=utf-7', '+ADw-script+AD4-alert(1)+ADw-/script+AD4-')],
    ['a mark under another label', mail('text/html; charset=utf-8', utf16)],
    ['a mark without a label', mail('text/html', utf16)],
    ['two labels', mail("text/html; charset=utf-8; charset*=us-ascii''utf-16le", ACTIVE)],
    ['labels in pieces', mail('text/html; charset*0=utf-; charset*1=16le', ACTIVE)],
    ['signed', within('text/html', ACTIVE)],
    ['XHTML', mail('application/xhtml+xml', '<h:script xmlns:h="h">alert(1)</h:script>')],
    ['SVG', mail('image/svg+xml', '<svg><script>alert(1)</script></svg>')],
    ['raw under base64', mail('text/html\r\nContent-Transfer-Encoding: base64', ACTIVE)],
    [
      'behind base64',
      mail('text/html\r\nContent-Transfer-Encoding: base64', `PHA+eDwvcD4=\r\n${ACTIVE}`),
    ],
    ['a preamble', mail('multipart/mixed; boundary=b', `${ACTIVE}\r\n--b\r\n\r\nx\r\n--b--`)],
    ['an epilogue', mail('multipart/mixed; boundary=b', `--b\r\n\r\nx\r\n--b--\r\n${ACTIVE}`)],
    [
      'flowed',
      mail('text/html; format=flowed; delsp=yes', '<scr \r\nipt>alert(1)</scr \r\nipt>'),
    ],
    [
      'a meta element far down',
      mail('text/html', `${' '.repeat(3000)}<meta charset=iso-2022-jp>${JIS}`),
    ],
    [
      'an XML declaration',
      mail('text/html', `<?xml version="1.0" encoding="iso-2022-jp"?>${JIS}`),
    ],
    ...XML.flatMap((one): [string, Buffer][] => [
      [`XHTML: ${one}`, mail('application/xhtml+xml', `<x xmlns="${XHTML}">${one}</x>`)],
      [`XML: ${one}`, mail('text/xml; name=x.txt', `<x xmlns="${XHTML}">${one}</x>`)],
    ]),
    ['no encoding', mail('text/html\r\nContent-Transfer-Encoding: x-odd', ACTIVE)],
    ['a type with spaces', mail('text / html', ACTIVE)],
    ['a second type', mail('text/plain\r\nContent-Type: text/html', ACTIVE)],
    ['a name', mail('application/octet-stream; name=x.shtml', ACTIVE)],
    ['XSLT', mail('text/xsl; name=x', `<x xmlns="${XHTML}"><script>alert(1)</script></x>`)],
    ...'html head body iframe h1 div font table a b br p meta form img svg link'
      .split(' ')
      .map((tag): [string, Buffer] => [
        `no name, from <${tag}> on`,
        mail('application/octet-stream; name=invoice', `<${tag} x=y>${ACTIVE}`),
      ]),
    ['no name, behind a comment', mail('unknown/unknown', `<!-- x -->${ACTIVE}`)],
    [
      'no name, an XML declaration',
      mail('application/x-foo', `<?xml version="1.0"?><html xmlns="${XHTML}">${ACTIVE}</html>`),
    ],
    ['no name, behind spaces', mail('x/y', `${'\t \r\n'.repeat(2_000)}<html>${ACTIVE}`)],
    ['no name, with a mark', mail('x/y', utf16)],
    ['no name, with a mark of the other order', mail('x/y', Buffer.from(utf16).swap16())],
    ['no name, with a mark of UTF-8', mail('x/y', `\ufeff<p>${ACTIVE}`)],
    ['no name', mail('application/octet-stream', `<html>${ACTIVE}`)],
  ]
  for (const [what, bytes] of cases) {
    it(`is cleaned or found: ${what}`, async () => {
      const message = parseMime(bytes)
      const { cleaned, findings } = await defang(message, clean)
      assert.ok(cleaned + findings.length > 0)
    })
  }

  it('is left as it is where nothing is active', async () => {
    for (const bytes of [
      mail('text/html; charset=utf-8', '<p>x</p>'),
      mail('text/html; charset=utf-16', Buffer.from('\ufeff<p>x</p>', 'utf16le')),
      mail('text/html; charset=utf-8', '\ufeff<p>ä</p>'),
      within('text/html', '<p>x</p>'),
      mail('text/plain', '<html> is a tag'),
      mail(
        'application/octet-stream',
        '<?xml version="1.0"?><order><link>a</link><script/></order>',
      ),
      mail('application/octet-stream', '<b>x</b>'),
      mail('application/octet-stream', '<absurd onload=x>'),
    ]) {
      const message = parseMime(bytes)
      assert.deepEqual((await defang(message, clean)).findings, [])
      assert.deepEqual(Buffer.from(message.toBytes()), bytes)
    }
  })

  it('is reported whatever is done with names', async () => {
    const bytes = mail('text/html; charset=utf-32', ACTIVE)
    for (const htmlFiles of ['allow', 'report', 'clean'] as const) {
      const { findings } = await defang(parseMime(bytes), { ...clean, htmlFiles })
      assert.deepEqual(
        findings.map(({ reason }) => reason),
        ['HTML_NOT_CLEANED'],
      )
    }
  })

  it('is found once in several readings of its content', async () => {
    const encodings = 'Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: x-odd'
    const bytes = mail(`text/html; charset=utf-32\r\n${encodings}`, ACTIVE)
    assert.equal((await defang(parseMime(bytes), clean)).findings.length, 1)
  })

  it('is cleaned with the options of a policy', async () => {
    const html = '<img src="http://example.org/"><a href="http://example.org/">x</a>'
    const message = parseMime(mail('text/html', html))
    assert.equal((await defang(message, { html: {} })).cleaned, 0)
    assert.equal((await defang(message, { html: { keepRemote: false } })).cleaned, 1)
    assert.equal(await message.text(), '<img><a href="http://example.org/">x</a>')
    const sealed = within('text/html', html)
    assert.equal((await defang(parseMime(sealed), { html: {} })).findings.length, 0)
    const { remaining } = await defang(parseMime(sealed), { html: { keepRemote: false } })
    assert.deepEqual(
      remaining.map(({ reason }) => reason),
      ['HTML_NOT_CLEANED'],
    )
    await assert.rejects(defang(message, { html: null as never }), { code: 'INVALID_OPTION' })
  })

  it('is no other XML', async () => {
    for (const content of [
      '<?xml version="1.0"?><order xmlns="urn:x"><object set="x"/><link>a</link></order>',
      `<x xmlns="${XHTML}"><p style="color:red">x</p></x>`,
      '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>',
    ]) {
      const { findings } = await defang(parseMime(mail('application/xml', content)), clean)
      assert.deepEqual(findings, [])
    }
  })

  it('loses what loads things unasked', async () => {
    for (const html of [
      '<link rel=prefetch href=//a>',
      '<link rel="icon PRELOAD" href=//a>',
      '<link rel=modulepreload href=//a>',
      '<link rel=manifest href=//a>',
      '<link rel="icon" href=//a>',
      '<link rel=compression-dictionary href=//a>',
      '<svg><rect filter="url(//a#f)"></rect></svg>',
      '<svg><path marker-end="u\\72l(//a#f)"></path></svg>',
      '<svg><lineargradient href="//a#f"></lineargradient></svg>',
      '<link rel=next href=//a>',
      '<link rel=prev href=//a>',
      '<link rel="search" type="application/opensearchdescription+xml" href=//a>',
      '<meta http-equiv=Link content="<//a>; rel=stylesheet">',
      '<track src=//a>',
      '<a ping=//a href=x>',
      '<a attributionsrc=//a href=x>',
      '<area attributionsrc=//a href=x>',
      '<img attributionsrc="//a //b" src=cid:x>',
      '<svg xml:base="//a"><image href="#b"/></svg>',
      '<fencedframe src=//a></fencedframe>',
      '<svg><use href="//a#b"></use></svg>',
      '<svg><use xlink:href="//a#b"></use></svg>',
      '<style>@import "//a"</style>',
      '<style>@\\69mport "//a"</style>',
    ]) {
      assert.doesNotMatch((await sanitizeHtml(html)).html, /\/\/a/, html)
    }
  })

  it('keeps or loses what may be loaded, as keepRemote says', async () => {
    for (const html of [
      '<table datasrc="//a">',
      '<v:fill o:althref="//a"/>',
      '<v:imagedata althref="//a"/>',
      '<model environmentmap="//a">',
      '<link rel="File-List" href="//a">',
      '<link rel="Edit-Time-Data" href="//a">',
    ]) {
      assert.equal((await sanitizeHtml(html)).html, html)
      const { html: local } = await sanitizeHtml(html, { keepRemote: false })
      assert.doesNotMatch(local, /\/\/a/, html)
    }
    for (const html of [
      '<table datasrc="#b">',
      '<link rel=File-List href="cid:filelist.xml@b">',
      '<link rel=canonical href=//a>',
      '<meta http-equiv=x-dns-prefetch-control content=off>',
    ]) {
      assert.equal((await sanitizeHtml(html, { keepRemote: false })).html, html)
    }
  })

  it('loses the word to look up names, and a form of one tag', async () => {
    const dns = '<meta http-equiv="X-DNS-Prefetch-Control" content="on">'
    assert.equal((await sanitizeHtml(dns)).html, '')
    const isindex = '<isindex action="//a">'
    assert.equal((await sanitizeHtml(isindex)).html, '')
    assert.equal((await sanitizeHtml(isindex, { keepForms: true })).html, isindex)
  })
})

describe('HTML of more than a megabyte', () => {
  const large = '<p>x</p>'.repeat(150_000)
  const reasons = async (parameters: string, html: string | Buffer): Promise<string> => {
    const message = parseMime(mail(`text/html${parameters}`, html))
    const { findings } = await defang(message, { html: {} })
    return findings.map(({ reason }) => reason).join()
  }

  it('is not read in other charsets, but found', async (test) => {
    const count = async (html: string): Promise<number> => {
      const { mock } = test.mock.method(TextDecoder.prototype, 'decode')
      const found = await reasons('; charset=utf-16; charset=big5; charset=gbk', html)
      const calls = mock.callCount()
      mock.restore()
      assert.equal(found, html === large ? 'HTML_NOT_CLEANED' : '')
      return calls
    }
    assert.ok((await count('<p>x</p>')) > 0)
    assert.equal(await count(large), 0)
  })

  it('is not found where its charsets say the same', async () => {
    assert.equal(await reasons('; charset=utf-8; charset=iso-8859-1', large), '')
  })
})

describe('HTML in content of other types', () => {
  const reasons = async (type: string, content: string | Buffer): Promise<string[]> =>
    (await defang(parseMime(mail(type, content)), { html: {} })).findings.map(
      ({ reason }) => reason,
    )
  const calendar = (property: string): string =>
    `BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n${property}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n`
  const active: [what: string, type: string, content: string | Buffer][] = [
    ['a type of HTML that is none', 'text/x-html', ACTIVE],
    ['AMP', 'text/x-amp-html', ACTIVE],
    ['text/enriched', 'text/enriched', `<bold>x</bold>${ACTIVE}`],
    ['text/richtext', 'text/richtext', `<bold>x</bold>${ACTIVE}`],
    ['another type of text', 'text/x-unknown', ACTIVE],
    ['a calendar', 'text/calendar', calendar(`X-ALT-DESC;FMTTYPE=text/html:${ACTIVE}`)],
    [
      'a calendar with folds',
      'text/calendar',
      calendar('X-ALT-DESC;FMTTYPE=text/html:<b>\\n<scr\r\n ipt>alert(1)</script>'),
    ],
    [
      'a calendar, in another property',
      'text/calendar; charset=utf-8',
      calendar('STYLED-DESCRIPTION;VALUE=TEXT;FMTTYPE="text/html":<a onclick=x>'),
    ],
    [
      'a calendar by its name',
      'application/octet-stream; name=a.ics',
      calendar(`X-ALT-DESC:${ACTIVE}`),
    ],
    ['RTF that is made of it', 'text/rtf', '{\\rtf1\\ansi\\fromhtml1 {\\*\\htmltag <b>}x}'],
    ['RTF by its content', 'application/msword; name=a.doc', '{\\rtf1\\ansi\\fromhtml1 x}'],
  ]
  for (const [what, type, content] of active) {
    it(`is found in ${what}`, async () => {
      assert.deepEqual(await reasons(type, content), ['HTML_NOT_CLEANED'])
    })
  }

  const harmless: [what: string, type: string, content: string][] = [
    ['text/enriched without any', 'text/enriched', '<bold>x</bold><param>red</param>'],
    ['a calendar without HTML', 'text/calendar', calendar('DESCRIPTION:<script>')],
    ['a calendar that only shows', 'text/calendar', calendar('X-ALT-DESC:<p>x</p>')],
    ['RTF', 'text/rtf', '{\\rtf1\\ansi <script>}'],
    // It is shown as it stands.
    ['plain text', 'text/plain', ACTIVE],
  ]
  for (const [what, type, content] of harmless) {
    it(`is not found in ${what}`, async () => {
      assert.deepEqual(await reasons(type, content), [])
    })
  }
})
