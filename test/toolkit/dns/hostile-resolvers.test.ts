/**
 * Everything of the toolkit that waits for DNS, with a resolver that is slow, dead, lying, truncated or looping. Each of
 * them ends, and says that it could not ask: never "no", and never an error that nobody expects.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '../../../src/index.ts'
import {
  callBack,
  Dnsbl,
  DnsCache,
  DnsSession,
  IpList,
  nodeStyleResolver,
  NodeResolver,
  organizationalDomainByTreeWalk,
  sendToMx,
  type DnsResolver,
  type ResolverAnswer,
} from '../../../src/toolkit/index.ts'
import { dnsServer } from '../../support/dns-server.ts'
import { scriptedResolver } from './scripted-resolver.ts'

/** Long enough for an answer that is there at once, on a busy machine. */
const TIMEOUT = 200

/** Who asks, and what it says if it could not: a word for the reason where it has one. */
const ASKERS: Readonly<Record<string, (dns: DnsCache) => Promise<unknown>>> = {
  DnsSession: async (dns) => {
    const { failed } = await new DnsSession(dns).resolve('example.net', 'MX')
    return failed
  },
  nodeStyleResolver: async (dns) => {
    const look = nodeStyleResolver(new DnsSession(dns))('example.net', 'TXT')
    const error = (await look.catch((cause: unknown) => cause)) as {
      reason?: string
      code: string
    }
    assert.ok(!['ENOTFOUND', 'ENODATA'].includes(error.code))
    return error.reason
  },
  Dnsbl: async (dns) => {
    const lists = new Dnsbl([{ zone: 'bl.example' }], { logger: silentLogger() })
    const {
      listed,
      complete,
      lists: results,
    } = await lists.check(new DnsSession(dns), '192.0.2.1')
    assert.deepEqual([listed, complete, results[0]?.state], [false, false, 'failed'])
    return results[0]?.state === 'failed' ? results[0].failed : undefined
  },
  'the self-check of a Dnsbl': async (dns) => {
    const lists = new Dnsbl([{ zone: 'bl.example' }], { logger: silentLogger() })
    const [check] = await lists.selfCheck(dns)
    assert.equal(check?.state, 'unknown')
    return check?.why
  },
  'the tree walk': async (dns) => {
    const { failed } = await organizationalDomainByTreeWalk(
      new DnsSession(dns),
      'a.example.net',
    )
    return failed
  },
  'host names in an IpList': async (dns) => {
    const resolve = async (name: string): Promise<readonly string[]> => {
      const { found, failed } = await new DnsSession(dns).resolve(name, 'A')
      if (failed !== undefined) throw new Error(failed)
      return found ?? []
    }
    const list = new IpList(['mail.example.net'], { resolve })
    const error = (await list.matches('192.0.2.1').catch((cause: unknown) => cause)) as {
      code: string
      message: string
    }
    assert.equal(error.code, 'LOOKUP_FAILED')
    return /mail\.example\.net: ([\w-]+)/.exec(error.message)?.[1]
  },
  'the walk over the hosts of a domain': async (dns) => {
    const { recipients } = await sendToMx(
      { sender: '', recipients: ['a@example.net'], message: Buffer.from('\r\n') },
      { dns: new DnsSession(dns), name: 'us.test' },
    )
    assert.ok(recipients[0]?.outcome === 'failed' && recipients[0].reason === 'dns')
    return /\(([\w-]+)\)/.exec(recipients[0].text)?.[1]
  },
  'a call-back': async (dns) => {
    const result = await callBack('a@example.net', {
      dns: new DnsSession(dns),
      name: 'us.test',
    })
    assert.ok(result.outcome === 'failed' && result.code === 450)
    return /\(([\w-]+)\)/.exec(result.text)?.[1]
  },
}

/** Answers that are none, one after the other. */
const LIES: readonly unknown[] = [
  { found: [null] },
  { found: [{ exchange: 5, priority: 1 }] },
  { found: [['192.0.2.1']], ttl: Number.NaN },
  { found: [7] },
]

const HOSTILE: Readonly<Record<string, { resolver: () => DnsResolver; says: string }>> = {
  dead: {
    resolver: () => scriptedResolver(() => new Promise(() => {})),
    says: 'timeout',
  },
  lying: {
    resolver: () => {
      let asked = 0
      return scriptedResolver(() => LIES[asked++ % LIES.length] as ResolverAnswer)
    },
    says: 'bad-answer',
  },
  looping: {
    resolver: () =>
      scriptedResolver((question) => ({
        alias: question.endsWith('loop.example') ? 'b.example' : 'loop.example',
      })),
    says: 'alias-loop',
  },
}

for (const [kind, { resolver, says }] of Object.entries(HOSTILE)) {
  describe(`with a resolver that is ${kind}`, () => {
    for (const [who, ask] of Object.entries(ASKERS)) {
      it(`${who} says ${says}`, async () => {
        const dns = new DnsCache({ resolver: resolver(), timeout: TIMEOUT, failureTtl: 0 })
        assert.equal(await ask(dns), says)
        assert.equal(dns.pending, 0)
      })
    }
  })
}

describe('with a resolver that is slow', () => {
  for (const [who, ask] of Object.entries(ASKERS)) {
    it(`${who} says timeout, and what comes late is kept for the next message`, async () => {
      const late: (() => void)[] = []
      const resolver = scriptedResolver(
        () => new Promise((resolve) => late.push(() => resolve({ none: 'no-domain' }))),
      )
      const dns = new DnsCache({ resolver, timeout: TIMEOUT, failureTtl: 0 })
      assert.equal(await ask(dns), 'timeout')
      assert.equal(dns.size, 0)
      for (const answer of late) answer()
      await new Promise(setImmediate)
      assert.equal(dns.size, new Set(resolver.asked).size)
    })
  }
})

describe('with a server whose answers are truncated, also over TCP', () => {
  for (const [who, ask] of Object.entries(ASKERS)) {
    it(`${who} says that it could not ask`, async () => {
      await using server = await dnsServer(({ overTcp }) =>
        overTcp ? { distort: (bytes) => bytes.subarray(0, 14) } : { truncated: true },
      )
      const resolver = new NodeResolver({ servers: [server.address], timeout: 100, tries: 1 })
      const said = await ask(new DnsCache({ resolver }))
      assert.ok(['bad-answer', 'timeout', 'unreachable'].includes(String(said)), String(said))
      assert.ok(server.asked.some((question) => question.endsWith(' over TCP')))
    })
  }
})
