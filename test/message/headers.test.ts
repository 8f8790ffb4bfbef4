import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { UsageError } from '../../src/errors.ts'
import type { EditGuard } from '../../src/message/edit-guard.ts'
import { FieldRecord, formatHeader, recordOf } from '../../src/message/field-record.ts'
import { MailHeaders, type HeaderField } from '../../src/message/headers.ts'
import { HeaderView } from '../../src/protocol/commands.ts'
import { Action } from '../../src/protocol/constants.ts'
import { decodeText, encodeText } from '../../src/protocol/text.ts'

/** A guard that allows everything, and notes what it was asked. */
class Guard implements EditGuard {
  readonly asked: string[] = []
  answer: boolean | Error = true

  permit(what: string, actions: number): boolean {
    this.asked.push(`${what} ${actions}`)
    if (this.answer instanceof Error) throw this.answer
    return this.answer
  }
}

const record = (name: string, value: string): FieldRecord =>
  FieldRecord.of(encodeText(name), encodeText(value))

function headersOf(...fields: readonly (readonly [name: string, value: string])[]): {
  headers: MailHeaders
  given: readonly FieldRecord[]
  guard: Guard
} {
  const guard = new Guard()
  const given = fields.map(([name, value]) => record(name, value))
  return { headers: new MailHeaders(given, guard), given, guard }
}

const fieldOf = (value: string, name = 'Subject'): HeaderField =>
  headersOf([name, value]).headers.field(name)!

/** Everything after the colon, as it is kept. */
const rawOf = (field: HeaderField): string => decodeText(field.record.value)

/** What a new field with a text has after the colon. */
const written = (text: string, name = 'Subject'): string =>
  rawOf(headersOf().headers.append(name, text))

/** The whole header in short: `A:1 B:2`. */
const show = (headers: MailHeaders): string =>
  Array.from(headers, ({ name, value }) => `${name}:${value}`).join(' ')

const ABBA = [
  ['A', ' 1'],
  ['B', ' 2'],
  ['b', ' 3'],
  ['A', ' 4'],
] as const

const code = (code: UsageError['code']) => ({ name: 'UsageError', code })

describe('looking things up in a header', () => {
  it('knows no case, and finds the first or all in order', () => {
    const { headers } = headersOf(...ABBA)
    assert.equal(headers.length, 4)
    assert.equal(headers.get('B'), '2')
    assert.equal(headers.get('b'), '2')
    assert.deepEqual(headers.getAll('b'), ['2', '3'])
    assert.deepEqual(
      headers.fields('a').map(({ value }) => value),
      ['1', '4'],
    )
    assert.equal(headers.fields().length, 4)
    assert.equal(headers.has('a'), true)
    assert.equal(String(headers.field('a')), 'A: 1')
    assert.equal(show(headers), 'A:1 B:2 b:3 A:4')
  })

  it('finds nothing where nothing is', () => {
    const { headers } = headersOf(...ABBA)
    for (const name of ['C', '', 'A:', ' A', 'AA', 'é', '__proto__']) {
      assert.equal(headers.get(name), undefined)
      assert.equal(headers.has(name), false)
      assert.equal(headers.field(name), undefined)
      assert.deepEqual(headers.getAll(name), [])
    }
    assert.equal(headersOf().headers.length, 0)
    assert.deepEqual([...headersOf().headers], [])
  })

  it('is the same object each time', () => {
    const { headers } = headersOf(...ABBA)
    assert.equal(headers.field('A'), headers.field('a'))
    assert.equal([...headers][0], headers.field('A'))
  })

  it('compares bytes that are not ASCII as they are: only letters of ASCII ignore case', () => {
    // In UTF-8 these differ by 0x20 in their first byte, as upper and lower case do in Latin-1.
    const { headers } = headersOf(['X-\u00c0', ' 1'], ['X-\u3040', ' 2'])
    assert.equal(headers.get('x-\u00c0'), '1')
    assert.equal(headers.get('x-\u3040'), '2')
    const raw = headersOf(['X-\udcc0', ' 1']).headers
    assert.equal(raw.get('x-\udcc0'), '1')
    assert.equal(raw.has('x-\udce0'), false)
  })

  it('asks nobody', () => {
    const { headers, guard, given } = headersOf(...ABBA)
    guard.answer = new Error('not now')
    assert.equal(headers.get('A'), '1')
    assert.equal(headers.field('A')!.raw.toString(), ' 1')
    assert.equal(headers.records(given), given)
    assert.deepEqual(guard.asked, [])
  })
})

describe('editing a header', () => {
  const cases: [what: string, edit: (headers: MailHeaders) => unknown, result: string][] = [
    ['append', (h) => h.append('C', 'x'), 'A:1 B:2 b:3 A:4 C:x'],
    ['prepend', (h) => h.prepend('C', 'x'), 'C:x A:1 B:2 b:3 A:4'],
    [
      'prepend twice',
      (h) => [h.prepend('C', 'x'), h.prepend('D', 'y')],
      'D:y C:x A:1 B:2 b:3 A:4',
    ],
    ['insertBefore a name', (h) => h.insertBefore('b', 'C', 'x'), 'A:1 C:x B:2 b:3 A:4'],
    ['insertAfter a name', (h) => h.insertAfter('b', 'C', 'x'), 'A:1 B:2 C:x b:3 A:4'],
    [
      'insertBefore a field',
      (h) => h.insertBefore(h.fields('b')[1]!, 'C', 'x'),
      'A:1 B:2 C:x b:3 A:4',
    ],
    [
      'insertAfter a field',
      (h) => h.insertAfter(h.fields('a')[1]!, 'C', 'x'),
      'A:1 B:2 b:3 A:4 C:x',
    ],
    [
      'insertAfter a new field',
      (h) => h.insertAfter(h.prepend('C', 'x'), 'D', 'y'),
      'C:x D:y A:1 B:2 b:3 A:4',
    ],
    ['bytes', (h) => h.append('C', Buffer.from(' x')), 'A:1 B:2 b:3 A:4 C:x'],
    ['a name that is there already', (h) => h.append('a', 'x'), 'A:1 B:2 b:3 A:4 a:x'],
    ['set one of two', (h) => h.set('a', 'x'), 'A:x B:2 b:3'],
    ['set what is not there', (h) => h.set('C', 'x'), 'A:1 B:2 b:3 A:4 C:x'],
    ['set bytes', (h) => h.set('b', Buffer.from(' x')), 'A:1 B:x A:4'],
    ['delete a name', (h) => h.delete('a'), 'B:2 b:3'],
    ['delete a field', (h) => h.delete(h.fields('b')[1]!), 'A:1 B:2 A:4'],
    ['delete what is not there', (h) => h.delete('C'), 'A:1 B:2 b:3 A:4'],
    ['remove', (h) => h.fields('a')[1]!.remove(), 'A:1 B:2 b:3'],
    [
      'remove twice',
      (h) => [h.field('b')!, h.field('b')!].map((f) => f.remove()),
      'A:1 b:3 A:4',
    ],
    ['a value', (h) => (h.fields('a')[1]!.value = 'x'), 'A:1 B:2 b:3 A:x'],
    ['an empty value', (h) => (h.field('B')!.value = ''), 'A:1 B: b:3 A:4'],
    ['a raw value', (h) => (h.field('B')!.raw = Buffer.from('\tx')), 'A:1 B:x b:3 A:4'],
  ]
  for (const [what, edit, result] of cases) {
    it(what, () => {
      const { headers, given } = headersOf(...ABBA)
      edit(headers)
      assert.equal(show(headers), result)
      assert.equal(headers.length, result === '' ? 0 : result.split(/ (?=\w:)/).length)
      assert.equal(
        headers
          .records(given)
          .map((one) => `${one.name.toString()}:${one.value.toString().trim()}`)
          .join(' '),
        result,
      )
    })
  }

  it('tells how many were deleted, and which field is new', () => {
    const { headers } = headersOf(...ABBA)
    assert.equal(headers.delete('C'), 0)
    assert.equal(headers.delete('a'), 2)
    const field = headers.set('B', 'x')
    assert.equal(field, headers.field('B'))
    assert.equal(headers.delete(field), 1)
    assert.equal(headers.delete(field), 0, 'it is gone already')
    assert.equal(headers.append('C', 'x'), headers.field('C'))
  })

  it('goes on while it is iterated over', () => {
    const { headers } = headersOf(...ABBA)
    const seen: string[] = []
    for (const field of headers) {
      seen.push(field.value)
      if (field.name === 'A') field.remove()
      else headers.insertAfter(field, 'C', field.value)
    }
    assert.deepEqual(seen, ['1', '2', '3', '4'])
    assert.equal(show(headers), 'B:2 C:2 b:3 C:3')
    for (const field of headers.fields('c')) headers.delete(field)
    assert.equal(show(headers), 'B:2 b:3')
  })

  it('needs a place that is there', () => {
    const { headers, given } = headersOf(...ABBA)
    const gone = headers.field('B')!
    gone.remove()
    const other = headersOf(...ABBA).headers.field('A')!
    const now = show(headers)
    for (const place of ['C', gone, other]) {
      assert.throws(() => headers.insertBefore(place, 'X', ''), code('INVALID_OPTION'))
      assert.throws(() => headers.insertAfter(place, 'X', ''), code('INVALID_OPTION'))
    }
    assert.equal(headers.delete(other), 0)
    assert.equal(show(headers), now)
    gone.value = 'a field that is gone can be written and is nowhere'
    assert.equal(show(headers), now)
    assert.equal(headers.records(given).length, 3)
  })

  it('knows which edits need which permission', () => {
    const { headers, guard } = headersOf(...ABBA)
    headers.append('C', 'x')
    headers.prepend('C', 'x')
    headers.insertBefore('A', 'C', 'x')
    headers.insertAfter('A', 'C', 'x')
    assert.deepEqual(
      guard.asked.splice(0),
      ['append', 'prepend', 'insertBefore', 'insertAfter'].map(
        (what) => `headers.${what} ${Action.ADDHDRS}`,
      ),
    )
    headers.field('B')!.value = 'x'
    headers.field('B')!.raw = Buffer.from(' x')
    headers.delete('C')
    assert.deepEqual(guard.asked, [
      `field.value ${Action.CHGHDRS}`,
      `field.raw ${Action.CHGHDRS}`,
      `headers.delete ${Action.CHGHDRS}`,
    ])
  })

  const EDITS: ((headers: MailHeaders) => unknown)[] = [
    (h) => h.append('C', 'x'),
    (h) => h.prepend('C', 'x'),
    (h) => h.insertBefore('A', 'C', 'x'),
    (h) => h.insertAfter('A', 'C', 'x'),
    (h) => h.set('A', 'x'),
    (h) => h.set('A', Buffer.from('x')),
    (h) => h.set('C', 'x'),
    (h) => h.delete('A'),
    (h) => h.field('A')!.remove(),
    (h) => (h.field('A')!.value = 'x'),
    (h) => (h.field('A')!.value = 'x 1'),
    (h) => (h.field('A')!.raw = Buffer.from('x')),
  ]
  for (const [what, answer] of [
    ['is not permitted', false],
    ['is an error', new Error('not now')],
  ] as const) {
    it(`leaves everything as it was where it ${what}`, () => {
      for (const edit of EDITS) {
        const { headers, given, guard } = headersOf(...ABBA)
        guard.answer = answer
        if (answer === false) edit(headers)
        else assert.throws(() => edit(headers), answer)
        assert.equal(show(headers), 'A:1 B:2 b:3 A:4')
        assert.equal(headers.length, 4)
        assert.equal(headers.records(given), given)
      }
    })
  }

  it('may go on with a field that was left out', () => {
    const { headers, given, guard } = headersOf(...ABBA)
    guard.answer = false
    const left = headers.append('C', 'x')
    assert.equal(left.value, 'x')
    headers.insertAfter(left, 'D', 'y')
    left.value = 'z'
    left.remove()
    guard.answer = true
    left.value = 'z'
    assert.equal(headers.records(given), given)
  })

  it('leaves everything as it was where the edit is wrong', () => {
    const wrong: [(headers: MailHeaders) => unknown, UsageError['code']][] = [
      [(h) => h.append('', 'x'), 'INVALID_HEADER_NAME'],
      [(h) => h.append('C:', 'x'), 'INVALID_HEADER_NAME'],
      [(h) => h.append('C D', 'x'), 'INVALID_HEADER_NAME'],
      [(h) => h.prepend('C\n', 'x'), 'INVALID_HEADER_NAME'],
      [(h) => h.append('C', 'x\ny'), 'INVALID_HEADER_VALUE'],
      [(h) => h.append('C', Buffer.from('x\ny')), 'INVALID_HEADER_VALUE'],
      [(h) => h.set('A', 'x\r\ny'), 'INVALID_HEADER_VALUE'],
      [(h) => h.set('A', '\ud800'), 'INVALID_TEXT'],
      [(h) => (h.field('A')!.value = 'x\0'), 'INVALID_HEADER_VALUE'],
      [(h) => (h.field('A')!.raw = Buffer.from('x\r')), 'INVALID_HEADER_VALUE'],
      [(h) => (h.field('A')!.value = 'x'.repeat(65_535)), 'TOO_LONG'],
    ]
    for (const [edit, reason] of wrong) {
      const { headers, given } = headersOf(...ABBA)
      assert.throws(() => edit(headers), code(reason), edit.toString())
      assert.equal(headers.records(given), given)
    }
  })

  it('is none if the same was written again', () => {
    const { headers, given } = headersOf(['A', '\tx'], ['B', '=?latin1?q?=E9?= '], ['C', ''])
    for (const field of headers) {
      // oxlint-disable-next-line eslint/no-self-assign -- it has a setter
      field.value = field.value
      field.raw = field.raw.length === 0 ? Buffer.from(' ') : field.raw
    }
    headers.set('A', 'x')
    headers.field('C')!.raw = Buffer.from(' ')
    assert.equal(headers.records(given)[0], given[0])
    assert.equal(headers.records(given)[1], given[1])
    assert.notEqual(headers.records(given)[2], given[2], 'a field without a space got one')
  })

  it('keeps where a changed field came from', () => {
    const { headers, given } = headersOf(...ABBA)
    const field = headers.field('B')!
    field.value = 'x'
    field.value = 'y'
    assert.equal(field.record.origin, given[1])
    assert.equal(headers.append('C', 'x').record.origin, undefined)
  })

  it('is what a list would do (property)', () => {
    const NAME = fc.constantFrom('A', 'a', 'B', 'C')
    const COMMAND = fc.tuple(
      fc.constantFrom('append', 'prepend', 'before', 'after', 'set', 'delete', 'remove'),
      NAME,
      NAME,
      fc.nat(9),
    )
    fc.assert(
      fc.property(fc.array(COMMAND, { maxLength: 20 }), (commands) => {
        const { headers, given } = headersOf(...ABBA)
        let model: [string, string][] = ABBA.map(([name, value]) => [name, value.trim()])
        const same = (one: string, other: string): boolean =>
          one.toLowerCase() === other.toLowerCase()
        for (const [what, name, place, number] of commands) {
          const value = String(number)
          const at = model.findIndex(([other]) => same(other, place))
          const first = model.find(([other]) => same(other, name))
          if (what === 'append') {
            headers.append(name, value)
            model.push([name, value])
          } else if (what === 'prepend') {
            headers.prepend(name, value)
            model.unshift([name, value])
          } else if (what === 'before' && at !== -1) {
            headers.insertBefore(place, name, value)
            model.splice(at, 0, [name, value])
          } else if (what === 'after' && at !== -1) {
            headers.insertAfter(headers.field(place)!, name, value)
            model.splice(at + 1, 0, [name, value])
          } else if (what === 'set') {
            headers.set(name, value)
            model = model.filter((one) => one === first || !same(one[0], name))
            if (first === undefined) model.push([name, value])
            else first[1] = value
          } else if (what === 'delete') {
            headers.delete(name)
            model = model.filter((one) => !same(one[0], name))
          } else if (what === 'remove') {
            headers.field(name)?.remove()
            model = model.filter((one) => one !== first)
          }
        }
        const expected = model.map(([name, value]) => `${name}:${value}`).join(' ')
        assert.equal(show(headers), expected)
        assert.equal(headers.records(given).length, model.length)
      }),
    )
  })
})

describe('the text of a field', () => {
  it('is read without folds, spaces around it and encoded words', () => {
    for (const [raw, text] of [
      ['', ''],
      [' ', ''],
      [' a', 'a'],
      ['a', 'a'],
      ['\t a \t', 'a'],
      ['\n a\n  b', 'a  b'],
      [' a\r\n\tb', 'a\tb'],
      [' é', 'é'],
      [' caf\udce9', 'caf\udce9'],
      [' =?utf-8?q?_a_?=', ' a '],
      [' =?utf-8?q?a?=\n =?utf-8?q?b?= c', 'ab c'],
      [' a\nb', 'a\nb'],
    ] as const) {
      assert.equal(fieldOf(raw).value, text)
    }
  })

  it('can be read whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const given = [FieldRecord.of(Buffer.from('X'), bytes)]
        const headers = new MailHeaders(given, new Guard())
        assert.equal(typeof headers.get('x'), 'string')
        assert.deepEqual(headers.field('x')!.record.value, Buffer.from(bytes))
      }),
    )
  })

  it('is written with one space before it', () => {
    assert.equal(written('a'), ' a')
    assert.equal(written(''), ' ')
    assert.equal(written('é'), ' =?UTF-8?B?w6k=?=')
    assert.equal(written('a\r\n b'), ' a\n b')
    assert.equal(written('a\r\n'), ' a')
    assert.equal(written('"é, b" <a@b>'), ` =?UTF-8?B?IsOpLA==?= b" <a@b>`)
  })

  it('is written as addresses in the fields that have them', () => {
    for (const name of ['From', 'to', 'CC', 'Bcc', 'Reply-To', 'Sender', 'Resent-From']) {
      assert.equal(written('"é, b" <a@b>', name), ' =?UTF-8?B?w6ksIGI=?= <a@b>')
    }
    const field = headersOf(['From', ' x@y']).headers.field('from')!
    field.value = '"Jörg Müller" <j@example.org>'
    assert.equal(field.value, 'Jörg Müller <j@example.org>')
    field.value = '"Müller, Jörg" <j@example.org>'
    assert.equal(field.value, '"Müller, Jörg" <j@example.org>')
    const to = 'Zoë <z@x>, b@x, "M, B" <m@x>'
    assert.equal(written(to, 'To'), ' =?UTF-8?Q?Zo=C3=AB?= <z@x>, b@x, "M, B" <m@x>')
  })

  it('never becomes another field', () => {
    for (const bad of ['a\nb', 'é\nb', 'é\r\nb', 'a\n\n b', 'é\0', 'a\n=?utf-8?q?b?=']) {
      for (const name of ['Subject', 'From']) {
        assert.throws(() => written(bad, name), code('INVALID_HEADER_VALUE'))
        assert.throws(() => headersOf().headers.append(name, bad), code('INVALID_HEADER_VALUE'))
      }
    }
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'é', ' ', '\t', '\r', '\n', '\0', ':', '"') }),
        fc.constantFrom('Subject', 'From'),
        (text, name) => {
          try {
            assert.doesNotMatch(written(text, name), /[\r\0]|\n[^ \t]|\n$|\n[ \t]+(?:\n|$)/)
          } catch (error) {
            if (!(error instanceof UsageError)) throw error
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('fits into a frame or is an error', () => {
    const maximum = 65_535 - 'Subject'.length - 6
    assert.equal(written('x'.repeat(maximum - 1)).length, maximum)
    assert.throws(() => written('x'.repeat(maximum)), code('TOO_LONG'))
    assert.throws(() => written('é'.repeat(30_000)), code('TOO_LONG'))
    assert.throws(() => written('é'.repeat(5_000_000)), code('TOO_LONG'))
    const field = fieldOf('')
    field.raw = Buffer.alloc(maximum, 'x')
    assert.throws(() => (field.raw = Buffer.alloc(maximum + 1, 'x')), code('TOO_LONG'))
    assert.throws(() => (field.value = `x ${field.value}`), code('TOO_LONG'))
    assert.equal(field.record.value.length, maximum)
  })

  it('is written in time that grows with its length', () => {
    for (const unit of ['"', '\\"', '<"', ' ', 'é ', '=?', '(', '@']) {
      assert.ok(written(`a${unit.repeat(10_000)}b`, 'X-Any').length > 10_000)
      // Most of them are no addresses.
      try {
        assert.ok(written(`a${unit.repeat(10_000)}b`, 'From').length > 10_000)
      } catch (error) {
        if (!(error instanceof UsageError)) throw error
      }
    }
    const field = fieldOf(` a${' '.repeat(60_000)}b`)
    field.value = `é ${field.value}`
    assert.equal(field.value.length, 60_004)
  })
})

describe('a field with its old text in the new one', () => {
  const B = '=?iso-8859-1?b?SvZyZw==?=' // Jörg
  const Q = '=?ISO-8859-15?q?100_=A4?=' // 100 €
  const JP = '=?ISO-2022-JP?B?GyRCJUYlORsoQg==?=\n\t=?ISO-2022-JP?B?GyRCJUgbKEI=?=' // テスト
  const RAW = 'caf\udce9 \u00fc'

  const cases: [what: string, old: string, before: string, after: string, now: string][] = [
    ['ASCII', ' Hello', '[EXT] ', '', ' [EXT] Hello'],
    ['ASCII, folded', ' Hello\n\tworld', '[EXT] ', ' (x)', ' [EXT] Hello\n\tworld (x)'],
    ['no space after the colon', 'Hello', '[EXT] ', '', ' [EXT] Hello'],
    ['a fold after the colon', '\n Hello', '[EXT] ', '', ' [EXT] Hello'],
    ['a suffix only', '\tHello  ', '', ' (x)', '\tHello (x)'],
    ['nothing at the end', '\tHello \n ', 'a ', '', ' a Hello \n '],
    ['long ASCII', ` ${'x'.repeat(100)}`, '[EXT] ', '', ` [EXT] ${'x'.repeat(100)}`],
    ['several spaces', ' Hello', 'a  b   ', '   c', ' a  b   Hello   c'],
    ['no space', ' Hello', 'Re:', '!', ' Re:Hello!'],

    ['B words', ` ${B}`, '[EXT] ', '', ` [EXT] ${B}`],
    ['Q words', ` ${Q}`, '[EXT] ', ' (x)', ` [EXT] ${Q} (x)`],
    ['ISO-2022-JP', ` ${JP}`, '[EXT] ', ' (x)', ` [EXT] ${JP} (x)`],
    ['text and words', ` ab ${B} cd`, 'x ', ' y', ` x ab ${B} cd y`],
    ['an unknown charset', ' =?x-y?q?a?=', '[EXT] ', '', ' [EXT] =?x-y?q?a?='],
    ['raw text', ` ${RAW}`, '[EXT] ', ' (x)', ` [EXT] ${RAW} (x)`],

    [
      'a tag that is not ASCII, ASCII',
      ' Hello',
      'é ',
      ' é',
      ' =?UTF-8?B?w6k=?= Hello =?UTF-8?B?w6k=?=',
    ],
    // Spaces between two encoded words are not seen, so they have to be in one.
    ['a tag that is not ASCII, a word', ` ${B}`, 'é ', '', ` =?UTF-8?B?w6kg?= ${B}`],
    ['the same behind', ` ${B}`, '', ' é', ` ${B} =?UTF-8?B?IMOp?=`],
    ['both', ` ${JP}`, 'é ', ' é', ` =?UTF-8?B?w6kg?= ${JP} =?UTF-8?B?IMOp?=`],
    ['a tag that is not ASCII, raw', ` ${RAW}`, 'é ', '', ` =?UTF-8?B?w6k=?= ${RAW}`],
    ['a tag that ends in ASCII', ` ${B}`, 'é: x ', '', ` =?UTF-8?B?w6k6?= x ${B}`],
    ['a tag of bytes', ' Hello', '\udcff ', '', ' \udcff Hello'],
    ['no space before a word', ` ${B}`, 'Re:', '', ` =?UTF-8?B?UmU6?= ${B}`],
    ['no space behind a word', ` ${B}`, '', '!', ` ${B} =?UTF-8?Q?!?=`],
    [
      'a tag that looks like a word',
      ` ${B}`,
      '=?x?q?a?= ',
      '',
      ` =?UTF-8?B?PT94P3E/YT89IA==?= ${B}`,
    ],
    ['a tag with spaces before it', ' Hello', '  x ', ' y  ', ' x Hello y'],

    [
      'a line break in a word, which does no harm there',
      ' =?utf-8?q?a=0D=0ABcc:_x?=',
      '[EXT] ',
      '',
      ' [EXT] =?utf-8?q?a=0D=0ABcc:_x?=',
    ],
    [
      'a new line where the words would not fit',
      ` =?utf-8?q?${'a'.repeat(55)}?=`,
      '[EXTERNAL] ',
      '',
      ` [EXTERNAL]\n =?utf-8?q?${'a'.repeat(55)}?=`,
    ],
  ]
  for (const [what, old, before, after, now] of cases) {
    it(`keeps its bytes: ${what}`, () => {
      const field = fieldOf(old)
      const text = field.value
      field.value = before + text + after
      assert.equal(rawOf(field), now)
      assert.equal(field.value, before.trimStart() + text + after.trimEnd())
    })
  }

  it('keeps them tag after tag', () => {
    const field = fieldOf(` ${JP}`)
    for (let i = 0; i < 20; i++) field.value = `[é${i}] ${field.value} ü`
    assert.ok(rawOf(field).includes(JP))
    assert.match(field.value, /^(?:\[é\d+\] ){20}テスト(?: ü){20}$/)
    for (const line of rawOf(field).split('\n')) assert.ok(line.length <= 76)
  })

  it('keeps addresses, and parts the new ones from them', () => {
    const old = ` ${B} <j@x>,\n\tb@x`
    for (const [before, after, now] of [
      ['a@x, ', '', ` a@x, ${B} <j@x>,\n\tb@x`],
      ['', ', c@x', ` ${B} <j@x>,\n\tb@x, c@x`],
      ['"É, a" <a@x>, ', '', ` =?UTF-8?B?w4ksIGE=?= <a@x>, ${B} <j@x>,\n\tb@x`],
      ['', ', "É" <c@x>', ` ${B} <j@x>,\n\tb@x, =?UTF-8?B?w4k=?= <c@x>`],
      ['a@x,', '', ` a@x,${B} <j@x>,\n\tb@x`],
      ['Dr. ', '', ` Dr. ${B} <j@x>,\n\tb@x`],
    ] as const) {
      const field = fieldOf(old, 'To')
      field.value = before + field.value + after
      assert.equal(rawOf(field), now)
    }
    const from = fieldOf(' <j@x>', 'From')
    from.value = '"Jörg, x" <j@x>'
    assert.equal(rawOf(from), ' =?UTF-8?B?SsO2cmcsIHg=?= <j@x>')
  })

  it('is the last one, where the tag has the same text', () => {
    for (const [old, text, raw] of [
      [' =?iso-8859-1?q?E?=', '[EXTERNAL] E', ' [EXTERNAL] =?iso-8859-1?q?E?='],
      [' =?iso-8859-1?q?=C4?=', 'Ä Ä', ' =?UTF-8?B?w4Qg?= =?iso-8859-1?q?=C4?='],
      // U+2F8A9 ends with what stands for the byte A9.
      [' =?utf-8?b?qQ==?=', '\udca9 \u{2f8a9}', ' =?utf-8?b?qQ==?= =?UTF-8?B?IPCvoqk=?='],
    ] as const) {
      const field = fieldOf(old)
      field.value = text
      assert.equal(rawOf(field), raw)
      assert.equal(field.value, text)
    }
  })

  it('is written anew where that cannot be', () => {
    for (const [old, text] of [
      [' Hello', 'éHello'],
      [' =?utf-8?q?a', '=?utf-8?q?a b?= =?utf-8?q?a'],
      [' Hello', 'a\n Hello'],
    ] as const) {
      const field = fieldOf(old)
      field.value = text
      assert.equal(field.value, text.replaceAll('\n', ''))
    }
    const field = fieldOf(' a\rb')
    // A mail server would take a CR for a line break; mail that came with one can be tagged all the same.
    field.value = `x ${field.value}`
    assert.equal(rawOf(field), ' x a b')
    assert.throws(() => (field.raw = Buffer.from(' x\ry')), code('INVALID_HEADER_VALUE'))
    assert.equal(rawOf(field), ' x a b')
  })

  it('does not let a line break in, whatever the old text has', () => {
    const field = fieldOf(' =?utf-8?q?a=0Ab?=')
    for (const text of ['x\ny a\nb', 'a\nb\nx', 'x\0 a\nb', '\na\nb', 'a\nb x\r y']) {
      assert.throws(() => (field.value = text), code('INVALID_HEADER_VALUE'))
    }
  })

  const ENDS = /^[ \t]+|[ \t]+$/g
  const OLD_PARTS = [
    ' ',
    '  ',
    '\t',
    '\n ',
    '\n\t',
    '=?',
    '?=',
    B,
    Q,
    JP,
    '=?x-y?q?a?=',
    '=?utf-8?q?a',
    '=?utf-8?q?_=C3?=',
    '=?utf-8?b?qQ==?=',
    '=?utf-8?q?=0A=0D=00?=',
    '=?utf-8?b?!?=',
  ]
  /** Any value that a mail server may send. */
  const OLD = fc
    .array(
      fc.oneof(
        fc.string({ maxLength: 8 }).map((text) => Buffer.from(text)),
        fc.string({ unit: 'grapheme', maxLength: 5 }).map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
        fc.constantFrom(...OLD_PARTS).map((text) => Buffer.from(text)),
      ),
      { maxLength: 10 },
    )
    .map((parts) =>
      decodeText(
        Buffer.from(
          ` ${Buffer.concat(parts).toString('latin1')}`
            .replaceAll(/[\r\0]/g, '')
            .replaceAll(/\n+(?![ \t])/g, ''),
          'latin1',
        ),
      ),
    )
  const TAG_PARTS = [' ', '  ', '\t', '[EXT]', 'é', '=?', '?=', '=?utf-8?q?', 'x'.repeat(70)]
  const TAG = fc
    .array(
      fc.oneof(
        fc.string({ maxLength: 6 }),
        fc.string({ unit: 'grapheme', maxLength: 6 }),
        fc.constantFrom(...TAG_PARTS),
      ),
      { maxLength: 6 },
    )
    .map((parts) =>
      parts
        .join('')
        .replaceAll(/[\r\n\0]/g, '')
        .toWellFormed(),
    )

  it('keeps its bytes with any tag before or behind (property)', () => {
    fc.assert(
      fc.property(OLD, TAG, TAG, (old, before, after) => {
        const field = fieldOf(old)
        const text = field.value
        fc.pre(text !== '')
        const head = before === '' ? '' : `${before} `
        const tail = after === '' ? '' : ` ${after}`
        // Where the text stands twice, either may be the old one, and spaces at the ends are not part of a new one.
        const whole = head + text + tail
        fc.pre(whole.indexOf(text) === head.length && whole.lastIndexOf(text) === head.length)
        field.value = head + text + tail
        assert.equal(
          field.value,
          head.replace(/^[ \t]+/, '') + text + tail.replace(/[ \t]+$/, ''),
        )
        assert.ok(rawOf(field).includes(old.replaceAll(/^[ \t\n]+|[ \t\n]+$/g, '')))
        assert.doesNotMatch(rawOf(field), /\n(?![ \t])|\n$/)
      }),
      { numRuns: 5000 },
    )
  })

  it('reads as it was set, with or without spaces (property)', () => {
    fc.assert(
      fc.property(OLD, TAG, TAG, (old, before, after) => {
        const field = fieldOf(old)
        const text = before + field.value + after
        try {
          field.value = text
        } catch (error) {
          assert.ok(error instanceof UsageError && error.code === 'INVALID_HEADER_VALUE')
          return
        }
        // Raw bytes are written raw whatever is beside them; line breaks are folds.
        if (!text.isWellFormed() || /[\r\n]/.test(text)) return
        assert.equal(field.value.replaceAll(ENDS, ''), text.replaceAll(ENDS, ''))
      }),
      { numRuns: 5000 },
    )
  })
})

describe('the bytes of a field', () => {
  it('go out with CRLF and come in with CRLF or LF', () => {
    const field = fieldOf(' a\n\tb')
    assert.equal(field.raw.toString(), ' a\r\n\tb')
    for (const raw of ['x\r\n y', 'x\n y', 'x\r\n y\r\n', 'x\n y\n']) {
      field.raw = Buffer.from(raw)
      assert.equal(field.raw.toString(), 'x\r\n y')
      assert.equal(rawOf(field), 'x\n y')
    }
  })

  it('are taken as they are', () => {
    const lines = fc
      .array(
        fc
          .uint8Array({ maxLength: 20 })
          .map((line) => Buffer.from(line.filter((byte) => ![0, 0x0a, 0x0d].includes(byte)))),
        { minLength: 1, maxLength: 4 },
      )
      .map((parts) =>
        Buffer.concat(
          parts.flatMap((part, i) => (i === 0 ? [part] : [Buffer.from('\r\n '), part])),
        ),
      )
    fc.assert(
      fc.property(lines, (raw) => {
        const field = fieldOf('')
        field.raw = raw
        assert.deepEqual(field.raw, raw.length === 0 ? Buffer.from(' ') : raw)
      }),
    )
  })

  it('are a copy, both ways', () => {
    const field = fieldOf(' abc')
    field.raw.fill(0)
    assert.equal(field.value, 'abc')
    const bytes = Buffer.from(' abc')
    field.raw = bytes
    bytes.fill(0)
    assert.equal(field.value, 'abc')
  })

  it('are one space where there would be none, which would delete the field', () => {
    const field = fieldOf(' a')
    field.raw = new Uint8Array()
    assert.equal(field.raw.toString(), ' ')
    assert.equal(headersOf().headers.append('X', Buffer.alloc(0)).raw.toString(), ' ')
  })
})

describe('a record of a field', () => {
  const BYTES = fc
    .uint8Array({ maxLength: 60 })
    .map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0)))
  const NAME = BYTES.map((bytes) => (bytes.length === 0 ? Buffer.from('X') : bytes))
  const BIG = fc.nat(70_000).map((size) => Buffer.alloc(size, 'x'))
  const FIELD = fc.tuple(
    NAME,
    fc.oneof({ weight: 20, arbitrary: BYTES }, { weight: 1, arbitrary: BIG }),
    fc.boolean(),
  )

  /** A record of what a mail server has sent, in memory that is overwritten afterwards. */
  function received(name: Buffer, value: Buffer, space: boolean): FieldRecord {
    const bytes = Buffer.concat([Buffer.from('L'), name, Buffer.of(0), value, Buffer.of(0)])
    const view = new HeaderView().read({ bytes, start: 1, end: bytes.length })
    const result = recordOf(view, space)
    bytes.fill('?')
    return result
  }
  const expected = (name: Buffer, value: Buffer, space: boolean): string =>
    `${name.toString('latin1')}:${space ? ' ' : ''}${value.toString('latin1')}`

  it('is what was received, byte for byte, with CRLF for LF', () => {
    fc.assert(
      fc.property(fc.array(FIELD), (fields) => {
        const records = fields.map((field) => received(...field))
        assert.equal(
          formatHeader(records).toString('latin1'),
          fields.map((field) => `${expected(...field).replaceAll('\n', '\r\n')}\r\n`).join(''),
        )
      }),
    )
  })

  it('does not change when others come, however many and large they are', () => {
    fc.assert(
      fc.property(fc.array(FIELD, { minLength: 200, maxLength: 400 }), (fields) => {
        const records = fields.map((field) => received(...field))
        for (const [i, one] of records.entries()) {
          const [name, value, space] = fields[i]!
          assert.equal(one.name.equals(name), true)
          assert.equal(
            one.value.equals(space ? Buffer.concat([Buffer.from(' '), value]) : value),
            true,
          )
          assert.equal(one.size, name.length + 1 + (space ? 1 : 0) + value.length + 2)
        }
      }),
      { numRuns: 20 },
    )
  })

  it('may end exactly where its memory does', () => {
    for (let i = 0; i < 5; i++) {
      const fields = [21_000, 21_000, 23_530].map((size): [Buffer, Buffer, boolean] => [
        Buffer.from('X'),
        Buffer.alloc(size, i + 65),
        false,
      ])
      const records = fields.map((field) => received(...field))
      for (const [n, field] of fields.entries()) {
        assert.equal(records[n]!.toBytes().toString('latin1'), `${expected(...field)}\r\n`)
      }
    }
  })

  it('is equal to another with the same bytes', () => {
    assert.ok(record('A', ' 1').equals(received(Buffer.from('A'), Buffer.from('1'), true)))
    for (const [name, value] of [
      ['a', ' 1'],
      ['A', '1'],
      ['A', ' 2'],
      ['A', ' 12'],
      ['A:', '1'],
      ['A: ', '1'],
    ] as const) {
      assert.equal(record('A', ' 1').equals(record(name, value)), false)
    }
    assert.equal(record('A:', 'b').equals(record('A', ':b')), false, 'the same line')
    assert.ok(record('A', '1').sameName(record('A', '2')))
    assert.equal(record('A', '1').sameName(record('a', '1')), false)
  })
})

describe('text that a field has no place for', () => {
  const fields = (utf8: boolean): MailHeaders =>
    new MailHeaders(
      [record('References', ' <a@x>'), record('From', ' Jörg <jörg@exämple.org>')],
      new Guard(),
      undefined,
      () => utf8,
      (word) => '<ä@envelope.example>'.includes(word),
    )
  const edits: [what: string, edit: (headers: MailHeaders) => void][] = [
    ['a new field', (headers) => headers.append('Message-ID', '<é@x>')],
    ['set', (headers) => headers.set('References', '<é@x>')],
    ['behind the old text', (headers) => (headers.field('References')!.value += ' <é@x>')],
  ]
  for (const [what, edit] of edits) {
    it(`${what}: is refused, but with SMTPUTF8`, () => {
      const headers = fields(false)
      assert.throws(() => edit(headers), { code: 'INVALID_HEADER_VALUE' })
      assert.deepEqual(headers.fields('References').map(String), ['References: <a@x>'])
      assert.equal(headers.length, 2)
      const international = fields(true)
      edit(international)
      assert.ok(international.fields().map(String).join('').includes('<é@x>'))
    })
  }

  const addresses: [what: string, edit: (headers: MailHeaders) => void][] = [
    ['set', (headers) => headers.set('To', 'Jörg <ü@x.org>')],
    ['with a domain', (headers) => headers.append('To', 'a@exämple.de')],
    ['with a local part in quotes', (headers) => headers.append('To', '"ü x"@x.org')],
    ['in a group', (headers) => headers.append('To', 'G: a@x, ü@x;')],
    ['behind those that are there', (headers) => (headers.field('From')!.value += ', ü@x')],
    [
      'before them',
      (headers) => void (headers.field('From')!.value = `ü@x, ${headers.get('From')}`),
    ],
    [
      'as mailboxes',
      (headers) => void (headers.field('From')!.addresses = [{ name: 'ü', address: 'ü@x' }]),
    ],
  ]
  for (const [what, edit] of addresses) {
    it(`a new address ${what}: is refused, but with SMTPUTF8`, () => {
      const headers = fields(false)
      const before = headers.fields().map(String)
      assert.throws(() => edit(headers), { code: 'INVALID_HEADER_VALUE', message: /ü|exämple/ })
      assert.deepEqual(headers.fields().map(String), before)
      const international = fields(true)
      edit(international)
      assert.notDeepEqual(international.fields().map(String), before)
    })
  }

  it('addresses that came with the message are written as they are', () => {
    const headers = fields(false)
    headers.set('Reply-To', headers.get('From')!)
    assert.equal(
      headers.field('Reply-To')!.raw.toString(),
      ' =?UTF-8?B?SsO2cmc=?= <jörg@exämple.org>',
    )
    headers.set('From', '"via ü" <list@x.org>')
    headers.set('Cc', 'jörg@exämple.org, b@x')
    headers.field('Cc')!.value += ', "ü" <c@x>'
    headers.append('X-Envelope-From', '<ä@envelope.example>')
    assert.equal(headers.get('X-Envelope-From'), '<ä@envelope.example>')
    assert.throws(() => headers.append('Cc', 'ö@exämple.org'), /"ö@exämple.org"/)
  })

  it('bytes are written', () => {
    const headers = fields(false)
    headers.set('References', Buffer.from(' <é@x>'))
    assert.equal(headers.get('References'), '<é@x>')
  })
})
