import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../../support/property.ts'
import {
  Pattern,
  PatternError,
  type PatternFlags,
} from '../../../src/toolkit/patterns/pattern.ts'

const FLAGS: PatternFlags = {
  ignoreCase: false,
  multiline: false,
  dotAll: true,
  extended: false,
  dollarEndOnly: true,
  ungreedy: false,
}

/** Patterns in the syntax that POSIX, Perl and JavaScript have in common. */
const { pattern } = fc.letrec<{ pattern: string; term: string; atom: string }>((tie) => ({
  pattern: fc
    .array(tie('term'), { maxLength: 3 })
    .chain((terms) => fc.constantFrom('', '|').map((joint) => terms.join(joint))),
  term: fc
    .tuple(tie('atom'), fc.constantFrom('', '', '*', '+', '?', '{2}', '{0,2}', '{1,}'))
    .map(([atom, quantifier]) => atom + (/^[$^]/.test(atom) ? '' : quantifier)),
  atom: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '[a-c]', '\\.', '^', '$'),
    tie('pattern').map((inner) => `(${inner === '' ? 'a' : inner})`),
  ),
}))

describe('Pattern', () => {
  it('matches what RegExp matches', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', 'c', '.', '\n', 'A'),
      maxLength: 8,
    })
    fc.assert(
      fc.property(
        pattern,
        text,
        fc.boolean(),
        fc.boolean(),
        (source, key, ignoreCase, multiline) => {
          const wanted = new RegExp(source, `s${ignoreCase ? 'i' : ''}${multiline ? 'm' : ''}`)
          const found = new Pattern(source, { ...FLAGS, ignoreCase, multiline }, 'pcre').match(
            key,
          )
          assert.equal(found !== undefined, wanted.test(key))
          // In loops, the two have other rules for groups.
          if (!/[*+?}]/.test(source) && found !== undefined) {
            assert.deepEqual(
              found,
              wanted
                .exec(key)!
                .slice(1)
                .map((group) => group ?? ''),
            )
          }
        },
      ),
    )
  })

  it('has groups of the first way that matches', () => {
    const rows: [source: string, text: string, groups: string[]][] = [
      ['(a+)(a*)', 'aaa', ['aaa', '']],
      ['(a+?)(a*)', 'aaa', ['a', 'aa']],
      ['(a|ab)(c|bcd)', 'abcd', ['a', 'bcd']],
      ['(a)|(b)', 'b', ['', 'b']],
      ['(?:x(y))?z', 'z', ['']],
      ['(.*)@(.*)', 'a@b@c', ['a@b', 'c']],
      ['(a|b)*', 'abab', ['b']],
    ]
    for (const [source, text, groups] of rows) {
      assert.deepEqual(new Pattern(source, FLAGS, 'pcre').match(text), groups, source)
    }
  })

  it('takes no pattern that is long in itself', () => {
    assert.deepEqual(new Pattern('(?:){1000}{1000}{1000}a', FLAGS, 'pcre').match('a'), [])
    for (const quantifier of ['*', '{1}', '?']) {
      for (const syntax of ['regexp', 'pcre'] as const) {
        const many = quantifier === '?' && syntax === 'pcre' ? '?*' : quantifier
        const source = `a${many.repeat(5_000)}`
        assert.throws(
          () => new Pattern(source, FLAGS, syntax),
          PatternError,
          source.slice(0, 20),
        )
      }
    }
    const deep = `${'('.repeat(99)}a${'*'.repeat(90)}${')**'.repeat(99)}`
    assert.throws(() => new Pattern(deep, FLAGS, 'regexp'), PatternError)
    assert.throws(() => new Pattern('a'.repeat(16_385), FLAGS, 'pcre'), /16384 characters/)
  })
})
