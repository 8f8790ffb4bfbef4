import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UsageError, type ErrorCode } from '../../src/errors.ts'
import { parseMime, type MimeMessage, type MimePart } from '../../src/mime/index.ts'
import { sample } from './corpus.ts'

const crlf = (...lines: string[]): string => lines.map((line) => `${line}\r\n`).join('')
const mixed = (...lines: string[]): string =>
  crlf('MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', '', ...lines)
const written = (message: MimePart): string => message.toBytes().toString('latin1')

describe('what is written', () => {
  const cases: [
    name: string,
    before: string,
    edit: (message: MimeMessage) => unknown,
    after: string,
  ][] = [
    [
      'a field of a part whose children were asked for',
      mixed('--b', 'A: 1', '', 'body', '--b--'),
      (message) => {
        const [part] = message.children
        assert.deepEqual(part!.children, [])
        part!.headers.set('A', '2')
      },
      mixed('--b', 'A: 2', '', 'body', '--b--'),
    ],
    [
      'a field of a message without parts that were asked for',
      crlf('A: 1', '', 'body'),
      (message) => {
        assert.equal([...message.walk()].length, 1)
        message.headers.append('B', '2')
      },
      crlf('A: 1', 'B: 2', '', 'body'),
    ],
    [
      'a field of a multipart without parts',
      mixed('only text'),
      (message) => {
        assert.deepEqual(message.children, [])
        message.headers.set('A', '1')
      },
      mixed('only text').replace('\r\n\r\n', '\r\nA: 1\r\n\r\n'),
    ],
    [
      'text behind a header that was cut off',
      'Subject: x',
      (message) => message.setText('hi'),
      'Subject: x\r\n\r\nhi',
    ],
    [
      'text behind a header that was cut off in its empty line',
      'Subject: x\r\n\r',
      (message) => message.setText('hi'),
      'Subject: x\r\n\r\r\nhi',
    ],
    [
      'text of an empty part keeps its line end',
      mixed('--b', '', '--b--'),
      (message) => message.children[0]!.setText('hi\n'),
      mixed('--b', '', 'hi', '', '--b--'),
    ],
    [
      'a new part above another keeps its line end',
      mixed('--b', '', 'x', '--b--'),
      (message) => message.insert(0, { content: 'hi\n' }),
      mixed(
        '--b',
        'Content-Type: text/plain; charset=utf-8',
        '',
        'hi',
        '',
        '--b',
        '',
        'x',
        '--b--',
      ),
    ],
    [
      'a part behind one that ends in a line end, where an empty one was removed',
      mixed('--b', '', 'one', '', '--b', '', '--b', '', 'three', '--b--'),
      (message) => message.children[1]!.remove(),
      mixed('--b', '', 'one', '', '--b', '', 'three', '--b--'),
    ],
    [
      'a part behind a delimiter that was cut off',
      mixed('--b', '', 'one', '--b').slice(0, -2),
      (message) => message.children[1]!.setText('two'),
      mixed('--b', '', 'one', '--b', '', 'two').slice(0, -2),
    ],
    [
      'a CR at the end of the last part',
      'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\r',
      (message) => message.append({ content: 'two' }),
      'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\r\r\n--b\nContent-Type: text/plain; charset=utf-8\n\ntwo\n--b--\n',
    ],
    [
      'an unknown encoding goes with the content it was for',
      crlf('Content-Transfer-Encoding: x-uuencode', '', 'x'),
      (message) => message.setText('hi'),
      `${crlf('Content-Transfer-Encoding: 7bit', 'MIME-Version: 1.0', '')}hi`,
    ],
    [
      'a multipart is not encoded',
      mixed('--b', '', 'x', '--b--'),
      (message) => message.setContent(Buffer.from('--b\r\n\r\n\xe9\r\n--b--\r\n', 'latin1')),
      mixed('--b', '', '\xe9', '--b--').replace(
        '\r\n\r\n',
        '\r\nContent-Transfer-Encoding: 8bit\r\n\r\n',
      ),
    ],
    [
      'bytes in quoted-printable come back as they were',
      crlf('Content-Type: a/b', 'Content-Transfer-Encoding: quoted-printable', '', 'x'),
      (message) => message.setContent(Buffer.from('a\nb\r\nc')),
      `${crlf('Content-Type: a/b', 'Content-Transfer-Encoding: quoted-printable', '', 'a=0Ab')}c`,
    ],
  ]
  for (const [name, before, edit, after] of cases) {
    it(name, async () => {
      const message = parseMime(Buffer.from(before, 'latin1'))
      await edit(message)
      assert.equal(written(message), after)
    })
  }
})

describe('wrap', () => {
  it('keeps a message of a digest a message', () => {
    const message = parseMime(sample('digest'))
    const inner = message.children[0]!.wrap()
    assert.equal(inner.type, 'message/rfc822')
    assert.equal(parseMime(message.toBytes()).children[0]!.children[0]!.type, 'message/rfc822')
  })

  it('keeps text in a digest text', () => {
    const message = parseMime(crlf('Subject: x', '', 'text'))
    assert.equal(message.wrap('multipart/digest').type, 'text/plain')
    assert.equal(parseMime(message.toBytes()).children[0]!.type, 'text/plain')
  })
})

it('another message in place of an attached one cannot end the multipart around it', () => {
  const message = parseMime(
    mixed('--b', 'Content-Type: message/rfc822', '', 'A: 1', '', 'x', '--b--'),
  )
  message.children[0]!.children[0]!.replaceWith({ content: 'x\n--b\n\nfalse\n' })
  const again = parseMime(message.toBytes())
  assert.equal(again.children.length, 1)
  assert.equal(again.children[0]!.children[0]!.bytes().toString(), 'x\r\n--b\r\n\r\nfalse\r\n')
})

describe('an edit that is refused changes nothing', () => {
  const first = (message: MimeMessage): MimePart => message.children[0]!
  const PARTS = mixed('--b', 'A: 1', '--b', '', 'two', '--b--')
  const cases: [name: string, edit: (message: MimeMessage) => unknown, code: ErrorCode][] = [
    ['wrap in no multipart', (m) => first(m).wrap('text/plain'), 'INVALID_OPTION'],
    ['wrap in two fields', (m) => m.wrap('multipart/mixed\r\nX: y'), 'INVALID_OPTION'],
    ['append to text', (m) => first(m).append({ content: 'x' }), 'INVALID_OPTION'],
    ['append of no type', (m) => m.append({ content: 'x', type: 'x' }), 'INVALID_OPTION'],
    [
      'replaceWith no type',
      (m) => first(m).replaceWith({ content: '', type: 'x' }),
      'INVALID_OPTION',
    ],
    [
      'the message replaced with no type',
      (m) => m.replaceWith({ content: '', type: 'x' }),
      'INVALID_OPTION',
    ],
    ['remove of the message', (m) => m.remove(), 'INVALID_OPTION'],
    [
      'a message that holds the boundary around it',
      (m) => first(m).setContent(Buffer.from('A: 1\n\n--b\n'), 'message/rfc822'),
      'INVALID_OPTION',
    ],
    [
      'a field that ends early',
      (m) => first(m).headers.set('A', Buffer.from('x\r\nB: y')),
      'INVALID_HEADER_VALUE',
    ],
  ]
  for (const [name, edit, code] of cases) {
    it(name, () => {
      const message = parseMime(PARTS)
      assert.throws(
        () => edit(message),
        (error) => error instanceof UsageError && error.code === code,
      )
      assert.equal(message.edited, false)
      assert.equal(written(message), PARTS)
    })
  }

  it('in a part that is signed, until it is unsealed', async () => {
    const bytes = sample('signed')
    const message = parseMime(bytes)
    const [text] = message.children
    await assert.rejects(text!.setText('x'), { code: 'SEALED_PART' })
    assert.throws(() => text!.headers.set('A', 'b'), { code: 'SEALED_PART' })
    assert.throws(() => text!.remove(), { code: 'SEALED_PART' })
    assert.throws(() => message.append({ content: 'x' }), { code: 'SEALED_PART' })
    assert.ok(message.toBytes().equals(bytes))
    text!.unseal()
    await text!.setText('x')
    assert.equal(await parseMime(message.toBytes()).children[0]!.text(), 'x')
  })
})

describe('PGP in plain text', () => {
  const cases: [body: string, protection: string | undefined][] = [
    ['-----BEGIN PGP SIGNED MESSAGE-----\n', 'signed'],
    ['text\r\n-----BEGIN PGP MESSAGE-----\r\n', 'encrypted'],
    ['> -----BEGIN PGP MESSAGE-----\n', undefined],
    ['-----BEGIN PGP PUBLIC KEY BLOCK-----\n', undefined],
    // The first one is quoted.
    ['> -----BEGIN PGP MESSAGE-----\n-----BEGIN PGP MESSAGE-----\n', 'encrypted'],
  ]
  for (const [body, protection] of cases) {
    it(JSON.stringify(body), () => {
      assert.equal(parseMime(`A: b\n\n${body}`).protection, protection)
    })
  }
})
