import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  CanonicalBody,
  canonicalField,
  type Canonicalization,
} from '../../../src/filters/signing/canonicalization.ts'
import { fc } from '../../support/property.ts'

function canonicalBody(pieces: readonly string[], form: Canonicalization): string {
  let text = ''
  const sink = {
    update(data: Uint8Array) {
      text += Buffer.from(data).toString('latin1')
      return this
    },
  }
  const body = new CanonicalBody(form, sink as never)
  for (const piece of pieces) body.update(Buffer.from(piece, 'latin1'))
  body.end()
  return text
}

const canonicalHeader = (field: string, form: Canonicalization): string => {
  const colon = field.indexOf(':')
  const [name, value] = [field.slice(0, colon), field.slice(colon + 1)]
  return canonicalField(
    Buffer.from(name, 'latin1'),
    Buffer.from(value, 'latin1'),
    form,
  ).toString('latin1')
}

/** RFC 6376, section 3.4.4, as a text says it. */
function relaxed(body: string): string {
  const lines = body
    .split('\r\n')
    .map((line) => line.replaceAll(/[ \t]+/g, ' ').replace(/ $/, ''))
  while (lines.at(-1) === '') lines.pop()
  return lines.length === 0 ? '' : `${lines.join('\r\n')}\r\n`
}

/** RFC 6376, section 3.4.3. */
const simple = (body: string): string => `${body.replace(/(?:\r\n)+$/, '')}\r\n`

describe('canonical body', () => {
  for (const [body, wantedSimple, wantedRelaxed] of [
    // Section 3.4.5
    [' C \r\nD \t E\r\n\r\n\r\n', ' C \r\nD \t E\r\n', ' C\r\nD E\r\n'],
    ['', '\r\n', ''],
    ['\r\n', '\r\n', ''],
    ['\r\n\r\n\r\n', '\r\n', ''],
    ['x', 'x\r\n', 'x\r\n'],
    ['x\r\n', 'x\r\n', 'x\r\n'],
    ['\r\n\r\nx', '\r\n\r\nx\r\n', '\r\n\r\nx\r\n'],
    [' \r\n', ' \r\n', ''],
    ['x\r\n \t\r\n', 'x\r\n \t\r\n', 'x\r\n'],
    ['x \t', 'x \t\r\n', 'x\r\n'],
    ['\tx', '\tx\r\n', ' x\r\n'],
    // A line ends with CRLF and with nothing else.
    ['a\nb\n', 'a\nb\n\r\n', 'a\nb\n\r\n'],
    ['a \nb', 'a \nb\r\n', 'a \nb\r\n'],
    ['a\rb', 'a\rb\r\n', 'a\rb\r\n'],
    ['a \r', 'a \r\r\n', 'a \r\r\n'],
    ['a\r\r\n', 'a\r\r\n', 'a\r\r\n'],
    ['\r', '\r\r\n', '\r\r\n'],
    ['\r\r', '\r\r\r\n', '\r\r\r\n'],
    ['caf\xe9 \xa0 \0\r\n', 'caf\xe9 \xa0 \0\r\n', 'caf\xe9 \xa0 \0\r\n'],
  ] as const) {
    it(JSON.stringify(body), () => {
      assert.equal(canonicalBody([body], 'simple'), wantedSimple)
      assert.equal(canonicalBody([body], 'relaxed'), wantedRelaxed)
      assert.equal(canonicalBody(Array.from(body), 'simple'), wantedSimple)
      assert.equal(canonicalBody(Array.from(body), 'relaxed'), wantedRelaxed)
    })
  }

  it('is that of the RFC, wherever the pieces are cut', () => {
    const token = fc.constantFrom(
      '\r\n',
      '\r\n\r\n',
      '\r',
      '\n',
      ' ',
      '\t',
      ' \t ',
      'a',
      'bc',
      '\0',
      '\xe9',
    )
    const pieces = fc.array(
      fc.array(token, { maxLength: 6 }).map((list) => list.join('')),
      {
        maxLength: 6,
      },
    )
    fc.assert(
      fc.property(pieces, (list) => {
        assert.equal(canonicalBody(list, 'simple'), simple(list.join('')))
        assert.equal(canonicalBody(list, 'relaxed'), relaxed(list.join('')))
      }),
      { numRuns: 5_000 },
    )
  })

  it('holds nothing of many line ends', () => {
    const lines = '\r\n'.repeat(100_000)
    assert.equal(canonicalBody([lines], 'relaxed'), '')
    assert.equal(canonicalBody([lines, 'x'], 'relaxed'), `${lines}x\r\n`)
    assert.equal(canonicalBody([lines, 'x'], 'simple'), `${lines}x\r\n`)
  })
})

describe('canonical field', () => {
  for (const [field, wanted] of [
    // Section 3.4.5
    ['A: X', 'a:X\r\n'],
    ['B : Y\t\r\n\tZ  ', 'b:Y Z\r\n'],
    ['Subject:', 'subject:\r\n'],
    ['Subject: \r\n \r\n\t', 'subject:\r\n'],
    ['SUBJECT:a\r\n b', 'subject:a b\r\n'],
    ['Subject: Menu \xe0\xa0 la \xa0', 'subject:Menu \xe0\xa0 la \xa0\r\n'],
    ['X\xc0: \xc0', 'x\xc0:\xc0\r\n'],
    ['X: a\rb \n c', 'x:a\rb \n c\r\n'],
  ] as const) {
    it(JSON.stringify(field), () => {
      assert.equal(canonicalHeader(field, 'relaxed'), wanted)
      assert.equal(canonicalHeader(field, 'simple'), `${field}\r\n`)
    })
  }
})
