import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkAttachments, parseMime } from '../../src/mime/index.ts'

const PROGRAM = 'Content-Type: a/b; name=x.exe\r\n\r\nx\r\n'
const found = async (message: string): Promise<string[]> => [
  ...new Set((await checkAttachments(parseMime(message))).map(({ name }) => name)),
]

describe('readings in which a program is found', () => {
  const cases: Record<string, string> = {
    'an empty boundary': `Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n${PROGRAM}----\r\n`,
    'no boundary': `Content-Type: multipart/mixed\r\n\r\n--\r\n${PROGRAM}----\r\n`,
    'CR alone as line end':
      `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${PROGRAM}--b--\r\n`.replaceAll(
        '\r\n',
        '\r',
      ),
    'CR alone before a delimiter': `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r--b\r\n${PROGRAM}--b--\r\n`,
    'CR alone between two fields': `A: b\rContent-Type: a/b; name=x.exe\r\n\r\nx\r\n`,
    'a fault that only another reading shows':
      'Content-Type: multipart/mixed boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--b\r\n' +
      `${PROGRAM}--b--\r\n`,
  }
  for (const [name, message] of Object.entries(cases)) {
    it(name, async () => assert.deepEqual(await found(message), ['x.exe']))
    it(`${name}, in an encoded message`, async () => {
      const content = Buffer.from(message, 'latin1').toString('base64')
      const fields = 'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n'
      assert.ok((await found(`${fields}${content}\r\n`)).includes('x.exe'))
    })
  }
})

it('a CR at the end of a line of text is no other reading', () => {
  const message = parseMime('A: b\r\n\r\nx\ry\r\r\n')
  assert.deepEqual(message.otherReadings(), [])
})
