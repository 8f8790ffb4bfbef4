import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SmtpFailure } from '../../../src/toolkit/smtp/smtp-failure.ts'
import { ReplyReader } from '../../../src/toolkit/smtp/reply-reader.ts'
import type { ServerReply } from '../../../src/toolkit/smtp/server-reply.ts'
import { fc } from '../../support/property.ts'

const read = (text: string | Buffer): ServerReply | undefined => {
  const reader = new ReplyReader()
  reader.push(Buffer.from(text as string, 'latin1'))
  return reader.take()
}

describe('replies of an SMTP server', () => {
  const cases: [bytes: string, code: number, enhanced: string | undefined, text: string][] = [
    ['250 ok\r\n', 250, undefined, 'ok'],
    ['250 ok\n', 250, undefined, 'ok'],
    ['250\r\n', 250, undefined, ''],
    ['250 2.1.5 ok\r\n', 250, '2.1.5', 'ok'],
    ['550-5.1.1 no such\r\n550 5.1.1 user\r\n', 550, '5.1.1', 'no such user'],
    ['550 2.1.1 of another class\r\n', 550, undefined, '2.1.1 of another class'],
    ['550 5.1.1\r\n', 550, '5.1.1', ''],
    // Postfix takes the code of the last line.
    ['250-a\r\n550 b\r\n', 550, undefined, 'a b'],
    ['250 a\0b\x1b[1m\tc\r\n', 250, undefined, 'a?b?[1m c'],
  ]
  for (const [bytes, code, enhanced, text] of cases) {
    it(`reads ${JSON.stringify(bytes)}`, () => {
      const reply = read(bytes)
      assert.deepEqual([reply?.code, reply?.enhanced, reply?.text], [code, enhanced, text])
    })
  }

  for (const bytes of [
    'hello\r\n',
    '25 ok\r\n',
    '2500 ok\r\n',
    '150 ok\r\n',
    '999 ok\r\n',
    '\r\n',
    '250ok\r\n',
  ]) {
    it(`refuses ${JSON.stringify(bytes)}`, () => {
      assert.throws(() => read(bytes), { reason: 'bad-reply' })
    })
  }

  it('takes each character for text, also those that end a line for JavaScript', () => {
    for (const text of ['a\u2028b', 'a\u2029', '\u0085', '\u00a0']) {
      const reader = new ReplyReader()
      reader.push(Buffer.from(`250-${text}\r\n250 x ${text} y\r\n`))
      assert.equal(reader.take()?.code, 250, JSON.stringify(text))
      assert.equal(reader.pending, false)
    }
  })

  it('bounds lines and replies', () => {
    assert.throws(() => read('2'.repeat(5_000)), { reason: 'bad-reply' })
    assert.throws(() => read(`250 ${'x'.repeat(5_000)}\r\n`), { reason: 'bad-reply' })
    assert.throws(() => read('250-x\r\n'.repeat(200)), { reason: 'bad-reply' })
    assert.throws(() => read(`250-${'x'.repeat(4_000)}\r\n`.repeat(20)), {
      reason: 'bad-reply',
    })
  })

  it('reads the same replies, however they are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 1, maxLength: 30 }), (cuts) => {
        const bytes = Buffer.from('220 a b\r\n250-2.0.0 x\r\n250 2.0.0 y\r\n421 4.3.2 bye\r\n')
        const reader = new ReplyReader()
        const codes: number[] = []
        const take = (): void => {
          for (let one = reader.take(); one !== undefined; one = reader.take())
            codes.push(one.code)
        }
        let at = 0
        for (const cut of cuts) {
          reader.push(bytes.subarray(at, at + cut))
          at += cut
          take()
        }
        reader.push(bytes.subarray(at))
        take()
        assert.deepEqual(codes, [220, 250, 421])
        assert.equal(reader.pending, false)
      }),
    )
  })

  it('fails in no other way, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const reader = new ReplyReader()
        reader.push(Buffer.from(bytes))
        try {
          while (reader.take() !== undefined);
        } catch (error) {
          assert.ok(error instanceof SmtpFailure)
        }
      }),
    )
  })
})
