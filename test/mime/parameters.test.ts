import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { formatParameters, withParameter } from '../../src/mime/fields/content-type.ts'
import { parameterOf, parseParameters, readingsOf } from '../../src/mime/fields/parameters.ts'

const raw = (text: string): Buffer => Buffer.from(text, 'latin1')
const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8')
const nameIn = (text: string): string | undefined =>
  parameterOf(parseParameters(utf8(text)), 'name')

describe('the value before the parameters', () => {
  const cases: [raw: string, value: string][] = [
    [' text/plain', 'text/plain'],
    [' TEXT/Plain ; charset=x', 'text/plain'],
    ['text/plain (a comment)', 'text/plain'],
    ['(a (nested) comment) text/plain', 'text/plain'],
    ['\r\n text/plain\r\n', 'text/plain'],
    ['text/\r\n plain', 'text/ plain'],
    ['', ''],
    [';charset=x', ''],
    ['text/plain\0', 'text/plain'],
  ]
  for (const [text, value] of cases) {
    it(JSON.stringify(text), () => assert.equal(parseParameters(raw(text)).value, value))
  }
})

describe('a parameter as most programs read it', () => {
  const cases: [raw: string, name: string | undefined][] = [
    ['a/b', undefined],
    ['a/b; other=x', undefined],
    ['a/b; names=x', undefined],
    ['a/b; name=x', 'x'],
    ['a/b;name=x', 'x'],
    ['a/b ; NAME = x ; other=y', 'x'],
    ['a/b;\r\n\tname=x\r\n', 'x'],
    ['a/b; name="x"', 'x'],
    ['a/b; name=""', ''],
    ['a/b; name=', ''],
    ['a/b; name', undefined],
    ['a/b; name="x;y=z"; other=1', 'x;y=z'],
    ['a/b; name="a\\"b\\\\c"', 'a"b\\c'],
    ['a/b; name="a\r\n b"', 'a b'],
    ['a/b; name="never closed', 'never closed'],
    ['a/b; name=closed only"', 'closed only'],
    ['a/b; name=two words.txt', 'two words.txt'],
    ['a/b; name=a=b', 'a=b'],
    ['a/b; ; ;name=x;', 'x'],
    ['a/b; =x; name=y', 'y'],
    ['a/b; (comment) name=x', 'x'],
    ['a/b; name=x; name=y', 'x'],
    ["a/b; name=x; name*=utf-8''y", 'y'],
    // RFC 2231
    ["a/b; name*=utf-8'en'%e2%82%ac", '€'],
    ["a/b; name*=UTF-8''%E2%82%AC%20x", '€ x'],
    ["a/b; name*=iso-8859-1''%e9", 'é'],
    ["a/b; name*=''plain", 'plain'],
    ['a/b; name*=%e2%82%ac', '€'],
    ["a/b; name*=utf-8''it's", "it's"],
    ["a/b; name*=utf-8''100%", '100%'],
    ["a/b; name*=x-unknown''%e9", 'é'],
    ['a/b; name*0=a; name*1=b', 'ab'],
    ['a/b; name*1=b; name*0=a', 'ab'],
    ['a/b; name*0=a; name*2=c', 'a'],
    ['a/b; name*0=a; name*0=x; name*1=b', 'ab'],
    ["a/b; name*0*=utf-8''%e2%82; name*1*=%ac", '€'],
    ["a/b; name*0*=utf-8''%20; name*1=%20", ' %20'],
    ['a/b; name*0="a;"; name*1="b"', 'a;b'],
    ['a/b; name*x=a', undefined],
    // RFC 2047, which is not allowed here and common
    ['a/b; name="=?utf-8?Q?=E2=82=AC?="', '€'],
    ['a/b; name==?utf-8?B?4oKs?=', '€'],
    ['a/b; name="=?utf-8?Q?a?= =?utf-8?Q?b?="', 'ab'],
    ['a/b; name="€.txt"', '€.txt'],
  ]
  for (const [text, name] of cases) {
    it(JSON.stringify(text), () => assert.equal(nameIn(text), name))
  }
})

describe('all that some program reads', () => {
  const cases: [raw: string, readings: string[]][] = [
    ['a/b; name=x', ['x']],
    ['a/b; name=x; name=y', ['x', 'y']],
    ["a/b; name=x; name*=utf-8''y; name*0=z", ['y', 'z', 'x']],
    ['a/b; name="C:\\a.exe"', ['C:a.exe', 'C:\\a.exe']],
    ['a/b; name="a.txt".exe', ['a.txt', 'a.txt.exe']],
    ['a/b; name="a.exe;b=c', ['a.exe;b=c', 'a.exe']],
    ['a/b; name=a.exe b.txt', ['a.exe b.txt', 'a.exe']],
    ['a/b; name=a.exe(comment)', ['a.exe(comment)', 'a.exe']],
    ['a/b; name*0=a.; name*2=exe', ['a.', 'a.exe']],
    ['a/b; name*1=b; name*0=a', ['ab', 'ba']],
    ['a/b; name="=?utf-8?Q?x?="', ['x', '=?utf-8?Q?x?=']],
  ]
  for (const [text, readings] of cases) {
    it(JSON.stringify(text), () => {
      const found = readingsOf(parseParameters(utf8(text)), 'name')
      assert.equal(found[0], readings[0])
      assert.deepEqual(found.toSorted(), readings.toSorted())
    })
  }
})

describe('writing parameters', () => {
  const cases: [value: Record<string, string>, written: string][] = [
    [{ charset: 'utf-8' }, ' text/plain; charset=utf-8'],
    [{ name: 'two words' }, ' text/plain; name="two words"'],
    [{ name: 'a"b\\c' }, ' text/plain; name="a\\"b\\\\c"'],
    [{ name: '' }, ' text/plain; name=""'],
    [{ name: '€' }, " text/plain; name*=utf-8''%E2%82%AC"],
  ]
  for (const [parameters, written] of cases) {
    it(written, () => assert.equal(formatParameters('text/plain', parameters), written))
  }

  it('sections are cut between characters, which some programs decode each by itself', () => {
    for (const unit of ['ü', '€', '😀', 'aü', 'ab€', '\udcfc\udcbc', '\udcbc']) {
      for (const name of ['name', 'filename', 'x'.repeat(57), 'x'.repeat(70)]) {
        const text = unit.repeat(60)
        const written = formatParameters('a/b', { [name]: text })
        assert.equal(parameterOf(parseParameters(utf8(written)), name), text)
        const sections = [...written.matchAll(/\*=(?:utf-8'')?([^;]+)/g)].map(([, one]) => one!)
        assert.ok(sections.length > 1)
        if (/[\udc80-\udcff]/u.test(text)) continue
        assert.equal(sections.map((one) => decodeURIComponent(one)).join(''), text)
        if (name.length < 50) assert.ok(written.split('\n').every((line) => line.length <= 76))
      }
    }
  })

  const text = fc
    .string({ unit: 'binary', maxLength: 300 })
    // What is written as UTF-8, and no line end.
    .filter((one) => one.isWellFormed() && !/[\0\r\n]/.test(one))

  it('what is written is read again, in lines of 76 characters at most', () => {
    fc.assert(
      fc.property(text, text, (name, other) => {
        // An encoded word would be decoded.
        fc.pre(!name.includes('=?') && !other.includes('=?'))
        const written = formatParameters('text/plain', { charset: 'utf-8', name, other })
        const value = parseParameters(utf8(written))
        assert.equal(value.value, 'text/plain')
        assert.equal(parameterOf(value, 'name'), name)
        assert.equal(parameterOf(value, 'other'), other)
        assert.equal(parameterOf(value, 'charset'), 'utf-8')
        for (const line of written.split('\n')) assert.ok(line.length <= 78, line)
      }),
    )
  })
})

describe('one parameter changed in a field', () => {
  const cases: [before: string, after: string][] = [
    [' text/plain', ' text/plain; charset=utf-8'],
    [' text/plain;', ' text/plain; charset=utf-8'],
    [' text/plain; charset=us-ascii', ' text/plain; charset=utf-8'],
    [' text/plain;charset="us-ascii" ;x=y', ' text/plain; charset=utf-8 ;x=y'],
    [' text/plain;\r\n\tCharset=a; x="b"', ' text/plain;\r\n\tcharset=utf-8; x="b"'],
    [' text/plain; charset=a; charset=b', ' text/plain; charset=utf-8'],
    [" text/plain; charset*=''a; x=y", ' text/plain; charset=utf-8; x=y'],
    [' text/plain; charset*0=a; charset*1=b', ' text/plain; charset=utf-8'],
    [' text/plain; charset', ' text/plain; charset=utf-8'],
    [' text/plain;charset ;charset=a', ' text/plain; charset=utf-8 '],
    // The same letters inside of another parameter.
    [
      ' text/plain; name="x; charset=a"; charset=b',
      ' text/plain; name="x; charset=a"; charset=utf-8',
    ],
    [' text/plain; name="x; charset=a"', ' text/plain; name="x; charset=a"; charset=utf-8'],
    [' text/plain; xcharset=a', ' text/plain; xcharset=a; charset=utf-8'],
    [' text/plain; a\rb\0c', ' text/plain; a b c; charset=utf-8'],
  ]
  for (const [before, after] of cases) {
    it(JSON.stringify(before), () => {
      assert.equal(withParameter(raw(before), 'charset', 'utf-8').toString('latin1'), after)
    })
  }

  it('is what is read afterwards, whatever the field was', () => {
    const field = fc
      .array(
        fc.constantFrom(
          'charset',
          '=',
          ';',
          '"',
          ' ',
          '*',
          '0',
          "'",
          'a',
          '\\',
          '(',
          ')',
          '\r\n ',
        ),
      )
      .map((pieces) => ` text/plain;${pieces.join('')}`)
    fc.assert(
      fc.property(field, (one) => {
        // A quote or a comment that never ends swallows what is added.
        fc.pre(!/["(]/.test(one))
        const changed = parseParameters(withParameter(raw(one), 'charset', 'utf-8'))
        assert.equal(parameterOf(changed, 'charset'), 'utf-8')
      }),
      { numRuns: 1_000 },
    )
  })
})
