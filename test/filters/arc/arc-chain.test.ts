import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chainOf } from '../../../src/filters/arc/arc-chain.ts'
import type { SignedField } from '../../../src/filters/signing/signed-fields.ts'

const field = (text: string): SignedField => {
  const colon = text.indexOf(':')
  return {
    name: Buffer.from(text.slice(0, colon), 'latin1'),
    value: Buffer.from(text.slice(colon + 1), 'latin1'),
  }
}
const aar = (i: string): string => `ARC-Authentication-Results: i=${i}; mx.example; none`
const ams = (i: string): string => `ARC-Message-Signature: i=${i}; a=rsa-sha256; h=from; b=x`
const as = (i: string, cv: string): string => `ARC-Seal: i=${i}; a=rsa-sha256; cv=${cv}; b=x`
const set = (i: string, cv = i === '1' ? 'none' : 'pass'): string[] => [
  as(i, cv),
  ams(i),
  aar(i),
]
const upTo = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => set(String(count - i))).flat()

describe('a chain', () => {
  it('has its fields in the order of a seal, wherever they stand', () => {
    const { fields, ...rest } = chainOf(
      [aar('2'), ...set('1'), 'Subject: x', ams('2'), 'arc-SEAL : cv=PASS; i=2'].map(field),
    )
    assert.deepEqual(rest, { highest: 2, isFailed: false, defect: undefined })
    assert.deepEqual(
      fields.map(({ name, value }) => `${String(name)}:${String(value)}`),
      [aar('1'), ams('1'), as('1', 'none'), aar('2'), ams('2'), 'arc-SEAL : cv=PASS; i=2'],
    )
  })

  const cases: [string, string[], number, boolean, string | undefined][] = [
    ['nothing', [], 0, false, undefined],
    ['one set', set('1'), 1, false, undefined],
    ['50 sets', upTo(50), 50, false, undefined],
    [
      '51 sets',
      [...set('51'), ...upTo(50)],
      50,
      false,
      'ARC-Seal has no instance from 1 to 50',
    ],
    ['a leading zero', [as('01', 'none'), ams('01'), aar('01')], 1, false, undefined],
    ['no seal', [ams('1'), aar('1')], 1, false, 'set 1 has no ARC-Seal'],
    [
      'no signature',
      [as('1', 'none'), aar('1')],
      1,
      false,
      'set 1 has no ARC-Message-Signature',
    ],
    [
      'no results',
      [as('1', 'none'), ams('1')],
      1,
      false,
      'set 1 has no ARC-Authentication-Results',
    ],
    ['results alone', [aar('1')], 1, false, 'set 1 has no ARC-Message-Signature'],
    ['a gap', [...set('3'), ...set('1')], 3, false, 'set 2 has no ARC-Authentication-Results'],
    ['no first set', set('2'), 2, false, 'set 1 has no ARC-Authentication-Results'],
    ['two seals', [as('1', 'none'), ...set('1')], 1, false, 'set 1 has ARC-Seal 2 times'],
    [
      'two results',
      [aar('1'), ...set('1')],
      1,
      false,
      'set 1 has ARC-Authentication-Results 2 times',
    ],
    [
      'two signatures',
      [ams('1'), ...set('1')],
      1,
      false,
      'set 1 has ARC-Message-Signature 2 times',
    ],
    [
      'pass in the first',
      set('1', 'pass'),
      1,
      false,
      'the seal of set 1 says cv=pass, not none',
    ],
    [
      'none in the second',
      [...set('2', 'none'), ...set('1')],
      2,
      false,
      'the seal of set 2 says cv=none, not pass',
    ],
    [
      'no cv',
      ['ARC-Seal: i=1; b=x', ams('1'), aar('1')],
      1,
      false,
      'the seal of set 1 says cv=, not none',
    ],
    ['a failed first', set('1', 'fail'), 1, true, 'the seal of set 1 says cv=fail, not none'],
    [
      'a failed second',
      [...set('2', 'fail'), ...set('1')],
      2,
      true,
      'the seal of set 2 says cv=fail, not pass',
    ],
    [
      'a failed one below',
      [...set('2'), ...set('1', 'fail')],
      2,
      false,
      'the seal of set 1 says cv=fail, not none',
    ],
    [
      'a failed one of two',
      [as('1', 'fail'), ...set('1')],
      1,
      true,
      'set 1 has ARC-Seal 2 times',
    ],
    [
      'an instance of 0',
      [...set('0'), ...set('1')],
      1,
      false,
      'ARC-Seal has no instance from 1 to 50',
    ],
    ['an instance of 100', set('100'), 0, false, 'ARC-Seal has no instance from 1 to 50'],
    ['no number', set('x'), 0, false, 'ARC-Seal has no instance from 1 to 50'],
    ['a sign', set('-1'), 0, false, 'ARC-Seal has no instance from 1 to 50'],
    [
      'a seal without one',
      ['ARC-Seal: cv=none; b=x', ...set('1')],
      1,
      false,
      'ARC-Seal has no instance from 1 to 50',
    ],
    [
      'a tag twice',
      ['ARC-Seal: i=1; i=1; cv=none', ams('1'), aar('1')],
      1,
      false,
      'ARC-Seal is not a list of tags',
    ],
    [
      'not a list',
      ['ARC-Message-Signature: x', as('1', 'none'), aar('1')],
      1,
      false,
      'ARC-Message-Signature is not a list of tags',
    ],
    [
      'h= in a seal',
      ['ARC-Seal: i=1; h=from; cv=none', ams('1'), aar('1')],
      1,
      false,
      'ARC-Seal has h=',
    ],
    [
      'a comment before i',
      [
        as('1', 'none'),
        ams('1'),
        'ARC-Authentication-Results: (x) i (y) = (z) 1 (;) ; mx; none',
      ],
      1,
      false,
      undefined,
    ],
    [
      'i not at first',
      [as('1', 'none'), ams('1'), 'ARC-Authentication-Results: mx; i=1; none'],
      1,
      false,
      'ARC-Authentication-Results has no instance from 1 to 50',
    ],
  ]
  for (const [name, lines, highest, isFailed, defect] of cases) {
    it(name, () => {
      const chain = chainOf(lines.map(field))
      assert.deepEqual(
        [chain.highest, chain.isFailed, chain.defect],
        [highest, isFailed, defect],
      )
    })
  }

  it('is read in time that grows with its size', () => {
    const spaces = ' '.repeat(60_000)
    const nasty = [
      `ARC-Seal:${'i=1;'.repeat(15_000)}`,
      `ARC-Seal: i${spaces}x${spaces}=1`,
      `ARC-Authentication-Results:${'('.repeat(60_000)}`,
      `ARC-Authentication-Results:${spaces}i${spaces}`,
    ]
    assert.equal(chainOf(nasty.map(field)).highest, 0)
  })
})
