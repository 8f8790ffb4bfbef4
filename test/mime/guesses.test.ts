import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addFooter, parseMime, type MimeMessage } from '../../src/mime/index.ts'

const message = (field: string, body = 'text\r\n'): MimeMessage =>
  parseMime(`Content-Type: ${field}\r\n\r\n${body}`)

describe('an invalid Content-Type', () => {
  const cases: [field: string, lenient: string][] = [
    ['application/pdf name="scan.pdf"', 'application/pdf'],
    ['application/pdf, name=scan.pdf', 'application/pdf'],
    ['application/pdf: name=scan.pdf', 'application/pdf'],
    ['text/html charset=windows-1252', 'text/html'],
    ['text/html"', 'text/html'],
    ['"text/html"', 'text/html'],
    ['text / html; charset=utf-8', 'text/html'],
    ['text/html/', 'text/html'],
    ['/text/html', 'text/html'],
    ['text//html', 'text/html'],
    ['type=text/html', 'text/html'],
    ['text\\html', 'text/html'],
    ['multipart/multipart/mixed; boundary=b', 'multipart/multipart'],
    ['image', 'application/octet-stream'],
    ['text', 'text/plain'],
    ['text/', 'text/plain'],
    ['???', 'text/plain'],
  ]
  for (const [field, lenient] of cases) {
    it(field, () => {
      const part = message(field)
      assert.equal(part.type, 'text/plain')
      assert.deepEqual(part.guesses, ['type'])
      assert.ok(part.problems.some(({ code }) => code === 'BAD_CONTENT_TYPE'))
      assert.deepEqual(
        part.otherReadings().map(({ type }) => type),
        [lenient],
      )
    })
  }

  it('has its parameters read as lenient programs do', () => {
    const [other] = message('text/html charset=windows-1252, name="a b.html"').otherReadings()
    assert.equal(other!.charset, 'windows-1252')
    assert.deepEqual(other!.filenames, ['a b.html'])
  })

  for (const field of [
    'multipart/multipart/mixed; boundary=b',
    'multipart/mixed boundary="b"',
    'multipart / mixed; boundary=b',
    '"multipart/mixed"; boundary=b',
    'multipart/mixed, boundary=b',
    'multipart/mixed: boundary=b',
    'multipart; boundary=b',
  ]) {
    it(`shows its parts in another reading: ${field}`, () => {
      const body = '--b\r\nContent-Type: a/b; name=x.exe\r\n\r\nx\r\n--b--\r\n'
      const [other] = message(field, body).otherReadings()
      assert.deepEqual(
        other!.attachments.map(({ filename }) => filename),
        ['x.exe'],
      )
    })
  }
})

describe('a Content-Type that can be read', () => {
  for (const field of [
    'text/plain',
    ' Text/Plain ; charset=x',
    'text/plain (comment); charset=x',
    'text/plain;',
    'text/plain; charset',
    'text/plain; charset=a name="b"',
    '',
  ]) {
    it(JSON.stringify(field), () => {
      const part = message(field)
      assert.deepEqual(part.guesses, [])
      assert.deepEqual(part.otherReadings(), [])
    })
  }

  it('is a guess where another field says another type', () => {
    assert.deepEqual(message('a/b\r\nContent-Type: A/B; c=d').guesses, [])
    assert.deepEqual(message('a/b\r\nContent-Type: a/c').guesses, ['type'])
  })
})

describe('a charset', () => {
  const cases: [field: string, guessed: boolean][] = [
    ['text/plain; charset=utf-8; charset=iso-8859-1', true],
    ["text/plain; charset=utf-8; charset*=us-ascii''iso-8859-1", true],
    ['text/plain; charset=utf-8\r\nContent-Type: text/plain; charset=iso-8859-1', true],
    ['text/html; charset=utf-8; CHARSET="utf-16"', true],
    ['text/plain; charset=utf-8; charset="UTF8"', false],
    ['text/plain; charset=utf-8; charset', false],
    ['text/plain; charset=utf-8\r\nContent-Type: text/plain', false],
    ['image/png; charset=utf-8; charset=iso-8859-1', false],
  ]
  for (const [field, guessed] of cases) {
    it(`${JSON.stringify(field)} is ${guessed ? 'a guess' : 'sure'}`, () => {
      const part = message(field)
      assert.deepEqual(part.guesses, guessed ? ['charset'] : [])
    })
  }
})

describe('an edit of a text with two charsets', () => {
  const field = 'text/plain; charset=utf-8; charset=iso-8859-1'

  it('keeps the label and the bytes: a footer that is not ASCII stands beside it', async () => {
    const part = message(field, 'Gr\u00fc\u00dfe\r\n')
    await addFooter(part, { text: 'é' })
    const after = part.toBytes().toString()
    assert.ok(after.includes(field), after)
    assert.ok(after.includes('Gr\u00fc\u00dfe\r\n'), after)
  })

  it('throws where the new text rests on the old one', async () => {
    const part = message(field, 'Gr\u00fc\u00dfe\r\n')
    await assert.rejects(part.setText(`${await part.text()}\r\nmore`), { code: 'GUESSED_PART' })
    await part.setText('more', { force: true })
    assert.deepEqual(part.guesses, [])
  })
})

describe('a Content-Disposition', () => {
  const cases: [field: string, attachment: boolean][] = [
    ['inline', false],
    [' INLINE ; x=y', false],
    ['inline (comment)', false],
    ['', false],
    ['attachment', true],
    ['attachments', true],
    ['attach', true],
    ['file', true],
    ['form-data', true],
    ['form-data; name=x', true],
    ['"attachment"', true],
    ['attachment filename="x.txt"', true],
    ['attachment, filename=x.txt', true],
    ['filename=x.txt', true],
    ['inline\r\nContent-Disposition: attachment', true],
  ]
  for (const [field, attachment] of cases) {
    it(`${JSON.stringify(field)} is ${attachment ? 'a file' : 'none'}`, () => {
      const part = message(`text/plain\r\nContent-Disposition: ${field}`)
      assert.equal(part.isAttachment, attachment)
    })
  }

  it('has its file name without a semicolon', () => {
    for (const field of ['attachment filename="x.txt"', 'attachment, filename=x.txt']) {
      const part = message(`text/plain\r\nContent-Disposition: ${field}`)
      assert.ok(part.filenames.includes('x.txt'), field)
      assert.equal(part.disposition, 'attachment')
    }
  })
})
