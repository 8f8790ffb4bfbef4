import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import type { UsageError } from '../../src/errors.ts'
import type { EditGuard } from '../../src/message/edit-guard.ts'
import { MailSender, Recipients } from '../../src/message/envelope.ts'
import { EnvelopeAddress } from '../../src/milter/envelope/envelope-address.ts'
import { esmtpParameters } from '../../src/milter/envelope/parameters.ts'
import { Action } from '../../src/protocol/constants.ts'

/** A guard that allows everything, and notes what it was asked. */
class Guard implements EditGuard {
  readonly asked: [what: string, actions: number][] = []
  answer: boolean | Error = true

  permit(what: string, actions: number): boolean {
    this.asked.push([what, actions])
    if (this.answer instanceof Error) throw this.answer
    return this.answer
  }
}

const code = (code: UsageError['code']) => ({ name: 'UsageError', code })

/** What can be no address. */
const INVALID = ['a@b\r', 'a@b\n', 'a\r\n@b', 'a\0@b', '<a@b>\r\n', '\t', 'a@b\x7f']
/** What is more than an address, or less. */
const NOT_ALONE = [
  'Bob <b@x>',
  '<b@x> NOTIFY=NEVER',
  'a@b> <c@d',
  '<a@b',
  'a@b>',
  '"x" <"y"@z>',
]

describe('an address of the envelope', () => {
  const cases: [what: string, raw: string, address: string, domain: string, mailbox: string][] =
    [
      ['an ordinary one', '<a@example.org>', 'a@example.org', 'example.org', 'a@example.org'],
      ['the null sender', '<>', '', '', ''],
      ['without brackets', 'root@host', 'root@host', 'host', 'root@host'],
      ['without a domain', '<Postmaster>', 'Postmaster', '', 'Postmaster'],
      ['both cases', '<Bob@Example.ORG>', 'Bob@Example.ORG', 'example.org', 'Bob@example.org'],
      ['a source route', '<@a.org,@b.org:c@d.org>', 'c@d.org', 'd.org', 'c@d.org'],
      ['a source route to quotes', '<@a:"x:@y"@z>', '"x:@y"@z', 'z', 'x:@y@z'],
      ['an @ in quotes', '<"a@b"@C>', '"a@b"@C', 'c', 'a@b@c'],
      ['a space in quotes', '<"a b"@c>', '"a b"@c', 'c', 'a b@c'],
      ['a bracket in quotes', '<"a>b<"@c>', '"a>b<"@c', 'c', 'a>b<@c'],
      ['escapes in quotes', '<"a\\"\\\\b"@c>', '"a\\"\\\\b"@c', 'c', 'a"\\b@c'],
      ['quotes that are not needed', '<"bob"@c>', '"bob"@c', 'c', 'bob@c'],
      ['quotes and no domain', '<"a@B">', '"a@B"', '', '"a@B"'],
      [
        'an address literal',
        '<a@[192.0.2.1]>',
        'a@[192.0.2.1]',
        '[192.0.2.1]',
        'a@[192.0.2.1]',
      ],
      ['UTF-8', '<jörg@EXÄMPLE.org>', 'jörg@EXÄMPLE.org', 'exämple.org', 'jörg@exämple.org'],
      ['bytes', '<\udce9@\udcff>', '\udce9@\udcff', '\udcff', '\udce9@\udcff'],
      ['two @', '<a@b@C>', 'a@b@C', 'c', 'a@b@c'],
      ['no local part', '<@x>', '@x', 'x', '@x'],
    ]
  for (const [what, raw, address, domain, mailbox] of cases) {
    it(`is read: ${what}`, () => {
      const one = new EnvelopeAddress([raw])
      assert.equal(one.raw, raw)
      assert.equal(one.address, address)
      assert.equal(String(one), address)
      assert.equal(one.domain, domain)
      assert.equal(one.mailbox, mailbox)
      assert.equal(one.is(raw), true)
      assert.equal(one.is(address), true)
      assert.equal(one.is(`<${address}>`), true)
    })
  }

  it('is made with brackets or without', () => {
    for (const [given, raw] of [
      ['a@b', '<a@b>'],
      ['<a@b>', '<a@b>'],
      ['', '<>'],
      ['<>', '<>'],
      ['<@r:a@b>', '<a@b>'],
      ['"a b>"@c', '<"a b>"@c>'],
      ['jörg@exämple.org', '<jörg@exämple.org>'],
      ['\udce9@b', '<\udce9@b>'],
    ] as const) {
      assert.equal(EnvelopeAddress.of(given).raw, raw)
    }
  })

  it('that cannot be sent is an error', () => {
    for (const bad of [...INVALID, ...NOT_ALONE]) {
      assert.throws(() => EnvelopeAddress.of(bad), code('INVALID_ADDRESS'), JSON.stringify(bad))
    }
    assert.throws(() => EnvelopeAddress.of('a@b', 'X\n'.repeat(2)), code('INVALID_ADDRESS'))
    assert.throws(() => EnvelopeAddress.of('a@b', 'X\0'), code('INVALID_ADDRESS'))
    assert.throws(() => EnvelopeAddress.of('\ud800@b'), code('INVALID_TEXT'))
  })

  it('has parameters with and without a value', () => {
    const words = ['SIZE=100', 'smtputf8', 'Notify=', 'X=a=b', 'ENVID=Q+41'] as const
    assert.deepEqual(
      [...new EnvelopeAddress(['<a@b>', ...words]).parameters],
      [
        ['SIZE', '100'],
        ['SMTPUTF8', null],
        ['NOTIFY', ''],
        ['X', 'a=b'],
        ['ENVID', 'Q+41'],
      ],
    )
    assert.equal(new EnvelopeAddress(['<a@b>']).parameters.size, 0)
    assert.deepEqual(EnvelopeAddress.of('a@b', '  RET=HDRS   X ').words, [
      '<a@b>',
      'RET=HDRS',
      'X',
    ])
    assert.deepEqual(EnvelopeAddress.of('a@b', esmtpParameters(words.slice(4))).words, [
      '<a@b>',
      ...words.slice(4),
    ])
    for (const none of ['', ' ', undefined, [], new Map<string, null>()]) {
      assert.deepEqual(EnvelopeAddress.of('a@b', none).words, ['<a@b>'])
    }
  })

  it('is a mailbox: the domain without case, the local part with', () => {
    const one = new EnvelopeAddress(['<Bob@Example.org>'])
    for (const [other, same] of [
      ['Bob@example.ORG', true],
      ['<Bob@EXAMPLE.org>', true],
      ['<@route:Bob@example.org>', true],
      ['"Bob"@example.org', true],
      ['bob@example.org', false],
      ['Bob@example.com', false],
      ['Bob', false],
      ['', false],
    ] as const) {
      assert.equal(one.is(other), same, other)
    }
  })
})

describe('the sender', () => {
  const senderOf = (...words: [string, ...string[]]) => {
    const guard = new Guard()
    return { sender: new MailSender(new EnvelopeAddress(words), guard), guard }
  }

  it('shows its address', () => {
    const { sender, guard } = senderOf('<A@B.org>', 'SIZE=1')
    assert.equal(sender.address, 'A@B.org')
    assert.equal(String(sender), 'A@B.org')
    assert.equal(sender.raw, '<A@B.org>')
    assert.equal(sender.domain, 'b.org')
    assert.equal(sender.is('A@b.ORG'), true)
    assert.deepEqual([...sender.parameters], [['SIZE', '1']])
    assert.deepEqual(guard.asked, [])
  })

  it('is replaced; parameters stay unless there are new ones', () => {
    const { sender, guard } = senderOf('<a@b>', 'SIZE=1', 'RET=HDRS')
    sender.replace('c@d')
    assert.deepEqual(sender.current.words, ['<c@d>', 'SIZE=1', 'RET=HDRS'])
    sender.replace('<e@f>', 'RET=FULL')
    assert.deepEqual(sender.current.words, ['<e@f>', 'RET=FULL'])
    assert.deepEqual(guard.asked, [
      ['sender.replace', Action.CHGFROM],
      ['sender.replace', Action.CHGFROM],
    ])
  })

  it('is an address like any other, at each moment', () => {
    const { sender } = senderOf('<"A"@B.org>', 'SIZE=1')
    assert.ok(sender instanceof EnvelopeAddress)
    assert.equal(sender.local, 'A')
    assert.equal(sender.mailbox, 'A@b.org')
    sender.replace('c@D', new Map([['RET', 'FULL']]))
    assert.equal(sender.local, 'c')
    assert.equal(sender.mailbox, 'c@d')
    assert.deepEqual([...sender.parameters], [['RET', 'FULL']])
  })

  it('may be nobody', () => {
    for (const nobody of ['', '<>']) {
      const { sender } = senderOf('<a@b>')
      sender.replace(nobody)
      assert.equal(sender.raw, '<>')
      assert.equal(sender.address, '')
      assert.equal(sender.is('<>'), true)
    }
  })

  it('stays as it was where an edit is wrong or not permitted', () => {
    const { sender, guard } = senderOf('<a@b>')
    const before = sender.current
    for (const bad of [...INVALID, ...NOT_ALONE]) {
      assert.throws(() => sender.replace(bad), code('INVALID_ADDRESS'))
      assert.throws(() => sender.replace(bad), /^UsageError: the sender /)
    }
    for (const parameters of ['X\0', 'RET', 'RET=NONE', 'ENVID']) {
      assert.throws(() => sender.replace('c@d', parameters), code('INVALID_ADDRESS'))
    }
    guard.answer = false
    sender.replace('c@d')
    guard.answer = new Error('not now')
    assert.throws(() => sender.replace('c@d'), guard.answer)
    assert.equal(sender.current, before)
  })
})

describe('the recipients', () => {
  type Words = readonly [string, ...string[]]
  const recipientsOf = (...words: (string | Words)[]) => {
    const guard = new Guard()
    const given = words.map(
      (one) => new EnvelopeAddress(typeof one === 'string' ? [`<${one}>`] : one),
    )
    return { recipients: new Recipients(given, guard), given, guard }
  }
  const show = (recipients: Recipients): string =>
    Array.from(recipients, ({ words }) => words.join(' ')).join(', ')

  const THREE = ['a@x', ['<B@Y>', 'NOTIFY=NEVER'], '"c d"@z'] as const
  const UNCHANGED = '<a@x>, <B@Y> NOTIFY=NEVER, <"c d"@z>'

  it('are in order, and each is found in any way to write it', () => {
    const { recipients, given, guard } = recipientsOf(...THREE)
    assert.equal(recipients.length, 3)
    assert.deepEqual(recipients.addresses, ['a@x', 'B@Y', '"c d"@z'])
    assert.deepEqual([...recipients], given)
    for (const there of ['a@x', '<a@X>', '"a"@x', 'B@y', '<@r:B@y>', '"c d"@Z']) {
      assert.equal(recipients.has(there), true, there)
    }
    for (const not of ['b@y', 'a', '', '<>', 'c d@y', 'a@x '])
      assert.equal(recipients.has(not), false)
    assert.equal(recipients.current, given)
    assert.deepEqual(guard.asked, [])
  })

  const cases: [what: string, edit: (recipients: Recipients) => unknown, result: string][] = [
    ['add', (r) => r.add('d@x'), `${UNCHANGED}, <d@x>`],
    ['add with brackets', (r) => r.add('<d@x>'), `${UNCHANGED}, <d@x>`],
    [
      'add with parameters',
      (r) => r.add('d@x', 'NOTIFY=NEVER'),
      `${UNCHANGED}, <d@x> NOTIFY=NEVER`,
    ],
    ['add in two ways', (r) => [r.add('d@x'), r.add('<d@X>')], `${UNCHANGED}, <d@x>`],
    [
      'parameters for one that is there',
      (r) => r.add('"a"@X', 'NOTIFY=DELAY'),
      '<a@x> NOTIFY=DELAY, <B@Y> NOTIFY=NEVER, <"c d"@z>',
    ],
    [
      'other parameters',
      (r) => r.add('B@y', 'NOTIFY=DELAY'),
      '<a@x>, <B@Y> NOTIFY=DELAY, <"c d"@z>',
    ],
    ['remove', (r) => r.remove('a@X'), '<B@Y> NOTIFY=NEVER, <"c d"@z>'],
    ['remove an object', (r) => r.remove([...r][1]!), '<a@x>, <"c d"@z>'],
    ['remove with quotes', (r) => r.remove('"\\c\\ d"@z'), '<a@x>, <B@Y> NOTIFY=NEVER'],
    [
      'remove all, one by one',
      (r) => {
        for (const one of r) r.remove(one)
      },
      '',
    ],
    [
      'remove and add',
      (r) => [r.remove('a@x'), r.add('a@x')],
      '<B@Y> NOTIFY=NEVER, <"c d"@z>, <a@x>',
    ],
    ['replace', (r) => r.replace(['d@x', 'e@x']), '<d@x>, <e@x>'],
    ['replace by nobody', (r) => r.replace([]), ''],
    [
      'replace: who stays keeps parameters',
      (r) => r.replace(['d@x', 'B@y', 'B@Y']),
      '<d@x>, <B@Y> NOTIFY=NEVER',
    ],
    ['replace by a set', (r) => r.replace(new Set(['d@x'])), '<d@x>'],
    ['replace by one address that is no list', (r) => r.replace('d@x'), '<d@x>'],
    [
      'replace by a part of them',
      (r) => r.replace(r.addresses.filter((one) => one.endsWith('x'))),
      '<a@x>',
    ],
  ]
  for (const [what, edit, result] of cases) {
    it(`are edited: ${what}`, () => {
      const { recipients } = recipientsOf(...THREE)
      edit(recipients)
      assert.equal(show(recipients), result)
      assert.equal(recipients.current.map(({ words }) => words.join(' ')).join(', '), result)
      assert.equal(recipients.length, result === '' ? 0 : result.split(', ').length)
      assert.deepEqual(
        recipients.addresses,
        Array.from(recipients, ({ address }) => address),
      )
    })
  }

  const NO_EDIT: [what: string, edit: (recipients: Recipients) => unknown][] = [
    ['an address that is there', (r) => r.add('<a@X>')],
    ['removing one that is not', (r) => assert.equal(r.remove('d@x'), false)],
  ]
  for (const [what, edit] of NO_EDIT) {
    it(`are the given list itself after no edit: ${what}`, () => {
      const { recipients, given } = recipientsOf(...THREE)
      edit(recipients)
      assert.equal(recipients.current, given)
    })
  }

  it('tell whether one was removed', () => {
    const { recipients } = recipientsOf(...THREE)
    assert.equal(recipients.remove('a@x'), true)
    assert.equal(recipients.remove('a@x'), false)
  })

  it('count a mailbox once, as it came first', () => {
    const { recipients, given } = recipientsOf(['<a@x>', 'X'], 'b@x', ['<a@X>', 'Y'], '"b"@x')
    assert.equal(show(recipients), '<a@x> X, <b@x>')
    assert.equal(recipients.length, 2)
    assert.equal(recipients.current, given)
    recipients.remove('a@x')
    assert.equal(show(recipients), '<b@x>')
  })

  it('know which edits need which permission', () => {
    const { recipients, guard } = recipientsOf(...THREE)
    const asked = (edit: () => unknown): number => {
      edit()
      return guard.asked.pop()![1]
    }
    assert.equal(
      asked(() => recipients.add('d@x')),
      Action.ADDRCPT,
    )
    assert.equal(
      asked(() => recipients.add('d@x')),
      0,
      'it is there',
    )
    assert.equal(
      asked(() => recipients.add('e@x', 'NOTIFY=NEVER')),
      Action.ADDRCPT_PAR,
    )
    assert.equal(
      asked(() => recipients.add('e@x', 'NOTIFY=DELAY')),
      Action.ADDRCPT_PAR | Action.DELRCPT,
    )
    assert.equal(
      asked(() => recipients.remove('e@x')),
      Action.DELRCPT,
    )
    assert.equal(
      asked(() => recipients.replace(['x@y'])),
      Action.DELRCPT | Action.ADDRCPT,
    )
  })

  it('stay as they were where an edit is wrong', () => {
    const { recipients, given } = recipientsOf(...THREE)
    for (const bad of [...INVALID, ...NOT_ALONE, '', '<>']) {
      assert.throws(() => recipients.add(bad), code('INVALID_ADDRESS'), JSON.stringify(bad))
      assert.throws(
        () => recipients.add(bad),
        /^UsageError: the recipient /,
        JSON.stringify(bad),
      )
      assert.throws(() => recipients.add(bad, 'NOTIFY=NEVER'), code('INVALID_ADDRESS'))
      assert.throws(() => recipients.replace(['d@x', bad]), code('INVALID_ADDRESS'))
    }
    for (const parameters of ['X\0', 'X-OTHER=1', 'NOTIFY', 'ORCPT=d@x']) {
      for (const address of ['d@x', 'a@x']) {
        assert.throws(() => recipients.add(address, parameters), code('INVALID_ADDRESS'))
      }
    }
    assert.equal(show(recipients), UNCHANGED)
    assert.equal(recipients.current, given)
  })

  it('stay as they were where an edit is not permitted', () => {
    const { recipients, given, guard } = recipientsOf(...THREE)
    for (const answer of [false, new Error('not now')] as const) {
      guard.answer = answer
      for (const edit of [
        () => recipients.add('d@x'),
        () => recipients.add('a@x', 'NOTIFY=NEVER'),
        () => assert.equal(recipients.remove('a@x'), false),
        () => recipients.replace(['d@x']),
      ]) {
        if (answer === false) edit()
        else assert.throws(edit, answer)
        assert.equal(recipients.current, given)
        assert.equal(show(recipients), UNCHANGED)
      }
    }
  })

  it('may be a client’s own, whatever they are', () => {
    const odd = ['a b@x', '<', '', 'x> <y', 'a\x01@b']
    const { recipients } = recipientsOf(...odd)
    recipients.replace(recipients.addresses.slice(1))
    assert.deepEqual(recipients.addresses, odd.slice(1))
    for (const one of recipients) recipients.remove(one.address)
    assert.equal(recipients.length, 0)
  })

  it('are what a list would do (property)', () => {
    const ADDRESS = fc.constantFrom('a@x', 'a@X', '"a"@x', 'A@x', 'b@x', 'c@y')
    const COMMAND = fc.tuple(fc.constantFrom('add', 'remove', 'has'), ADDRESS)
    const key = (address: string): string => address.replaceAll('"', '').replace('X', 'x')
    fc.assert(
      fc.property(fc.array(ADDRESS), fc.array(COMMAND), (given, commands) => {
        const { recipients } = recipientsOf(...given)
        const model = [...new Set(given.map(key))]
        for (const [what, address] of commands) {
          const at = model.indexOf(key(address))
          if (what === 'has') assert.equal(recipients.has(address), at !== -1)
          else if (what === 'remove') {
            assert.equal(recipients.remove(address), at !== -1)
            if (at !== -1) model.splice(at, 1)
          } else {
            recipients.add(address)
            if (at === -1) model.push(key(address))
          }
        }
        assert.deepEqual(recipients.addresses.map(key), model)
      }),
    )
  })

  it('may be ten thousand', () => {
    const many = Array.from({ length: 10_000 }, (_none, i) => `user${i}@example.org`)
    const { recipients, guard } = recipientsOf(...many)
    for (const one of many) recipients.add(`new-${one}`)
    for (const one of many) assert.ok(recipients.remove(one))
    for (const one of many) assert.ok(recipients.has(`new-${one}`))
    assert.equal(recipients.length, 10_000)
    assert.equal(guard.asked.length, 20_000, 'each edit is asked for once')
    recipients.replace(many)
    assert.deepEqual(recipients.addresses, many)
  })
})
