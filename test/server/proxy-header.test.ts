import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { ProtocolError } from '../../src/errors.ts'
import {
  LONGEST_HEADER,
  readProxyHeader,
  type ProxyHeader,
} from '../../src/server/proxy-header.ts'
import { binaryHeader, INET, INET6, lineHeader, LOCAL, PROXY } from '../support/proxy-header.ts'

type Facts = Omit<ProxyHeader, 'size'>

const client = (address: string, port: number): Facts => ({
  local: false,
  source: { address, port },
})
const NOBODY: Facts = { local: false, source: undefined }
const OWN: Facts = { local: true, source: undefined }

const inet = Buffer.from([192, 0, 2, 7, 127, 0, 0, 1, 0x30, 0x39, 0, 25])
const inet6 = Buffer.from(`20010db8${'00'.repeat(11)}01${'00'.repeat(15)}01ffff0019`, 'hex')
const mapped = Buffer.from(`${'00'.repeat(10)}ffffc0000207${'00'.repeat(15)}0130390019`, 'hex')
const tlvs = Buffer.from('040003000000010002683220000501ffffffff', 'hex')

const GOOD: readonly (readonly [string, Buffer, Facts])[] = [
  [
    'a line of IPv4',
    lineHeader('TCP4 192.0.2.7 127.0.0.1 12345 25'),
    client('192.0.2.7', 12_345),
  ],
  [
    'a line of IPv6',
    lineHeader('TCP6 2001:DB8:0::1 ::1 65535 0'),
    client('2001:db8::1', 65_535),
  ],
  [
    'a line of mapped IPv4',
    lineHeader('TCP6 ::ffff:192.0.2.7 ::1 1 2'),
    client('192.0.2.7', 1),
  ],
  ['a line of something else', lineHeader('UNKNOWN'), NOBODY],
  ['such a line with addresses', lineHeader('UNKNOWN ffff::1 ffff::2 1 2'), NOBODY],
  ['the longest line', lineHeader(`UNKNOWN ${'f'.repeat(107 - 16)}`), NOBODY],
  ['IPv4', binaryHeader(PROXY, INET, inet), client('192.0.2.7', 12_345)],
  ['IPv6', binaryHeader(PROXY, INET6, inet6), client('2001:db8::1', 65_535)],
  ['mapped IPv4', binaryHeader(PROXY, INET6, mapped), client('192.0.2.7', 12_345)],
  ['additions', binaryHeader(PROXY, INET, inet, tlvs), client('192.0.2.7', 12_345)],
  ['UDP', binaryHeader(PROXY, 0x12, inet), NOBODY],
  ['a unix socket', binaryHeader(PROXY, 0x31, Buffer.alloc(216)), NOBODY],
  ['no family', binaryHeader(PROXY, 0, Buffer.alloc(0)), NOBODY],
  ['no family but additions', binaryHeader(PROXY, 0, tlvs), NOBODY],
  ['the balancer itself', binaryHeader(LOCAL, 0, Buffer.alloc(0)), OWN],
  ['the balancer itself, with addresses', binaryHeader(LOCAL, INET, inet), OWN],
  ['the balancer itself, of a family that is none', binaryHeader(LOCAL, 0xff, tlvs), OWN],
  [
    'the longest',
    binaryHeader(PROXY, INET, inet, Buffer.alloc(LONGEST_HEADER - 16 - 12)),
    client('192.0.2.7', 12_345),
  ],
]

const BAD: readonly (readonly [string, Buffer])[] = [
  ['a frame of a milter', Buffer.from('0000000d4f00000006000001ff001fffff', 'hex')],
  ['TLS', Buffer.from('16030100f8010000f4', 'hex')],
  ['lower case', Buffer.from('proxy TCP4 192.0.2.7 127.0.0.1 1 2\r\n')],
  ['no family', lineHeader('')],
  ['another family', lineHeader('TCP5 192.0.2.7 127.0.0.1 1 2')],
  ['unknown in lower case', lineHeader('unknown')],
  ['an address of the other family', lineHeader('TCP4 ::1 ::1 1 2')],
  ['a name', lineHeader('TCP4 localhost 127.0.0.1 1 2')],
  ['a zone', lineHeader('TCP6 fe80::1%eth0 ::1 1 2')],
  ['a second address that is none', lineHeader('TCP4 127.0.0.1 127.0.0 1 2')],
  ['too few words', lineHeader('TCP4 192.0.2.7 127.0.0.1 1')],
  ['too many words', lineHeader('TCP4 192.0.2.7 127.0.0.1 1 2 3')],
  ['two spaces', lineHeader('TCP4  192.0.2.7 127.0.0.1 1 2')],
  ['a space at the end', lineHeader('TCP4 192.0.2.7 127.0.0.1 1 2 ')],
  ['a port that is none', lineHeader('TCP4 192.0.2.7 127.0.0.1 65536 2')],
  ['a port with a zero before it', lineHeader('TCP4 192.0.2.7 127.0.0.1 01 2')],
  ['a second port that is none', lineHeader('TCP4 192.0.2.7 127.0.0.1 1 -2')],
  ['LF alone', Buffer.from(`PROXY TCP4 192.0.2.7 127.0.0.1 1 2\n${' '.repeat(107)}`)],
  ['a line without end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(93)}`)],
  ['a line that is too long', lineHeader(`UNKNOWN ${'f'.repeat(107 - 15)}`)],
  ['version 1 in binary', Buffer.concat([binaryHeader(PROXY, INET, inet).fill(0x11, 12, 13)])],
  ['a third version', Buffer.concat([binaryHeader(PROXY, INET, inet).fill(0x31, 12, 13)])],
  ['another command', binaryHeader(2, INET, inet)],
  ['another family', binaryHeader(PROXY, 0x41, Buffer.alloc(300))],
  ['another protocol', binaryHeader(PROXY, 0x13, inet)],
  ['addresses that are too short', binaryHeader(PROXY, INET, inet.subarray(1))],
  ['addresses of IPv6 that are too short', binaryHeader(PROXY, INET6, inet)],
  ['a path that is too short', binaryHeader(PROXY, 0x31, inet6)],
  ['too many additions', binaryHeader(PROXY, INET, inet, Buffer.alloc(LONGEST_HEADER - 27))],
  ['a signature with a wrong last byte', Buffer.from('\r\n\r\n\0\r\nQUIT\r')],
]

const refused = (error: unknown): boolean => {
  assert.ok(error instanceof ProtocolError)
  assert.equal(error.code, 'INVALID_PROXY_HEADER')
  assert.match(error.message, /^no PROXY header: /)
  return true
}

describe('a PROXY header', () => {
  for (const [what, bytes, facts] of GOOD) {
    it(`${what}, whatever comes with it and however it is split`, () => {
      const header = { size: bytes.length, ...facts }
      assert.deepEqual(readProxyHeader(bytes), header)
      const more = Buffer.concat([bytes, Buffer.from('PROXY TCP4 more\r\n')])
      assert.deepEqual(readProxyHeader(more), header)
      for (let size = 0; size < bytes.length; size++) {
        assert.equal(readProxyHeader(bytes.subarray(0, size)), undefined, `${size} bytes`)
      }
    })
  }

  it('has lines as long as the specification says', () => {
    assert.equal(GOOD.find(([what]) => what === 'the longest line')![1].length, 107)
    const group = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'
    const line = lineHeader(`TCP6 ${group} ${group} 65535 65535`)
    assert.deepEqual(readProxyHeader(line), { size: 104, ...client(group, 65_535) })
  })

  for (const [what, bytes] of BAD) {
    it(`is not ${what}, from some byte on and ever after`, () => {
      assert.throws(() => readProxyHeader(bytes), refused)
      let wrong = false
      for (let size = 0; size <= bytes.length; size++) {
        try {
          const header = readProxyHeader(bytes.subarray(0, size))
          assert.ok(!wrong && header === undefined, `${size} bytes`)
        } catch (error) {
          refused(error)
          wrong = true
        }
      }
    })
  }

  it('is refused with the first byte that cannot be of one', () => {
    for (const text of ['\0', 'G', 'PROXX', '\r\n\r\n\0\r\nQUIX']) {
      const bytes = Buffer.from(text)
      assert.equal(readProxyHeader(bytes.subarray(0, -1)), undefined)
      assert.throws(() => readProxyHeader(bytes), refused)
    }
  })

  it('of any bytes is read or refused', () => {
    const starts = ['', 'PROXY ', 'PROXY TCP4 ', '\r\n\r\n\0\r\nQUIT\n\x21\x11\0']
    fc.assert(
      fc.property(fc.constantFrom(...starts), fc.uint8Array(), (start, bytes) => {
        const all = Buffer.concat([Buffer.from(start), bytes])
        try {
          const header = readProxyHeader(all)
          assert.ok(header === undefined || header.size <= all.length)
        } catch (error) {
          refused(error)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('tells any address and port, in both versions', () => {
    const port = fc.nat(65_535)
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), port, (address, number) => {
        const family = address.includes(':') ? 'TCP6' : 'TCP4'
        const line = readProxyHeader(lineHeader(`${family} ${address} ${address} ${number} 1`))!
        assert.equal(line.source!.port, number)
        if (family === 'TCP6') return
        const bytes = Buffer.alloc(12)
        bytes.set(address.split('.').map(Number))
        bytes.writeUInt16BE(number, 8)
        const header = binaryHeader(PROXY, INET, bytes)
        assert.deepEqual(readProxyHeader(header), { ...line, size: header.length })
      }),
    )
  })
})
