import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseMime, type MimeMessage, type NewPart } from '../../src/mime/index.ts'

/** Multiparts and messages are written as they stand, and say what is in them (RFC 2045, section 6.4). */

const parse = (text: string): MimeMessage =>
  parseMime(Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1'))
const again = (message: MimeMessage): MimeMessage => parseMime(message.toBytes())
const labels = (message: MimeMessage): (string | undefined)[] =>
  [...again(message).walk()].map(({ headers }) => headers.get('Content-Transfer-Encoding'))

const MIXED =
  'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhi\n--b--\n'
const ATTACHED = 'Subject: x\r\n\r\nGrüße\r\n'
const PARTS = `--q\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n--q--\r\n`
const STATUS = 'Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; ü@example.org\r\n'

describe('a new part that must not be encoded', () => {
  const wide: [part: NewPart, inside: (string | undefined)[]][] = [
    [{ type: 'message/rfc822', content: ATTACHED }, [undefined]],
    [{ type: 'message/rfc822', content: Buffer.from(ATTACHED) }, [undefined]],
    [{ type: 'message/rfc822', content: ATTACHED, encoding: '8bit' }, [undefined]],
    [{ type: 'multipart/mixed', content: PARTS, parameters: { boundary: 'q' } }, ['8bit']],
    [{ type: 'message/delivery-status', content: STATUS }, []],
  ]
  for (const [part, inside] of wide) {
    const { type, encoding = 'none', content } = part
    it(`says 8bit, and so does what it is in: ${type}, ${typeof content}, ${encoding} asked for`, () => {
      const message = parse(MIXED)
      message.append(part)
      assert.deepEqual(labels(message), ['8bit', undefined, '8bit', ...inside])
    })
  }

  it('says nothing where it is ASCII', () => {
    const message = parse(MIXED)
    message.append({ type: 'message/rfc822', content: 'Subject: x\n\nhi\n' })
    assert.deepEqual(labels(message), [undefined, undefined, undefined, undefined])
  })

  it('is labelled up to the message, through one that is attached', () => {
    const message = parse(
      `MIME-Version: 1.0\nContent-Type: message/rfc822\n\n${MIXED.replace('hi', 'hello')}`,
    )
    message.children[0]!.append({ type: 'message/rfc822', content: ATTACHED })
    assert.deepEqual(labels(message), ['8bit', '8bit', undefined, '8bit', undefined])
  })

  it('is labelled in the place of another part, and of the message', () => {
    const one = parse(MIXED)
    one.children[0]!.replaceWith({ type: 'message/rfc822', content: ATTACHED })
    assert.deepEqual(labels(one), ['8bit', '8bit', undefined])
    const other = parse('Content-Transfer-Encoding: base64\n\nQQ==\n')
    other.replaceWith({ type: 'message/rfc822', content: ATTACHED })
    assert.deepEqual(labels(other), ['8bit', undefined])
  })

  it('leaves labels that are wider', () => {
    const message = parse(MIXED.replace('\n\n', '\nContent-Transfer-Encoding: BINARY\n\n'))
    message.append({ type: 'message/rfc822', content: ATTACHED })
    assert.deepEqual(labels(message), ['BINARY', undefined, '8bit', undefined])
  })

  const wrong: [what: string, part: NewPart][] = [
    ['8bit as 7bit', { type: 'message/rfc822', content: ATTACHED, encoding: '7bit' }],
    ['a long line', { type: 'message/rfc822', content: `A: b\n\n${'x'.repeat(999)}\n` }],
    ['a lone CR', { type: 'message/rfc822', content: Buffer.from('A: b\r\n\r\nx\ry\r\n') }],
    ['a NUL', { type: 'multipart/mixed', content: '\0', parameters: { boundary: 'q' } }],
    ['a NUL in a report', { type: 'message/delivery-status', content: 'A: \0' }],
    ['base64', { type: 'message/rfc822', content: ATTACHED, encoding: 'base64' }],
    ['the boundary around it', { type: 'message/rfc822', content: 'A: b\n\n--b\n' }],
  ]
  for (const [what, part] of wrong) {
    it(`is refused with ${what}`, () => {
      const message = parse(MIXED)
      const before = message.toBytes().toString()
      const refused = { code: 'INVALID_OPTION' }
      assert.throws(() => message.append(part), refused)
      if (what !== 'the boundary around it') {
        assert.throws(() => message.replaceWith(part), refused)
      }
      assert.equal(message.toBytes().toString(), before)
    })
  }

  it('is binary where that is asked for', () => {
    const message = parse(MIXED)
    message.append({
      type: 'message/rfc822',
      content: `A: b\n\n${'x'.repeat(2_000)}\n`,
      encoding: 'binary',
    })
    assert.deepEqual(labels(message), ['binary', undefined, 'binary', undefined])
  })
})

describe('other content of a part that must not be encoded', () => {
  const MESSAGE = MIXED.replace('--b\n\nhi', '--b\nContent-Type: message/rfc822\n\nA: b\n\nx')

  it('is labelled, and so is what it is in', () => {
    const message = parse(MESSAGE)
    message.children[0]!.setContent(Buffer.from(ATTACHED))
    assert.deepEqual(labels(message), ['8bit', '8bit', undefined])
  })

  it('is 7bit where that carries it', () => {
    const message = parse(
      MESSAGE.replace('rfc822\n', 'rfc822\nContent-Transfer-Encoding: base64\n'),
    )
    message.children[0]!.setContent(Buffer.from('A: b\r\n\r\nx\r\n'))
    assert.deepEqual(labels(message), [undefined, '7bit', undefined])
  })

  it('is not encoded in a report of delivery either', async () => {
    const message = parse(MESSAGE.replace('message/rfc822', 'message/delivery-status'))
    await message.children[0]!.setText('Final-Recipient: rfc822; ü@example.org\n')
    assert.deepEqual(labels(message), ['8bit', '8bit'])
  })

  it('is refused where neither 7bit nor 8bit carries it, unless that was so', () => {
    const message = parse(MESSAGE)
    const long = Buffer.from(`A: b\r\n\r\n${'x'.repeat(999)}\r\n`)
    assert.throws(() => message.children[0]!.setContent(long), { code: 'INVALID_OPTION' })
    assert.equal(message.edited, false)
    const old = parse(MESSAGE.replace('\nx\n', `\n${'x'.repeat(2_000)}\n`))
    old.children[0]!.setContent(long)
    assert.deepEqual(labels(old), ['binary', 'binary', undefined])
  })
})

describe('a part that is wrapped', () => {
  const cases: [what: string, fields: string, body: string, label: string | undefined][] = [
    ['8bit', 'Content-Transfer-Encoding: 8bit\n', 'Gr\xc3\xbc\n', '8bit'],
    ['8bit without a label', '', 'Gr\xc3\xbc\n', '8bit'],
    ['8bit in a field', 'Content-Type: text/plain; name="\xc3\xbc"\n', 'x\n', '8bit'],
    ['binary', 'Content-Transfer-Encoding: binary\n', 'x\0\n', 'binary'],
    ['base64', 'Content-Transfer-Encoding: base64\n', 'w7w=\n', undefined],
    ['7bit', '', `${'x'.repeat(2_000)}\n`, undefined],
  ]
  for (const [what, fields, body, label] of cases) {
    it(`is in a multipart that says what it needs: ${what}`, () => {
      const message = parse(`MIME-Version: 1.0\n${fields}\n${body}`)
      const [inside] = labels(message)
      message.wrap()
      assert.deepEqual(labels(message), [label, inside])
    })
  }
})

describe('fields of a new part', () => {
  const wrong: [part: NewPart, option: RegExp][] = [
    [
      { content: 'x', headers: { 'Content-Transfer-Encoding': '7bit' } },
      /Content-Transfer-Encoding.*encoding/,
    ],
    [{ content: 'x', headers: { 'content-type': 'text/html' } }, /content-type.*type/],
    [
      { content: 'x', filename: 'a', headers: { 'Content-Disposition': 'inline' } },
      /Content-Disposition.*disposition/,
    ],
  ]
  for (const [part, message] of wrong) {
    it(`are not written twice: ${Object.keys(part.headers!)[0]}`, () => {
      assert.throws(() => parse(MIXED).append(part), { code: 'INVALID_OPTION', message })
    })
  }

  it('may be a Content-Disposition of its own', () => {
    const part = parse(MIXED).append({
      content: 'x',
      headers: { 'Content-Disposition': 'form-data; name=a' },
    })
    assert.equal(part.disposition, 'form-data')
  })
})

describe('in a message of LF', () => {
  const LF = MIXED.replace('\n\nhi', '\nContent-Type: application/json\n\n{}')
  const JSON_BYTES = Buffer.from('{\n"a": 1,\r\n"b": 2\n}\n')
  /** A mail server makes CRLF of each line end. */
  const sent = (message: MimeMessage): MimeMessage =>
    parseMime(message.toBytes().toString('latin1').replaceAll(/\r?\n/g, '\r\n'))

  it('line ends that are bytes of a new part come back as they were', () => {
    const message = parseMime(LF)
    message.append({ content: JSON_BYTES, type: 'application/json' })
    assert.deepEqual(sent(message).children[1]!.bytes(), JSON_BYTES)
  })

  it('and those of other content', () => {
    for (const encoding of ['7bit', '8bit', 'binary', 'quoted-printable', 'base64']) {
      const message = parseMime(
        LF.replace('json\n', `json\nContent-Transfer-Encoding: ${encoding}\n`),
      )
      message.children[0]!.setContent(JSON_BYTES)
      assert.deepEqual(sent(message).children[0]!.bytes(), JSON_BYTES, encoding)
    }
  })
})
