import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { isIP } from 'node:net'
import { fc } from '../../support/property.ts'
import { IpList, ipFromBytes, ipToBytes } from '../../../src/toolkit/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsmilter-ip-'))
after(() => rmSync(directory, { recursive: true }))

describe('IpList', () => {
  const local = ['127.0.0.1', '66.179.26.128/26']
  const rows: [address: string, entries: string[], inside: boolean][] = [
    ['66.179.26.146', local, true],
    ['127.0.0.1', local, true],
    ['66.179.26.127', local, false],
    ['192.168.0.45', ['192.168.0.*'], true],
    ['192.168.1.45', ['192.168.0.*'], false],
    [
      '2001:610:779:0:223:6cff:fe9a:9cf3',
      ['127.0.0.1', '172.20.1.0/24', '2001:610:779::/48'],
      true,
    ],
    ['1.2.3.5', ['1.2.3.4/31'], true],
    ['1.2.3.6', ['1.2.3.4/31'], false],
    ['1.2.3.4', ['0.0.0.0/0'], true],
    ['1.2.3.4', ['1.2.*'], true],
    ['1.2.3.4', ['1.2.3.?'], true],
    ['1.2.3.44', ['1.2.3.?'], false],
    ['1.2.3.4', ['[1-3].2.3.4'], true],
    ['4.2.3.4', ['[1-3].2.3.4'], false],
    ['4.2.3.4', ['[!1-3].2.3.4'], true],
    ['1.2.3.4', [], false],
    ['::1', ['0:0:0:0:0:0:0:1'], true],
    ['2001:DB8::1', ['2001:db8::/32'], true],
    ['::ffff:1.2.3.4', ['1.2.3.0/24'], true],
    ['1.2.3.4', ['::ffff:1.2.3.0/120'], true],
    ['::FFFF:102:304', ['1.2.*'], true],
    // D4: pymilter compares the low 32 bits.
    ['2001:db8::102:304', ['1.2.3.0/24'], false],
    ['1.2.3.4', ['::/0'], false],
    ['10.0.0.1', ['::a00:1'], false],
    ['::a00:1', ['10.0.0.1'], false],
    ['2001:db8::1', ['*'], false],
  ]
  for (const [address, entries, inside] of rows) {
    it(`${address} is ${inside ? '' : 'not '}in ${entries.join(', ') || 'an empty list'}`, async () => {
      const list = new IpList(entries)
      assert.equal(list.has(address), inside)
      assert.equal(await list.matches(address), inside)
    })
  }

  it('does not know an unknown address', async () => {
    assert.equal(new IpList(['0.0.0.0/0', '::/0']).has(undefined), false)
    assert.equal(await new IpList(['::/0']).matches(undefined), false)
  })

  const noAddress: [text: string, why: RegExp][] = [
    ['2G01:610:779:0:223:6cff:fe9a:9cf3', /is not an IP address;/],
    ['1.2.3.256', /above 255/],
    ['01.2.3.4', /octal/],
    ['010.1.1.1', /octal/],
    ['10.1', /2 numbers/],
    ['0x0a.1.1.1', /hexadecimal/],
    ['', /"" is not an IP address;/],
    ['fe80::1%eth0', /zone/],
    ['::1.2.3.4.5', /is not an IP address/],
  ]
  for (const [text, why] of noAddress) {
    it(`refuses ${JSON.stringify(text)} as an address and as an entry`, async () => {
      const list = new IpList(['0.0.0.0/0', '::/0'])
      assert.throws(() => list.has(text), { code: 'INVALID_IP_ADDRESS', message: why })
      await assert.rejects(list.matches(text), { code: 'INVALID_IP_ADDRESS' })
      const resolve = (): never => assert.fail()
      assert.throws(
        () => new IpList([text], { resolve }),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'INVALID_ENTRY')
          assert.ok(
            error.message.startsWith(`IP list: ${JSON.stringify(text)} is not`),
            error.message,
          )
          return true
        },
      )
    })
  }

  const wrong: [entry: string, why: RegExp][] = [
    // pymilter accepts it.
    ['1.2.3.4/33', /prefix length; write 0 to 32/],
    ['1.2.3.0/x', /prefix length/],
    ['1.2.3.0/-1', /prefix length/],
    ['1.2.3.0/08', /prefix length/],
    ['1.2.3.0/', /prefix length/],
    ['2001:db8::/129', /prefix length/],
    ['::ffff:1.2.3.0/95', /prefix length/],
    ['mail.example.org/129', /prefix length/],
    ['1.2.3.0/24/24', /prefix length/],
    ['2001:db8:*', /write a network, such as 2001:db8::\/32/],
    ['1.2.3.?.*.5', /that many numbers/],
    ['1.?', /that many numbers/],
    ['1.2.300.*', /above 255/],
    ['1.02.3.*', /zero before it/],
    ['[3-1].2.3.4', /larger digit/],
    ['[a-z].2.3.4', /only digits/],
    ['*.example.org', /only digits/],
    ['1.2.3.[4', /only digits/],
    ['mail example.org', /is not an IP address/],
    ['1.2.3.4.in-addr.arpa.1', /is not an IP address/],
    ['192.0.2.1-9', /is not an IP address/],
    ['192.0.2.1-192.0.2.9', /is not an IP address/],
    ['1.2.3.0/255.255.255.0', /prefix length/],
  ]
  for (const [entry, why] of wrong) {
    it(`refuses the entry ${entry}`, () => {
      const resolve = (): never => assert.fail()
      assert.throws(() => new IpList([entry], { resolve }), {
        code: 'INVALID_ENTRY',
        message: why,
      })
    })
  }

  it('reads a file with comments, and names the line of a mistake', async () => {
    const path = join(directory, 'hosts')
    writeFileSync(path, '# ours\r\n127.0.0.1\r\n\r\n  192.0.2.0/24 # office\r\n')
    const list = await IpList.read(path)
    assert.deepEqual(
      ['127.0.0.1', '192.0.2.9', '192.0.3.9'].map((one) => list.has(one)),
      [true, true, false],
    )
    writeFileSync(path, '127.0.0.1\n\n010.1.1.1\n')
    await assert.rejects(IpList.read(path), (error: Error) => {
      assert.ok(error.message.startsWith(`${path}:3: "010.1.1.1" is not`), error.message)
      return true
    })
    await assert.rejects(IpList.read(join(directory, 'absent')), {
      code: 'FILE_FAILED',
      message: /absent cannot be read: ENOENT/,
    })
  })

  it('agrees with a comparison of bits', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    )
    const bits = (some: Uint8Array): string =>
      Array.from(some, (byte) => byte.toString(2).padStart(8, '0')).join('')
    fc.assert(
      fc.property(bytes, bytes, fc.nat(128), (network, address, length) => {
        const prefix = Math.min(length, network.length * 8)
        fc.pre(!ipFromBytes(network).startsWith('::ffff:'))
        fc.pre(!ipFromBytes(address).startsWith('::ffff:'))
        const list = new IpList([`${ipFromBytes(network)}/${prefix}`])
        const near = Uint8Array.from(network, (byte, i) =>
          i * 8 < prefix - 7 ? byte : (address[i] ?? 0),
        )
        for (const one of [address, near]) {
          assert.equal(
            list.has(ipFromBytes(one)),
            one.length === network.length &&
              bits(one).slice(0, prefix) === bits(network).slice(0, prefix),
          )
        }
      }),
    )
  })
})

describe('host names in an IpList', () => {
  const names: Record<string, string[]> = {
    'mail.example.org': ['192.0.2.1', '2001:db8::1'],
    'net.example.org': ['198.51.100.7'],
  }
  const resolve = (name: string): Promise<string[]> => Promise.resolve(names[name] ?? [])

  it('are looked up when nothing else matches', async () => {
    const asked: string[] = []
    const list = new IpList(['127.0.0.1', 'mail.example.org', 'net.example.org/24', 'none'], {
      resolve: (name) => {
        asked.push(name)
        return resolve(name)
      },
    })
    assert.equal(await list.matches('127.0.0.1'), true)
    assert.deepEqual(asked, [])
    assert.equal(list.has('192.0.2.1'), false)
    assert.equal(await list.matches('192.0.2.1'), true)
    assert.equal(await list.matches('2001:db8::1'), true)
    assert.equal(await list.matches('198.51.100.200'), true)
    assert.equal(await list.matches('203.0.113.1'), false)
    assert.deepEqual(asked.slice(-3), ['mail.example.org', 'net.example.org', 'none'])
  })

  it('with a prefix match only the family that has it', async () => {
    const list = new IpList(['mail.example.org/40'], { resolve })
    assert.equal(await list.matches('2001:db8:ff::1'), true)
    assert.equal(await list.matches('2001:db9::1'), false)
    assert.equal(await list.matches('192.0.2.1'), true)
    assert.equal(await list.matches('192.0.2.2'), false)
  })

  it('are an error if nobody looks them up', () => {
    assert.throws(() => new IpList(['mail.example.org']), {
      code: 'INVALID_ENTRY',
      message: /looks up no names; .* give the option resolve$/,
    })
  })

  it('that cannot be looked up give no answer, but another match counts', async () => {
    const cause = new Error('SERVFAIL')
    const list = new IpList(['broken.example.org', 'mail.example.org'], {
      resolve: (name) => (name.startsWith('broken') ? Promise.reject(cause) : resolve(name)),
    })
    assert.equal(await list.matches('192.0.2.1'), true)
    await assert.rejects(list.matches('192.0.2.2'), {
      name: 'TableError',
      code: 'LOOKUP_FAILED',
      message: /broken\.example\.org: SERVFAIL/,
    })
    const throws = new IpList(['x'], {
      resolve: () => {
        throw cause
      },
    })
    await assert.rejects(throws.matches('192.0.2.2'), { code: 'LOOKUP_FAILED' })
  })

  it('give no answer if what they lead to is no address', async () => {
    for (const lie of [
      ['x'],
      [null],
      ['192.0.2.999'],
      [''],
      null,
      '192.0.2.1',
      [['192.0.2.1']],
    ]) {
      const list = new IpList(['mail.example.org'], {
        resolve: () => Promise.resolve(lie as string[]),
      })
      await assert.rejects(list.matches('192.0.2.1'), { code: 'LOOKUP_FAILED' }, String(lie))
    }
  })

  it('refuses a deadline that is none', () => {
    for (const deadline of [0, Number.NaN, 2 ** 31]) {
      assert.throws(() => new IpList([], { deadline }), { code: 'INVALID_OPTION' })
    }
  })

  it('wait no longer than the deadline, or the signal', async () => {
    const signals: AbortSignal[] = []
    const list = new IpList(['slow.example.org', 'slower.example.org'], {
      deadline: 10,
      resolve: (_, signal) => {
        signals.push(signal)
        return new Promise(() => {})
      },
    })
    await assert.rejects(list.matches('192.0.2.1'), {
      code: 'LOOKUP_FAILED',
      message: /no answer within 10 ms/,
    })
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, true],
    )
    const reason = new Error('the message is gone')
    const stop = new AbortController()
    const waiting = assert.rejects(
      new IpList(['x'], { resolve: () => new Promise(() => {}) }).matches('192.0.2.1', stop),
      reason,
    )
    stop.abort(reason)
    await waiting
    await assert.rejects(list.matches('192.0.2.1', stop), reason)
  })

  it('are bounded: in the list, at a time, and in their addresses', async () => {
    const many = Array.from({ length: 101 }, (_, i) => `h${i}.example.org`)
    assert.throws(() => new IpList(many, { resolve }), /at most 100 host names/)
    let running = 0
    let most = 0
    const list = new IpList(many.slice(1), {
      resolve: async () => {
        most = Math.max(most, ++running)
        await new Promise(setImmediate)
        running--
        return Array.from({ length: 300 }, (_, i) => `192.0.${i >> 8}.${i & 255}`)
      },
    })
    assert.equal(await list.matches('192.0.1.0'), false)
    assert.equal(most, 8)
  })
})

describe('IP addresses as bytes', () => {
  const rows: [text: string, shortest: string][] = [
    ['0:0:0:0:0:ffff:102:304', '::ffff:1.2.3.4'],
    ['1234:5678:0:0:0:0:102:304', '1234:5678::102:304'],
    ['0:0:0:1234:5678:0:102:304', '::1234:5678:0:102:304'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1.2.3.4', '::ffff:1.2.3.4'],
    ['1::', '1::'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
  ]
  for (const [text, shortest] of rows) {
    it(`${text} is ${shortest}`, () => {
      assert.equal(ipFromBytes(ipToBytes(text)), shortest)
    })
  }

  it('are only addresses', () => {
    assert.throws(() => ipToBytes('::1.2.3.4.5'), { code: 'INVALID_IP_ADDRESS' })
    assert.throws(() => ipFromBytes(new Uint8Array(5)), { code: 'INVALID_IP_ADDRESS' })
    assert.equal(ipFromBytes(Uint8Array.of(1, 2, 3, 4)), '1.2.3.4')
  })

  it('come back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(), (bytes, zeros) => {
        const some = bytes.map((byte, i) => ((zeros >> i) & 1 ? 0 : byte))
        const text = ipFromBytes(some)
        assert.equal(isIP(text), 6)
        assert.deepEqual(ipToBytes(text), Buffer.from(some))
      }),
    )
  })
})
