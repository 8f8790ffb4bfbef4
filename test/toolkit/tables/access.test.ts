/** The access map of pymilter's MTAPolicy, and the orders of Postfix. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  AccessMap,
  accessKeys,
  domainKeys,
  functionTable,
  networkKeys,
  TextTable,
  transportKeys,
  type Table,
} from '../../../src/toolkit/index.ts'

const MAP = `\
smtp-auth:good@example.com OK
smtp-auth:example.com REJECT
spf-permerror:foo@bad.example.com OK
spf-permerror: REJECT
smtp-test: REJECT
smtp-test:.baz.com WILDCARD
`

describe('AccessMap', () => {
  const rows: [address: string, prefix: string, value: string | undefined][] = [
    ['good@example.com', 'smtp-auth', 'OK'],
    ['bad@example.com', 'smtp-auth', 'REJECT'],
    ['bad@bad.example.com', 'smtp-auth', undefined],
    ['good@example.com.', 'smtp-auth', 'OK'],
    ['"bad"@Example.com.', 'smtp-auth', 'REJECT'],
    ['any@random.com', 'smtp-test', 'REJECT'],
    ['Good@Example.COM', 'smtp-auth', 'REJECT'],
    ['foo@bar.baz.com', 'smtp-test', 'WILDCARD'],
    ['foo@a.b.baz.com', 'smtp-test', 'WILDCARD'],
    ['foo@baz.com', 'smtp-test', 'REJECT'],
    ['foo@bad.example.com', 'spf-permerror', 'OK'],
    ['x@bad.example.com', 'spf-permerror', 'REJECT'],
    ['good', 'smtp-auth', undefined],
    ['<good@example.com>', 'smtp-auth', 'OK'],
    ['<>', 'smtp-test', 'REJECT'],
    ['<>', 'smtp-auth', undefined],
  ]
  const lines = MAP.trimEnd()
    .split('\n')
    .map((line) => line.split(' ') as [string, string])
  const nul = new Map(lines.map(([key, value]) => [`${key}\0`, `${value}\0`]))
  // The text itself, as the values of pymilter were made with keys that end with ":".
  const exact = (separator: string): Table => {
    const values = new Map(lines.map(([key, value]) => [key.replace(':', separator), value]))
    return functionTable((key) => values.get(key), { caseSensitive: true })
  }
  const maps: Record<string, AccessMap> = {
    ':': new AccessMap(exact(':')),
    '!': new AccessMap(exact('!'), { separator: '!' }),
    NULs: new AccessMap(
      functionTable((key) => nul.get(key), { caseSensitive: true }),
      {
        nulTerminated: true,
      },
    ),
    'text of Sendmail': new AccessMap(
      new TextTable(MAP, { format: 'sendmail', caseSensitive: true }),
    ),
  }
  for (const [name, map] of Object.entries(maps)) {
    for (const [address, prefix, value] of rows) {
      it(`with ${name}: ${prefix} of ${address} is ${value}`, async () => {
        assert.equal(await map.lookup(prefix, address), value)
      })
    }
  }

  it('looks up in the order of pymilter', async () => {
    const asked: string[] = []
    const table = functionTable(
      (key) => {
        asked.push(key)
        return undefined
      },
      { caseSensitive: true },
    )
    await new AccessMap(table).lookup('P', 'U@A.b.c')
    assert.deepEqual(asked, ['P:U@A.b.c', 'P:a.b.c', 'P:.b.c', 'P:.c', 'P:', 'P'])
  })

  it('takes a table without case, and tells what could not be asked', async () => {
    assert.equal(
      await new AccessMap(new TextTable(MAP, { format: 'sendmail' })).lookup(
        'smtp-auth',
        'Good@Example.COM',
      ),
      'OK',
    )
    const broken = functionTable(() => {
      throw new Error('down')
    })
    await assert.rejects(new AccessMap(broken).lookup('P', 'a@b'), { code: 'LOOKUP_FAILED' })
  })
})

describe('the keys of an address', () => {
  it('are in the order of access(5)', () => {
    assert.deepEqual(accessKeys('<User+x@Mail.Example.org>', { delimiter: '+' }), [
      'User+x@mail.example.org',
      'User@mail.example.org',
      'mail.example.org',
      'example.org',
      'org',
      'User+x@',
      'User@',
    ])
    assert.deepEqual(accessKeys('a@b.c', { parents: 'dotted' }), ['a@b.c', 'b.c', '.c', 'a@'])
    assert.deepEqual(accessKeys('<>'), ['<>'])
    assert.deepEqual(accessKeys('postmaster'), ['postmaster', 'postmaster@'])
    assert.deepEqual(accessKeys('"a b"@[1.2.3.4]'), ['"a b"@[1.2.3.4]', '[1.2.3.4]', '"a b"@'])
    assert.deepEqual(accessKeys('<@r:+x@b>', { delimiter: '+' }), ['+x@b', 'b', '+x@'])
    assert.deepEqual(accessKeys('"a b+c"@b', { delimiter: '+' }).slice(0, 2), [
      '"a b+c"@b',
      '"a b"@b',
    ])
  })

  // A real Postfix (check_sender_access) refuses each of them with an entry for bad@example.org.
  for (const address of [
    '"bad"@example.org',
    '"b\\ad"@example.org',
    'bad@Example.org.',
    '<@r.test:"bad"@example.org.>',
  ]) {
    it(`are those of bad@example.org for ${address}`, () => {
      assert.deepEqual(accessKeys(address), accessKeys('bad@example.org'))
      assert.deepEqual(transportKeys(address), transportKeys('bad@example.org'))
    })
  }

  it('are in the order of transport(5)', () => {
    assert.deepEqual(transportKeys('user-x@mail.example.org', { delimiter: '+-' }), [
      'user-x@mail.example.org',
      'user@mail.example.org',
      'mail.example.org',
      '.example.org',
      '.org',
      '*',
    ])
    assert.deepEqual(transportKeys('a@b.c', { parents: 'bare' }), ['a@b.c', 'b.c', 'c', '*'])
    assert.deepEqual(transportKeys('<>'), ['*'])
  })

  it('of a client are its name and networks, as in access(5)', () => {
    assert.deepEqual(domainKeys('Mail.Example.org.'), [
      'mail.example.org.',
      'example.org.',
      'org.',
    ])
    assert.deepEqual(networkKeys('192.0.2.1'), ['192.0.2.1', '192.0.2', '192.0', '192'])
    assert.deepEqual(networkKeys('::ffff:192.0.2.1')[0], '192.0.2.1')
    assert.deepEqual(networkKeys('2001:DB8:1::2'), [
      '2001:db8:1::2',
      '2001:db8:1',
      '2001:db8',
      '2001',
    ])
    assert.throws(() => networkKeys('010.1.1.1'), { code: 'INVALID_IP_ADDRESS' })
  })
})
