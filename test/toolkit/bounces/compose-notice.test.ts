import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseMime, type PartHeaders } from '../../../src/mime/index.ts'
import { composeNotice, type NoticeValues } from '../../../src/toolkit/index.ts'
import { fc } from '../../support/property.ts'

const VALUES = { sender: 'a@example.org', receiver: 'mx.example.net' }

const raw = (template: string, values: Partial<NoticeValues> = {}): string =>
  composeNotice(template, { ...VALUES, ...values })!.toString('latin1')
const read = async (
  message: string,
): Promise<{ headers: PartHeaders; type: string; text: string }> => {
  const tree = parseMime(Buffer.from(message, 'latin1'))
  return { headers: tree.headers, type: tree.type, text: await tree.text() }
}
const notice = (
  template: string,
  values: Partial<NoticeValues> = {},
): ReturnType<typeof read> => read(raw(template, values))

/** The values of pymilter's create_msg. */
describe('a notice from a template', () => {
  it('is none without a template', () => {
    assert.equal(composeNotice('', VALUES), undefined)
  })

  it('has the fields that the template lacks', async () => {
    const { headers, type, text } = await notice('Subject: Test\n\nTest DSN template\n')
    assert.equal(headers.get('To'), 'a@example.org')
    assert.equal(headers.get('From'), 'postmaster@mx.example.net')
    assert.equal(headers.get('Auto-Submitted'), 'auto-generated')
    assert.equal(headers.get('MIME-Version'), '1.0')
    assert.ok(headers.has('X-Mailer') && headers.has('Date') && headers.has('Message-ID'))
    assert.equal(type, 'text/plain')
    assert.equal(text, 'Test DSN template\r\n')
  })

  it('keeps the fields that the template has', async () => {
    const { headers } = await notice(
      'From: Nobody <n@%(receiver)s>\nTo: %(sender)s,\n\tx@y.z\nAuto-Submitted: auto-replied\nX-Mailer: x\n\nText',
    )
    assert.equal(headers.get('From'), 'Nobody <n@mx.example.net>')
    assert.equal(headers.get('To'), 'a@example.org,\tx@y.z')
    assert.equal(headers.get('Auto-Submitted'), 'auto-replied')
    assert.equal(headers.get('X-Mailer'), 'x')
  })

  it('has the recipients on lines of their own', () => {
    const text = raw('Subject: %(rcpt)s\n\nTo:\t%(rcpt)s\n', { rcpt: ['b@c.d', 'e@f.g'] })
    assert.match(text, /^Subject: b@c\.d\r\n\te@f\.g\r\n/)
    assert.match(text, /\r\n\r\nTo:\tb@c\.d\r\n\te@f\.g\r\n$/)
  })

  it('ends the header at the first empty line', async () => {
    assert.equal((await notice('Subject: x\n\na: b\n\nc')).text, 'a: b\r\n\r\nc')
    assert.equal((await notice('Subject: x\r\n\r\na')).headers.get('Subject'), 'x')
  })

  it('has percent signs, and values that may be missing', async () => {
    const { text } = await notice('Subject: x\n\n100%% of %(n)s%(nothing)s', {
      n: 5,
      nothing: undefined,
    })
    assert.equal(text, '100% of 5')
  })

  it('reads a value once', async () => {
    assert.equal((await notice('Subject: x\n\n%(a)s', { a: '%(b)s %% %' })).text, '%(b)s %% %')
  })

  it('lets no value start a field or end the header', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.constantFrom(
            '\r',
            '\n',
            '\r\n\r\n',
            'Bcc: x@y.z',
            '\0',
            ' ',
            'ä',
            '=?utf-8?q?=0A?=',
            'x'.repeat(50),
          ),
        ),
        async (pieces) => {
          const subject = pieces.join('')
          const { headers, text } = await notice('Subject: [%(subject)s]\n\nText', { subject })
          assert.deepEqual(
            headers.names().toSorted(),
            'Auto-Submitted Content-Type Date From MIME-Version Message-ID Subject To X-Mailer'.split(
              ' ',
            ),
          )
          assert.equal(text, 'Text')
        },
      ),
    )
  })

  it('encodes what is not ASCII, and long lines', async () => {
    const bytes = raw('Subject: Größe %(x)s\n\nGrüße %(x)s\n', { x: 'é'.repeat(900) })
    assert.doesNotMatch(bytes, /[^\r\n\t -~]/)
    assert.ok(bytes.split('\r\n').every((line) => line.length <= 78))
    const { headers, text } = await read(bytes)
    assert.equal(headers.get('Subject'), `Größe ${'é'.repeat(900)}`)
    assert.equal(text, `Grüße ${'é'.repeat(900)}\r\n`)
  })

  it('can be HTML', async () => {
    assert.equal((await notice('Content-Type: text/html\nSubject: x\n\n<p>')).type, 'text/html')
  })

  for (const [template, code] of [
    ['Subject: x', 'INVALID_OPTION'],
    ['Subject: x\n\n%(unknown)s', 'INVALID_OPTION'],
    ['Subject: x\n\n5 % of', 'INVALID_OPTION'],
    ['Subject x\n\n', 'INVALID_OPTION'],
    ['Content-Type: image/png\n\n', 'INVALID_OPTION'],
    ['Content-Transfer-Encoding: 8bit\n\n', 'INVALID_OPTION'],
    ['To: a b c\n\n', 'INVALID_ADDRESS'],
    ['Sub ject: x\n\n', 'INVALID_HEADER_NAME'],
  ] as const) {
    it(`is not made of ${JSON.stringify(template)}`, () => {
      assert.throws(() => composeNotice(template, VALUES), { code })
    })
  }
})
