import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { UsageError } from '../../src/errors.ts'
import { parseNetwork, plainAddress } from '../../src/net/network.ts'
import { NETWORK_FORM } from '../../src/options/kinds.ts'
import { formatPeer, Networks } from '../../src/server/networks.ts'

describe('networks', () => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['127.0.0.1', ['127.0.0.1', '::ffff:127.0.0.1', '::FFFF:7f00:1'], ['127.0.0.2', '::1']],
    ['192.0.2.0/24', ['192.0.2.0', '192.0.2.255'], ['192.0.1.255', '192.0.3.0']],
    ['192.0.2.77/24', ['192.0.2.1'], ['192.0.3.1']],
    ['10.0.0.0/8', ['10.255.0.1', '::ffff:10.0.0.1'], ['11.0.0.0']],
    ['0.0.0.0/0', ['192.0.2.1', '::ffff:192.0.2.1'], ['::1', '2001:db8::1']],
    ['::/0', ['::1', '2001:db8::1'], ['192.0.2.1', '::ffff:192.0.2.1']],
    ['2001:db8::/32', ['2001:db8::1', '2001:DB8:ffff::'], ['2001:db9::1', '192.0.2.1']],
    ['::1', ['::1', '0:0:0:0:0:0:0:1'], ['::2', '127.0.0.1']],
    ['::ffff:192.0.2.1', ['192.0.2.1', '::ffff:192.0.2.1'], ['192.0.2.2']],
    ['::ffff:192.0.2.0/120', ['192.0.2.9', '::ffff:c000:209'], ['192.0.3.1']],
    ['fe80::/10', ['fe80::1', 'fe80::1%eth0'], ['fec0::1%eth0']],
  ]
  for (const [entry, inside, outside] of cases) {
    it(entry, () => {
      const networks = new Networks('allow', [entry])
      for (const address of inside) assert.ok(networks.has(address), address)
      for (const address of outside) assert.ok(!networks.has(address), address)
      assert.ok(!networks.has(undefined))
    })
  }

  for (const entry of [
    '',
    'localhost',
    'mx.example.org',
    '192.0.2',
    '192.0.2.256',
    '192.0.2.0/33',
    '192.0.2.0/',
    '192.0.2.0/08',
    '192.0.2.0/-1',
    '192.0.2.0/24/24',
    '192.0.2.0/255.255.255.0',
    ' 192.0.2.1',
    '192.0.2.1:25',
    '[::1]',
    '::/129',
    'fe80::1%eth0',
    '::ffff:192.0.2.0/95',
    '2001:db8:::/32',
    5 as unknown as string,
  ]) {
    it(`is not ${JSON.stringify(entry)}`, () => {
      assert.throws(
        () => new Networks('allow', ['127.0.0.1', entry]),
        (error: unknown) => {
          assert.ok(error instanceof UsageError)
          assert.equal(error.code, 'INVALID_OPTION')
          assert.ok(error.message.includes(NETWORK_FORM))
          assert.ok(error.message.includes(String(entry)))
          return true
        },
      )
    })
  }

  it('hold what has the same first bits', () => {
    const octets = fc.uint8Array({ minLength: 4, maxLength: 4 })
    const groups = fc.uint8Array({ minLength: 16, maxLength: 16 })
    const bits = (bytes: Uint8Array): string =>
      [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
    const text = (bytes: Uint8Array): string =>
      bytes.length === 4
        ? bytes.join('.')
        : Buffer.from(bytes).toString('hex').match(/.{4}/g)!.join(':')
    fc.assert(
      fc.property(
        fc.oneof(fc.tuple(octets, octets), fc.tuple(groups, groups)),
        fc.nat(128),
        fc.nat(128),
        ([network, other], prefix, common) => {
          const size = network.length * 8
          const length = Math.min(prefix, size)
          // Near enough to matter.
          const shared = Math.floor(Math.min(common, size) / 8)
          const address = Uint8Array.from([
            ...network.subarray(0, shared),
            ...other.subarray(shared),
          ])
          const networks = new Networks('allow', [`${text(network)}/${length}`])
          assert.equal(
            networks.has(text(address)),
            bits(network).slice(0, length) === bits(address).slice(0, length),
          )
        },
      ),
      // Random addresses of IPv6 are not mapped ones.
      { numRuns: 500 },
    )
  })

  it('are read whatever is given', () => {
    fc.assert(
      fc.property(fc.string(), (entry) => {
        const network = parseNetwork(entry)
        if (network !== undefined) assert.ok(new Networks('allow', [entry]))
      }),
    )
  })
})

describe('addresses', () => {
  it('have one spelling', () => {
    assert.equal(plainAddress('192.0.2.1'), '192.0.2.1')
    assert.equal(plainAddress('::ffff:c000:201'), '192.0.2.1')
    assert.equal(plainAddress('2001:0DB8:0:0:0:0:0:1'), '2001:db8::1')
    assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1')
    assert.equal(plainAddress('::ffff:1:2:3'), '::ffff:1:2:3')
    assert.equal(formatPeer('192.0.2.1', 25), '192.0.2.1:25')
    assert.equal(formatPeer('2001:db8::1', 25), '[2001:db8::1]:25')
  })
})
