/** The tables of pymilter's parse_addr, parseaddr, parse_header and param2dict. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../../support/property.ts'
import { esmtpParameters } from '../../../src/index.ts'
import {
  addressParts,
  decodeWords,
  firstMailbox,
  joinAddress,
  mailboxes,
} from '../../../src/toolkit/index.ts'

describe('addressParts', () => {
  const rows: [text: string, local: string, domain: string | undefined][] = [
    ['user@example.com', 'user', 'example.com'],
    ['<user@example.com>', 'user', 'example.com'],
    ['"user@example.com"', 'user@example.com', undefined],
    ['<"user@example.com">', 'user@example.com', undefined],
    ['"user@bar"@example.com', 'user@bar', 'example.com'],
    ['<"q@x"@y>', 'q@x', 'y'],
    ['foo', 'foo', undefined],
    ['<foo>', 'foo', undefined],
    ['<>', '', undefined],
    ['', '', undefined],
    ['@mx.example.com:user@example.com', 'user', 'example.com'],
    ['<@mx.example.com:user@example.com>', 'user', 'example.com'],
    ['@a,@b:u@d', 'u', 'd'],
    ['@user@example.com', '@user', 'example.com'],
    ['A@B@C', 'A@B', 'C'],
    ['<u@[1.2.3.4]>', 'u', '[1.2.3.4]'],
    ['"a b"@c.d', 'a b', 'c.d'],
    ['<user@>', 'user', ''],
    ['<@dom>', '', 'dom'],
    // pymilter keeps the bracket, and the spaces.
    ['<u@d', 'u', 'd'],
    ['u@d>', 'u', 'd'],
    [' <u@d> ', 'u', 'd'],
    // pymilter keeps escapes.
    [String.raw`"a\"b"@c`, 'a"b', 'c'],
    ['User@Example.COM', 'User', 'Example.COM'],
  ]
  for (const [text, local, domain] of rows) {
    it(`reads ${JSON.stringify(text)}`, () => {
      assert.deepEqual(addressParts(text), { local, domain })
    })
  }

  it('reads what joinAddress writes', () => {
    const local = fc.string({ minLength: 1, unit: 'grapheme-ascii' })
    fc.assert(
      fc.property(local, (part) => {
        assert.deepEqual(addressParts(joinAddress(part, 'example.org')), {
          local: part,
          domain: 'example.org',
        })
      }),
    )
  })
})

describe('firstMailbox', () => {
  const rows: [value: string, name: string | undefined, address: string | undefined][] = [
    ['user@example.com', undefined, 'user@example.com'],
    ['"Full Name" <foo@example.com>', 'Full Name', 'foo@example.com'],
    ['spam@spammer.com <foo@example.com>', 'spam@spammer.com', 'foo@example.com'],
    ['God@heaven <@hop1.org,@hop2.net:jeff@spec.org>', 'God@heaven', 'jeff@spec.org'],
    [
      'Real Name ((comment)) <addr...@example.com>',
      'Real Name (comment)',
      'addr...@example.com',
    ],
    ['foo@bar.com (Foo Bar)', 'Foo Bar', 'foo@bar.com'],
    ['"Doe, John" <j@d.e>', 'Doe, John', 'j@d.e'],
    ['N <a@b', 'N', 'a@b'],
    ['', undefined, undefined],
    ['<>', undefined, undefined],
    ['undisclosed-recipients:;', undefined, undefined],
    // pymilter has the comment twice.
    ['a(WRONG)@b', 'WRONG', 'a@b'],
    // pymilter leaves the word encoded.
    ['=?utf-8?q?x?= <a@b>', 'x', 'a@b'],
    ['=?no-such-charset?q?Bank?= <a@b>', 'Bank', 'a@b'],
    ['c@d (=?utf-8?q?=C3=A9?=)', 'é', 'c@d'],
    ['friends: Ann (one) <a@b>, c@d (two);', 'Ann (one)', 'a@b'],
    ['a@b, c@d (other)', undefined, 'a@b'],
    ['a@b (x), c@d (other)', 'x', 'a@b'],
  ]
  for (const [value, name, address] of rows) {
    it(`reads ${JSON.stringify(value)}`, () => {
      const first = firstMailbox(value)
      assert.deepEqual([first?.name, first?.address], [name, address])
    })
  }

  it('reads any text', () => {
    const words = fc.array(
      fc.constantFrom('a', '@', '<', '>', ',', ';', ':', '(', ')', '"', '\\', ' ', '=?x?q?y?='),
    )
    fc.assert(
      fc.property(words, (some) => {
        firstMailbox(some.join(''))
        mailboxes(some.join(''))
        addressParts(some.join(''))
      }),
    )
  })
})

describe('mailboxes', () => {
  it('has those in groups, and the end of a source route', () => {
    assert.deepEqual(
      mailboxes('friends: Ann <a@b>,\r\n c@D;, e <@r:f@g>').map(({ name, local, domain }) => [
        name,
        local,
        domain,
      ]),
      [
        ['Ann', 'a', 'b'],
        [undefined, 'c', 'd'],
        ['e', 'f', 'g'],
      ],
    )
  })
})

describe('decodeWords', () => {
  const rows: [value: string, text: string][] = [
    ['', ''],
    ['plain text', 'plain text'],
    ['=?iso-8859-1?Q?Peter_=D8rum?= <o@d.dk>', 'Peter Ørum <o@d.dk>'],
    ['=?UTF-8?B?VGVzdAA?=', 'Test\0'],
    ['=?utf-8?B?4pi6?=', '☺'],
    ['V=?utf-8?q?i?=agra', 'Viagra'],
    ['=?iso-8859-1?q?caf=E9?= =?iso-8859-1?q?bar?=', 'cafébar'],
    ['=?utf-8?q?=C3?= =?utf-8?q?=A9?=', 'é'],
    ['=?utf-8?q?=C3?=\r\n =?utf-8?q?=A9?=', 'é'],
    ['Re: =?big5?B?pKQ=?= tail', 'Re: 中 tail'],
    ['=?bogus?Q?x?=', 'x'],
    ['=?bogus?B?eA?= =?other?Q?=FF?=', 'x�'],
    ['=?utf-8?Q?=FF?=', '�'],
    ['=?UTF-8*en?Q?hi?=', 'hi'],
    ['=?utf-8?X?hi?=', '=?utf-8?X?hi?='],
  ]
  for (const [value, text] of rows) {
    it(`reads ${JSON.stringify(value)}`, () => {
      assert.equal(decodeWords(value), text)
    })
  }
})

describe('esmtpParameters', () => {
  it('reads what param2dict reads', () => {
    assert.deepEqual(
      [...esmtpParameters(['A=1', 'b', 'C=', 'x=y=z'])],
      [
        ['A', '1'],
        ['B', null],
        ['C', ''],
        ['X', 'y=z'],
      ],
    )
  })
})
