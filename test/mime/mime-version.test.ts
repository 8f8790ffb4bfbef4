import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addFooter, parseMime, type MimeMessage } from '../../src/mime/index.ts'

/** RFC 2045, section 4: without MIME-Version what is said of the content counts for nothing. */

const parse = (text: string): MimeMessage =>
  parseMime(Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1'))
const versions = (message: MimeMessage): string[] =>
  parseMime(message.toBytes()).headers.getAll('MIME-Version')

const MULTIPART =
  'Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\nhi\n--b--\n'

describe('a message without MIME-Version gets one', () => {
  const cases: [
    what: string,
    message: string,
    edit: (message: MimeMessage) => void | Promise<unknown>,
  ][] = [
    [
      'where a footer changes its transfer encoding',
      'Content-Transfer-Encoding: 7bit\nContent-Type: text/plain; charset=utf-8\n\nhi\n',
      (message) => addFooter(message, { text: 'Fü' }),
    ],
    [
      'where a long line changes its transfer encoding',
      'Content-Transfer-Encoding: 8bit\nContent-Type: text/plain; charset=utf-8\n\nhi\n',
      (message) => message.setText('x'.repeat(1_200)),
    ],
    [
      'where other content changes its transfer encoding',
      'Content-Transfer-Encoding: binary\nContent-Type: image/png\n\nhi\n',
      (message) => message.setContent(Buffer.from('a\nb\0')),
    ],
    [
      'where other content has another type',
      'Content-Type: text/plain\n\nhi\n',
      (message) => message.setContent(Buffer.from('{}'), 'application/json'),
    ],
    [
      'with a field that is set',
      'Subject: x\n\nhi\n',
      ({ headers }) => headers.set('Content-Transfer-Encoding', 'base64'),
    ],
    [
      'with a field that is changed',
      'Content-Type: text/plain\n\nhi\n',
      ({ headers }) => headers.set('content-type', 'text/html'),
    ],
    [
      'with a field that is appended',
      'Subject: x\n\nhi\n',
      ({ headers }) => headers.append('Content-Disposition', 'inline'),
    ],
    ['where a part gets a charset', MULTIPART, ({ children }) => children[0]!.setText('ü')],
    [
      'where a part gets a field',
      MULTIPART,
      ({ children }) => children[0]!.headers.set('Content-Language', 'en'),
    ],
    [
      'with a new part',
      MULTIPART,
      (message) => void message.append({ content: Buffer.of(0), filename: 'x.bin' }),
    ],
    [
      'with another part in place of one',
      MULTIPART,
      ({ children }) => void children[0]!.replaceWith({ content: 'new' }),
    ],
    ['where a part is wrapped', MULTIPART, ({ children }) => void children[0]!.wrap()],
  ]
  for (const [what, text, edit] of cases) {
    it(what, async () => {
      const message = parse(`From: a@example.org\n${text}`)
      await edit(message)
      assert.deepEqual(versions(message), ['1.0'])
      const part = parseMime(message.toBytes()).children[0]
      assert.equal(part?.headers.has('MIME-Version') ?? false, false)
    })
  }

  it('and so does an attached one around what is changed', async () => {
    const message = parse(
      'Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: message/rfc822\n\n' +
        `Subject: y\n${MULTIPART}\n--m--\n`,
    )
    const attached = message.children[0]!.children[0]!
    await attached.children[0]!.setText('ü')
    assert.deepEqual(attached.headers.getAll('MIME-Version'), ['1.0'])
    const again = parseMime(message.toBytes())
    assert.deepEqual(again.headers.getAll('MIME-Version'), ['1.0'])
    assert.deepEqual(again.children[0]!.headers.getAll('MIME-Version'), [])
    assert.deepEqual(again.children[0]!.children[0]!.headers.getAll('MIME-Version'), ['1.0'])
  })
})

describe('a message keeps', () => {
  it('the MIME-Version that it has', async () => {
    const message = parse('MIME-Version: 1.0 (x)\n\nhi\n')
    await message.setText('ü')
    assert.deepEqual(versions(message), ['1.0 (x)'])
  })

  it('its header where no field of MIME is written', async () => {
    const message = parse(MULTIPART)
    await message.children[0]!.setText('other')
    message.headers.set('Subject', 'x')
    message.children[0]!.headers.delete('Content-Type')
    assert.deepEqual(versions(message), [])
  })
})
