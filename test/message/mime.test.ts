import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defineFilter, type Mail, type MessageFilter } from '../../src/index.ts'
import { parseMime } from '../../src/mime/index.ts'
import { deliver, type TestOutcome } from '../../src/testing/index.ts'

const SERVERS = ['postfix', 'sendmail'] as const

const MIXED = `From: alice@example.test
To: bob@example.test
Date: Wed, 25 Nov 2026 10:00:00 +0000
Message-ID: <1@example.test>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
MIME-Version: 1.0
Content-Type: multipart/mixed;
\tboundary="b1"
X-Last: as it was

preamble
--b1
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe
--b1
Content-Type: application/octet-stream; name="run.exe"
Content-Transfer-Encoding: base64

TVqQAAMAAAAEAAAA
--b1--
epilogue
`.replaceAll('\n', '\r\n')

const PLAIN = `From: alice@example.test
To: bob@example.test
Date: Wed, 25 Nov 2026 10:00:00 +0000
Message-ID: <2@example.test>
Content-Type: text/plain; charset=utf-8

hello
`.replaceAll('\n', '\r\n')

type Handler = (mail: Mail) => void | Promise<void>

const filter = (message: Handler, options: object = {}): MessageFilter =>
  defineFilter({ name: 'mime', message, ...options })

const delivered = async (
  message: string,
  handler: Handler,
  mta: 'postfix' | 'sendmail' = 'postfix',
  options?: object,
): Promise<TestOutcome> =>
  await deliver(filter(handler, options), {
    mta,
    message,
    from: 'alice@example.test',
    to: ['bob@example.test'],
  })

const types = ({ message }: TestOutcome): string[] =>
  Array.from(parseMime(message!).walk(), ({ type }) => type)
const editsOf = ({ edits }: TestOutcome): string[] => edits.map(({ type }) => type)
const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4)

describe('mail.mime()', () => {
  it('is the message exactly as it came', async () => {
    const outcome = await delivered(MIXED, async (mail) => {
      const tree = await mail.mime()
      assert.equal(tree.toBytes().toString('latin1'), (await mail.raw()).toString('latin1'))
      assert.equal(await mail.mime(), tree)
      assert.equal(await tree.textParts[0]!.text(), 'Grüße')
      assert.equal(tree.headers.get('subject'), 'Grüße')
    })
    assert.deepEqual(outcome.errors, [])
    assert.deepEqual(outcome.edits, [])
  })

  for (const mta of SERVERS) {
    it(`${mta}: a removed attachment is one new body, and nothing else moves`, async () => {
      const outcome = await delivered(
        MIXED,
        async (mail) => {
          for (const part of (await mail.mime()).attachments) part.remove()
        },
        mta,
      )
      assert.deepEqual(outcome.errors, [])
      assert.deepEqual(editsOf(outcome), ['replbody'])
      const start = MIXED.indexOf('\r\n--b1\r\nContent-Type: application')
      const end = MIXED.indexOf('\r\n--b1--')
      assert.equal(
        outcome.message!.toString('latin1'),
        MIXED.slice(0, start) + MIXED.slice(end),
      )
    })

    it(`${mta}: wrapping changes the header too, by the fewest edits`, async () => {
      const outcome = await delivered(
        PLAIN,
        async (mail) => {
          const tree = await mail.mime()
          tree.wrap()
          tree.append({ content: 'footer\n' })
        },
        mta,
      )
      assert.deepEqual(outcome.errors, [])
      assert.deepEqual(types(outcome), ['multipart/mixed', 'text/plain', 'text/plain'])
      assert.deepEqual(editsOf(outcome), ['chgheader', 'insheader', 'replbody'])
      const [text] = parseMime(outcome.message!).children
      assert.equal(text!.toBytes().toString(), `${PLAIN.split('\r\n')[4]}\r\n\r\nhello\r\n`)
    })

    it(`${mta}: fields of the header that were set in the tree are set in the mail`, async () => {
      const outcome = await delivered(
        MIXED,
        async (mail) => {
          mail.headers.append('X-Beside', 'kept')
          const tree = await mail.mime()
          tree.headers.set('Subject', 'Новое')
          tree.headers.delete('X-Last')
          tree.headers.append('X-Tree', 'one')
          tree.headers.append('X-Tree', 'two')
        },
        mta,
      )
      assert.deepEqual(outcome.errors, [])
      const { headers } = parseMime(outcome.message!)
      assert.equal(headers.get('Subject'), 'Новое')
      assert.equal(headers.has('X-Last'), false)
      assert.deepEqual(headers.getAll('X-Tree'), ['one', 'two'])
      assert.equal(headers.get('X-Beside'), 'kept')
      assert.equal(bodyOf(outcome.message!.toString('latin1')), bodyOf(MIXED))
      assert.ok(!editsOf(outcome).includes('replbody'))
    })
  }

  it('sees what the handler has done before, and filters after it see the tree', async () => {
    const outcome = await delivered(PLAIN, async (mail) => {
      mail.body.replace('changed\n')
      mail.subject = 'new'
      const tree = await mail.mime()
      assert.equal(tree.headers.get('Subject'), 'new')
      assert.equal(await tree.text(), 'changed\r\n')
      await tree.setText('changed again\n')
    })
    assert.deepEqual(outcome.errors, [])
    assert.match(outcome.message!.toString(), /\r\n\r\nchanged again\r\n$/)
  })

  it('changes nothing where the edits lead back to the same bytes', async () => {
    const outcome = await delivered(PLAIN, async (mail) => {
      await (await mail.mime()).setText('hello\n')
    })
    assert.deepEqual(outcome.errors, [])
    assert.deepEqual(outcome.edits, [])
  })

  it('does not go together with another body', async () => {
    const outcome = await delivered(PLAIN, async (mail) => {
      await (await mail.mime()).setText('one\n')
      mail.body.replace('two\n')
    })
    assert.equal(outcome.verdict, 'tempfail')
    assert.match(String(outcome.errors[0]), /only one of them can be the body/)
  })

  it('cannot be edited when the handler is over', async () => {
    let tree: Awaited<ReturnType<Mail['mime']>> | undefined
    await delivered(PLAIN, async (mail) => {
      tree = await mail.mime()
    })
    await assert.rejects(tree!.setText('late'), { code: 'WRONG_STAGE' })
  })

  it('is edited as a whole or not at all where a new body is not granted', async () => {
    const wrap: Handler = async (mail) => {
      const tree = await mail.mime()
      tree.wrap()
      tree.append({ content: 'footer\n' })
    }
    const edits = ['headers'] as const
    const failed = await delivered(PLAIN, wrap, 'postfix', { edits })
    assert.equal(failed.verdict, 'tempfail')
    const skipped = await delivered(PLAIN, wrap, 'postfix', { edits, onNotGranted: 'skip' })
    assert.deepEqual(skipped.edits, [])
    assert.equal(skipped.message!.toString(), PLAIN)
  })

  it('takes a header that no message could have: an empty line in a field', async () => {
    const outcome = await delivered(PLAIN, async (mail) => {
      mail.headers.append('X-Odd', Buffer.from(' a\r\n \r\n b'))
      const tree = await mail.mime()
      assert.equal(tree.raw.toString(), 'hello\r\n')
      await tree.setText('bye\n')
    })
    assert.deepEqual(outcome.errors, [])
    assert.match(outcome.message!.toString(), /\r\n\r\nbye\r\n$/)
  })
})
