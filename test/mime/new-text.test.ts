import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { addFooter } from '../../src/mime/footer.ts'
import { rewriteHtmlPart } from '../../src/mime/html/html.ts'
import { parseMime, type MimeMessage } from '../../src/mime/message.ts'

const parse = (text: string): MimeMessage =>
  parseMime(Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1'))
const source = (message: MimeMessage): string =>
  message.toBytes().toString('latin1').replaceAll('\r\n', '\n')
const JSON_BYTES = Buffer.from('{\n  "a": 1\n}\n')

describe('content whose line ends are bytes of it', () => {
  it('comes back as it was from a new part', () => {
    for (const content of [JSON_BYTES, JSON_BYTES.toString()]) {
      const message = parse('Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n')
      message.append({ content, type: 'application/json', filename: 'a.json' })
      const part = parseMime(message.toBytes()).children[1]!
      assert.equal(part.encoding, 'quoted-printable')
      assert.deepEqual(part.bytes(), JSON_BYTES)
    }
  })

  it('comes back as it was from setContent, in 7bit, 8bit and binary', () => {
    for (const encoding of ['7bit', '8bit', 'binary']) {
      const message = parse(`Content-Transfer-Encoding: ${encoding}\n\nx\n`)
      message.setContent(JSON_BYTES, 'application/json')
      const again = parseMime(message.toBytes())
      assert.deepEqual(again.bytes(), JSON_BYTES)
      assert.equal(again.encoding, 'quoted-printable')
    }
  })

  it('stays in a text that had such ones, and that a footer is added to', async () => {
    const bytes = Buffer.from('Subject: x\r\n\r\na\nb\r\n')
    const message = parseMime(bytes)
    await addFooter(message, { text: 'Bye' })
    assert.equal(message.toBytes().toString(), 'Subject: x\r\n\r\na\nb\r\n\nBye\n')
  })
})

describe('content that must not be encoded', () => {
  it('is written in the lines of the message', () => {
    const attached = Buffer.from('Subject: a\n\nb\r\nc\n')
    const message = parseMime(
      'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n',
    )
    message.append({ content: attached, type: 'message/rfc822' })
    message.children[0]!.setContent(attached, 'message/rfc822')
    for (const { raw } of parseMime(message.toBytes()).children) {
      assert.equal(raw.toString(), 'Subject: a\r\n\r\nb\r\nc\r\n')
    }
  })
})

describe('new content for a part in no transfer encoding that is known', () => {
  const cases: [encoding: string, raw: string][] = [
    ['base64', 'Hello world, this is text\r\n'],
    ['base64', 'SGVsbG8\r\n\r\n--\r\nlist footer\r\n'],
    ['base64', 'SGVsbG8=SGVsbG8=\r\n'],
    ['base64', 'AAAA=====\r\n'],
    ['quoted-printable', 'a=ZZb\r\n'],
    ['x-uuencode', 'begin 644 a\r\n#0V%T\r\n`\r\nend\r\n'],
    ['"base64"', 'SGVsbG8=\r\n'],
  ]
  for (const [encoding, raw] of cases) {
    it(`is an error where it is the old one with more: ${encoding} ${JSON.stringify(raw)}`, async () => {
      const text = `Content-Transfer-Encoding: ${encoding}\r\n\r\n${raw}`
      const message = parseMime(text)
      const more = Buffer.concat([message.bytes(), Buffer.from('more')])
      assert.throws(() => message.setContent(more), { code: 'GUESSED_PART' })
      await assert.rejects(message.setText(`${await message.text()}more`), {
        code: 'GUESSED_PART',
      })
      assert.equal(message.toBytes().toString(), text)
      message.setContent(more, undefined, { force: true })
      assert.deepEqual(parseMime(message.toBytes()).bytes(), more)
    })
  }

  it('is taken where it is another', () => {
    const message = parseMime('Content-Transfer-Encoding: base64\r\n\r\n<no base64>\r\n')
    message.setContent(Buffer.from('new'))
    assert.equal(parseMime(message.toBytes()).bytes().toString(), 'new')
  })
})

describe('an encoding that is asked for', () => {
  const wrong: [encoding: '7bit' | '8bit', content: Buffer | string][] = [
    ['7bit', 'é'],
    ['7bit', Buffer.of(0xe9)],
    ['7bit', 'x'.repeat(2_000)],
    ['8bit', 'x'.repeat(999)],
    ['8bit', Buffer.of(0)],
    ['8bit', 'a\rb'],
    ['7bit', Buffer.from('a\nb')],
  ]
  for (const [encoding, content] of wrong) {
    it(`${encoding} cannot carry ${JSON.stringify(String(content)).slice(0, 20)}`, () => {
      const message = parse('Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n')
      assert.throws(() => message.append({ content, encoding }), { code: 'INVALID_OPTION' })
    })
  }
})

describe('a new text', () => {
  it('that is the old one changes no byte', async () => {
    for (const text of [
      'Content-Transfer-Encoding: quoted-printable\n\na=0D\nb=0D\n',
      'Content-Transfer-Encoding: quoted-printable\n\na=0D=0D\nb=\n=0D=0A\n',
      'Content-Type: text/plain; charset=hz-gb-2312\n\n~{VPND~}\n',
      'Content-Type: text/plain\n\n\xe9\n',
      'Content-Transfer-Encoding: base64\n\nQQ==junk\n',
    ]) {
      const message = parse(text)
      await message.setText(await message.text())
      assert.equal(source(message), text)
    }
  })

  it('has one line end where there were CRs before one', async () => {
    const message = parse('Content-Transfer-Encoding: quoted-printable\n\na=0D\nb=0D=0D\n')
    await message.setText(`${await message.text()}c`)
    assert.equal(await parseMime(message.toBytes()).text(), 'a\r\nb\r\nc')
  })

  it('in a binary part has no line that needs BINARYMIME', async () => {
    const message = parse('Content-Transfer-Encoding: binary\n\nx\n')
    await message.setText('x'.repeat(1_200))
    const again = parseMime(message.toBytes())
    assert.equal(again.encoding, 'quoted-printable')
    assert.equal(await again.text(), 'x'.repeat(1_200))
  })

  const within: [what: string, meta: string, text: string, charset: string, shown: string][] = [
    ['utf-8', '<meta charset=utf-8>', 'é', 'utf-8', '<meta charset=utf-8>é'],
    [
      'windows-1252',
      '<meta charset="windows-1252">',
      'é',
      'windows-1252',
      '<meta charset="windows-1252">é',
    ],
    [
      'one that has not the characters',
      '<meta charset="iso-8859-2">',
      '日本',
      'utf-8',
      '<meta charset="utf-8">日本',
    ],
  ]
  for (const [what, meta, text, charset, shown] of within) {
    it(`in HTML says its charset in the header: ${what}`, async () => {
      const message = parse(`Content-Type: text/html\nMIME-Version: 1.0\n\n${meta}x`)
      await message.setText(meta + text)
      const again = parseMime(message.toBytes())
      assert.equal(again.charset, charset)
      assert.equal(await again.text(), shown)
    })
  }

  const XML = '<?xml version="1.0" encoding="iso-8859-1"?>'
  const declared: [what: string, type: string, start: string, charset: string][] = [
    ['XHTML', 'application/xhtml+xml', XML, 'utf-8'],
    ['XML', 'text/xml; charset=iso-8859-1', XML, 'utf-8'],
    [
      'a feed',
      'application/atom+xml; charset=us-ascii',
      `\n${XML.replaceAll('"', "'")}`,
      'utf-8',
    ],
    [
      'XHTML with a meta element',
      'application/xhtml+xml',
      `${XML}<meta charset="koi8-r"/>`,
      'utf-8',
    ],
    ['HTML with both', 'text/html', `${XML}<meta charset="iso-8859-1">`, 'utf-8'],
  ]
  for (const [what, type, start, charset] of declared) {
    it(`in XML says its charset where that declares one: ${what}`, async () => {
      const message = parse(`Content-Type: ${type}\nMIME-Version: 1.0\n\n${start}<p>x</p>`)
      await message.setText(`${start}<p>€</p>`)
      const again = parseMime(message.toBytes())
      assert.equal(again.charset, charset)
      const expected = start
        .replace('iso-8859-1', charset)
        .replace(/charset="[^"]*"/, `charset="${charset}"`)
      assert.equal((await again.text()).replaceAll('\r\n', '\n'), `${expected}<p>€</p>`)
    })
  }

  it('in XML leaves a declaration whose charset stays', async () => {
    const message = parse(`Content-Type: text/xml; charset=iso-8859-1\n\n${XML}<p>x</p>`)
    await message.setText(`${XML}<p>é</p>`)
    const again = parseMime(message.toBytes())
    assert.equal(again.charset, 'iso-8859-1')
    assert.equal(await again.text(), `${XML}<p>é</p>`)
  })

  it('says its charset once, also where one without a value was named', async () => {
    for (const [before, after] of [
      ['text/plain; charset', 'text/plain; charset=utf-8'],
      ['text/plain; charset; format=flowed', 'text/plain; charset=utf-8; format=flowed'],
      ['text/plain;\n charset (x) ;format=flowed', 'text/plain; charset=utf-8 ;format=flowed'],
      ['text/plain; charset=; CHARSET', 'text/plain; charset=utf-8'],
    ]) {
      const message = parse(`Content-Type: ${before}\n\nx\n`)
      await message.setText('ü')
      assert.equal(message.headers.get('Content-Type'), after)
    }
  })

  it('gives a message that gets a field of MIME the version of MIME', async () => {
    for (const edit of [
      (message: MimeMessage) => message.setText('é'),
      (message: MimeMessage) => addFooter(message, { text: 'é' }),
      (message: MimeMessage) => message.setContent(Buffer.of(0xe9)),
    ]) {
      const message = parse('Subject: x\n\nx\n')
      await edit(message)
      assert.equal(message.headers.get('MIME-Version'), '1.0')
    }
    const message = parse('Subject: x\n\nx\n')
    await addFooter(message, { text: 'Bye' })
    assert.equal(source(message), 'Subject: x\n\nx\n\nBye\n')
  })
})

describe('no edit', () => {
  const body = fc
    .array(
      fc.constantFrom(
        'Hello',
        '\r\n',
        '<p>',
        '</body>',
        '\xe9',
        '\xc3\xa9',
        '\x1b$B$"\x1b(B',
        '~{VPND~}',
        '+AOk-',
        '=',
        '=E9',
        '\0',
        '\x0e',
        'SGVsbG8=',
        '<a href="x">',
      ),
      { maxLength: 10 },
    )
    .map((pieces) => pieces.join(''))
  const charset = fc.constantFrom(
    ...' us-ascii utf-8 iso-8859-1 gbk shift_jis iso-2022-jp hz-gb-2312 iso-2022-kr utf-7'.split(
      ' ',
    ),
    ...'utf-16 utf-32 x-unknown unknown-8bit euc-tw'.split(' '),
  )
  const encoding = fc.constantFrom('7bit', '8bit', 'quoted-printable', 'base64', 'x-odd')

  it('changes a byte of a text that could not be read for sure', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('text/plain', 'text/html', 'text/html charset=x'),
        charset,
        encoding,
        body,
        fc.constantFrom('Bye now', 'Müller'),
        fc.constantFrom('footer', 'setText', 'rewrite'),
        async (type, label, transfer, text, added, edit) => {
          const field = label === '' ? type : `${type}; charset=${label}`
          const message = parseMime(
            Buffer.from(
              `Content-Type: ${field}\r\nContent-Transfer-Encoding: ${transfer}\r\n\r\n${text}`,
              'latin1',
            ),
          )
          if (message.guesses.length === 0) return
          const { raw } = message
          const bytes = message.bytes()
          const guessed = (error: { code?: string }): void => {
            assert.equal(error.code, 'GUESSED_PART')
          }
          if (edit === 'footer') await addFooter(message, { text: added })
          else if (edit === 'setText') {
            await message.setText((await message.text()) + added).catch(guessed)
          } else {
            await rewriteHtmlPart(message, (html) => `${html}<hr>${added}`).catch(guessed)
          }
          const again = parseMime(message.toBytes())
          const same = [again, ...again.children].some(
            (part) =>
              part.headers.get('Content-Type') === field &&
              (part.raw.equals(raw) || holds(part.bytes(), bytes)),
          )
          // A text without a word in it is replaced.
          const replaced = edit === 'setText' && bytes.toString('latin1').trim() === ''
          assert.ok(same || replaced, message.toBytes().toString('latin1'))
        },
      ),
      { numRuns: 2_000 },
    )
  })
})

/** Whether bytes are others with something put in at one place. */
function holds(bytes: Buffer, others: Buffer): boolean {
  let start = 0
  while (start < others.length && bytes[start] === others[start]) start++
  const rest = others.subarray(start)
  return bytes.subarray(bytes.length - rest.length).equals(rest)
}

describe('a new text beside a Content-Type that is broken', () => {
  const values = [
    'text/plain charset=us-ascii',
    'text/plain; charset="us-ascii',
    'text/plain; charset=us-ascii"',
    'text/plain; charset==us-ascii',
    'text/plain; charset=us ascii',
    'text/plain; charset=(a) us-ascii',
    "text/plain; charset*=''us-ascii",
    'text/plain; charset*0=us-; charset*1=ascii',
    'text/plain; charset=us-ascii name="x',
  ]
  for (const value of values) {
    it(`${value} becomes a field that is right`, async () => {
      const message = parseMime(`Content-Type: ${value}\r\n\r\nhello\r\n`)
      await message.setText('Grüße\r\n')
      assert.equal(message.headers.get('Content-Type'), 'text/plain; charset=utf-8')
      const again = parseMime(message.toBytes())
      assert.deepEqual(again.guesses, [])
      assert.equal(await again.text(), 'Grüße\r\n')
    })
  }
})
