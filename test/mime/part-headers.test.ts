import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { UsageError } from '../../src/errors.ts'
import { LineHeaders } from '../../src/mime/fields/part-headers.ts'

const headersOf = (text: string, eol = '\r\n'): LineHeaders =>
  new LineHeaders(Buffer.from(text, 'latin1'), eol)
const written = (headers: LineHeaders): string => headers.toBytes().toString('latin1')

describe('fields of a header', () => {
  const cases: [header: string, names: string[]][] = [
    ['', []],
    ['A: 1\r\nb: 2\r\n', ['A', 'b']],
    ['A: 1\nB: 2\n', ['A', 'B']],
    ['A: 1\r\n 2\r\n\t3\r\nB: 4\r\n', ['A', 'B']],
    ['A : 1\r\n', ['A']],
    ['A:\r\n', ['A']],
    ['A:1', ['A']],
    // No fields: no colon, no name, spaces in a name, a fold above all, a colon on the next line.
    ['no field\r\nA: 1\r\n', ['A']],
    [': x\r\nA: 1\r\n', ['A']],
    ['two words: x\r\nA: 1\r\n', ['A']],
    [' fold: x\r\nA: 1\r\n', ['fold', 'A']],
    ['B\r\n : x\r\nA: 1\r\n', ['A']],
    ['From a@b Mon Jan 1 00:00:00 2024\r\nA: 1\r\n', ['A']],
    // A name may have any byte but spaces and controls.
    ['\xc3\xa9: 1\r\n', ['é']],
    ['A\xa0: 1\r\n', ['A\udca0']],
  ]
  for (const [header, names] of cases) {
    it(JSON.stringify(header), () => {
      const headers = headersOf(header)
      assert.deepEqual(headers.names(), names)
      for (const name of names) {
        assert.ok(headers.has(name))
        assert.equal(headers.raw(name).length, 1)
      }
      assert.equal(written(headers), header)
    })
  }
})

it('reads text and bytes of a field', () => {
  const headers = headersOf('A: =?utf-8?Q?=C3=A9?=\r\n x \r\nB:2\r\na: 3\r\n')
  assert.equal(headers.get('a'), 'é x')
  assert.deepEqual(headers.getAll('A'), ['é x', '3'])
  assert.deepEqual(headers.raw('A').map(String), [' =?utf-8?Q?=C3=A9?=\r\n x ', ' 3'])
  assert.equal(headers.get('C'), undefined)
  assert.equal(headers.has('b'), true)
})

describe('edits leave all other lines as they are', () => {
  const junk = 'no field\r\nA: 1\r\r\nB :  2  \n\xe9: x\r\n'
  const cases: [name: string, edit: (headers: LineHeaders) => unknown, after: string][] = [
    ['set', (h) => h.set('A', 'x'), 'no field\r\nA: x\r\nB :  2  \n\xe9: x\r\n'],
    [
      'set of another case',
      (h) => h.set('b', 'x'),
      'no field\r\nA: 1\r\r\nb: x\r\n\xe9: x\r\n',
    ],
    ['set of a new one', (h) => h.set('C', 'x'), `${junk}C: x\r\n`],
    [
      'set with bytes',
      (h) => h.set('A', Buffer.from('x\n y')),
      'no field\r\nA:x\r\n y\r\nB :  2  \n\xe9: x\r\n',
    ],
    ['append', (h) => h.append('A', 'x'), `${junk}A: x\r\n`],
    ['delete', (h) => h.delete('a'), 'no field\r\nB :  2  \n\xe9: x\r\n'],
    ['delete of none', (h) => h.delete('C'), junk],
  ]
  for (const [name, edit, after] of cases) {
    it(name, () => {
      const headers = headersOf(junk)
      edit(headers)
      assert.equal(written(headers), after)
    })
  }

  it('of several fields of a name one is left', () => {
    const headers = headersOf('A: 1\r\nB: 2\r\na: 3\r\n')
    headers.set('A', 'x')
    assert.equal(written(headers), 'A: x\r\nB: 2\r\n')
    assert.equal(headers.delete('A'), 1)
    assert.equal(headers.delete('A'), 0)
  })

  it('a last line without an end gets one', () => {
    const headers = headersOf('A: 1', '\n')
    headers.append('B', '2')
    assert.equal(written(headers), 'A: 1\nB: 2\n')
  })
})

describe('what would end the field is refused', () => {
  for (const value of ['a\r\nB: x', 'a\nb', 'a\rb', 'a\0b']) {
    it(JSON.stringify(value), () => {
      const headers = headersOf('A: 1\r\n')
      assert.throws(() => headers.set('A', Buffer.from(value)), UsageError)
      assert.equal(written(headers), 'A: 1\r\n')
      assert.equal(headers.edited, false)
    })
  }
  for (const name of ['', 'a b', 'a:', 'a\r\nb']) {
    it(`the name ${JSON.stringify(name)}`, () => {
      assert.throws(() => headersOf('').append(name, 'x'), UsageError)
    })
  }
})

describe('lines of white space only, where some readers end the header', () => {
  const cases: [value: string, after: string][] = [
    ['a\n \n b', 'A: a\r\n b\r\n'],
    ['a\r\n\t\r\n b', 'A: a\r\n b\r\n'],
    ['a\n ', 'A: a\r\n'],
    ['a\n \n\t\n  \n b\n\t', 'A: a\r\n b\r\n'],
    ['\n ', 'A: \r\n'],
    // The line break behind the last one would have ended the field.
    ['a\n \n', ''],
    ['a\n \nb', ''],
  ]
  for (const edit of ['set', 'append'] as const) {
    for (const [value, after] of cases) {
      it(`${edit} ${JSON.stringify(value)}`, () => {
        const headers = headersOf('')
        if (after === '') {
          assert.throws(() => headers[edit]('A', value), { code: 'INVALID_HEADER_VALUE' })
        } else headers[edit]('A', value)
        assert.equal(written(headers), after)
      })
    }
  }

  it('bytes are written as they are', () => {
    const headers = headersOf('')
    headers.set('A', Buffer.from('a\r\n \r\n b'))
    assert.equal(written(headers), 'A:a\r\n \r\n b\r\n')
  })
})

it('an address that is not ASCII is written only where it came with the part', () => {
  const headers = new LineHeaders(Buffer.from('From: ü <ü@x.org>\r\n'), '\r\n')
  assert.throws(() => headers.set('To', 'ö@x.org'), { code: 'INVALID_HEADER_VALUE' })
  headers.set('Reply-To', 'ö <ü@x.org>')
  assert.deepEqual(headers.raw('Reply-To').map(String), [' =?UTF-8?B?w7Y=?= <ü@x.org>'])
})

it('what is set is read again', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 200 }).map((one) => one.trim())
  fc.assert(
    fc.property(text, fc.constantFrom('\r\n', '\n'), (value, eol) => {
      fc.pre(!/[\0\r\n]|=\?/.test(value))
      const headers = headersOf('A: 1\nX: y\n', eol)
      headers.set('X', value)
      assert.equal(headers.get('X'), value)
      const again = new LineHeaders(headers.toBytes(), eol)
      assert.equal(again.get('X'), value)
      assert.deepEqual(again.names(), ['A', 'X'])
    }),
  )
})
