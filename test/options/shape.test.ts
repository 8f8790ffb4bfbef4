import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { choice, count } from '../../src/options/kinds.ts'
import { mistakeText, type Mistake } from '../../src/options/mistake.ts'
import { either, listOf, mapOf, object } from '../../src/options/part-kinds.ts'
import { readObject, readShape, type AnyShape } from '../../src/options/shape.ts'
import { domain, duration, line, secret, yesNo } from '../../src/options/value-kinds.ts'

const entry: AnyShape = {
  name: 'an entry',
  type: 'Entry',
  isEntry: true,
  text: 'one of several',
  fields: {
    host: { kind: domain, required: true, text: 'where it is' },
    password: { kind: secret, text: 'its password' },
    weight: { kind: count({ from: 1, to: 9 }), default: 1, text: 'how much it counts' },
  },
}
const shape: AnyShape = {
  name: 'test',
  type: 'Test',
  text: 'is a test',
  fields: {
    entries: { kind: listOf(object(entry as never)), text: 'the entries' },
    wait: { kind: duration(), default: 300_000, text: 'how long' },
    action: { kind: choice(['accept', 'reject']), default: 'reject', text: 'what to do' },
    limits: { kind: mapOf(domain, count({ to: 5 })), text: 'by domain' },
    on: { kind: yesNo, default: false, text: 'whether it does anything' },
    target: { kind: either(yesNo, object(entry as never)), text: 'one or the other' },
    old: { kind: line, text: 'another way to say entries' },
  },
  oneOf: ['entries', 'old'],
  check({ wait }: { readonly wait: number }, report) {
    if (wait === 13) report({ path: ['wait'], text: 'brings bad luck' })
  },
}

function read(given: unknown): { values: unknown; said: string[] } {
  const mistakes: Mistake[] = []
  const values = readObject(shape, given, [], {
    report: (mistake) => mistakes.push(mistake),
  })
  return { values, said: mistakes.map((one) => mistakeText(one)) }
}

describe('a shape', () => {
  it('gives values with defaults, lists for single entries, maps for objects of any names', () => {
    const { values, said } = read({
      entries: { host: 'A.Example', weight: '3' },
      wait: '35d',
      limits: { 'B.example': 2 },
      target: true,
    })
    assert.deepEqual(said, [])
    assert.deepEqual(values, {
      entries: [{ host: 'a.example', weight: 3 }],
      wait: 35 * 86_400_000,
      action: 'reject',
      limits: new Map([['b.example', 2]]),
      on: false,
      target: true,
    })
  })

  const cases: [unknown, string[]][] = [
    [5, [' takes an object with entries, wait, action, limits, on, target, old; it got 5']],
    [{}, [' needs either entries or old']],
    [
      { old: 'x', entries: { host: 'x' } },
      ['old cannot stand beside entries: give one of entries and old'],
    ],
    [{ old: 'x', wait: 13 }, ['wait brings bad luck']],
    [
      { old: 'x', wiat: 5 },
      [
        'wiat is not an option of test; did you mean wait? The options are: entries, wait, action, limits, on, target, old',
      ],
    ],
    [
      { entries: [{ host: 'a.example' }, { host: 5, weigth: 1 }, {}] },
      [
        'entries[1].weigth is not an option of an entry; did you mean weight? The options are: host, password, weight',
        'entries[1].host takes a domain, such as example.org (of other letters its form with xn--); it got 5',
        'entries[2] needs host: where it is',
      ],
    ],
    [{ entries: [] }, ['entries takes at least one entry; it got []']],
    [
      { old: 'x', on: 'yes', action: 'rejcet' },
      [
        'action takes accept or reject; it got "rejcet"; did you mean reject?',
        'on takes true or false (yes is only text); it got "yes"',
      ],
    ],
    [
      { old: 'x', limits: { 'not a domain': 1, 'a.example': 9 } },
      [
        'limits.not a domain takes a domain, such as example.org (of other letters its form with xn--); it got "not a domain"',
        'limits.a.example takes a whole number from 0 to 5; it got 9',
      ],
    ],
    [
      { old: 'x', target: { host: 5 } },
      [
        'target.host takes a domain, such as example.org (of other letters its form with xn--); it got 5',
      ],
    ],
    [{ entries: { host: 'a', password: 5 } }, ['entries.password takes a secret']],
    [
      { old: 'x', wait: '5 weeks' },
      ['wait takes a time such as 30s, 5m, 4h or 35d; it got "5 weeks"'],
    ],
  ]
  for (const [given, said] of cases) {
    it(`reports all mistakes of ${JSON.stringify(given)}`, () => {
      assert.deepEqual(read(given).said, said)
    })
  }

  it('is not fooled by names that all objects have', () => {
    assert.deepEqual(
      read(JSON.parse('{"old":"x","__proto__":1,"constructor":1}')).said.length,
      2,
    )
  })

  it('throws the first mistake to a program', () => {
    assert.throws(() => readShape(shape as never, { old: 'x', wait: -1, on: 5 }), {
      code: 'INVALID_OPTION',
      message: 'test: the option wait takes a time such as 30s, 5m, 4h or 35d; it got -1',
    })
    assert.throws(() => readShape(shape as never, undefined), {
      code: 'INVALID_OPTION',
      message: /^test takes an object with/,
    })
  })
})

describe('a mistake', () => {
  it('never shows a value that is hidden', () => {
    const mistake = { path: ['a', 0], text: 'takes a number', got: { value: 'hunter2' } }
    assert.equal(
      mistakeText(mistake, undefined, 'the variable PASSWORD'),
      'a[0] takes a number; what the variable PASSWORD has is not shown',
    )
  })
})
