import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  formatForPostfix,
  formatListenAddress,
  parseListenAddress,
  parseMilterAddress,
  type ListenAddress,
} from '../../src/net/listen-address.ts'

const tcp = (port: number, host: string, family: 4 | 6 = 4): ListenAddress => ({
  type: 'tcp',
  port,
  host,
  family,
})
const unix = (path: string): ListenAddress => ({ type: 'unix', path })

describe('addresses (PROTOCOL 7.1, PYMILTER 11.16)', () => {
  const good: [string, ListenAddress][] = [
    ['inet:8890@localhost', tcp(8890, 'localhost')],
    ['inet:8890@127.0.0.1', tcp(8890, '127.0.0.1')],
    ['inet:8890@[127.0.0.1]', tcp(8890, '127.0.0.1')],
    ['INET:8890@0.0.0.0', tcp(8890, '0.0.0.0')],
    ['inet:8890', tcp(8890, '127.0.0.1')],
    ['inet:0', tcp(0, '127.0.0.1')],
    ['inet6:8890@[::1]', tcp(8890, '::1', 6)],
    ['inet6:8890@::1', tcp(8890, '::1', 6)],
    ['inet6:8890', tcp(8890, '::1', 6)],
    ['tcp://127.0.0.1:25', tcp(25, '127.0.0.1')],
    ['tcp://[::1]:25/', tcp(25, '::1', 6)],
    ['unix:/run/x', unix('/run/x')],
    ['local:/run/x', unix('/run/x')],
    [':/run/x', unix('/run/x')],
    ['/run/x', unix('/run/x')],
    ['relative.sock', unix('relative.sock')],
    ['unix:///run/x', unix('/run/x')],
    ['unix:/with:colon', unix('/with:colon')],
    [`/${'x'.repeat(106)}`, unix(`/${'x'.repeat(106)}`)],
    ['fd:3', { type: 'fd', fd: 3 }],
  ]
  for (const [spec, address] of good) {
    it(`${spec.slice(0, 40)} is understood`, () => {
      assert.deepEqual(parseListenAddress(spec), address)
      assert.deepEqual(parseListenAddress(formatListenAddress(address)), address)
    })
  }

  const bad: [string, RegExp][] = [
    ['', /is empty; write, for example, 'inet:8890@localhost'/],
    ['8890', /a port alone is written 'inet:8890'/],
    [
      'inet:127.0.0.1:8890',
      /the notation of Postfix; here the port comes first: 'inet:8890@127.0.0.1'/,
    ],
    ['inet:localhost:8890', /'inet:8890@localhost'/],
    ['inet:[::1]:8890', /'inet6:8890@::1'/],
    ['inet:127.0.0.1', /the port is missing: 'inet:PORT@127.0.0.1'/],
    ['inet:', /"" is not a port/],
    ['inet:abc', /"abc" is not a port/],
    ['inet:80x', /"80x" is not a port/],
    ['inet:99999', /"99999" is not a port; use a number from 0/],
    ['inet:-1', /is not a port/],
    ['inet:8890@', /the host after '@' is missing/],
    ['inet:8890@::1', /write 'inet6:8890@::1'/],
    ['inet6:8890@127.0.0.1', /write 'inet:8890@127.0.0.1'/],
    ['bogus:x', /"bogus" is not a kind of address/],
    ['localhost:8890', /host and port are written 'inet:8890@localhost'/],
    ['/a:b', /a path with a colon: 'unix:\/a:b'/],
    ['unix:', /the path is missing/],
    [
      `/${'x'.repeat(107)}`,
      /the path has 108 bytes; the path of a socket can have at most 107/,
    ],
    ['unix:/a\0b', /contains a NUL/],
    ['fd:', /number of a descriptor/],
    ['fd:x', /number of a descriptor/],
    ['tcp://host', /'tcp:\/\/HOST:PORT'/],
  ]
  for (const [spec, advice] of bad) {
    it(`${JSON.stringify(spec).slice(0, 40)} is refused with advice`, () => {
      assert.throws(() => parseListenAddress(spec), {
        code: 'INVALID_LISTEN_ADDRESS',
        message: advice,
      })
    })
  }

  for (const [spec, address] of [
    ...good.filter(([, { type }]) => type !== 'fd'),
    ['inet:localhost:8890', tcp(8890, 'localhost')],
    ['inet:127.0.0.1:8890', tcp(8890, '127.0.0.1')],
    ['INET:mx.example.org:8890', tcp(8890, 'mx.example.org')],
    ['inet:[::1]:8890', tcp(8890, '::1', 6)],
  ] as const) {
    it(`${spec.slice(0, 40)} is where a milter may be`, () => {
      assert.deepEqual(parseMilterAddress(spec), address)
    })
  }

  it('where no milter can be say what is wrong with them, and nothing of listening', () => {
    for (const [spec, advice] of [
      ['localhost:8890', /^cannot connect to "localhost:8890": .*'inet:8890@localhost'/],
      ['inet:localhost', /is not a port/],
      ['inet:127.0.0.1', /the port is missing/],
      ['inet:localhost:99999', /is not a port/],
      ['fd:3', /you cannot connect to a descriptor/],
      ['', /is empty/],
    ] as const) {
      assert.throws(
        () => parseMilterAddress(spec),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'INVALID_LISTEN_ADDRESS')
          assert.match(error.message, advice)
          assert.doesNotMatch(error.message, /listen/)
          return true
        },
      )
    }
  })

  it('are written for Postfix in its order', () => {
    assert.equal(formatForPostfix(tcp(8890, 'localhost')), 'inet:localhost:8890')
    assert.equal(formatForPostfix(tcp(8890, '::1', 6)), 'inet:[::1]:8890')
    assert.equal(formatForPostfix(unix('/run/x')), 'unix:/run/x')
  })
})
