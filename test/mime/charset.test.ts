import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseMime } from '../../src/mime/index.ts'

const message = (charset: string, body: string): Buffer =>
  Buffer.from(
    `Content-Type: text/plain; charset="${charset}"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${body}`,
    'latin1',
  )

describe('text of a charset', () => {
  const cases: [charset: string, body: string, text: string][] = [
    ['utf-8', '\xc3\xa9', 'é'],
    ['UTF8', '\xc3\xa9', 'é'],
    ['', '\xc3\xa9', 'é'],
    ['us-ascii', '\xe9', 'é'],
    ['iso-8859-1', '\xe9\x80', 'é€'],
    ['windows-1252', '\x93x\x94', '“x”'],
    // Not in the Encoding Standard
    ['cp437', '\x82', 'é'],
    ['ibm850', '\x82', 'é'],
    ['utf-7', '+AOk-', 'é'],
    // Nobody knows them: UTF-8, or Latin-1 where it is none.
    ['x-unknown', '\xc3\xa9', 'é'],
    ['x-unknown', '\xe9', 'é'],
    // They are no charsets, whatever a library has under these names.
    ['hex', 'abc', 'abc'],
    ['base64', 'abc', 'abc'],
    ['base-64', 'abc', 'abc'],
    ['binary', 'abc\xe9', 'abcé'],
    ['constructor', 'abc', 'abc'],
    ['__proto__', 'abc', 'abc'],
    ['toString', 'abc', 'abc'],
    ['has own property', 'abc', 'abc'],
    ['_internal', 'abc', 'abc'],
    ['_dbcs', 'abc', 'abc'],
    ['_sbcs', 'abc', 'abc'],
    ['iso-2022-kr', 'abc', 'abc'],
    ['replacement', 'abc', 'abc'],
  ]
  for (const [charset, body, text] of cases) {
    it(`${JSON.stringify(charset)} of ${JSON.stringify(body)}`, async () => {
      assert.equal(await parseMime(message(charset, body)).text(), text)
    })
  }
})

describe('setText in a charset', () => {
  const cases: [charset: string, text: string, charset: string][] = [
    ['us-ascii', 'plain', 'us-ascii'],
    ['us-ascii', 'é', 'utf-8'],
    ['iso-8859-1', 'é', 'iso-8859-1'],
    ['iso-8859-1', '漢', 'utf-8'],
    ['shift_jis', 'テスト', 'shift_jis'],
    ['iso-2022-jp', 'テスト', 'utf-8'],
    ['hex', 'é', 'utf-8'],
    ['base64', 'YQ==', 'utf-8'],
    ['constructor', 'é', 'utf-8'],
    ['x-unknown', 'é', 'utf-8'],
  ]
  for (const [before, text, after] of cases) {
    it(`${JSON.stringify(text)} in ${before}`, async () => {
      const part = parseMime(message(before, 'x'))
      await part.setText(text)
      const again = parseMime(part.toBytes())
      assert.equal(again.charset, after)
      assert.equal(await again.text(), text)
    })
  }

  it('where the charset is said in the way of RFC 2231, or twice', async () => {
    for (const charset of [
      "charset*=''us-ascii",
      'charset=us-ascii; charset=koi8-r',
      'charset*0=us-; charset*1=ascii',
    ]) {
      const part = parseMime(`Content-Type: text/plain; ${charset}; x=y\r\n\r\nx`)
      await part.setText('漢字')
      const again = parseMime(part.toBytes())
      assert.equal(again.charset, 'utf-8')
      assert.equal(again.parameter('x'), 'y')
      assert.equal(await again.text(), '漢字')
    }
  })
})
