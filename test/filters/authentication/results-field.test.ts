import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  OwnIds,
  parseResultsField,
  writeResultsField,
  writtenValue,
  type MethodResult,
} from '../../../src/filters/authentication/results-field.ts'
import { fc } from '../../support/property.ts'

describe('Authentication-Results: whose it is', () => {
  const ids = new OwnIds(['mx.example.org', '.inner.test', 'b\u00fccher.example'])

  const ours: [string, string][] = [
    ['plain', ' mx.example.org; dkim=pass'],
    ['without the space', 'mx.example.org; dkim=pass'],
    ['without results', ' mx.example.org; none'],
    ['without anything', ' mx.example.org'],
    ['only a semicolon', ' mx.example.org;'],
    ['in capitals', ' MX.Example.ORG; dkim=pass'],
    ['with a dot at the end', ' mx.example.org.; dkim=pass'],
    ['with a version', ' mx.example.org 1; dkim=pass'],
    ['with another version', ' mx.example.org 99; dkim=pass'],
    ['with a wrong version', ' mx.example.org x; dkim=pass'],
    ['with a comment before', ' (x) mx.example.org; dkim=pass'],
    ['with two comments before', ' (x) (y)mx.example.org; dkim=pass'],
    ['with a nested comment', ' (a (b) c) mx.example.org; dkim=pass'],
    ['with a quoted pair in the comment', ' (a \\) b) mx.example.org; dkim=pass'],
    ['with a comment after', ' mx.example.org (x); dkim=pass'],
    ['with a comment stuck to it', ' mx.example.org(x); dkim=pass'],
    ['with a comment that does not end', ' (x mx.example.org; dkim=pass'.replace('x ', '')],
    ['quoted', ' "mx.example.org"; dkim=pass'],
    ['quoted, with quoted pairs', ' "m\\x.example.\\org"; dkim=pass'],
    ['quoted, and not closed', ' "mx.example.org; dkim=pass'],
    ['in single quotes', " 'mx.example.org'; dkim=pass"],
    ['with a job', ' mx.example.org/4Kx9; dkim=pass'],
    ['quoted, with a job', ' "mx.example.org/4Kx9"; dkim=pass'],
    ['folded before', '\r\n mx.example.org; dkim=pass'],
    ['folded with a tab', '\r\n\tmx.example.org;\r\n\tdkim=pass'],
    ['folded, with bare LF', '\n mx.example.org; dkim=pass'],
    ['tabs', '\t\tmx.example.org\t;\tdkim=pass'],
    ['an encoded word', ' =?utf-8?q?mx.example.org?=; dkim=pass'],
    ['an encoded word in base64', ' =?us-ascii?b?bXguZXhhbXBsZS5vcmc=?=; dkim=pass'],
    ['a NUL in it', ' mx.exam\0ple.org; dkim=pass'],
    ['a NUL before it', ' \0mx.example.org; dkim=pass'],
    ['a space without width', ' mx.example\u200b.org; dkim=pass'],
    ['not by the grammar behind', ' mx.example.org; dkim pass ==; (('],
    ['no semicolon', ' mx.example.org dkim=pass'],
    ['a name below a domain', ' a.b.inner.test; dkim=pass'],
    ['the domain itself', ' inner.test; dkim=pass'],
    ['as a U-label', ' b\u00fccher.example; dkim=pass'],
    ['as a U-label in capitals', ' B\u00dcCHER.example; dkim=pass'],
    ['as an A-label', ' xn--bcher-kva.example; dkim=pass'],
    ['behind a long comment', ` (${'x'.repeat(2_000)}) mx.example.org; dkim=pass`],
    ['behind many folds', `${'\r\n '.repeat(2_000)}mx.example.org; dkim=pass`],
    ['behind many comments', `${' (x)'.repeat(2_000)} mx.example.org; dkim=pass`],
    [
      'behind a deep comment',
      `${'('.repeat(2_000)}${')'.repeat(2_000)}mx.example.org; dkim=pass`,
    ],
    ['around a long comment', ` mx.(${'x'.repeat(2_000)})example.org; dkim=pass`],
    ['in brackets', ' <mx.example.org>; dkim=pass'],
    ['with a port', ' mx.example.org:25; dkim=pass'],
    ['before a comma', ' mx.example.org, dkim=pass'],
    ['as a domain of an address', ' @mx.example.org; dkim=pass'],
  ]
  for (const [name, value] of ours) {
    it(`ours: ${name}`, () => assert.equal(ids.isClaimedBy(value), true))
  }

  const foreign: [string, string][] = [
    ['another', ' mx.example.net; dkim=pass'],
    ['below ours', ' a.mx.example.org; dkim=pass'],
    ['above ours', ' example.org; dkim=pass'],
    ['ours as its start', ' mx.example.org.evil.test; dkim=pass'],
    ['ours as its end', ' amx.example.org; dkim=pass'],
    ['ours in a comment', ' (mx.example.org) mx.example.net; dkim=pass'],
    ['ours in a comment behind', ' mx.example.net (mx.example.org); dkim=pass'],
    ['ours in a value', ' mx.example.net; dkim=pass header.d=mx.example.org'],
    ['ours in quotes in a value', ' mx.example.net; dkim=pass reason="; mx.example.org"'],
    ['a domain like ours', ' notinner.test; dkim=pass'],
    ['empty', ' ; dkim=pass'],
    ['nothing', ''],
    ['only spaces', ' \t'],
  ]
  for (const [name, value] of foreign) {
    it(`foreign: ${name}`, () => assert.equal(ids.isClaimedBy(value), false))
  }

  it('takes any text, in bounded time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        ids.isClaimedBy(text)
        parseResultsField(text)
      }),
    )
    for (const text of ['(', '"', '\\', '(\\', '=?a?q?', ' ', ';', '()', '""', '((a)', ')(']) {
      const long = text.repeat(65_536 / text.length)
      ids.isClaimedBy(long)
      parseResultsField(long)
    }
  })

  it('finds our id in any spaces, comments, quotes, case and version', () => {
    const space = fc.stringMatching(/^(?:[ \t]|\r\n |\([a-z ]{0,3}\)){0,3}$/)
    const id = fc
      .mixedCase(fc.constant('mx.example.org'))
      .chain((text) => fc.constantFrom(text, `"${text}"`, `${text}.`, `${text}/x`))
    const version = fc.constantFrom('', ' 1', '\t2', ' 007')
    fc.assert(
      fc.property(space, id, version, space, (before, name, number, after) => {
        assert.equal(ids.isClaimedBy(`${before}${name}${number}${after}; spf=pass`), true)
      }),
    )
  })
})

describe('Authentication-Results: reading', () => {
  const none = { id: 'example.org', version: 1, results: [] }
  const cases: [string, string, ReturnType<typeof parseResultsField>][] = [
    ['RFC 8601, B.2', ' example.org 1; none', none],
    ['no version', ' example.org; none', none],
    ['no results', ' example.org', none],
    [
      'RFC 8601, B.3',
      ' example.com;\r\n          spf=pass smtp.mailfrom=example.net',
      {
        id: 'example.com',
        version: 1,
        results: [
          {
            method: 'spf',
            result: 'pass',
            properties: [{ type: 'smtp', name: 'mailfrom', value: 'example.net' }],
          },
        ],
      },
    ],
    [
      'RFC 8601, B.4',
      ' example.com;\r\n          auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n          spf=pass smtp.mailfrom=example.net',
      {
        id: 'example.com',
        version: 1,
        results: [
          {
            method: 'auth',
            result: 'pass',
            comment: 'cram-md5',
            properties: [{ type: 'smtp', name: 'auth', value: 'sender@example.net' }],
          },
          {
            method: 'spf',
            result: 'pass',
            properties: [{ type: 'smtp', name: 'mailfrom', value: 'example.net' }],
          },
        ],
      },
    ],
    [
      'RFC 8601, B.6: comments everywhere',
      " foo.example.net (foobar) 1 (baz);\r\n    dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n      policy (A dot can go here) . (like that) expired\r\n      (this surprised me) = (as I wasn't expecting it) 1362471462",
      {
        id: 'foo.example.net',
        version: 1,
        results: [
          {
            method: 'dkim',
            result: 'fail',
            properties: [{ type: 'policy', name: 'expired', value: '1362471462' }],
          },
        ],
      },
    ],
    [
      'reason and quotes',
      ' "mx \\"1\\""; dkim=fail reason="bad; signature" header.b="a/b+c="; ',
      {
        id: 'mx "1"',
        version: 1,
        results: [
          {
            method: 'dkim',
            result: 'fail',
            reason: 'bad; signature',
            properties: [{ type: 'header', name: 'b', value: 'a/b+c=' }],
          },
        ],
      },
    ],
    ['a result without =', ' example.org; dkim', undefined],
    ['a property without a value', ' example.org; dkim=pass header.d=', undefined],
    ['a comment that does not end', ' example.org; dkim=pass (x', undefined],
    ['a text', ' example.org; this is text', undefined],
    ['nothing', '', undefined],
  ]
  for (const [name, value, wanted] of cases) {
    it(name, () => {
      const found = parseResultsField(value)
      assert.deepEqual(
        found && { ...found, results: found.results.map(plain) },
        wanted && { ...wanted, results: wanted.results.map(plain) },
      )
    })
  }
})

/** The comment behind a result may be any of several, so tests of long ones leave it out. */
const plain = ({ comment, ...rest }: MethodResult): object =>
  comment === 'cram-md5' ? { ...rest, comment } : rest

describe('Authentication-Results: writing', () => {
  const result = (...values: string[]): MethodResult => ({
    method: 'dkim',
    result: 'pass',
    properties: values.map((value) => ({ type: 'header', name: 'd', value })),
  })

  it('reads what it writes, and never breaks a line', () => {
    const text = fc.string({ unit: 'binary', maxLength: 400 })
    const property = fc.record({
      type: fc.constantFrom('smtp', 'header', 'policy'),
      name: fc.constantFrom('d', 'mailfrom', 'remote-ip'),
      value: text,
    })
    const method = fc.record({
      method: fc.constantFrom('spf', 'dkim'),
      result: fc.constantFrom('pass', 'fail'),
      reason: text,
      comment: text,
      properties: fc.array(property, { maxLength: 5 }),
    })
    fc.assert(
      fc.property(fc.array(method, { maxLength: 4 }), (results) => {
        const value = writeResultsField('mx.example.org', results)
        assert.match(value, /^(?:[ -~\t]|\r\n\t)*$/)
        assert.ok(value.split('\r\n').every((line) => line.length < 998))
        const read = parseResultsField(value)!
        assert.equal(read.id, 'mx.example.org')
        assert.deepEqual(
          read.results.map((one) => one.properties),
          results.map((one) =>
            one.properties
              .filter(({ value: each }) => writtenValue(each) !== undefined)
              .map((each) => ({ ...each })),
          ),
        )
      }),
    )
  })

  const values: [string, string | undefined][] = [
    ['example.org', 'example.org'],
    ['alice@example.org', 'alice@example.org'],
    ['@example.org', '@example.org'],
    ['"a b"@example.org', '"\\"a b\\"@example.org"'],
    ['a; dkim=pass', '"a; dkim=pass"'],
    ['a (b)', '"a (b)"'],
    ['a\\', '"a\\\\"'],
    ['a\r\nFrom: x', undefined],
    ['a\0', undefined],
    ['caf\u00e9', undefined],
    ['', undefined],
    ['x'.repeat(321), undefined],
  ]
  for (const [value, wanted] of values) {
    it(`writes ${JSON.stringify(value).slice(0, 40)}`, () => {
      assert.equal(writtenValue(value), wanted)
      assert.equal(
        writeResultsField('mx.example.org', [result(value)]),
        ` mx.example.org;\r\n\tdkim=pass${wanted === undefined ? '' : ` header.d=${wanted}`}`,
      )
    })
  }

  it('writes none', () => {
    assert.equal(writeResultsField('mx.example.org', []), ' mx.example.org; none')
  })
})
