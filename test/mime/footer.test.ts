import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import {
  addFooter,
  placeFooter,
  type Footer,
  type FooterVersion,
} from '../../src/mime/footer.ts'
import { rewriteHtmlPart } from '../../src/mime/html/html.ts'
import { parseMime, type MimeMessage } from '../../src/mime/message.ts'
import type { MimePart } from '../../src/mime/tree/part.ts'

const FOOTER: Footer = { text: 'Sent by Example Ltd.\nNo warranty.' }
const CRLF = (text: string): string => text.replaceAll('\n', '\r\n')
const mail = (text: string): MimeMessage => parseMime(Buffer.from(CRLF(text), 'latin1'))
/** Without what keeps style sheets away from the footer. */
const unstyled = (html: string): string => html.replaceAll(/ style="all:revert[^"]*"/g, '')
const source = (message: MimeMessage): string =>
  unstyled(message.toBytes().toString('latin1').replaceAll('\r\n', '\n'))

const BOTH = `Subject: x
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain

Hello
--a
Content-Type: multipart/related; boundary=r; start="<root>"

--r
Content-Type: image/png
Content-ID: <pic>
Content-Transfer-Encoding: base64

AAAA
--r
Content-Type: text/html
Content-ID: <root>

<html><body><p>Hello</p></body></html>
--r--
--a--
--m
Content-Type: text/plain; name=a.txt
Content-Disposition: attachment; filename=a.txt

Not this.
--m
Content-Type: message/rfc822

Subject: y

Nor this.
--m
Content-Type: text/plain

Nor this.
--m--
`

describe('a footer', () => {
  const cases: [what: string, before: string, after: string, footer?: Partial<Footer>][] = [
    [
      'below a text',
      'Subject: x\n\nHello\n',
      'Subject: x\n\nHello\n\nSent by Example Ltd.\nNo warranty.\n',
    ],
    [
      'below a text with an empty line at its end',
      'Subject: x\n\nHello\n\n',
      'Subject: x\n\nHello\n\nSent by Example Ltd.\nNo warranty.\n',
    ],
    [
      'below a text without a line end',
      'Subject: x\n\nHello',
      'Subject: x\n\nHello\n\nSent by Example Ltd.\nNo warranty.',
    ],
    [
      'in an empty message',
      'Subject: x\n\n',
      'Subject: x\n\nSent by Example Ltd.\nNo warranty.',
    ],
    [
      'above a text',
      'Subject: x\n\nHello\n',
      'Subject: x\n\nSent by Example Ltd.\nNo warranty.\n\nHello\n',
      { position: 'top' },
    ],
    [
      'in HTML',
      'Content-Type: text/html\n\n<BODY ><p>x</BODY>\n',
      'Content-Type: text/html\n\n<BODY ><p>x\n<div>a &lt;b&gt;<br>\nc</div>\n</BODY>\n',
      { text: 'a <b>\nc\n' },
    ],
    [
      'of HTML, marked',
      'Content-Type: text/html\n\n<body>x',
      'Content-Type: text/html\n\n<body>\n<div data-footer="mine"><hr></div>\nx',
      { html: '<hr>', mark: 'mine', position: 'top' },
    ],
    [
      'not ASCII, in HTML of another charset',
      'Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n<p>\xe9</p>\n',
      'Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n<p>\xe9</p>\n\n<div>&#8364;</div>\n',
      { text: '€' },
    ],
    [
      'in the charset of the text',
      'Content-Type: text/plain; charset=windows-1252\nContent-Transfer-Encoding: 8bit\n\n\xe9\x81\n',
      'Content-Type: text/plain; charset=windows-1252\nContent-Transfer-Encoding: 8bit\n\n\xe9\x81\n\n\x80\n',
      { text: '€' },
    ],
    [
      'that the charset of the text has not',
      'MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-2\nContent-Transfer-Encoding: 8bit\n\n\xb1\n',
      'MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\xc4\x85\n\n\xe2\x82\xac\n',
      { text: '€' },
    ],
    [
      'in quoted-printable',
      'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nH=C3=A9\n',
      'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nH=C3=A9\n\n=E2=82=AC=3D\n',
      { text: '€=' },
    ],
    [
      'in base64',
      `Content-Transfer-Encoding: base64\n\n${Buffer.from('Hello\r\n').toString('base64')}\n`,
      `Content-Transfer-Encoding: base64\n\n${Buffer.from('Hello\r\n\r\nBye\r\n').toString('base64')}\n`,
      { text: 'Bye' },
    ],
    [
      'in format=flowed',
      'Content-Type: text/plain; format=flowed; delsp=yes\n\nflows \n',
      'Content-Type: text/plain; format=flowed; delsp=yes\n\nflows \n\n\n-- \na\n  b\n >c\n From d\n',
      { text: '-- \na  \n b\n>c\nFrom d' },
    ],
    [
      'in format=flowed, below a signature without text',
      'Content-Type: text/plain; format=Flowed\n\nx\n-- \n',
      'Content-Type: text/plain; format=Flowed\n\nx\n-- \n\nBye\n',
      { text: 'Bye' },
    ],
    [
      'that holds the boundary around it',
      'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\nHello\n--m--\n',
      `MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Transfer-Encoding: base64\n\n${Buffer.from('Hello\r\n\r\n--m').toString('base64')}\n\n--m--\n`,
      { text: '--m' },
    ],
  ]
  for (const [what, before, after, footer] of cases) {
    it(what, async () => {
      const message = mail(before)
      assert.equal(await addFooter(message, { ...FOOTER, ...footer }), 'added')
      assert.equal(source(message), after)
    })
  }

  it('is put in each version of the text, and nowhere else', async () => {
    const message = mail(BOTH)
    assert.equal(await addFooter(message, { text: 'Bye', html: '<hr>' }), 'added')
    const expected = BOTH.replace('Hello\n--a', 'Hello\n\nBye\n--a').replace(
      '</body>',
      '\n<div><hr></div>\n</body>',
    )
    assert.equal(source(message), expected)
  })

  it('keeps the line ends of a message of LF', async () => {
    const message = parseMime('Subject: x\n\nHello\n')
    await addFooter(message, FOOTER)
    assert.equal(
      message.toBytes().toString(),
      'Subject: x\n\nHello\n\nSent by Example Ltd.\nNo warranty.\n',
    )
  })

  it('keeps the text of UTF-16', async () => {
    const text = (content: string): string =>
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(content, 'utf16le')]).toString(
        'base64',
      )
    const head =
      'Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: quoted-printable\n\n'
    const message = mail(`${head}=FF=FEh=00=0D=00=0A=00`)
    await addFooter(message, { text: 'Bye' })
    const again = parseMime(message.toBytes())
    assert.equal(again.encoding, 'quoted-printable')
    assert.equal(again.bytes().toString('base64'), text('h\r\n\r\nBye\r\n'))
  })

  it('keeps bytes that are no text of the charset', async () => {
    const head =
      'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
    const message = parseMime(Buffer.from(`${head}\xff\xfe\xe9 x\r\n`, 'latin1'))
    await addFooter(message, { text: 'Bye' })
    assert.equal(message.toBytes().toString('latin1'), `${head}\xff\xfe\xe9 x\r\n\r\nBye\r\n`)
  })
})

describe('a footer that is there already', () => {
  const present: [what: string, message: string, footer?: Partial<Footer>][] = [
    [
      'in a quotation',
      'Subject: Re: x\n\n> Sent by\n>> Example   Ltd.\n> No warranty.\n\nHi\n',
    ],
    [
      'wrapped',
      'Content-Type: text/plain; format=flowed\n\nSent by Example \nLtd. No \nwarranty.\n',
    ],
    [
      'in HTML',
      'Content-Type: text/html\n\n<p>Sent <b>by</b>&nbsp;Example<br>Ltd.</p> No warranty.',
    ],
    [
      'as the mark',
      'Content-Type: text/html\n\n<p data-footer=mine>Other words</p>',
      { mark: 'mine' },
    ],
    ['as a picture', 'Content-Type: text/html\n\n<img src="a">', { html: '<img src="a">' }],
    [
      'in each version',
      BOTH.replace('Hello\n', '> Sent by Example Ltd. No warranty.\n').replace(
        '<p>Hello</p>',
        '<p>Sent by Example Ltd. No warranty.</p>',
      ),
    ],
    [
      'in what is signed',
      'Content-Type: multipart/signed; boundary=s\n\n--s\n\nSent by Example Ltd. No warranty.\n--s--\n',
      { sealed: 'wrap' },
    ],
  ]
  for (const [what, text, footer] of present) {
    it(what, async () => {
      const message = mail(text)
      assert.equal(await addFooter(message, { ...FOOTER, once: true, ...footer }), 'present')
      assert.equal(message.edited, false)
    })
  }
})

const SEALED: [what: string, message: string][] = [
  [
    'signed',
    'Subject: x\nContent-Type: multipart/signed; boundary=s\n\n--s\n\nHello \n--s\nContent-Type: application/pgp-signature\n\nx\n--s--\n',
  ],
  [
    'encrypted',
    'Subject: x\nContent-Type: multipart/encrypted; boundary=s\n\n--s\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--s--\n',
  ],
  [
    'S/MIME',
    'Subject: x\nContent-Type: application/pkcs7-mime; name=smime.p7m\nContent-Transfer-Encoding: base64\n\nAAAA\n',
  ],
  ['PGP in the text', 'Subject: x\n\n-----BEGIN PGP SIGNED MESSAGE-----\nHello\n'],
  [
    'one version of two',
    'Content-Type: multipart/alternative; boundary=a\n\n--a\n\n-----BEGIN PGP MESSAGE-----\n--a\nContent-Type: text/html\n\n<p>\n--a--\n',
  ],
  [
    'with the footer of a list',
    'Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/signed; boundary=s\n\n--s\n\nHello\n--s--\n\n--m\n\nList\n--m--\n',
  ],
]

describe('what is sealed', () => {
  for (const [what, text] of SEALED) {
    it(`${what}: stays as it is`, async () => {
      const message = mail(text)
      assert.equal(await addFooter(message, FOOTER), 'sealed')
      assert.equal(message.edited, false)
    })

    for (const position of ['top', 'bottom'] as const) {
      it(`${what}: gets a part beside it, ${position}`, async () => {
        const message = mail(text)
        const sealed = [...message.walk()].find((part) => part.protection !== undefined)!
        const { raw } = sealed
        const footer: Footer = { ...FOOTER, sealed: 'wrap', position, once: true }
        assert.equal(await addFooter(message, footer), 'added')
        const again = parseMime(message.toBytes())
        assert.equal(again.type, 'multipart/mixed')
        const own = again.children.at(position === 'top' ? 0 : -1)!
        assert.equal((await own.text()).trim(), CRLF(FOOTER.text))
        const same = [...again.walk()].find((part) => part.protection !== undefined)!
        assert.deepEqual(same.raw, raw)
        assert.equal(await addFooter(again, footer), 'present')
      })
    }
  }

  it('does not matter in an attachment', async () => {
    const message = mail(
      'Content-Type: multipart/mixed; boundary=m\n\n--m\n\nHello\n--m\nContent-Type: multipart/signed; boundary=s\n\n--s\n\nx\n--s--\n\n--m--\n',
    )
    assert.equal(await addFooter(message, FOOTER), 'added')
  })
})

describe('a message without text', () => {
  const cases: [what: string, message: string][] = [
    ['an attachment', 'Subject: x\nContent-Type: application/pdf\n\nPDF\n'],
    [
      'attachments',
      'Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: application/pdf\n\nPDF\n--m--\n',
    ],
    [
      'a text as an attachment',
      'Content-Type: text/plain\nContent-Disposition: attachment\n\nx\n',
    ],
    ['a calendar entry', 'Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\n'],
    ['a message in it', 'Content-Type: message/rfc822\n\nSubject: y\n\nHello\n'],
    ['a multipart without a boundary', 'Content-Type: multipart/mixed\n\nx\n'],
    ['a multipart without parts', 'Content-Type: multipart/mixed; boundary=m\n\nx\n'],
  ]
  for (const [what, text] of cases) {
    it(`${what}: the footer comes first`, async () => {
      const message = mail(text)
      const had = message.isMultipart ? message.children.map(({ raw }) => raw) : [message.raw]
      assert.equal(await addFooter(message, FOOTER), 'added')
      const again = parseMime(message.toBytes())
      assert.equal(again.type, 'multipart/mixed')
      assert.equal((await again.children[0]!.text()).trim(), CRLF(FOOTER.text))
      for (const raw of had)
        assert.ok(again.children.slice(1).some((part) => part.raw.equals(raw)))
      assert.equal(await addFooter(again, { ...FOOTER, once: true }), 'present')
    })
  }
})

describe('a text that could not be read for sure', () => {
  const head = (type: string, encoding = '8bit'): string =>
    `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`
  const CYRILLIC = '\xcf\xf0\xe8\xe2\xe5\xf2\r\n'
  const UTF8 = Buffer.from('Grüße\r\n').toString('latin1')

  const kept: [what: string, type: string, body: string][] = [
    ['an unknown charset', 'text/plain; charset=x-unknown', CYRILLIC],
    ['unknown-8bit', 'text/plain; charset=unknown-8bit', CYRILLIC],
    ['euc-tw', 'text/plain; charset=euc-tw', '\xc4\xe3\r\n'],
    ['x-user-defined', 'text/plain; charset=x-user-defined', CYRILLIC],
    ['ansi', 'text/plain; charset=ansi', CYRILLIC],
    ['us-ascii with other bytes', 'text/plain; charset=us-ascii', CYRILLIC],
    ['none with other bytes', 'text/plain', UTF8],
    ['utf-8 that is none', 'text/plain; charset=utf-8', CYRILLIC],
    ['gbk that is none', 'text/plain; charset=gbk', '\xff\xff\r\n'],
  ]
  for (const [what, type, body] of kept) {
    it(`${what}: a footer of ASCII goes in as bytes`, async () => {
      const message = parseMime(Buffer.from(head(type) + body, 'latin1'))
      assert.deepEqual(message.guesses, ['charset'])
      assert.equal(await addFooter(message, { text: 'Bye' }), 'added')
      assert.equal(message.toBytes().toString('latin1'), `${head(type)}${body}\r\nBye\r\n`)
    })

    it(`${what}: another footer comes beside it`, async () => {
      const message = parseMime(Buffer.from(head(type) + body, 'latin1'))
      const report = await placeFooter(message, { text: 'Müller' })
      assert.equal(report.result, 'added')
      assert.equal(report.versions[0]!.done, 'beside')
      assert.match(report.versions[0]!.reason!, /charset/)
      const [text, own] = parseMime(message.toBytes()).children
      assert.deepEqual(text!.raw.toString('latin1'), body)
      assert.equal(text!.headers.get('Content-Type'), type)
      assert.equal((await own!.text()).trim(), 'Müller')
    })

    it(`${what}: HTML takes every footer`, async () => {
      const html = type.replace('plain', 'html')
      const message = parseMime(Buffer.from(`${head(html)}<p>${body}</p>`, 'latin1'))
      assert.equal(await addFooter(message, { text: 'Müller' }), 'added')
      assert.equal(
        unstyled(message.toBytes().toString('latin1')),
        `${head(html)}<p>${body}</p>\r\n<div>M&#252;ller</div>\r\n`,
      )
    })

    it(`${what}: HTML is rewritten around its bytes`, async () => {
      const html = type.replace('plain', 'html')
      const message = parseMime(Buffer.from(`${head(html)}<p>${body}</p>`, 'latin1'))
      assert.equal(await rewriteHtmlPart(message, (text) => text.replace('<p>', '<p>é')), true)
      assert.equal(message.toBytes().toString('latin1'), `${head(html)}<p>&#233;${body}</p>`)
    })
  }

  const closed: [what: string, type: string, body: string, encoding?: string][] = [
    ['hz-gb-2312', 'text/plain; charset=hz-gb-2312', '~{VPND~}\r\n', '7bit'],
    ['iso-2022-kr', 'text/plain; charset=iso-2022-kr', '\x1b$)C\x0eGQ\x0f\r\n', '7bit'],
    ['iso-2022-jp-2', 'text/plain; charset=iso-2022-jp-2', '\x1b$B$"\x1b(B\r\n', '7bit'],
    ['utf-7', 'text/plain; charset=utf-7', '+AOk-\r\n', '7bit'],
    ['escape sequences without a charset', 'text/plain', '\x1b$B$"\x1b(B\r\n', '7bit'],
    ['utf-32', 'text/html; charset=utf-32', 'AAAAPA==\r\n', 'base64'],
    ['utf-16 in HTML', 'text/html; charset=utf-16le', 'PABwAD4A\r\n', 'base64'],
    ['no base64', 'text/plain', 'Hello, this is text.\r\n', 'base64'],
    ['no quoted-printable', 'text/html', '<a href="x">y</a>\r\n', 'quoted-printable'],
    ['an unknown encoding', 'text/plain', 'Hello\r\n', 'x-uuencode'],
  ]
  for (const [what, type, body, encoding] of closed) {
    it(`${what}: stays as it is`, async () => {
      const bytes = Buffer.from(head(type, encoding) + body, 'latin1')
      const message = parseMime(bytes)
      assert.equal(message.guesses.length, 1)
      const skipped = await placeFooter(message, { text: 'Bye', unreadable: 'skip' })
      assert.equal(skipped.result, 'skipped')
      assert.notEqual(skipped.versions[0]!.reason, undefined)
      assert.deepEqual(message.toBytes(), bytes)
      assert.equal(await addFooter(message, { text: 'Bye' }), 'added')
      const [text] = parseMime(message.toBytes()).children
      assert.equal(text!.raw.toString('latin1'), body)
      assert.equal(text!.headers.get('Content-Type'), type)
    })
  }

  it('is not read into another text, but replaced', async () => {
    const bytes = Buffer.from(`${head('text/plain; charset=hz-gb-2312')}~{VPND~}\r\n`)
    const message = parseMime(bytes)
    const text = await message.text()
    await assert.rejects(message.setText(`${text}Bye`), { code: 'GUESSED_PART' })
    assert.deepEqual(message.toBytes(), bytes)
    await message.setText('Bye')
    assert.equal(await parseMime(message.toBytes()).text(), 'Bye')
  })
})

describe('a version of the text is', () => {
  const PLAIN = 'Content-Type: text/plain\n\nplain\n'
  const alternatives = (...others: string[]): string =>
    'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=a\n\n' +
    `${[PLAIN, ...others].map((part) => `--a\n${part}`).join('')}--a--\n`
  const related = (...parts: string[]): string =>
    'Content-Type: multipart/related; boundary=r\n\n' +
    `${parts.map((part) => `--r\n${part}`).join('')}--r--\n`
  const HTML = 'Content-Type: text/html; name=y\n\n<p>two</p>\n'
  const PICTURE = 'Content-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA\n'

  const texts: [what: string, message: string, types: string][] = [
    ['HTML with a name', alternatives(HTML), 'text/plain text/html'],
    [
      'HTML with a file name',
      alternatives(
        'Content-Type: text/html\nContent-Disposition: inline; filename=a.html\n\nx\n',
      ),
      'text/plain text/html',
    ],
    [
      'HTML of an unknown disposition',
      alternatives('Content-Type: text/html\nContent-Disposition: foo\n\nx\n'),
      'text/plain text/html',
    ],
    ['HTML beside a picture', alternatives(related(PICTURE, HTML)), 'text/plain text/html'],
    ['HTML beside a picture, alone', related(PICTURE, HTML, PLAIN), 'text/html'],
    ['the root with a name', related(HTML, PLAIN), 'text/html'],
    [
      'HTML with a name in a mixed alternative',
      alternatives(
        `Content-Type: multipart/mixed; boundary=m\n\n--m\n${PICTURE}--m\n${HTML}--m--\n`,
      ),
      'text/plain text/html',
    ],
  ]
  for (const [what, text, types] of texts) {
    it(what, async () => {
      const message = mail(text)
      const { result, versions } = await placeFooter(message, { text: 'CAUTION' })
      assert.equal(result, 'added')
      assert.equal(versions.map(({ type }) => type).join(' '), types)
      assert.ok(versions.every(({ done }) => done === 'added'))
      assert.equal(source(message).split('CAUTION').length, versions.length + 1)
    })
  }

  const others: [what: string, part: string, type: string, reason: RegExp][] = [
    ['enriched text', 'Content-Type: text/enriched\n\nx\n', 'text/enriched', /text\/plain/],
    [
      'XHTML',
      'Content-Type: application/xhtml+xml\n\n<html/>\n',
      'application/xhtml+xml',
      /text\/plain/,
    ],
    ['a calendar', 'Content-Type: text/calendar\n\nx\n', 'text/calendar', /text\/plain/],
    [
      'an attachment',
      'Content-Type: text/html\nContent-Disposition: attachment\n\nx\n',
      'text/html',
      /attachment/,
    ],
    ['pictures', related(PICTURE), 'multipart/related', /no text/],
  ]
  for (const [what, part, type, reason] of others) {
    it(`not: ${what}, which is reported`, async () => {
      const message = mail(alternatives(part))
      const { result, versions } = await placeFooter(message, { text: 'CAUTION', once: true })
      assert.equal(result, 'partly')
      const [own, other] = versions
      assert.deepEqual([own!.done, other!.done, other!.type], ['added', 'skipped', type])
      assert.match(other!.reason!, reason)
      assert.ok(source(message).includes(CRLF(part).trim().replaceAll('\r\n', '\n')))
      const again = parseMime(message.toBytes())
      assert.equal(await addFooter(again, { text: 'CAUTION', once: true }), 'partly')
      assert.equal(again.edited, false)
    })
  }

  it('not sure where programs read several types: the footer comes beside all', async () => {
    const message = mail(alternatives('Content-Type: text/html charset=utf-8\n\n<p>x\n'))
    const { result, versions } = await placeFooter(message, { text: 'CAUTION' })
    assert.equal(result, 'added')
    assert.deepEqual(
      versions.map(({ done }) => done),
      ['beside', 'beside'],
    )
  })
})

describe('what the writer of a message cannot switch off', () => {
  it('the style of the footer', async () => {
    const message = mail('Content-Type: text/html\n\n<p>x\n')
    await addFooter(message, { text: 'CAUTION', html: '<b>CAUTION</b>', mark: 'mine' })
    assert.match(
      message.toBytes().toString(),
      /<div data-footer="mine" style="all:revert!important;display:block!important;[^"]*"><b>CAUTION<\/b><\/div>/,
    )
    assert.equal(await addFooter(message, { text: 'x', mark: 'mine', once: true }), 'present')
  })

  const html = (body: string): string => `Content-Type: text/html\n\n${body}`
  const SHOWN = 'Sent by Example Ltd. No warranty.'
  const tricks: [what: string, message: string][] = [
    ['the text in a comment', html(`<!-- ${SHOWN} --><p>x</p>`)],
    ['the text in a style', html(`<style>${SHOWN}</style><p>x</p>`)],
    ['the text hidden', html(`<p hidden>${SHOWN}</p>`)],
    ['the text not displayed', html(`<div style="DISPLAY : none"><b>${SHOWN}</b></div>`)],
    ['the text of no size', html(`<p style="font-size:0px">${SHOWN}</p>`)],
    ['the mark in a comment', html('<!-- data-footer="mine" -->')],
    ['the mark in the text', html('mine')],
    ['the mark hidden', html('<p data-footer=mine hidden></p>')],
    ['the text in one version', BOTH.replace('Hello\n', `> ${SHOWN}\n`)],
  ]
  for (const [what, text] of tricks) {
    it(what, async () => {
      const message = mail(text)
      assert.equal(await addFooter(message, { ...FOOTER, once: true, mark: 'mine' }), 'added')
    })
  }

  it('the text itself, unless it is said that it can', async () => {
    const message = mail(`Subject: x\n\n${SHOWN}\n`)
    assert.equal(await addFooter(message, FOOTER), 'added')
  })
})

describe('wrong footers', () => {
  const wrong: [what: string, footer: object][] = [
    ['no text', { text: ' \n>' }],
    ['no string', { text: 1 }],
    ['HTML that is no string', { text: 'x', html: 1 }],
    ['another position', { text: 'x', position: 'left' }],
    ['a mark that ends the attribute', { text: 'x', mark: 'a"b<c>' }],
    ['another way with seals', { text: 'x', sealed: 'break' }],
  ]
  for (const [what, footer] of wrong) {
    it(what, async () => {
      await assert.rejects(addFooter(mail('\nx'), footer as Footer), { code: 'INVALID_OPTION' })
    })
  }
})

/** Messages of all kinds: a body under a header, parts with bodies in a multipart. */
const BODY = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'Hello',
        ' ',
        '\r\n',
        '\n',
        '\r',
        '> ',
        '-- \r\n',
        '<p>',
        '</body>',
        '<!--',
        '-->',
        '--m',
        '<svg>',
        '<title>',
        '=',
        '=E9',
        '\xe9',
        '\xc3\xa9',
        '\0',
        'From ',
        '<',
        '&',
        'SGVsbG8=',
      ),
      fc.string({ maxLength: 5 }),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join(''))
const LEAF = fc
  .tuple(
    fc.constantFrom(
      'text/plain',
      'text/html',
      'text/plain; format=flowed',
      'application/pdf',
      'text/plain; name=a',
      'application/pkcs7-mime',
      'text/calendar',
      'message/rfc822',
    ),
    fc.constantFrom(
      '',
      '; charset=utf-8',
      '; charset=iso-8859-1',
      '; charset=iso-2022-jp',
      '; charset=x-y',
      '; charset=utf-16',
    ),
    fc.constantFrom('7bit', '8bit', 'quoted-printable', 'base64', 'x-odd'),
    BODY,
  )
  .map(
    ([type, charset, encoding, body]) =>
      `Content-Type: ${type}${charset}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}`,
  )
const MESSAGE = fc.oneof(
  LEAF,
  fc
    .tuple(
      fc.constantFrom('mixed', 'alternative', 'related', 'signed', 'digest'),
      fc.array(LEAF, { maxLength: 3 }),
    )
    .map(
      ([type, parts]) =>
        `Content-Type: multipart/${type}; boundary=m\r\n\r\n${parts.map((part) => `--m\r\n${part}\r\n`).join('')}--m--\r\n`,
    ),
)

const isSkipped = ({ done }: FooterVersion): boolean => done === 'skipped'
/** Text with a name is a version of the text where one has to be. */
const isText = ({ type, disposition, parent }: MimePart): boolean =>
  /^text\/(?:plain|html)$/.test(type) &&
  disposition !== 'attachment' &&
  /^multipart\/(?:alternative|related)$/.test(parent?.type ?? '')

describe('any message', () => {
  it('has a footer once, however often it is added', async () => {
    await fc.assert(
      fc.asyncProperty(
        MESSAGE,
        fc.record({
          text: fc.constantFrom('Sent by Example', '-- \nÜber € 語\n', '--m\r\n<&>'),
          html: fc.constantFrom(undefined, '<hr>', '<b>€</b>'),
          mark: fc.constantFrom(undefined, 'mine'),
          position: fc.constantFrom('top' as const, 'bottom' as const),
          sealed: fc.constantFrom('skip' as const, 'wrap' as const),
          unreadable: fc.constantFrom('skip' as const, 'wrap' as const),
          once: fc.constant(true),
        }),
        async (text, footer) => {
          const bytes = Buffer.from(text, 'latin1')
          const message = parseMime(bytes)
          const { result, versions } = await placeFooter(message, footer)
          const isAdded = result === 'added' || result === 'partly'
          if (!isAdded) assert.deepEqual(message.toBytes(), bytes)
          assert.equal(result === 'partly', isAdded && versions.some(isSkipped))
          const once = message.toBytes()
          const again = parseMime(once)
          const second = await addFooter(again, footer)
          assert.equal(second, result === 'added' ? 'present' : result)
          assert.deepEqual(again.toBytes(), once)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('keeps all its other parts', async () => {
    await fc.assert(
      fc.asyncProperty(MESSAGE, async (text) => {
        const message = parseMime(Buffer.from(text, 'latin1'))
        const others = [...message.walk()]
          .filter((part) => part.children.length === 0 && (part.isAttachment || part.sealedBy))
          .filter((part) => part.sealedBy || !isText(part))
          .map(({ raw }) => raw)
        await addFooter(message, { text: 'Bye', sealed: 'wrap' })
        const after = [...parseMime(message.toBytes()).walk()].map(({ raw }) => raw)
        for (const raw of others) assert.ok(after.some((one) => one.equals(raw)))
      }),
      { numRuns: 500 },
    )
  })
})
