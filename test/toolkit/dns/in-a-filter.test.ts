import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CONTINUE, defineFilter, reply, TEMPFAIL } from '../../../src/index.ts'
import { deliver } from '../../../src/testing/index.ts'
import { Dnsbl, DnsCache, DnsSession, type ResolverAnswer } from '../../../src/toolkit/index.ts'
import { scriptedResolver, zone } from './scripted-resolver.ts'

/** What becomes of a message from 192.0.2.1, sent by a@example.org. */
async function outcome(answers: Record<string, ResolverAnswer | readonly string[]>) {
  const script = zone({ 'A 2.0.0.127.l.example': ['127.0.0.2'], ...answers })
  const dns = new DnsCache({ resolver: scriptedResolver(script) })
  const lists = new Dnsbl([{ zone: 'l.example' }])
  const filter = defineFilter({
    name: 'dns',
    state: () => ({ dns: new DnsSession(dns, { maxQueries: 10 }) }),
    async connect({ address = '' }, { signal }) {
      const result = await lists.check(new DnsSession(dns, { signal }), address)
      const [list] = result.lists
      return list?.state === 'listed' ? reply(554, '5.7.1', list.reason ?? 'listed') : CONTINUE
    },
    async sender({ domain }, { state, signal }) {
      const session = new DnsSession(state.dns, { signal })
      const { none, failed } = await session.resolve(domain ?? '', 'MX')
      if (failed !== undefined) return TEMPFAIL
      return none === undefined ? CONTINUE : reply(550, '5.1.8', none)
    },
  })
  const { verdict, reply: said } = await deliver(filter, {
    client: { hostname: 'client.example', address: '192.0.2.1' },
    from: 'a@example.org',
    to: ['b@example.net'],
    message: 'Subject: a\n\nb\n',
  })
  return [verdict, said.replace(/ as \w+$/, '')]
}

describe('DNS in a filter', () => {
  const mx = { 'MX example.org': { found: [{ exchange: 'mail.example.org', priority: 10 }] } }
  const cases: readonly [
    string,
    Record<string, ResolverAnswer | readonly string[]>,
    unknown[],
  ][] = [
    ['passes what is in order', mx, ['accept', '250 2.0.0 Ok: queued']],
    [
      'refuses what is listed, with the reason of the list',
      {
        ...mx,
        'A 1.2.0.192.l.example': ['127.0.0.2'],
        'TXT 1.2.0.192.l.example': ['it sends spam'],
      },
      ['reject', '554 5.7.1 it sends spam'],
    ],
    ['refuses a domain that does not exist', {}, ['reject', '550 5.1.8 no-domain']],
    [
      'defers a domain that cannot be asked about',
      { 'MX example.org': { failed: 'timeout' } },
      ['tempfail', '451 4.7.1 Service unavailable - try again later'],
    ],
  ]
  for (const [what, answers, expected] of cases) {
    it(what, async () => assert.deepEqual(await outcome(answers), expected))
  }
})
