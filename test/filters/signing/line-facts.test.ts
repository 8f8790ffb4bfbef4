import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { foldLongLines } from '../../../src/filters/signing/line-facts.ts'
import { fc } from '../../support/property.ts'

const NAME = Buffer.from('Subject')
const folded = (value: string): string | undefined =>
  foldLongLines(NAME, Buffer.from(value, 'latin1'))?.toString('latin1')
const linesOf = (value: string): string[] => `Subject:${value}`.split('\r\n')
const x = (count: number): string => 'x'.repeat(count)

describe('foldLongLines', () => {
  const cases: [string, string, string | undefined][] = [
    ['a line of 998 bytes', ` ${x(989)}`, undefined],
    ['a line without white space', ` ${x(2_000)}`, undefined],
    // A fold may not leave a line of white space, which RFC 5322 (3.2.2) forbids.
    ['white space only', ' '.repeat(2_000), undefined],
    ['white space at the end', ` ${x(980)}${' '.repeat(100)}`, undefined],
    ['a space', ` ${x(800)} ${x(300)}`, ` ${x(800)}\r\n ${x(300)}`],
    ['a tab', ` ${x(800)}\t${x(300)}`, ` ${x(800)}\r\n\t${x(300)}`],
    ['several spaces: the last', ` ${x(800)}  ${x(300)}`, ` ${x(800)} \r\n ${x(300)}`],
    [
      'the last place that fits',
      ` ${x(400)} ${x(400)} ${x(400)}`,
      ` ${x(400)} ${x(400)}\r\n ${x(400)}`,
    ],
    [
      'only the long line',
      ` a\r\n ${x(800)} ${x(300)}\r\n b c`,
      ` a\r\n ${x(800)}\r\n ${x(300)}\r\n b c`,
    ],
    ['a word that is too long by itself', ` a ${x(2_000)} b`, ` a\r\n ${x(2_000)}\r\n b`],
  ]
  for (const [name, value, wanted] of cases) {
    it(name, () => assert.equal(folded(value), wanted))
  }

  it('changes nothing but line breaks, and leaves no long line that has a place for a fold', () => {
    const word = fc.integer({ min: 0, max: 1_200 }).map(x)
    const space = fc.constantFrom(' ', '\t', '  ', '\r\n ', '\r\n\t\t')
    fc.assert(
      fc.property(fc.array(fc.tuple(space, word), { maxLength: 20 }), (pairs) => {
        const value = pairs.flat().join('')
        const result = folded(value) ?? value
        assert.equal(result.replaceAll('\r\n', ''), value.replaceAll('\r\n', ''))
        assert.equal(folded(result), undefined)
        for (const [i, line] of linesOf(result).entries()) {
          if (i > 0 && folded(value) !== undefined && !linesOf(value).includes(line)) {
            assert.match(line, /^[ \t]/)
            assert.match(line, /x/)
          }
          if (line.length > 998) assert.doesNotMatch(line.slice(0, 998), /x[ \t]+x/)
        }
      }),
    )
  })
})
