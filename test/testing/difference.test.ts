import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { difference } from '../../src/testing/index.ts'

describe('difference', () => {
  it('is empty for equal messages', () => {
    assert.equal(difference('a\r\nb\r\n', Buffer.from('a\r\nb\r\n')), '')
  })

  it('shows what was and what is, with some lines around', () => {
    assert.equal(
      difference('a\r\nb\r\nc\r\nd\r\ne\r\n', 'a\r\nb\r\nx\r\nc\r\ne\r\n'),
      ['  a', '  b', '+ x', '  c', '- d', '  e'].join('\n'),
    )
  })

  it('makes visible what would not be', () => {
    assert.equal(
      difference('', Buffer.from('tab\t \r\nlf\n\0\xe9\r\nend', 'latin1')),
      ['+ tab\\t·', '+ lf\\n', '+ \\x00\\xe9', '+ end (no line end)'].join('\n'),
    )
  })

  it('reads a file with LF as it was sent, with CRLF', () => {
    assert.equal(difference('a\nb\nc\n', 'a\r\nb\r\nc\r\n'), '')
    assert.equal(difference('a\nb\n', 'a\r\nx\r\n'), ['  a', '- b', '+ x'].join('\n'))
    // Beside CRLF, or where both have it, a bare LF is what it is.
    assert.equal(difference('a\nb\r\n', 'a\r\nb\r\n'), ['- a\\n', '+ a', '  b'].join('\n'))
    assert.equal(difference('a\n', 'b\n'), ['- a\\n', '+ b\\n'].join('\n'))
  })

  it('never takes equal texts for different ones or the other way round', () => {
    const text = fc
      .array(fc.constantFrom('a\r\n', 'b\n', 'c', ' \r\n'))
      .map((lines) => lines.join(''))
    fc.assert(
      fc.property(text, text, (a, b) => {
        const file = !a.includes('\r') && b.includes('\r\n')
        const sent = file ? a.replaceAll('\n', '\r\n') : a
        assert.equal(difference(a, b) === '', sent === b)
      }),
    )
  })
})
