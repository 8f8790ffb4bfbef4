import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deliver } from 'tsmilter/testing'
import externalTag from './external-tag.ts'

/** Text with bytes that are no UTF-8. */
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

/** Subject fields, everything after the name, before and after. */
const SUBJECTS: Readonly<Record<string, readonly [before: string, after: string]>> = {
  'a plain one': [' Lunch?', ' [EXTERNAL] Lunch?'],
  'encoded words, B': [
    ' =?UTF-8?B?R3LDvMOfZQ==?= from Bob',
    ' [EXTERNAL] =?UTF-8?B?R3LDvMOfZQ==?= from Bob',
  ],
  'encoded words, Q, in a spelling of its own': [
    ' =?iso-8859-1?q?Gr=fc=DFe?=',
    ' [EXTERNAL] =?iso-8859-1?q?Gr=fc=DFe?=',
  ],
  'ISO-2022-JP, folded': [
    ' =?ISO-2022-JP?B?GyRCJDMkcyRLJEEkTyEiGyhC?=\r\n\t=?ISO-2022-JP?B?GyRCQCQzJhsoQg==?=',
    ' [EXTERNAL] =?ISO-2022-JP?B?GyRCJDMkcyRLJEEkTyEiGyhC?=\r\n\t=?ISO-2022-JP?B?GyRCQCQzJhsoQg==?=',
  ],
  'raw 8-bit, no UTF-8': [' Gr\xfc\xdfe', ' [EXTERNAL] Gr\xfc\xdfe'],
  'raw 8-bit, UTF-8': [' Gr\xc3\xbc\xc3\x9fe', ' [EXTERNAL] Gr\xc3\xbc\xc3\x9fe'],
  'an empty one': ['', ' [EXTERNAL] '],
  'marked already': [' [EXTERNAL] Lunch?', ' [EXTERNAL] Lunch?'],
  'an answer to a marked one': [' Re: [EXTERNAL] Lunch?', ' Re: [EXTERNAL] Lunch?'],
  'marked, the mark encoded by somebody': [
    ' =?UTF-8?B?UmU6IFtFWFRFUk5BTF0gR3LDvMOfZQ==?=',
    ' =?UTF-8?B?UmU6IFtFWFRFUk5BTF0gR3LDvMOfZQ==?=',
  ],
}

for (const mta of ['postfix', 'sendmail'] as const) {
  describe(`external-tag behind ${mta}`, () => {
    for (const [name, [before, after]] of Object.entries(SUBJECTS)) {
      it(`marks a subject: ${name}`, async () => {
        const message = (subject: string): Buffer =>
          latin1(
            `From: Alice <alice@example.org>\r\nSubject:${subject}\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nhello\r\n`,
          )
        const outcome = await deliver(externalTag, { mta, message: message(before) })
        assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
        assert.deepEqual(outcome.errors, [])
        assert.equal(
          outcome.message!.toString('latin1'),
          message(after).toString('latin1'),
          outcome.trace.toString(),
        )
        assert.equal(outcome.edits.length, before === after ? 0 : 1)
      })
    }

    it('marks each of several', async () => {
      const { message, edits } = await deliver(externalTag, {
        mta,
        message:
          'Subject: one\nFrom: alice@example.org\nsubject: [EXTERNAL] two\nSUBJECT: three\n\nhello\n',
      })
      assert.match(message!.toString(), /^Subject: \[EXTERNAL\] one\r$/m)
      assert.match(message!.toString(), /^subject: \[EXTERNAL\] two\r$/m)
      assert.match(message!.toString(), /^SUBJECT: \[EXTERNAL\] three\r$/m)
      assert.equal(edits.length, 2)
    })

    it('gives a subject to mail that has none', async () => {
      const outcome = await deliver(externalTag, {
        mta,
        message: 'From: alice@example.org\n\nhello\n',
      })
      assert.deepEqual(outcome.errors, [])
      assert.match(outcome.message!.toString(), /^Subject: \[EXTERNAL\]\r$/m)
    })

    it('leaves mail of authenticated clients as it is', async () => {
      const message =
        'From: Alice <alice@example.org>\r\nSubject:  =?x?q?=\r\n odd\r\nSubject: two\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nhello\r\n'
      const outcome = await deliver(externalTag, { mta, message, authenticated: 'alice' })
      assert.equal(outcome.verdict, 'accept')
      assert.deepEqual(outcome.edits, [])
      assert.equal(outcome.message!.toString(), message)
    })

    it('is sent no body', async () => {
      const { trace } = await deliver(externalTag, { mta })
      assert.ok(!trace.entries.some(({ message }) => message?.type === 'body'))
    })
  })
}
