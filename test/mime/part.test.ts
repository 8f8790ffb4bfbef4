import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ErrorCode } from '../../src/errors.ts'
import { parseMime, type MimeMessage, type MimePart } from '../../src/mime/index.ts'

const bytes = (text: string): Buffer => Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')
const parse = (text: string): MimeMessage => parseMime(bytes(text))
const shown = (part: MimePart): string =>
  part.toBytes().toString('latin1').replaceAll('\r\n', '\n')
const code = (name: ErrorCode): { code: ErrorCode } => ({ code: name })

/** The tree in short: types, and below a type what it holds. */
const tree = (part: MimePart): unknown =>
  part.children.length === 0 ? part.type : [part.type, ...part.children.map(tree)]

const MIXED = `Subject: x
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

preamble
--b
Content-Type: text/plain; charset=utf-8

one
--b
Content-Type: text/html

<p>two</p>
--b
Content-Type: application/pdf; name=three.pdf
Content-Transfer-Encoding: base64

AAEC
--b--
epilogue
`

describe('looking at a part', () => {
  it('tells type, names and content', async () => {
    const message = parse(MIXED)
    assert.deepEqual(tree(message), [
      'multipart/mixed',
      'text/plain',
      'text/html',
      'application/pdf',
    ])
    const [one, , three] = message.children
    assert.equal(await one!.text(), 'one')
    assert.equal(one!.charset, 'utf-8')
    assert.equal(one!.parent, message)
    assert.deepEqual([...three!.bytes()], [0, 1, 2])
    assert.equal(three!.filename, 'three.pdf')
    assert.deepEqual(message.attachments, [three])
    assert.deepEqual(
      message.textParts.map(({ type }) => type),
      ['text/plain', 'text/html'],
    )
    assert.equal(message.depth, 0)
    assert.equal(three!.depth, 1)
    assert.deepEqual(message.problems, [])
  })

  it('looks into attached messages, encoded or not', () => {
    const inner = 'Content-Type: multipart/mixed; boundary=i\n\n--i\n\na\n--i--\n'
    const encoded = bytes(inner).toString('base64')
    const message = parse(
      `Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n${inner}` +
        `--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n${encoded}\n--b--\n`,
    )
    const nested = ['message/rfc822', ['multipart/mixed', 'text/plain']]
    assert.deepEqual(tree(message), ['multipart/mixed', nested, nested])
    assert.deepEqual(message.textParts, [])
  })

  it('has messages in a digest', () => {
    const message = parse(
      'Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nhello\n--b--\n',
    )
    assert.deepEqual(tree(message), ['multipart/digest', ['message/rfc822', 'text/plain']])
  })

  const charsets: readonly (readonly [header: string, body: string, text: string])[] = [
    ['text/plain; charset=iso-8859-1', 'caf\xe9', 'café'],
    ['text/plain; charset="windows-1252"', '\x80', '€'],
    ['text/plain; charset=koi8-r', '\xf0\xd2', 'Пр'],
    ['text/plain; charset=cp437', '\x81', 'ü'],
    ['text/plain; charset=utf-7', '+AOQ-', 'ä'],
    ['text/plain; charset=x-nobody-knows', 'caf\xe9', 'café'],
    ['text/plain', 'caf\xc3\xa9', 'café'],
    ['text/html', '<meta charset=koi8-r>\xf0', '<meta charset=koi8-r>П'],
  ]
  for (const [header, body, text] of charsets) {
    it(`reads ${header}`, async () => {
      assert.equal(await parse(`Content-Type: ${header}\n\n${body}`).text(), text)
    })
  }

  it('shows the message as others read it, to be looked at only', () => {
    const message = parse(
      'Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=b\n\n' +
        '--b\nContent-Type: application/x-msdownload; name=x.exe\n\nMZ\n--b--\n',
    )
    assert.equal(message.type, 'text/plain')
    assert.deepEqual(message.types, ['text/plain', 'multipart/mixed'])
    assert.deepEqual(
      message.problems.map((problem) => problem.code),
      ['SEVERAL_TYPES'],
    )
    const [other] = message.otherReadings()
    assert.equal(other!.attachments[0]!.filename, 'x.exe')
    assert.throws(() => other!.attachments[0]!.remove(), code('WRONG_STAGE'))
  })

  it('takes limits that are positive integers', () => {
    for (const depth of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => parseMime('', { limits: { depth } }), code('INVALID_OPTION'))
    }
  })
})

describe('a header that begins with a space', () => {
  it('has the field all the same, as most programs read it', () => {
    const message = parse(
      `Content-Type: multipart/mixed; boundary=b\n\n--b\n Content-Disposition: attachment;\n\tfilename=x.exe\nContent-Type: text/plain\n\nMZ\n--b\n \t\n no field\n\nx\n--b--\n`,
    )
    const [part, junk] = message.children
    assert.equal(part!.filename, 'x.exe')
    assert.deepEqual(part!.headers.names(), ['Content-Disposition', 'Content-Type'])
    assert.deepEqual(junk!.headers.names(), [])
    assert.deepEqual(
      message.problems.map((problem) => problem.code),
      ['NOT_A_FIELD', 'NOT_A_FIELD'],
    )
    part!.headers.set('Content-Disposition', 'inline')
    assert.equal(shown(part!), 'Content-Disposition: inline\nContent-Type: text/plain\n\nMZ')
  })
})

describe('setText', () => {
  const cases: readonly (readonly [
    what: string,
    before: string,
    text: string,
    after: string,
  ])[] = [
    [
      'keeps charset and encoding that carry it',
      'Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nx',
      'é\n',
      'Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n=E9\n',
    ],
    [
      'takes UTF-8 where the charset has not all characters, and touches nothing else of the field',
      'MIME-Version: 1.0\nContent-Type: text/plain; format=flowed;\n\tcharset="iso-8859-1" ; delsp=yes\nContent-Transfer-Encoding: 8bit\n\nx',
      '€',
      'MIME-Version: 1.0\nContent-Type: text/plain; format=flowed;\n\tcharset=utf-8 ; delsp=yes\nContent-Transfer-Encoding: 8bit\n\n\xe2\x82\xac',
    ],
    [
      'encodes what 7bit does not carry',
      'Content-Type: text/plain; charset=utf-8\n\nx',
      'Grüße an alle, die das hier lesen',
      'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nMIME-Version: 1.0\n\nGr=C3=BC=C3=9Fe an alle, die das hier lesen',
    ],
    ['needs no header for ASCII', 'Subject: a\n\nx', 'b\n', 'Subject: a\n\nb\n'],
    [
      'gives a message without Content-Type one',
      'Subject: a\n\nx',
      '日本語',
      'Subject: a\nContent-Type: text/plain; charset=utf-8\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n5pel5pys6Kqe\n',
    ],
  ]
  for (const [what, before, text, after] of cases) {
    it(what, async () => {
      const message = parse(before)
      await message.setText(text)
      assert.equal(shown(message), after)
      assert.equal(await parseMime(message.toBytes()).text(), text.replaceAll('\n', '\r\n'))
    })
  }

  it('writes the line ends of the message', async () => {
    const message = parseMime('Subject: a\n\nx\n')
    await message.setText('a\r\nb\rc\n')
    assert.equal(message.toBytes().toString(), 'Subject: a\n\na\nb\nc\n')
  })

  it('cannot end a multipart around it', async () => {
    const message = parse(MIXED)
    await message.children[0]!.setText('a\n--b\nContent-Type: text/html\n\n--b--\n')
    const again = parseMime(message.toBytes())
    assert.equal(again.children.length, 3)
    assert.equal(
      await again.children[0]!.text(),
      'a\r\n--b\r\nContent-Type: text/html\r\n\r\n--b--\r\n',
    )
  })
})

describe('edits of the tree', () => {
  it('replace a part, and leave all others as they are', () => {
    const message = parse(MIXED)
    const made = message.children[2]!.replaceWith({ content: 'gone\n', filename: 'Ünlü.txt' })
    assert.equal(made.parent, message)
    const start = MIXED.indexOf('Content-Type: application')
    assert.equal(
      shown(message),
      MIXED.slice(0, start) +
        "Content-Type: text/plain; charset=utf-8; name*=utf-8''%C3%9Cnl%C3%BC.txt\n" +
        "Content-Disposition: attachment; filename*=utf-8''%C3%9Cnl%C3%BC.txt\n\ngone\n" +
        MIXED.slice(MIXED.indexOf('\n--b--')),
    )
    assert.equal(made.filename, 'Ünlü.txt')
  })

  it('replace the message itself, and keep the fields that are not about its content', () => {
    const message = parse(
      'Subject: a\nContent-Type: application/zip\nContent-Id: <1>\nX-Y: z\n\nPK',
    )
    message.replaceWith({ content: 'gone\n' })
    assert.equal(
      shown(message),
      'Subject: a\nX-Y: z\nContent-Type: text/plain; charset=utf-8\nMIME-Version: 1.0\n\ngone\n',
    )
    assert.throws(() => message.remove(), code('INVALID_OPTION'))
  })

  it('remove parts, down to one that is empty', () => {
    const message = parse(MIXED)
    message.children[0]!.remove()
    assert.deepEqual(tree(parseMime(message.toBytes())), [
      'multipart/mixed',
      'text/html',
      'application/pdf',
    ])
    for (const part of message.children) part.remove()
    const again = parseMime(message.toBytes())
    assert.deepEqual(tree(again), ['multipart/mixed', 'text/plain'])
    assert.match(shown(message), /^[^]*\n\npreamble\n[^]*--b--\nepilogue\n$/)
  })

  it('insert parts anywhere', () => {
    for (const index of [0, 1, 3]) {
      const message = parse(MIXED)
      message.insert(index, { content: Buffer.of(1, 2, 3), type: 'image/png' })
      const types = parseMime(message.toBytes()).children.map(({ type }) => type)
      assert.deepEqual(
        types,
        ['text/plain', 'text/html', 'application/pdf'].toSpliced(index, 0, 'image/png'),
      )
      const again = parseMime(message.toBytes())
      assert.deepEqual(
        again.children.filter(({ type }) => type !== 'image/png').map(shown),
        parse(MIXED).children.map(shown),
      )
    }
  })

  it('end a multipart that had no end', () => {
    const message = parse(
      'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none',
    )
    message.append({ content: 'two' })
    assert.equal(
      shown(message),
      'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/plain; charset=utf-8\n\ntwo\n--b--\n',
    )
  })

  it('only a multipart takes parts', () => {
    assert.throws(
      () => parse('Subject: a\n\nx').append({ content: 'y' }),
      code('INVALID_OPTION'),
    )
    const message = parse(MIXED)
    message.setContent(bytes('x'), 'text/plain')
    assert.throws(() => message.append({ content: 'y' }), code('INVALID_OPTION'))
  })

  it('wrap a part in the middle', () => {
    const message = parse(MIXED)
    const inner = message.children[1]!.wrap('multipart/related')
    message.children[1]!.append({ content: Buffer.of(9), type: 'image/gif' })
    const again = parseMime(message.toBytes())
    assert.deepEqual(tree(again), [
      'multipart/mixed',
      'text/plain',
      ['multipart/related', 'text/html', 'image/gif'],
      'application/pdf',
    ])
    assert.equal(shown(inner), 'Content-Type: text/html\n\n<p>two</p>')
    assert.equal(shown(again.children[1]!.children[0]!), shown(inner))
  })

  it('reach into an encoded message', async () => {
    const inner = bytes('Subject: in\nContent-Type: text/plain\n\nold\n').toString('base64')
    const message = parse(
      `Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n${inner}\n`,
    )
    await message.children[0]!.setText('new\n')
    const again = parseMime(message.toBytes())
    assert.equal(again.encoding, 'base64')
    assert.equal(shown(again.children[0]!), 'Subject: in\nContent-Type: text/plain\n\nnew\n')
  })

  it('of a header touch its field alone', () => {
    const message = parse('A: 1\nfrom me\nB:  2\n\tfold\na: 3\n\nx')
    message.headers.set('A', 'é')
    message.headers.append('C', 'new')
    assert.equal(message.headers.delete('nothing'), 0)
    assert.equal(shown(message), 'A: =?UTF-8?B?w6k=?=\nfrom me\nB:  2\n\tfold\nC: new\n\nx')
    for (const value of ['a\nb', 'a\0', 'a\rb']) {
      assert.throws(
        () => message.headers.set('D', Buffer.from(value)),
        code('INVALID_HEADER_VALUE'),
      )
    }
  })
})

describe('a sealed part', () => {
  const SIGNED = `Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary=s

--s
Content-Type: text/plain

signed
--s
Content-Type: application/pgp-signature

signature
--s--
`
  it('is not edited by accident', async () => {
    const message = parse(SIGNED)
    const text = message.children[0]!
    assert.equal(message.protection, 'signed')
    assert.equal(text.sealedBy, message)
    await assert.rejects(text.setText('x'), code('SEALED_PART'))
    for (const edit of [
      () => text.remove(),
      () => text.headers.set('X', 'y'),
      () => message.append({ content: 'x' }),
      () => text.replaceWith({ content: 'x' }),
      () => text.wrap(),
    ]) {
      assert.throws(edit, code('SEALED_PART'))
    }
    assert.equal(shown(message), SIGNED)
    text.unseal()
    await text.setText('x')
    assert.equal(shown(message), SIGNED.replace('\n\nsigned\n', '\n\nx\n'))
  })

  it('is not what stands half way through an edit', async () => {
    const pgp = '-----BEGIN PGP MESSAGE-----\n\nabcd\n-----END PGP MESSAGE-----\n'
    const two = `Content-Type: text/html\nContent-Type: application/pgp-encrypted\n\n${pgp}`
    const edits: readonly ((message: MimePart) => unknown)[] = [
      (message) => message.replaceWith({ content: pgp, type: 'text/plain' }),
      (message) => message.setContent(Buffer.from('é'), 'text/plain'),
      (message) => message.setText('é'),
    ]
    for (const text of [two, `Content-Type: text/html; charset=us-ascii\n\n${pgp}`]) {
      for (const edit of edits) {
        const message = parse(text)
        message.unseal()
        await edit(message)
        assert.equal(message.children.length, 0)
        await assert.doesNotReject(message.text())
      }
    }
  })

  it('can be wrapped, and stays as it is', () => {
    const message = parse(`Subject: a\n${SIGNED}`)
    message.wrap()
    message.append({ content: 'footer\n' })
    const again = parseMime(message.toBytes())
    assert.equal(shown(again.children[0]!), SIGNED)
    assert.equal(again.headers.get('Subject'), 'a')
  })

  const sealed: readonly (readonly [
    what: string,
    message: string,
    protection: string | undefined,
  ])[] = [
    [
      'S/MIME, encrypted',
      'Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx',
      'encrypted',
    ],
    [
      'S/MIME, signed',
      'Content-Type: application/x-pkcs7-mime; smime-type=signed-data\n\nx',
      'signed',
    ],
    [
      'PGP/MIME',
      'Content-Type: multipart/encrypted; boundary=b\n\n--b\n\nx\n--b--\n',
      'encrypted',
    ],
    [
      'PGP in text',
      'Subject: a\n\nHi\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n',
      'signed',
    ],
    ['PGP in text', 'Subject: a\n\n-----BEGIN PGP MESSAGE-----\n\nx\n', 'encrypted'],
    ['PGP that is quoted', 'Subject: a\n\n> -----BEGIN PGP MESSAGE-----\n', undefined],
    ['nothing', 'Subject: a\n\nx\n', undefined],
  ]
  for (const [what, message, protection] of sealed) {
    it(`is one: ${what}, ${protection ?? 'no'}`, () => {
      assert.equal(parse(message).protection, protection)
    })
  }
})
