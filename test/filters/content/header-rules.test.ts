import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  headerRules,
  type HeaderRule,
  type HeaderRulesOptions,
} from '../../../src/filters/index.ts'
import { globTest } from '../../../src/filters/content/header-rules-options.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'header-rules-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const HEAD = [
  'From: a@example.com',
  'Subject: Lunch?',
  'X-Mailer: m',
  'X-Spam: no',
  'x-spam: yes',
]

async function sent(
  options: HeaderRulesOptions,
  head: readonly string[],
  check: (header: string[], outcome: TestOutcome, line: TestOutcome['log'][number]) => void,
  delivery: TestTransaction = {},
): Promise<void> {
  for (const mta of ['postfix', 'sendmail'] as const) {
    const message = Buffer.from(`${head.join('\r\n')}\r\n\r\nx\r\n`, 'latin1')
    const outcome = await deliver(headerRules(options), { mta, message, ...delivery })
    assert.deepEqual(outcome.errors, [])
    const text = outcome.message?.toString('latin1') ?? ''
    const line = outcome.log.find(({ fields }) => fields['reason'] !== undefined)!
    const header = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n')
    // Sendmail adds these.
    check(
      header.filter((one) => !/^(?:Date: |Message-Id: |From: alice@example\.org)/.test(one)),
      outcome,
      line,
    )
  }
}

describe('headerRules: edits', () => {
  const cases: [string, HeaderRule | HeaderRule[], string[], string[], string][] = [
    ['removes by name', { remove: 'x-mailer' }, HEAD, HEAD.toSpliced(2, 1), 'edited'],
    ['removes by glob', { remove: 'X-*' }, HEAD, HEAD.slice(0, 2), 'edited'],
    [
      'removes what matches',
      { remove: 'X-Spam', matches: '/^YES$/' },
      HEAD,
      HEAD.slice(0, 4),
      'edited',
    ],
    [
      'minds the case with the flag i',
      { remove: 'X-Spam', matches: '/^YES$/i' },
      HEAD,
      HEAD,
      'no-match',
    ],
    ['adds at the end', { add: 'X-A', value: '$1 b' }, HEAD, [...HEAD, 'X-A: $1 b'], 'edited'],
    [
      'adds at the top',
      { add: 'X-A', value: 'b', place: 'top' },
      HEAD,
      ['X-A: b', ...HEAD],
      'edited',
    ],
    [
      'adds after a field',
      { add: 'X-A', value: 'b', after: 'Subject' },
      HEAD,
      HEAD.toSpliced(2, 0, 'X-A: b'),
      'edited',
    ],
    [
      'adds before a field',
      { add: 'X-A', value: 'b', before: 'Subject' },
      HEAD,
      HEAD.toSpliced(1, 0, 'X-A: b'),
      'edited',
    ],
    [
      'adds after a field that is not there',
      { add: 'X-A', value: 'b', after: 'X-B' },
      HEAD,
      [...HEAD, 'X-A: b'],
      'edited',
    ],
    [
      'adds text of a file',
      { add: 'X-A', valueFile: file('value', 'Gr\u00fc\u00dfe\n') },
      HEAD,
      [...HEAD, 'X-A: =?UTF-8?B?R3LDvMOfZQ==?='],
      'edited',
    ],
    [
      'replaces',
      { replace: 'Subject', value: 'x' },
      HEAD,
      HEAD.with(1, 'Subject: x'),
      'edited',
    ],
    [
      'replaces with groups',
      { replace: 'Subject', matches: '/^(.)unch(.*)$/', value: '$2$1 $$' },
      HEAD,
      HEAD.with(1, 'Subject: ?L $'),
      'edited',
    ],
    [
      'replaces decoded text',
      { replace: 'Subject', matches: '/^gr(.*)/', value: '$1' },
      ['Subject: =?utf-8?q?Gr=0D=0AX-Evil:_1?='],
      ['Subject: X-Evil: 1'],
      'edited',
    ],
    [
      'sees what rules before have done',
      [
        { add: 'X-A', value: '1' },
        { remove: 'X-A' },
        { add: 'X-B', value: '2', if: { field: 'X-A' } },
      ],
      HEAD,
      HEAD,
      'edited',
    ],
    [
      'only if',
      {
        remove: 'X-Mailer',
        if: [
          { field: 'Subject', matches: '/lunch/' },
          { field: 'X-Sp*', matches: '/yes/' },
        ],
      },
      HEAD,
      HEAD.toSpliced(2, 1),
      'edited',
    ],
    [
      'only if all',
      { remove: 'X-Mailer', if: [{ field: 'Subject', matches: '/lunch/' }, { field: 'X-A' }] },
      HEAD,
      HEAD,
      'no-match',
    ],
    [
      'only if not',
      { add: 'X-Mailer', value: 'x', if: { field: 'X-Mailer', not: true } },
      HEAD,
      HEAD,
      'no-match',
    ],
    [
      'writes no From without an address',
      { replace: 'From', value: '"x' },
      HEAD,
      HEAD,
      'invalid',
    ],
    ['only logs', { log: 'Subject', matches: '/lunch/' }, HEAD, HEAD, 'logged'],
  ]
  for (const [name, rules, before, expected, reason] of cases) {
    it(name, async () => {
      await sent({ rules }, before, (header, _, line) => {
        assert.deepEqual(header, expected)
        assert.equal(line.fields['reason'], reason)
      })
    })
  }

  it('is a dry run while it observes', async () => {
    await sent({ rules: { remove: 'X-*' }, observe: true }, HEAD, (header, outcome, line) => {
      assert.deepEqual(header, HEAD)
      assert.deepEqual(outcome.edits, [])
      assert.equal(line.message, 'would be changed')
      assert.deepEqual((line.fields['rules'] as string[])[0], 'rules[0]: remove X-Mailer')
    })
  })
})

describe('headerRules: verdicts', () => {
  for (const [name, rule, reply] of [
    ['refuses', { refuse: 'Subject' }, '550 5.7.1 Message header not accepted'],
    ['refuses with a text', { refuse: 'X-*', matches: '/m/', text: 'No' }, '550 5.7.1 No'],
    ['refuses with a code', { refuse: 'X-*', text: '5.6.0 100% no' }, '550 5.6.0 100% no'],
  ] as const) {
    it(name, async () => {
      await sent({ rules: rule }, HEAD, (_, outcome, line) => {
        assert.equal(outcome.reply, reply)
        assert.deepEqual([line.message, line.fields['reason']], ['refused', 'header-rule'])
      })
    })
  }

  it('holds', async () => {
    await sent({ rules: { hold: 'Subject', text: 'look' } }, HEAD, (_, outcome, line) => {
      assert.equal(outcome.verdict, 'quarantine')
      assert.equal(outcome.quarantine, 'look')
      assert.deepEqual([line.message, line.fields['reason']], ['held', 'header-rule'])
    })
  })
})

describe('headerRules: signed fields', () => {
  const signature = 'DKIM-Signature: v=1; d=example.com; h=From:Subject : from'
  it('warns', async () => {
    await sent(
      { rules: { replace: 'Subject', value: 'x' } },
      [signature, ...HEAD],
      (_, __, line) => {
        assert.deepEqual([line.level, line.message], ['warn', 'changed'])
        assert.deepEqual(line.fields['breaks'], ['Subject (example.com)'])
      },
    )
  })
  it('does not warn of others', async () => {
    await sent({ rules: { remove: 'X-Mailer' } }, [signature, ...HEAD], (_, __, line) => {
      assert.deepEqual([line.level, line.fields['breaks']], ['info', undefined])
    })
  })
  it('keeps them', async () => {
    const rules = { replace: 'Subject', value: 'x' }
    await sent({ rules, signed: 'keep' }, [signature, ...HEAD], (header, _, line) => {
      assert.ok(header.includes('Subject: Lunch?'))
      assert.deepEqual(
        [line.level, line.message, line.fields['reason']],
        ['warn', 'skipped', 'signed'],
      )
    })
  })
})

describe('headerRules: tables of Postfix', () => {
  const table = file(
    'checks',
    [
      '# comment',
      '/^X-Mailer:/ IGNORE',
      'if /^Subject:/',
      '/^Subject: (Lunch.*)/ REPLACE Subject: [menu] $1',
      'endif',
      '/^X-Spam: no/ PREPEND X-Ham: yes',
      '/^X-Bad: (.*)/ reject 5.7.9 No $1',
      '/^X-Hold:/ HOLD',
      '/^X-Odd: (.*)/ REPLACE $1',
      '/^X-Note:/ WARN seen',
    ].join('\n'),
  )
  const headerChecks = `pcre:${table}`

  it('edits', async () => {
    await sent({ headerChecks }, HEAD, (header, _, line) => {
      assert.deepEqual(header, [
        'From: a@example.com',
        'Subject: [menu] Lunch?',
        'X-Ham: yes',
        'X-Spam: no',
        'x-spam: yes',
      ])
      assert.deepEqual(line.fields['rules'], [
        `${table}:4: replace Subject`,
        `${table}:2: remove X-Mailer`,
        `${table}:6: add X-Ham`,
      ])
    })
  })

  it('keeps encoded words, bytes and folds', async () => {
    const before = 'Subject: Lunch =?utf-8?q?=C3=A9?=\r\n and \xe9'
    await sent({ headerChecks }, ['From: a@example.com', before], (header) => {
      assert.deepEqual(header.slice(1), [
        'Subject: [menu] Lunch =?utf-8?q?=C3=A9?=',
        ' and \xe9',
      ])
    })
  })

  for (const [field, verdict, reason] of [
    ['X-Bad: \xe9 x', 'reject', 'header-rule'],
    ['X-Hold: x', 'quarantine', 'header-rule'],
    ['X-Odd: no field', 'accept', 'invalid'],
    ['X-Note: x', 'accept', 'logged'],
    ['X-Other: x', 'accept', 'no-match'],
  ] as const) {
    it(`${field}: ${verdict}`, async () => {
      await sent({ headerChecks }, ['From: a@example.com', field], (_, outcome, line) => {
        assert.equal(outcome.verdict, verdict)
        assert.equal(line.fields['reason'], reason)
        if (verdict === 'reject') assert.equal(outcome.reply, '550 5.7.9 No ? x')
      })
    })
  }

  for (const [name, text, message] of [
    [
      'discard',
      '/a/ DUNNO\n/b/ DISCARD',
      /:2: this filter does not discard mail; write REJECT or HOLD/,
    ],
    [
      'an unknown action',
      '/a/ FILTER x:y',
      /:1: "FILTER" is no action of this filter; leave this rule in Postfix/,
    ],
    ['a replacement that is no field', '\n\n/a/ REPLACE x', /:3: REPLACE needs a field/],
    ['a group that is not there', '/a/ REJECT $1', /:1: the value has \$1/],
    ['a pattern without bounds', '/(a)\\1/ REJECT', /:1: the pattern/],
  ] as const) {
    it(`refuses ${name}, with its line`, () => {
      const path = file('wrong', text)
      assert.throws(() => headerRules({ headerChecks: `pcre:${path}` }), {
        name: 'UsageError',
        message,
      })
    })
  }

  it('refuses a table that is not there', () => {
    assert.throws(() => headerRules({ headerChecks: 'regexp:/does/not/exist' }), {
      name: 'UsageError',
      message: /headerRules: the option headerChecks: \/does\/not\/exist cannot be read/,
    })
  })
})

describe('headerRules: work', () => {
  it('is bounded, whatever the sender writes', async () => {
    const rules = { refuse: 'X-*', matches: '/(a*)*(a|b|ab)*c/' }
    const head = [
      'From: a@example.com',
      ...Array.from({ length: 6 }, () => `X-A: ${'a'.repeat(900)}`),
    ]
    await sent({ rules }, head, (_, outcome) => assert.equal(outcome.verdict, 'accept'))
  })

  it('is onError above the bound', async () => {
    const rules = { refuse: 'X-*', matches: '/(a?){900}(b?){900}c/' }
    const message = `X-A: ${'a'.repeat(9_000)}c\r\n\r\nx\r\n`
    const outcome = await deliver(headerRules({ rules, onError: 'reject' }), { message })
    assert.equal(outcome.verdict, 'reject')
    assert.match(String(outcome.errors[0]), /rules\[0\] takes more than 10000000 steps/)
  })
})

describe('headerRules: mistakes', () => {
  for (const [name, options, text] of [
    ['nothing', {}, /needs rules or headerChecks/],
    ['a rule without an action', { rules: [{ value: 'x' }] }, /rules\[0\] needs either add or/],
    [
      'two actions',
      { rules: [{ add: 'A', remove: 'B', value: 'x' }] },
      /remove cannot stand beside add/,
    ],
    [
      'add without a value',
      { rules: [{ add: 'A' }] },
      /needs either value or valueFile beside add/,
    ],
    [
      'remove with a value',
      { rules: [{ remove: 'A', value: 'x' }] },
      /value has no meaning beside remove/,
    ],
    ['add with a glob', { rules: [{ add: 'A:', value: 'x' }] }, /the name of a header field/],
    [
      'a pattern without an end',
      { rules: [{ remove: 'A', matches: '/x' }] },
      /matches takes a pattern .*no \/ at its end/,
    ],
    [
      'a pattern with text after it',
      { rules: [{ remove: 'A', matches: '/x/ y' }] },
      /nothing after it/,
    ],
    ['lookahead', { rules: [{ remove: 'A', matches: '/(?=x)/' }] }, /matches takes a pattern/],
    [
      'a group that is not there',
      { rules: [{ replace: 'A', matches: '/x/', value: '$1' }] },
      /value cannot be used: the value has \$1/,
    ],
    [
      'two places',
      { rules: [{ add: 'A', value: 'x', place: 'top', after: 'B' }] },
      /takes one of place, before and after/,
    ],
    [
      'a file that is not there',
      { rules: [{ add: 'A', valueFile: join(folder, 'missing') }] },
      /rules\[0\]\.valueFile: .* cannot be read/,
    ],
    [
      'a file with lines',
      { rules: [{ add: 'A', valueFile: file('lines', 'a\nb') }] },
      /has several lines/,
    ],
    ['another kind of table', { headerChecks: 'hash:/x' }, /pcre: or regexp:/],
  ] as const) {
    it(name, () => {
      assert.throws(
        () => headerRules(options as unknown as HeaderRulesOptions),
        (error: Error) =>
          error.name === 'UsageError' && (assert.match(error.message, text), true),
      )
    })
  }
})

describe('names with globs', () => {
  for (const [glob, name, expected] of [
    ['X-*', 'x-a', true],
    ['X-*', 'X-', true],
    ['X-*', 'AX-b', false],
    ['*', 'anything', true],
    ['*-Id', 'List-ID', true],
    ['a*a', 'a', false],
    ['a*b*c', 'axxbyyc', true],
    ['a*b*c', 'axxcyyb', false],
    ['a.c', 'abc', false],
  ] as const) {
    it(`${glob} ${expected ? 'is' : 'is not'} ${name}`, () => {
      assert.equal(globTest(glob)(name), expected)
    })
  }
})
