import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseMime } from 'tsmilter/mime'
import { deliver, type TestOutcome } from 'tsmilter/testing'
import filter from './disclaimer.ts'

const HEADER =
  'From: Alice <alice@example.org>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n' +
  'Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n'
const BOTH = `${HEADER}Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nContent-Type: text/html\r\n\r\n<body><p>hello</body>\r\n--b--\r\n`

for (const mta of ['postfix', 'sendmail'] as const) {
  const send = (message: string | Buffer, authenticated = 'alice'): Promise<TestOutcome> =>
    deliver(filter, { mta, message, ...(authenticated === '' ? {} : { authenticated }) })

  describe(`disclaimer behind ${mta}`, () => {
    it('is added to both versions, once', async () => {
      const outcome = await send(BOTH)
      assert.deepEqual(outcome.errors, [])
      const [text, html] = parseMime(outcome.message!).children
      assert.match(await text!.text(), /^hello\r\n[^]*Exampletown/)
      assert.match(await html!.text(), /<p>hello.*Exampletown.*<\/body>/s)
      const again = await send(outcome.message!)
      assert.deepEqual(again.edits, [])
    })

    it('is not for mail from outside, nor for signed mail', async () => {
      assert.deepEqual((await send(BOTH, '')).edits, [])
      const signed = BOTH.replace('multipart/alternative', 'multipart/signed')
      assert.deepEqual((await send(signed)).edits, [])
    })
  })
}
