import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../../support/property.ts'
import { domainName, reverseLabels, reverseName } from '../../../src/toolkit/index.ts'

const LONG = 'a'.repeat(63)

describe('domainName', () => {
  const names: readonly [string, string | undefined][] = [
    ['example.org', 'example.org'],
    ['Mail.EXAMPLE.Org.', 'mail.example.org'],
    ['_dmarc.example.org', '_dmarc.example.org'],
    ['org', 'org'],
    ['192.0.2.1', '192.0.2.1'],
    ['0x7f.1', '0x7f.1'],
    [`${LONG}.org`, `${LONG}.org`],
    [`${LONG}a.org`, undefined],
    [`${LONG}.${LONG}.${LONG}.${'a'.repeat(61)}`, `${LONG}.${LONG}.${LONG}.${'a'.repeat(61)}`],
    [`${LONG}.${LONG}.${LONG}.${'a'.repeat(62)}`, undefined],
    ['', undefined],
    ['.', undefined],
    ['..', undefined],
    ['.example.org', undefined],
    ['a..example.org', undefined],
    ['example.org..', undefined],
    ['a b.example.org', undefined],
    ['a\tb.org', undefined],
    ['a\0.org', undefined],
    ['a\r\n.org', undefined],
    [String.raw`a\.b.org`, undefined],
    ['\x7f.org', undefined],
    // RFC 8616: U-labels in mail become A-labels.
    ['bücher.example', 'xn--bcher-kva.example'],
    ['BÜCHER.example.', 'xn--bcher-kva.example'],
    ['_dmarc.bücher.example', '_dmarc.xn--bcher-kva.example'],
    ['straße.example', 'xn--strae-oqa.example'],
    ['例え。テスト', 'xn--r8jz45g.xn--zckzah'],
    ['例え\uff0eテスト\uff61', 'xn--r8jz45g.xn--zckzah'],
    // Not what a URL would make of them: an address, a decoded character, the end of the host.
    ['１２７.１', '127.1'],
    ['%41ü.example', undefined],
    ['ü/.example', undefined],
    ['a\u2024ü.example', undefined],
    ['ü\u0000.example', undefined],
    // A byte that is not UTF-8.
    ['a\udcff.example', undefined],
    [`${'ü'.repeat(60)}.example`, undefined],
    ['ü'.repeat(2_000), undefined],
  ]
  for (const [text, expected] of names) {
    const shown = text.length > 40 ? `${text.slice(0, 40)}... (${text.length})` : text
    it(`of ${JSON.stringify(shown)}`, () => assert.equal(domainName(text), expected))
  }

  it('gives a name that DNS takes, or nothing, and its own result again', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.domain(),
      fc
        .array(fc.string({ unit: 'grapheme', maxLength: 70 }))
        .map((labels) => labels.join('.')),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const name = domainName(text)
        if (name === undefined) return
        assert.match(name, /^[!-[\]-~]{1,253}$/)
        assert.equal(name, name.toLowerCase())
        for (const label of name.split('.')) assert.ok(label.length >= 1 && label.length <= 63)
        assert.equal(domainName(name), name)
        assert.equal(domainName(`${name}.`), name)
      }),
    )
  })
})

describe('reverse names', () => {
  const zeros = (count: number): string => '0.'.repeat(count)
  const addresses: readonly [string, string | undefined][] = [
    ['192.0.2.99', '99.2.0.192.in-addr.arpa'],
    ['127.0.0.1', '1.0.0.127.in-addr.arpa'],
    ['::ffff:192.0.2.99', '99.2.0.192.in-addr.arpa'],
    ['::FFFF:C000:263', '99.2.0.192.in-addr.arpa'],
    ['::1', `1.${zeros(31)}ip6.arpa`],
    ['::', `${zeros(32)}ip6.arpa`],
    ['2001:db8::', `${zeros(24)}8.b.d.0.1.0.0.2.ip6.arpa`],
    ['2001:DB8::12', `2.1.${zeros(22)}8.b.d.0.1.0.0.2.ip6.arpa`],
    ['fe80::1%eth0', `1.${zeros(28)}8.e.f.ip6.arpa`],
    // The forms of pymilter's pyip6.
    ['1234:5678:0:0:0:0:102:304', `4.0.3.0.2.0.1.0.${zeros(16)}8.7.6.5.4.3.2.1.ip6.arpa`],
    [
      '::1234:5678:0:102:304',
      `4.0.3.0.2.0.1.0.${zeros(4)}8.7.6.5.4.3.2.1.${zeros(12)}ip6.arpa`,
    ],
    ['::1.2.3.4', `4.0.3.0.2.0.1.0.${zeros(24)}ip6.arpa`],
    ['0:0:0:0:0:ffff:102:304', '4.3.2.1.in-addr.arpa'],
    ['::1.2.3.4.5', undefined],
    ['1.2.3', undefined],
    ['010.1.1.1', undefined],
    ['1.2.3.256', undefined],
    ['example.org', undefined],
    ['', undefined],
  ]
  for (const [address, expected] of addresses) {
    it(`of ${JSON.stringify(address)}`, () => assert.equal(reverseName(address), expected))
  }

  it('of any IPv6 address has its 32 digits in reverse order', () => {
    const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(groups, (numbers) => {
        fc.pre(!numbers.slice(0, 5).every((number) => number === 0) || numbers[5] !== 0xffff)
        const digits = numbers.map((number) => number.toString(16).padStart(4, '0')).join('')
        const address = numbers.map((number) => number.toString(16)).join(':')
        assert.equal(reverseLabels(address), Array.from(digits).reverse().join('.'))
      }),
    )
  })
})
