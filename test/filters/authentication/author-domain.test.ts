import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'
import { authorOf, MAX_FROM } from '../../../src/filters/authentication/author-domain.ts'
import { fc } from '../../support/property.ts'
import { checked, MESSAGE, OWN, signed, type Zone } from './world.ts'

/** The parser of mailauth. */
const parse = createRequire(import.meta.url)('nodemailer/lib/addressparser') as (
  text: string,
) => { address?: string; group?: { address?: string }[] }[]
const others = (text: string): string[] =>
  parse(text).flatMap((one) => (one.group ?? [one]).map(({ address }) => address ?? ''))
const read = (value: string, utf8 = false): string => {
  const { domain, problem } = authorOf([value], others(value), utf8)
  return domain ?? problem!
}

describe('the domain of the author', () => {
  const cases: [string, string][] = [
    [' alice@example.org', 'example.org'],
    [' Alice <alice@example.org>', 'example.org'],
    [' "Alice, A" <alice@example.org>', 'example.org'],
    [' =?utf-8?q?M=C3=BCller=2C_J=C3=B6rg?= <j@example.org>', 'example.org'],
    [' Doe, Jane <jane@example.org>', 'example.org'],
    [' Alice <alice@EXAMPLE.ORG>', 'example.org'],
    [' Alice <alice@example.org.>', 'example.org'],
    [' alice@example.org (Alice)', 'example.org'],
    [' (Alice) alice@example.org', 'example.org'],
    [' "a@b"@example.org', 'example.org'],
    [' Alice\r\n <alice@example.org>', 'example.org'],
    [' a@example.org, b@example.org', 'example.org'],
    [' team: a@example.org, b@example.org;', 'example.org'],
    [' alice@xn--bcher-kva.example', 'xn--bcher-kva.example'],
    [' "ceo@bank.example" <eve@evil.example>', 'evil.example'],
    [' alice@localhost', 'localhost'],
    ['', 'no-address'],
    [' ', 'no-address'],
    [' Alice', 'no-address'],
    [' <>', 'no-address'],
    [' undisclosed:;', 'no-address'],
    [' alice@example.org, eve@evil.example', 'several-domains'],
    [' <alice@example.org> <eve@evil.example>', 'several-domains'],
    [' alice@example.org eve@evil.example', 'several-domains'],
    [' alice@example.org@evil.example', 'several-domains'],
    [' <alice@example.org@evil.example>', 'several-domains'],
    [' =?utf-8?q?ceo=40bank.example=2C?= <eve@evil.example>', 'several-domains'],
    [' =?utf-8?q?=3Cceo=40bank.example=3E?= <eve@evil.example>', 'several-domains'],
    [' a@example.org, b@sub.example.org', 'several-domains'],
    [' alice@[192.0.2.1]', 'address-literal'],
    [' alice@[IPv6:2001:db8::1]', 'address-literal'],
    [' alice@192.0.2.1', 'address-literal'],
    [' alice@', 'bad-domain'],
    [' alice@.', 'bad-domain'],
    [' alice@example..org', 'bad-domain'],
    [' alice@.example.org', 'bad-domain'],
    [` alice@${'x'.repeat(64)}.example`, 'bad-domain'],
    [` alice@${'x.'.repeat(130)}example`, 'bad-domain'],
    [' alice@b\u00fccher.example', 'bad-domain'],
    [' alice@exam\u0001ple.org', 'bad-character'],
    [' \u001b$BABC\u001b(B <alice@example.org>', 'example.org'],
    [' Alice alice@example.org', 'example.org'],
    [' x <alice@example.org> eve@evil.example', 'several-domains'],
    [' list@example.net via List <alice@example.org>', 'example.org'],
    [' alice@example.org\0', 'bad-character'],
    [' alice@exam\0ple.org', 'bad-character'],
    [' al\0ice@example.org', 'bad-character'],
    [' alice@example.org\r.evil.example', 'bad-character'],
    [' alice@example.org\n.evil.example', 'bad-character'],
    [' alice@exa$mple.org', 'bad-domain'],
  ]
  for (const [value, wanted] of cases) {
    it(`${JSON.stringify(value).slice(0, 60)}: ${wanted}`, () => {
      assert.equal(read(value), wanted)
    })
  }

  it('may be in Unicode with SMTPUTF8', () => {
    assert.equal(read(' alice@b\u00fccher.example', true), 'xn--bcher-kva.example')
  })

  it('is no single one without a field, or with several', () => {
    assert.deepEqual(authorOf([], [], false), { problem: 'no-from' })
    assert.deepEqual(authorOf([' a@example.org', ' a@example.org'], [], false), {
      problem: 'several-from',
    })
  })

  it('is not looked for in a field that is too long', () => {
    const long = `${'x'.repeat(MAX_FROM - 16)} <a@example.org>`
    assert.equal(read(long), 'example.org')
    assert.equal(read(`${long} `), 'long-from')
  })

  it('is what the other parser reads, too', () => {
    assert.deepEqual(authorOf([' alice@example.org'], ['eve@evil.example'], false), {
      problem: 'several-domains',
    })
  })

  it('is never that of a forger who hides another address', () => {
    const victim = 'ceo@bank.example'
    const piece = fc.constantFrom(
      victim,
      `<${victim}>`,
      'eve@evil.example',
      '<eve@evil.example>',
      'Eve',
      '"',
      '(',
      ')',
      ',',
      ';',
      ':',
      '<',
      '>',
      '@',
      '\\',
      ' ',
      '\t',
      '\r\n ',
      '\0',
      '=?utf-8?q?=2C?=',
      `=?utf-8?q?${victim.replace('@', '=40')}?=`,
      '[',
      ']',
      '\u00e9',
    )
    let seen = 0
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
        const value = ` ${pieces.join('')}`
        const found = read(value)
        if (found !== 'evil.example') return
        seen++
        // Whatever stands in the place of an address counts: only names and comments may have another one.
        for (const [, domain] of others(value).map((one) => one.split('@'))) {
          assert.ok(domain === undefined || domain === '' || domain === 'evil.example', value)
        }
      }),
      { numRuns: 3_000 },
    )
    assert.ok(seen > 50, `${seen}`)
  })
})

/** The forger has a domain for which everything passes, and wants to be seen as another. */
const EVIL: Zone = {
  'TXT evil.example': ['v=spf1 +all'],
  'TXT _dmarc.evil.example': ['v=DMARC1; p=reject'],
  'TXT bank.example': ['v=spf1 -all'],
  'TXT _dmarc.bank.example': ['v=DMARC1; p=reject'],
}

describe('odd From in mail', () => {
  const pass = async (header: string): Promise<{ end: string; dmarc: unknown }> => {
    const { end, line } = await checked({
      message: `X-First: 1\r\n${header}\r\nSubject: x\r\n\r\nHello\r\n`,
      from: 'eve@evil.example',
      zone: EVIL,
      client: { address: OWN, hostname: 'evil.example' },
    })
    return { end, dmarc: line['dmarc'] }
  }
  for (const header of [
    'From: eve@evil.example\r\nFrom: ceo@bank.example',
    'From: ceo@bank.example\r\nFrom: eve@evil.example',
    'From: eve@evil.example\r\nfrom: ceo@bank.example',
    'From: eve@evil.example\r\nFROM : ceo@bank.example',
    'From: eve@evil.example\r\nFrom:ceo@bank.example',
    'From: eve@evil.example\r\nFrom:\r\n ceo@bank.example',
    'From: eve@evil.example, ceo@bank.example',
    'From: ceo@bank.example <eve@evil.example>, x',
    'From: <ceo@bank.example> <eve@evil.example>',
    'From: ceo@bank.example@evil.example',
    'From: group: eve@evil.example;, ceo@bank.example',
    'X: y',
    'From:',
    'From: ceo',
    'From: ceo@[192.0.2.1]',
    'From: ceo@bank\u0001.example',
    'From: =?utf-8?q?ceo=40bank.example=2C?= eve@evil.example',
  ]) {
    it(JSON.stringify(header), async () => {
      const { end, dmarc } = await pass(header)
      const isEve = header === 'From: ceo@bank.example <eve@evil.example>, x'
      assert.deepEqual([end, dmarc], isEve ? ['accept', 'pass'] : ['reject', 'permerror'])
    })
  }

  it('never passes as another domain', async () => {
    const field = fc
      .tuple(
        fc.constantFrom('From', 'from', 'FROM', 'From ', 'Sender', 'X'),
        fc.constantFrom(
          'eve@evil.example',
          'ceo@bank.example',
          '<ceo@bank.example>',
          'ceo@bank.example.',
          'CEO@BANK.EXAMPLE',
          '"ceo"@bank.example',
          'ceo@bank.example (x)',
          'ceo',
          '',
          'x: ceo@bank.example;',
        ),
      )
      .map(([name, value]) => `${name}: ${value}`)
    await fc.assert(
      fc.asyncProperty(fc.array(field, { minLength: 1, maxLength: 4 }), async (fields) => {
        const { end, dmarc } = await pass(fields.join('\r\n'))
        const from = fields.filter((one) => /^from ?:/i.test(one))
        const isEve = from.length === 1 && from[0]!.includes('evil.example')
        assert.equal(dmarc === 'pass', isEve, fields.join(' | '))
        assert.equal(end, isEve ? 'accept' : 'reject', fields.join(' | '))
      }),
      { numRuns: 300 },
    )
  })

  it('a second field does not pass with the signature of the first', async () => {
    for (const other of [
      'From: eve@evil.example',
      'From: alice@example.org',
      'from :x@y.example',
    ]) {
      for (const message of [
        `${other}\r\n${signed(MESSAGE)}`,
        signed(MESSAGE).replace('\r\n\r\n', `\r\n${other}\r\n\r\n`),
      ]) {
        const { end, line } = await checked({ message })
        assert.deepEqual([end, line['dmarc']], ['reject', 'permerror'])
      }
    }
  })
})
