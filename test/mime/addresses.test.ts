import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { UsageError } from '../../src/errors.ts'
import { addressTokens } from '../../src/mime/fields/address-tokens.ts'
import { decodeEncodedWords, unfold } from '../../src/mime/fields/encoded-words.ts'
import { readField, writeField } from '../../src/mime/fields/field-text.ts'
import {
  formatAddresses,
  mailboxesOf,
  parseAddresses,
  type Address,
} from '../../src/mime/fields/mailboxes.ts'
import { decodeText, encodeText } from '../../src/protocol/text.ts'

const q = (text: string, charset = 'utf-8'): string =>
  `=?${charset}?Q?${Array.from(
    Buffer.from(text, charset === 'utf-8' ? 'utf8' : 'latin1'),
    (byte) => `=${byte.toString(16).padStart(2, '0').toUpperCase()}`,
  ).join('')}?=`

const inMessage = (value: string): readonly Address[] =>
  parseAddresses(unfold(value), true).addresses
const inText = (text: string): readonly Address[] => parseAddresses(text, false).addresses
/** `name|address`, groups in braces. */
const show = (addresses: readonly Address[]): string =>
  addresses
    .map((one) =>
      'group' in one
        ? `{${one.group}: ${show(one.mailboxes)}}`
        : `${one.name ?? ''}|${one.address}`,
    )
    .join(' ')

describe('a list of addresses', () => {
  it('is looked through for encoded words once, however long it is', (test) => {
    const count = (words: number, text: string): number => {
      const marks = test.mock.method(String.prototype, 'indexOf')
      addressTokens(text.repeat(words), true)
      const { calls } = marks.mock
      marks.mock.restore()
      return calls.filter((call) => call.arguments[0] === '=?').length
    }
    for (const text of ['a@b, ', 'a ', 'a@b:;', '<a@b>']) {
      assert.equal(count(10, text), 1)
      assert.equal(count(10_000, text), 1)
    }
    // Once for each mark.
    assert.ok(count(10_000, 'a=? ') <= 20_001)
  })
})

describe('fields of addresses', () => {
  const fields =
    'From Resent-Sender Author Original-From Disposition-Notification-To Return-Path ' +
    'Originator-Return-Address X400-Originator X400-Recipients X-Original-From'
  for (const name of fields.split(' ')) {
    it(`${name}: names in it cannot become addresses`, () => {
      const text = readField(name, ` ${q('Doe, <a@bank.example>')} <j@example.org>`)
      assert.equal(text, '"Doe, <a@bank.example>" <j@example.org>')
      assert.equal(
        writeField(name, 'Jörg <j@example.org>'),
        ' =?UTF-8?B?SsO2cmc=?= <j@example.org>',
      )
      assert.throws(() => writeField(name, 'a b <a@x> c'), { code: 'INVALID_ADDRESS' })
    })
  }

  it('are no fields with an address in them', () => {
    for (const name of [
      'CFBL-Address',
      'Require-Recipient-Valid-Since',
      'DL-Expansion-History',
    ]) {
      assert.throws(() => writeField(name, 'Jörg <j@x>; x'), { code: 'INVALID_HEADER_VALUE' })
    }
    assert.equal(writeField('Approved', 'sécret'), ' =?UTF-8?Q?s=C3=A9cret?=')
  })
})

describe('a field of addresses as text', () => {
  const cases: [what: string, value: string, text: string, mailboxes: string][] = [
    [
      'a comma in an encoded name',
      '=?utf-8?Q?M=C3=BCller=2C_J=C3=B6rg?= <j@example.org>',
      '"Müller, Jörg" <j@example.org>',
      'Müller, Jörg|j@example.org',
    ],
    [
      'a name that says it is an address',
      '=?utf-8?Q?admin=40bank=2Eexample=2C?= <evil@example.org>',
      '"admin@bank.example," <evil@example.org>',
      'admin@bank.example,|evil@example.org',
    ],
    [
      'a name that says it is an address in brackets',
      `${q('"A" <a@bank.example>, "')} <evil@x>`,
      '"\\"A\\" <a@bank.example>, \\"" <evil@x>',
      '"A" <a@bank.example>, "|evil@x',
    ],
    ['letters only', `${q('Jörg')} <j@x>, b@x`, 'Jörg <j@x>, b@x', 'Jörg|j@x |b@x'],
    ['a dot', `${q('J. Ö')} <j@x>`, '"J. Ö" <j@x>', 'J. Ö|j@x'],
    ['two words', `${q('Jörg', 'iso-8859-1')}\n ${q('é')} <j@x>`, 'Jörgé <j@x>', 'Jörgé|j@x'],
    ['an encoded word in quotes', `"${q('M, J')}" <j@x>`, '"M, J" <j@x>', 'M, J|j@x'],
    [
      'a quote in one in quotes',
      `"${q('a" <b@c>')}" <j@x>`,
      '"a\\" <b@c>" <j@x>',
      'a" <b@c>|j@x',
    ],
    ['quotes beside one', `"M, J" ${q('é')} <j@x>`, '"M, J é" <j@x>', 'M, J é|j@x'],
    [
      'one twice encoded',
      `${q('=?utf-8?q?a?=')} <j@x>`,
      '"=\\?utf-8?q?a?=" <j@x>',
      '=?utf-8?q?a?=|j@x',
    ],
    ['what the RFC forbids in one', '=?utf-8?Q?a, b@c?= <j@x>', '"a, b@c" <j@x>', 'a, b@c|j@x'],
    ['a line break', `${q('a\r\nBcc: x@y')} <j@x>`, '"a  Bcc: x@y" <j@x>', 'a  Bcc: x@y|j@x'],
    ['no space', `${q('é')}<j@x>`, 'é<j@x>', 'é|j@x'],
    [
      'an unknown charset',
      '=?x-unknown?q?=2c?= <j@x>',
      '=?x-unknown?q?=2c?= <j@x>',
      '=?x-unknown?q?=2c?=|j@x',
    ],
    ['a comment', `j@x (${q('Jörg (M)')})`, 'j@x (Jörg \\(M\\))', '|j@x'],
    ['a comment that would end', `j@x (${q('a) , b@c (')})`, 'j@x (a\\) , b@c \\()', '|j@x'],
    [
      'a comment in a name',
      `${q('a,b')} (c) ${q('é')} <j@x>`,
      '"a,b" (c) é <j@x>',
      'a,b é|j@x',
    ],
    [
      'a group',
      `${q('A, b')}: ${q('é;')} <a@x>, b@x;, c@x`,
      '"A, b": "é;" <a@x>, b@x;, c@x',
      '{A, b: é;|a@x |b@x} |c@x',
    ],
    [
      'nobody',
      'undisclosed-recipients:;',
      'undisclosed-recipients:;',
      '{undisclosed-recipients: }',
    ],
    ['an @ in a name', 'a@b.org <c@x>', '"a@b.org" <c@x>', 'a@b.org|c@x'],
    ['a tag in brackets', '[LIST] Joe <c@x>', '"[LIST] Joe" <c@x>', '[LIST] Joe|c@x'],
    ['raw bytes', 'M\udcfcller <j@x>', 'M\udcfcller <j@x>', 'M\udcfcller|j@x'],
    [
      'raw bytes beside a word',
      `M\udcfc ${q('a,')} <j@x>`,
      '"M\udcfc a," <j@x>',
      'M\udcfc a,|j@x',
    ],
    ['a quoted local part', '"a, b"@x, <"c>"@y>', '"a, b"@x, <"c>"@y>', '|"a, b"@x |"c>"@y'],
    ['an encoded local part, which is none', `<${q('é')}@x>`, `<${q('é')}@x>`, `|${q('é')}@x`],
    ['a literal', 'a@[IPv6:::1], b@x', 'a@[IPv6:::1], b@x', '|a@[IPv6:::1] |b@x'],
    ['a route', '<@r,@s:a@x>, b@x', '<@r,@s:a@x>, b@x', '|a@x |b@x'],
    [
      'spaces and comments in an address',
      'joe . smith (c) @ x . org',
      'joe . smith (c) @ x . org',
      '|joe.smith@x.org',
    ],
    ['dots that are wrong', 'a..b.@x, c@x', 'a..b.@x, c@x', '|a..b.@x |c@x'],
    ['empty ones', ', a@x,, b@x,', ', a@x,, b@x,', '|a@x |b@x'],
    [
      'an encoded word without an address',
      `${q('admin@bank')}, b@x`,
      '"admin@bank", b@x',
      '|"admin@bank" |b@x',
    ],
    [
      'an encoded and a plain one without',
      `Joe ${q('M')}, b@x`,
      '"Joe M", b@x',
      '|"Joe M" |b@x',
    ],
    ['UTF-8', 'Jörg <jörg@exämple.org>', 'Jörg <jörg@exämple.org>', 'Jörg|jörg@exämple.org'],
    ['a name alone', 'Joe Smith, b@x', 'Joe Smith, b@x', 'Joe Smith| |b@x'],
    ['a name that is not closed', '"Joe <j@x>, b@x', '"Joe <j@x>, b@x', 'Joe <j@x>, b@x|'],
    ['a bracket that is not closed', 'a <j@x, b@x', 'a <j@x, b@x', 'a|j@x |b@x'],
    ['two in one', 'a <j@x> b <k@x>', 'a <j@x> b <k@x>', 'a|j@x b|k@x'],
    ['nothing', '', '', ''],
    ['the null address', '<>', '<>', '|'],
    // A name in quotes must not end with a bracket, a route or a comment that begins before it.
    ['a bracket before a group', '[;\\]g:', '[;"\\\\]g":', '[| {\\]g: }'],
    [
      'a bracket before a word',
      '[;\\]=?utf-8?b?PGFAYj4s?=',
      '[;"\\\\]<a@b>,"',
      '[| |"\\\\]<a@b>,"',
    ],
    ['a bracket that ends in a group', '<@,>g:', '<@,">g":', '|@ {>g: }'],
    ['a bracket in a word behind an address', '<a@b>=?utf-8?q?(c?=;', '<a@b>"(c";', '|a@b'],
    ['one of an unknown charset', '=?x?q?(c?= <a@b>', '"=\\?x?q?(c?=" <a@b>', '=?x?q?(c?=|a@b'],
    ['a word in a route', '<@a,@b:=?utf-8?q?(c?=', '<@a,@b:=?utf-8?q?(c?=', '|=?utf-8?q?'],
    ['a backslash before a word', `a@b (\\${q(')(')})`, 'a@b (\\\\\\)\\()', '|a@b'],
    [
      'a bracket in a word in a comment',
      'a@b (=?utf-8?q?(c?=))',
      'a@b (=?utf-8?q?(c?=))',
      '|a@b',
    ],
  ]
  for (const [what, value, text, mailboxes] of cases) {
    it(what, () => {
      assert.equal(readField('From', ` ${value}`), text)
      assert.equal(show(inMessage(value)), mailboxes)
      assert.equal(show(inText(text)), mailboxes)
    })
  }

  it('shows what a mailbox consists of', () => {
    assert.deepEqual(inMessage('"A, b" <"x y"@Example.ORG>, postmaster'), [
      { name: 'A, b', address: '"x y"@Example.ORG', local: 'x y', domain: 'example.org' },
      { address: 'postmaster', local: 'postmaster', domain: '' },
    ])
  })
})

/** What is in address fields, right and wrong. */
const UNIT = fc.oneof(
  fc.constantFrom(
    ...'"\\(),;:<>@[]. \t=?'.split(''),
    'a@b.org',
    '<c@d.org>',
    'Joe',
    'é',
    '\udce9',
    '日本',
    '"M, J"',
    '(c)',
    '=?utf-8?q?=C3=A9=2C?=',
    '=?utf-8?q?a=40b=22?=',
    '=?utf-8?b?PGFAYj4s?=',
    '=?x?q?a?=',
    '=\\?',
    'g:',
    ', ',
    // What encoded words say, and hold, that means something elsewhere.
    '=?utf-8?q?=5D=5C?=',
    '=?utf-8?q?=29=28?=',
    '=?utf-8?q?=5C?=',
    '=?utf-8?q??=',
    '=?utf-8?q?_?=',
    '=?utf-8?q?=0D=0A?=',
    '=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?=',
    '=?utf-8*en?q?(a?=',
    '=?x?q?(a?=',
    '=?iso-8859-1?q?=E9=22=3E?=',
    '"=?utf-8?q?=22?="',
    '(=?utf-8?q?=C3=A9=29?=)',
    '<@a,@b:',
    '[1.2]',
    '@[',
    '\\]',
    '\\"',
    '\x7f',
  ),
  fc.string({ maxLength: 3 }),
)
const VALUE = fc
  .array(UNIT, { maxLength: 14 })
  .map((units) => units.join('').replaceAll(/[\r\n\0]/g, ''))

describe('whatever a field holds', () => {
  it('its text has the same mailboxes', () => {
    fc.assert(
      fc.property(VALUE, (value) => {
        const text = readField('To', value)
        assert.equal(show(inText(text)), show(inMessage(value.trim())), text)
      }),
      { numRuns: 20_000 },
    )
  })

  it('what is written of a text has its mailboxes, or it is an error', () => {
    let written = 0
    fc.assert(
      fc.property(VALUE, (text) => {
        let value: string
        try {
          value = writeField('To', text, { utf8: true })
        } catch (error) {
          assert.ok(error instanceof UsageError)
          assert.equal(error.code, 'INVALID_ADDRESS')
          return
        }
        written++
        const spaces = (all: string): string => all.replaceAll(/[ \t]+/g, ' ')
        assert.equal(spaces(show(inMessage(value))), spaces(show(inText(text))))
      }),
      { numRuns: 20_000 },
    )
    assert.ok(written > 100)
  })

  it('is read and written in time that grows with its length', () => {
    for (const unit of [
      '"',
      '\\"',
      '<',
      '<"',
      '("',
      '[',
      'é,',
      'é <a@b>, ',
      '"é" ',
      'a@',
      '\\',
      '=?',
      '=?a?q?',
      'g:',
      ' (',
      '()',
      '@a:',
    ]) {
      const text = unit.repeat(60_000 / unit.length)
      readField('To', `=?utf-8?q?a?= ${text}`)
      try {
        writeField('To', `é ${text}`)
      } catch (error) {
        assert.ok(error instanceof UsageError)
      }
    }
  })
})

const NAME = fc
  .oneof(
    fc.array(UNIT, { minLength: 1, maxLength: 8 }).map((units) => units.join('')),
    fc.string({ unit: 'grapheme', maxLength: 100 }),
  )
  .map((name) =>
    name
      .toWellFormed()
      // oxlint-disable-next-line eslint/no-control-regex -- they become spaces
      .replaceAll(/[\0-\x20\x7f\ufffd]+/g, ' ')
      .replaceAll(/^ | $/g, ''),
  )
const ADDRESS = fc.constantFrom(
  'a@example.org',
  '"x, y"@b.org',
  'jörg@exämple.org',
  'c@[192.0.2.1]',
)
const MAILBOX = fc.record({ name: NAME, address: ADDRESS })
const LIST = fc.array(
  fc.oneof(
    MAILBOX,
    fc.record({
      group: NAME.filter((one) => one !== ''),
      mailboxes: fc.array(MAILBOX, { maxLength: 3 }),
    }),
  ),
  { minLength: 1, maxLength: 5 },
)

describe('mailboxes that are set', () => {
  it('come out as they were, however they are named', () => {
    fc.assert(
      fc.property(LIST, (list) => {
        const value = writeField('To', formatAddresses(list), { utf8: true })
        assert.equal(show(inMessage(value)), show(list as unknown as Address[]))
        assert.equal(show(inText(readField('To', value))), show(list as unknown as Address[]))
        for (const line of value.split('\n')) {
          if (line.includes('=?UTF-8?')) assert.ok(Buffer.byteLength(line) <= 990)
        }
      }),
      { numRuns: 5000 },
    )
  })

  it('are the same for Python', (test) => {
    const python = spawnSync('python3', ['-c', 'import email.policy'])
    if (python.status !== 0) {
      test.skip('python3 is not there')
      return
    }
    const lists = fc.sample(
      fc.array(
        fc.record({
          name: NAME.filter((name) => !/\s\s/.test(name)),
          address: fc.constantFrom('a@example.org', 'b.c@example.net'),
        }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      { numRuns: 1500, seed: 5 },
    )
    const fields = lists.flatMap((list) => {
      const value = writeField('To', formatAddresses(list), { utf8: true })
      const text = readField('To', value)
      return [
        encodeText(`To:${value}`).toString('base64'),
        encodeText(`To: ${text}`).toString('base64'),
      ]
    })
    const script = `
import sys, json, base64, email, email.policy
for line in sys.stdin:
    m = email.message_from_string(base64.b64decode(line).decode() + '\\n\\n', policy=email.policy.default)
    print(json.dumps([[a.display_name, a.addr_spec] for a in m['to'].addresses]))
`
    const { stdout, stderr } = spawnSync('python3', ['-c', script], {
      input: `${fields.join('\n')}\n`,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    })
    const lines = stdout.trim().split('\n')
    assert.equal(lines.length, fields.length, stderr)
    for (const [i, list] of lists.entries()) {
      const [bytes, text] = [lines[2 * i]!, lines[2 * i + 1]!].map(
        (line) => JSON.parse(line) as [string, string][],
      )
      const wanted = list.map(({ name, address }) => [name, address])
      // Python 3.11 leaves the space between two encoded words in a name.
      const bare = (all: string[][]): string => JSON.stringify(all).replaceAll(/\s/g, '')
      assert.equal(bare(bytes!), bare(wanted), fields[2 * i])
      assert.equal(bare(text!), bare(wanted), fields[2 * i + 1])
    }
  })
})

describe('a text that is written', () => {
  for (const bad of [
    'Joe Smith',
    '"Joe <j@x>',
    'a@x b@x',
    'a@x; b@x',
    'a <b@x',
    '<a@x> b',
    '<a@x> <b@x>',
    'a (b@x',
    'a@b@c',
    'a b@c',
    '<a b@c>',
    'g: a@x',
    'a\\,b@x',
    'a@',
    '@x',
    'http://x/',
  ]) {
    it(`is an error where it is no list of addresses: ${bad}`, () => {
      assert.throws(() => writeField('Reply-To', bad), {
        name: 'UsageError',
        code: 'INVALID_ADDRESS',
      })
    })
  }

  const edits: [what: string, from: string, edit: (text: string) => string, now: string][] = [
    [
      'a neighbour',
      `${q('Müller, J')} <j@x>, b@x`,
      (t) => t.replace('b@', 'c@'),
      'Müller, J|j@x |c@x',
    ],
    [
      'the address',
      `${q('Müller, J')} <j@x>`,
      (t) => t.replace(/<.*>$/, 'via List <l@x>'),
      'Müller, J via List|l@x',
    ],
    ['one more', `${q('Müller, J')} <j@x>`, (t) => `${t}, k@x`, 'Müller, J|j@x |k@x'],
    ['a tag', `${q('Müller, J')} <j@x>`, (t) => `[EXT] ${t}`, '[EXT] Müller, J|j@x'],
    [
      'a name that is not ASCII',
      'a@b.org <j@x>',
      (t) => t.replace('a@b', 'é@b'),
      'é@b.org|j@x',
    ],
  ]
  for (const [what, from, edit, now] of edits) {
    it(`keeps all else where that is edited: ${what}`, () => {
      const value = writeField('To', edit(readField('To', from)), { old: from })
      assert.equal(show(inMessage(value)), now)
    })
  }

  it('keeps the bytes of names that stay, and of those nobody can read', () => {
    const from = `${q('Jörg, M', 'iso-8859-1')} <j@x>, =?x-unknown?q?a?= <k@x>, b@x`
    const value = writeField('To', readField('To', from).replace('b@', 'c@'), { old: from })
    assert.ok(value.includes(`${q('Jörg, M', 'iso-8859-1')} <j@x>, `), value)
  })
})

/** A text as an encoded word of UTF-8: the shorter one. */
function word(text: string): string {
  const quoted = Array.from(Buffer.from(text), (byte) => {
    const one = String.fromCharCode(byte)
    if (one === ' ') return '_'
    return /[\w!*+/-]/.test(one) && one !== '_'
      ? one
      : `=${byte.toString(16).padStart(2, '0').toUpperCase()}`
  }).join('')
  const base64 = Buffer.from(text).toString('base64')
  return quoted.length <= base64.length ? `=?UTF-8?Q?${quoted}?=` : `=?UTF-8?B?${base64}?=`
}

describe('writing addresses', () => {
  const write = (text: string): string => writeField('From', text, { utf8: true })
  const JOERG = word('Jörg Müller')

  const cases: [what: string, text: string, value: string][] = [
    ['an address alone', 'j@example.org', 'j@example.org'],
    ['ASCII in quotes', '"M, J" <j@example.org>', '"M, J" <j@example.org>'],
    ['a name in quotes', '"Jörg Müller" <j@example.org>', `${JOERG} <j@example.org>`],
    ['a name without quotes', 'Jörg Müller <j@example.org>', `${JOERG} <j@example.org>`],
    ['no space before the bracket', '"Jörg Müller"<j@example.org>', `${JOERG} <j@example.org>`],
    ['neither quotes nor space', 'Jörg<j@x>', `${word('Jörg')} <j@x>`],
    [
      'a comma in a name, which must not part it',
      '"Hans, Jörg" <j@x>',
      `${word('Hans, Jörg')} <j@x>`,
    ],
    [
      'an @ in a name, which makes no address of it',
      '"é@b.org" <j@x>',
      `${word('é@b.org')} <j@x>`,
    ],
    ['escapes in quotes', '"é \\"x\\" \\\\" <j@x>', `${word('é "x" \\')} <j@x>`],
    [
      'quotes beside a word that needs encoding',
      '"M, J" Jörg <j@x>',
      `"M, J" ${word('Jörg')} <j@x>`,
    ],
    ['what looks like a word', '"=?x?q?a?=" <j@x>', `${word('=?x?q?a?=')} <j@x>`],
    // With the comma: in a comment spaces have to part an encoded word from what else there is.
    ['a comment', 'j@x (Jörg Müller, home)', `j@x (${word('Jörg Müller,')} home)`],
    [
      'a group',
      'Fröhliche: a@b, "É" <c@d>;',
      `${word('Fröhliche')} : a@b, ${word('É')} <c@d>;`,
    ],
    ['several', 'a@b, Jörg <j@x>, "K" <k@x>', `a@b, ${word('Jörg')} <j@x>, "K" <k@x>`],
    ['addresses that are not ASCII', 'jörg@example.org', 'jörg@example.org'],
    ['the same in brackets', 'É <jörg@exämple.org>', `${word('É')} <jörg@exämple.org>`],
    ['a quoted local part', '"é x"@b.org, <"é>"@b.org>', '"é x"@b.org, <"é>"@b.org>'],
    ['bytes that are no UTF-8', '"J\udcf6rg" <j@x>', '"J\udcf6rg" <j@x>'],
    [
      'an address literal',
      'é <j@[IPv6:::1]>, k@[IPv6:::1]',
      `${word('é')} <j@[IPv6:::1]>, k@[IPv6:::1]`,
    ],
    ['nothing', '', ''],
  ]
  for (const [what, text, value] of cases) {
    it(what, () => assert.equal(write(text), ` ${value}`))
  }

  it('leaves every address outside of encoded words, and parts them only by its own commas', () => {
    const quoted = (name: string): string => `"${name.replaceAll(/["\\]/g, '\\$&')}"`
    fc.assert(
      fc.property(fc.array(NAME, { minLength: 1, maxLength: 5 }), (names) => {
        const value = write(
          names.map((name, i) => `${quoted(`é${name}`)} <u${i}@example.org>`).join(', '),
        )
        const parts = unfold(value)
          .trim()
          .split(/, (?==\?)/)
        assert.equal(parts.length, names.length, value)
        for (const [i, part] of parts.entries()) {
          const [, name] = new RegExp(String.raw`^([^<>",]*) <u${i}@example\.org>$`).exec(part)!
          assert.equal(decodeEncodedWords(name!), `é${names[i]!}`)
        }
        for (const line of value.split('\n')) assert.ok(Buffer.byteLength(line) <= 76, line)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('other fields', () => {
  const W = '=?utf-8?q?=C3=A9?='
  const reads: [name: string, value: string, text: string][] = [
    ['Subject', W, 'é'],
    ['Message-ID', `<${W}@x>`, `<${W}@x>`],
    ['References', `<${W}@x> ${W}`, `<${W}@x> ${W}`],
    ['Received', `from ${W} (${W})`, `from ${W} (é)`],
    ['Authentication-Results', `x; spf=pass (${W}) a=${W}`, `x; spf=pass (é) a=${W}`],
    ['DKIM-Signature', `b=${W}`, `b=${W}`],
    ['List-Unsubscribe', `<mailto:a?subject=${W}>`, `<mailto:a?subject=${W}>`],
    ['List-Id', `${q('a, é')} <a.x>`, '"a, é" <a.x>'],
    ['Content-Type', `a/b; name="${q('é";x')}"`, 'a/b; name="é\\";x"'],
    ['Content-Disposition', `attachment; filename=${W}`, 'attachment; filename="é"'],
    ['Resent-To', `${q('a,')} <a@x>`, '"a," <a@x>'],
    ['Disposition-Notification-To', `${q('a,')} <a@x>`, '"a," <a@x>'],
    ['X-Other', `${q('a,')} <a@x>`, 'a, <a@x>'],
  ]
  for (const [name, value, text] of reads) {
    it(`${name} is read by its grammar`, () => assert.equal(readField(name, ` ${value}`), text))
  }

  const E = '=?UTF-8?B?w6k=?='
  const writes: [name: string, text: string, value: string][] = [
    ['Subject', 'é', E],
    ['Message-ID', `<${W}@x>`, `<${W}@x>`],
    ['In-Reply-To', '<a@x>', '<a@x>'],
    ['Received', 'from é (é) by x; date', `from é (${E}) by x; date`],
    ['List-Id', 'Ankündigung <a.x>', '=?UTF-8?Q?Ank=C3=BCndigung?= <a.x>'],
    ['List-Id', 'Announcements for all', 'Announcements for all'],
    ['List-Id', 'é, b <a.x>', '=?UTF-8?B?w6ksIGI=?= <a.x>'],
    ['List-Id', '"é, b" <a.x>', '=?UTF-8?B?w6ksIGI=?= <a.x>'],
    ['Keywords', 'é, all', `${E} , all`],
    ['Keywords', 'one, all é,two', `one, all ${E} ,two`],
    ['Keywords', '"é, b", two', '=?UTF-8?B?w6ksIGI=?= , two'],
    ['Keywords', 'one, two', 'one, two'],
    ['Content-Type', 'a/b (é); x=y', `a/b (${E}); x=y`],
    ['List-Post', '<mailto:a@x> (é)', `<mailto:a@x> (${E})`],
    ['Authentication-Results', 'x; spf=pass smtp.helo=é', 'x; spf=pass smtp.helo=é'],
    ['Message-ID', '<\udce9@x>', '<\udce9@x>'],
    ['Content-Type', 'a/b; name="é"; x=y', "a/b; name*=utf-8''%C3%A9; x=y"],
    ['Content-Disposition', 'attachment; filename="a b.pdf"', 'attachment; filename="a b.pdf"'],
    ['Content-Disposition', 'attachment; filename=é', "attachment; filename*=utf-8''%C3%A9"],
  ]
  for (const [name, text, value] of writes) {
    it(`${name} is written by its grammar: ${text}`, () => {
      assert.equal(writeField(name, text), ` ${value}`)
    })
  }

  const refused: [name: string, text: string][] = [
    ['Message-ID', '<é@x>'],
    ['Resent-Message-ID', '<é@x>'],
    ['References', '<a@x> <b@é>'],
    ['In-Reply-To', 'é'],
    ['Content-ID', '<é@x>'],
    ['Date', 'Mo, 1 Jän 2024 00:00:00 +0000'],
    ['DKIM-Signature', 'v=1; d=é.example'],
    ['List-Unsubscribe', '<mailto:é@x>'],
    ['List-Post', '<mailto:a@x> é (é)'],
    ['List-Id', 'é <é.x>'],
    ['Content-Type', 'téxt/plain; charset=utf-8'],
    ['Content-Type', 'text/plain; é=x'],
    ['Content-Disposition', 'é; filename=é'],
    ['Content-Transfer-Encoding', 'é'],
    ['MIME-Version', '1.0 é'],
    ['X-Priority', '1 (é) é'],
    ['To', 'é <é@x>'],
    ['Resent-From', 'a@x, b@é'],
    ['Delivered-To', '"é b"@x'],
  ]
  for (const [name, text] of refused) {
    it(`${name} has no place for ${text}, but with SMTPUTF8`, () => {
      assert.throws(() => writeField(name, text), {
        code: 'INVALID_HEADER_VALUE',
        message: /cannot be written in .* no place for it/,
      })
      assert.equal(readField(name, writeField(name, text, { utf8: true })).length > 0, true)
    })
  }

  it('Keywords are read as they were set', () => {
    for (const text of ['é, all', 'é é, all, é', 'one, two é']) {
      assert.equal(readField('Keywords', writeField('Keywords', text)), text)
    }
  })

  it('read as they were written', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('Message-ID', 'References', 'Received', 'DKIM-Signature', 'List-Post'),
        VALUE,
        (name, text) => {
          const value = writeField(name, text, { utf8: true })
          assert.equal(decodeText(encodeText(value)), value)
          if (name === 'References')
            assert.equal(readField(name, value), text.replaceAll(/^[ \t]+|[ \t]+$/g, ''))
        },
      ),
      { numRuns: 3000 },
    )
    assert.equal(mailboxesOf(inText('g: a@x, b@x;, c@x')).length, 3)
  })
})
