import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { makeSmtpReply, replyLines } from '../../src/protocol/smtp-reply.ts'

describe('replyLines', () => {
  const cases: readonly [text: string, lines: readonly string[]][] = [
    ['No lotteries here', ['No lotteries here']],
    ['', []],
    [' \r\n\t', []],
    ['one\r\ntwo\n\nthree\rfour', ['one', 'two', 'three', 'four']],
    ['a\u2028b\u0085c', ['a', 'b', 'c']],
    ['a\0b\tc\u001b[31md\u009b', ['a b c [31md']],
    ['\udc80 Müller', ['? Müller']],
    ['100% sure', ['100% sure']],
    ['x'.repeat(1000), ['x'.repeat(490), 'x'.repeat(490), 'x'.repeat(20)]],
    [`${'x'.repeat(400)} ${'y'.repeat(200)}`, ['x'.repeat(400), 'y'.repeat(200)]],
    ['ü'.repeat(300), ['ü'.repeat(245), 'ü'.repeat(55)]],
  ]
  for (const [text, lines] of cases) {
    it(`makes ${lines.length} of ${JSON.stringify(text).slice(0, 60)}`, () => {
      assert.deepEqual(replyLines(text), lines)
    })
  }

  it('says where it was cut off', () => {
    for (const text of ['a\n'.repeat(40), 'a '.repeat(1_000_000)]) {
      const lines = replyLines(text)
      assert.ok(lines.length <= 32)
      assert.match(lines.at(-1)!, /\.\.\.$/)
    }
  })

  it('makes lines of any text that a reply takes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (text) => {
        makeSmtpReply(550, '5.7.1', replyLines(text))
        makeSmtpReply(450, null, replyLines(text + '\udfff\r\n'))
      }),
    )
  })
})
