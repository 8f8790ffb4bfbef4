import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../../support/property.ts'
import { isDynamicHostName } from '../../../src/toolkit/index.ts'

describe('isDynamicHostName', () => {
  const cases: readonly [string, string | undefined, boolean][] = [
    // pymilter's own cases and what it was seen to do.
    ['post3.fabulousdealz.com', '69.60.99.112', false],
    ['adsl-69-208-201-177.dsl.emhril.ameritech.net', '69.208.201.177', true],
    ['[1.2.3.4]', '1.2.3.4', true],
    ['[::1]', '::1', true],
    ['c-71-63-151-151.hsd1.mn.comcast.net', '71.63.151.151', true],
    ['ip6-pool.example.net', '2001:db8::1', false],
    ['x.pool.isp', '', false],
    ['no-reverse.example', '8.8.8.8', true],
    ['mail.example.com', '1.2.3.4', false],
    ['mail4.example.com', '1.2.3.4', false],
    ['h-1-2-3-4.isp', '1.2.3.4', true],
    ['4.3.2.1.in-addr.isp.net', '1.2.3.4', true],
    ['x01020304.isp.net', '1.2.3.4', true],
    ['cust4.isp.net', '1.2.3.4', true],
    ['user4.isp.net', '1.2.3.4', true],
    ['p4.pool.isp.net', '1.2.3.4', true],
    ['4.example.com', '1.2.3.4', true],
    ['a.adsl.isp.net', '9.9.9.9', true],
    ['a.cable.isp.net', '9.9.9.9', true],
    ['xdsl-33.isp.net', '9.9.9.9', true],
    ['a-3-4.isp.net', '9.9.9.9', true],
    ['ppp12.isp.net', '5.6.7.8', false],
    // One for each rule.
    ['x1.2.3.4y.isp.net', '1.2.3.4', true],
    ['x2001:db8::1y', '2001:db8::1', true],
    ['a1b2c3.isp.net', '1.2.3.9', true],
    ['a2b3c4.isp.net', '1.2.3.4', true],
    ['a9b2c3d4.isp.net', '1.2.3.4', true],
    ['a4b1c2.isp.net', '1.2.3.4', true],
    ['a3b4.isp.net', '1.2.3.4', true],
    ['a4b3.isp.net', '1.2.3.4', true],
    ['a4b3c2.isp.net', '1.2.3.4', true],
    ['a3b2c1.isp.net', '1.2.3.4', true],
    ['a3b4c7.isp.net', '1.2.3.4', false],
    ['a7b4c3.isp.net', '1.2.3.4', true],
    ['a1b4c2.isp.net', '1.2.3.4', false],
    ['a5b6c7d8e3f4.isp.net', '1.2.3.4', false],
    ['Cust4.isp.net', '1.2.3.4', true],
    ['CUST4.isp.net', '1.2.3.4', false],
    ['user5.isp.net', '1.2.3.4', false],
    ['h4.isp.net', '1.2.3.4', true],
    ['p4.example.net', '1.2.3.4', false],
    ['pppx4.isp.net', '1.2.3.4', true],
    ['ppp.x4.isp.net', '1.2.3.4', false],
    ['a-ppp.isp.net', '1.2.3.4', true],
    ['a-ppp77.isp.net', '1.2.3.4', true],
    ['a-4.isp.net', '1.2.3.4', true],
    ['ab-004.isp.net', '1.2.3.4', true],
    ['a-5.isp.net', '1.2.3.4', false],
    ['a--.isp.net', '1.2.3.4', true],
    ['h0123456789ab.isp.net', '10.20.30.40', true],
    ['h0123456789a.isp.net', '9.9.9.9', false],
    ['S0123456789abcdef.xx.isp.net', '10.20.30.40', true],
    ['S0123456789abcdef.xxx.isp.net', '10.20.30.40', false],
    ['pcp123456pcs.isp.net', '9.9.9.9', true],
    ['pcp12345pcs.isp.net', '9.9.9.9', false],
    ['h1n2c3o4.isp.net', '9.9.9.9', true],
    ['a010203.isp.net', '10.10.20.30', false],
    ['a101020.isp.net', '10.10.20.30', true],
    ['a102030.isp.net', '10.10.20.30', true],
    ['aC0000201.isp.net', '192.0.2.1', true],
    // What is not an address must not throw, as pymilter does.
    ['mail.example.com', 'unknown', false],
    ['mail.example.com', '1.2.3', false],
    ['mail.example.com', '1.2.3.4.5', false],
    ['mail.example.com', '256.0.0.1', false],
    ['mail.example.com', undefined, false],
    ['', '1.2.3.4', false],
    ['[', '1.2.3.4', false],
  ]
  for (const [host, address, expected] of cases) {
    it(`${JSON.stringify(host)} with ${JSON.stringify(address)}: ${expected}`, () => {
      assert.equal(isDynamicHostName(host, address), expected)
    })
  }

  it('sees the address in a name, however it is written', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.constantFrom('.', '-', 'x'), (address, between) => {
        const octets = address.split('.')
        for (const order of [octets, octets.toReversed()]) {
          assert.ok(isDynamicHostName(`a${order.join(between)}.example.net`, address))
        }
      }),
    )
  })

  it('never throws, and does not mind a long name', () => {
    const text = fc.string({ unit: 'binary' })
    fc.assert(
      fc.property(text, fc.oneof(text, fc.ipV4(), fc.ipV6()), (host, address) => {
        assert.equal(typeof isDynamicHostName(host, address), 'boolean')
      }),
    )
    for (const piece of ['ppp', '-1', 'h', '1', 'hnco', '\0', '1.']) {
      assert.equal(typeof isDynamicHostName(piece.repeat(1_000_000), '1.2.3.4'), 'boolean')
    }
  })
})
