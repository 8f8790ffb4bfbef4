import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { dotStuffed, endOf, hasAmbiguousEnd } from '../../../src/toolkit/smtp/dot-stuffing.ts'
import { fc } from '../../support/property.ts'

const stuffed = (text: string): string => {
  const message = Buffer.from(text, 'latin1')
  return Buffer.concat([...dotStuffed(message), endOf(message)]).toString('latin1')
}

/** What a server that knows CRLF only makes of it; undefined if the end is not where it should be. */
function received(wire: string): string | undefined {
  let message = ''
  const lines = wire.split('\r\n')
  for (const [i, line] of lines.entries()) {
    if (line === '.') return i === lines.length - 2 && lines[i + 1] === '' ? message : undefined
    message += `${line.startsWith('.') ? line.slice(1) : line}\r\n`
  }
  return undefined
}

describe('a message after DATA', () => {
  const cases: [message: string, wire: string][] = [
    ['', '.\r\n'],
    ['a', 'a\r\n.\r\n'],
    ['a\r\n', 'a\r\n.\r\n'],
    ['.\r\n', '..\r\n.\r\n'],
    ['a\r\n.b\r\n..c\r\n', 'a\r\n..b\r\n...c\r\n.\r\n'],
    // Only CRLF is a line end.
    ['a\n.\nb\r.\rc\r\n', 'a\n.\nb\r.\rc\r\n.\r\n'],
    ['a\r', 'a\r\r\n.\r\n'],
    ['a\n', 'a\n\r\n.\r\n'],
  ]
  for (const [message, wire] of cases) {
    it(`of ${JSON.stringify(message)}`, () => assert.equal(stuffed(message), wire))
  }

  it('comes out as it went in, whatever its bytes are', () => {
    const piece = fc.oneof(
      fc.constantFrom('\r\n', '.', '\r', '\n', '\0', '\r\n.', '\n.\n', '\xff', 'a'),
      fc.string({ maxLength: 5 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const message = Buffer.from(pieces.join(''), 'latin1').toString('latin1')
        const whole = message === '' || message.endsWith('\r\n') ? message : `${message}\r\n`
        assert.equal(received(stuffed(message)), whole)
      }),
    )
  })

  it('goes out in pieces of a bounded size', () => {
    const lines = Buffer.from('.\r\n'.repeat(100_000))
    const pieces = [...dotStuffed(lines)]
    assert.ok(pieces.length < 10)
    assert.equal(Buffer.concat(pieces).length, 400_000)
    assert.ok([...dotStuffed(Buffer.alloc(1_000_000))].every(({ length }) => length <= 65_536))
  })

  for (const [text, ambiguous] of [
    ['a\r\n.\r\nb', false],
    ['a\r\n.\nb', false],
    ['a\n.\r\nb', true],
    ['a\n.\nb', true],
    ['a\r.\rb', true],
    ['a\r.\r\nb', true],
    ['a\n..\n', false],
    ['.\n', false],
    ['a.\r\n', false],
  ] as const) {
    it(`${JSON.stringify(text)} ${ambiguous ? 'may' : 'cannot'} be taken for two`, () => {
      assert.equal(hasAmbiguousEnd(Buffer.from(text)), ambiguous)
    })
  }
})
