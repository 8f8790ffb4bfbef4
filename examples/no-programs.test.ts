import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseMime } from 'tsmilter/mime'
import { deliver, type TestOutcome } from 'tsmilter/testing'
import filter from './no-programs.ts'

const part = (type: string, content: string): string =>
  `--b\r\nContent-Type: ${type}\r\n\r\n${content}\r\n`
const mail = (type: string, ...parts: string[]): string =>
  'From: Alice <alice@example.org>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n' +
  'Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n' +
  `Content-Type: ${type}; boundary=b\r\n\r\n${parts.join('')}--b--\r\n`

const TEXT = part('text/plain', 'hello')
const PROGRAM = part('application/pdf; name="invoice.pdf.exe"', 'MZ')

for (const mta of ['postfix', 'sendmail'] as const) {
  const send = (message: string): Promise<TestOutcome> => deliver(filter, { mta, message })

  describe(`no-programs behind ${mta}`, () => {
    it('leaves harmless mail as it is', async () => {
      const message = mail(
        'multipart/mixed',
        TEXT,
        part('application/pdf; name=a.pdf', '%PDF-1.4'),
      )
      const outcome = await send(message)
      assert.deepEqual(outcome.errors, [])
      assert.deepEqual(outcome.edits, [])
      assert.equal(outcome.message!.toString(), message)
    })

    it('puts a notice in the place of a program', async () => {
      const outcome = await send(mail('multipart/mixed', TEXT, PROGRAM))
      assert.deepEqual(outcome.errors, [])
      assert.equal(outcome.verdict, 'accept')
      const [text, notice] = parseMime(outcome.message!).children
      assert.equal(await text!.text(), 'hello')
      assert.equal(notice!.filename, 'WARNING.TXT')
      assert.match(await notice!.text(), /invoice\.pdf\.exe/)
      assert.match(outcome.message!.toString(), /^X-Removed-Attachments: 1\r$/m)
    })

    it('refuses signed mail with a program in it', async () => {
      const type = 'multipart/signed; protocol="application/pgp-signature"'
      const signature = part('application/pgp-signature', 'x')
      const outcome = await send(mail(type, PROGRAM, signature))
      assert.equal(outcome.reply, '550 5.7.1 Dangerous attachment')
    })
  })
}
