import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import type { DnsMessage, ResourceRecord } from '../../../src/cli/key/dns-message.ts'
import { WireDns, type KeyDns } from '../../../src/cli/key/key-dns.ts'
import { rotationOf, type RotationOptions } from '../../../src/cli/key/rotation.ts'
import { SigningKey } from '../../../src/filters/signing/signing-key.ts'
import {
  dnsServer,
  ipv4,
  record,
  soa,
  strings,
  wireName,
  type DnsBehaviour,
  type DnsReply,
} from '../../support/dns-server.ts'

const key = new SigningKey(
  'example.org',
  's2',
  String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })),
)
const TXT = key.publishedRecord
const NOW = Date.parse('2027-01-01T00:00:00Z')
const DAY = 86_400_000
const OPTIONS: RotationOptions = {
  next: 's2._domainkey.example.org',
  old: 's1._domainkey.example.org',
  key,
  now: NOW,
  queueDays: 5,
}

type Answer = readonly ResourceRecord[] | { readonly failed: string }
const rr = (question: string, data: string, ttl = 300): ResourceRecord => {
  const [type, name] = question.replace(/^@\S+ /, '').split(' ') as [
    ResourceRecord['type'],
    string,
  ]
  return { name, type, ttl, data }
}
const one = (question: string, data: string, ttl?: number): [string, Answer] => [
  question,
  [rr(question, data, ttl)],
]

/** Two servers of one zone, with everything in order. */
const ZONE = new Map<string, Answer>([
  one('SOA example.org', '3600'),
  [
    'NS example.org',
    [rr('NS example.org', 'ns1.example.net'), rr('NS example.org', 'ns2.example.net')],
  ],
  one('A ns1.example.net', '192.0.2.1'),
  one('A ns2.example.net', '192.0.2.2'),
  one('TXT s1._domainkey.example.org', TXT),
  one('TXT s2._domainkey.example.org', TXT),
])

/** @param changes by question, for the resolver and all servers, or after `@address ` for one of them */
function dnsOf(
  changes: readonly (readonly [string, Answer])[],
  lame: readonly string[] = [],
): KeyDns {
  const zone = new Map([...ZONE, ...changes])
  return {
    async ask(name, type, server) {
      const question = `${type} ${name}`
      const found = zone.get(`@${server} ${question}`) ?? zone.get(question) ?? []
      if ('failed' in found) return found
      return {
        answers: found,
        isAuthoritative: server !== undefined && !lame.includes(server),
        code: found.length === 0 ? 3 : 0,
      } as unknown as DnsMessage
    },
  }
}

describe('a rotation', () => {
  it('is safe when each server has the record, and no cache an older answer', async () => {
    const { zone, servers, findings, safeAt, keepOldUntil } = await rotationOf(
      dnsOf([]),
      OPTIONS,
    )
    assert.deepEqual([zone, findings], ['example.org', []])
    assert.deepEqual(
      servers.map(({ server, findings: own }) => [server, own]),
      [
        ['ns1.example.net 192.0.2.1', []],
        ['ns2.example.net 192.0.2.2', []],
      ],
    )
    assert.equal(safeAt, NOW + 3_600_000)
    assert.equal(keepOldUntil, safeAt + 12 * DAY)
  })

  it('waits for the longest that a cache may keep an answer', async () => {
    for (const [changes, seconds] of [
      [[one('@192.0.2.2 SOA example.org', '7200')], 7_200],
      [[one('@192.0.2.1 TXT s2._domainkey.example.org', TXT, 86_400)], 86_400],
      [[one('SOA example.org', '60')], 300],
    ] as const) {
      const { safeAt } = await rotationOf(dnsOf(changes), OPTIONS)
      assert.equal(safeAt, NOW + seconds * 1_000)
    }
  })

  it('keeps the old key from the time that is planned', async () => {
    const planned = NOW + 30 * DAY
    const { keepOldUntil } = await rotationOf(dnsOf([]), { ...OPTIONS, planned, queueDays: 2 })
    assert.equal(keepOldUntil, planned + 9 * DAY)
  })

  it('follows an alias to the zone of its target', async () => {
    const next = 'TXT s2._domainkey.example.org'
    const alias = rr('CNAME s2._domainkey.example.org', 'k.example.com', 9_000)
    const { zone, servers, safeAt } = await rotationOf(
      dnsOf([
        [next, [alias, rr('TXT k.example.com', TXT)]],
        one('TXT k.example.com', TXT),
        one('SOA example.com', '60'),
        one('NS example.com', 'ns2.example.net'),
      ]),
      OPTIONS,
    )
    assert.deepEqual([zone, servers.length, safeAt], ['example.com', 1, NOW + 9_000_000])
  })

  const NEXT = 'TXT s2._domainkey.example.org'
  const cases: [string, (readonly [string, Answer])[], string[], string[]?][] = [
    ['a server does not have it yet', [[`@192.0.2.2 ${NEXT}`, []]], ['not-published']],
    [
      'only a cache has it',
      [
        [`@192.0.2.1 ${NEXT}`, []],
        [`@192.0.2.2 ${NEXT}`, []],
      ],
      ['not-published', 'not-published'],
    ],
    [
      'a server has an older one',
      [one(`@192.0.2.2 ${NEXT}`, TXT.slice(0, -3) + 'AAA')],
      ['key'],
    ],
    [
      'a server does not answer',
      [[`@192.0.2.1 ${NEXT}`, { failed: 'it does not answer' }]],
      ['no-answer'],
    ],
    ['a server does not have the zone', [], ['not-authoritative'], ['192.0.2.1']],
    ['a server has no address', [['A ns1.example.net', []]], ['no-address']],
    [
      'no server has an address',
      [
        ['A ns1.example.net', []],
        ['A ns2.example.net', []],
      ],
      ['no-address', 'no-address', 'no-servers'],
    ],
    ['no zone is found', [['SOA example.org', []]], ['no-zone']],
    ['the resolver fails', [[NEXT, { failed: 'it refuses' }]], ['no-answer']],
    ['the resolver fails later', [['SOA example.org', { failed: 'it refuses' }]], ['no-zone']],
    ['the old key is gone', [['TXT s1._domainkey.example.org', []]], ['old-not-published']],
    [
      'the old key is revoked',
      [one('TXT s1._domainkey.example.org', 'v=DKIM1; p=')],
      ['old-revoked'],
    ],
    [
      'there are two records',
      [[NEXT, [rr(NEXT, TXT), rr(NEXT, 'hello')]]],
      ['several-records', 'several-records'],
    ],
  ]
  for (const [name, changes, wanted, lame] of cases) {
    it(`is not safe if ${name}`, async () => {
      const { servers, findings, safeAt, keepOldUntil } = await rotationOf(
        dnsOf(changes, lame),
        OPTIONS,
      )
      const codes = [...servers.flatMap((server) => server.findings), ...findings]
      assert.deepEqual(
        codes.map(({ code }) => code),
        wanted,
      )
      assert.deepEqual([safeAt, keepOldUntil], [undefined, undefined])
    })
  }

  it('is told by real servers, over UDP and TCP', async () => {
    const zone: Record<string, DnsReply> = {
      'SOA example.org': { answers: [record('example.org', 'SOA', soa(900), 1_200)] },
      'NS example.org': {
        answers: ['ns1', 'ns2'].map((ns) =>
          record('example.org', 'NS', wireName(`${ns}.example.org`)),
        ),
      },
      'A ns1.example.org': { answers: [record('ns1.example.org', 'A', ipv4('127.0.0.1'))] },
      'A ns2.example.org': { answers: [record('ns2.example.org', 'A', ipv4('127.0.0.2'))] },
      'TXT s1._domainkey.example.org': {
        answers: [record('s1._domainkey.example.org', 'TXT', strings(TXT))],
      },
      'TXT s2._domainkey.example.org': {
        answers: [record('s2._domainkey.example.org', 'TXT', strings(TXT), 600)],
      },
    }
    const behave: DnsBehaviour = ({ name, type }) => ({
      authoritative: true,
      ...(zone[`${type} ${name}`] ?? {
        rcode: 3,
        authority: [record('example.org', 'SOA', soa(900), 1_200)],
      }),
    })
    await using first = await dnsServer(behave)
    const port = Number(first.address.split(':')[1])
    let isLate = true
    await using second = await dnsServer(
      (question) =>
        question.overTcp || !question.name.startsWith('s2')
          ? isLate && question.type === 'TXT'
            ? { authoritative: true, rcode: 3 }
            : behave(question)
          : { truncated: true },
      '127.0.0.2',
      port,
    )
    const dns = new WireDns({ resolver: first.address, port, timeout: 2_000 })
    const early = await rotationOf(dns, OPTIONS)
    assert.equal(early.safeAt, undefined)
    assert.deepEqual(
      early.servers.map(({ server, findings }) => [server, findings.map(({ code }) => code)]),
      [
        ['ns1.example.org 127.0.0.1', []],
        ['ns2.example.org 127.0.0.2', ['not-published']],
      ],
    )
    isLate = false
    const { safeAt, servers } = await rotationOf(dns, OPTIONS)
    assert.equal(safeAt, NOW + 900_000, JSON.stringify(servers))
    assert.ok(second.asked.includes('TXT s2._domainkey.example.org over TCP'))
  })
})
