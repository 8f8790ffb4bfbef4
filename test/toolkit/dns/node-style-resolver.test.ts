import assert from 'node:assert/strict'
import { promises } from 'node:dns'
import { describe, it } from 'node:test'
import {
  DnsCache,
  DnsSession,
  nodeStyleResolver,
  NodeResolver,
  type DnsFailure,
  type DnsResolver,
  type RecordType,
} from '../../../src/toolkit/index.ts'
import {
  dnsServer,
  ipv4,
  mx,
  record,
  strings,
  TYPES,
  wireName,
} from '../../support/dns-server.ts'
import { scriptedResolver } from './scripted-resolver.ts'

const on = (resolver: DnsResolver) =>
  nodeStyleResolver(new DnsSession(new DnsCache({ resolver })))

describe('nodeStyleResolver', () => {
  it("gives what Node's own function gives, for each type", async () => {
    const data: Record<RecordType, Buffer[]> = {
      A: [ipv4('192.0.2.1'), ipv4('192.0.2.2')],
      AAAA: [Buffer.alloc(16, 0x20)],
      MX: [mx(10, 'a.example.org'), mx(20, 'b.example.org')],
      TXT: [strings('v=spf1', ' -all'), strings(Buffer.from([0x61, 0xff, 0xc3, 0xa9]))],
      PTR: [wireName('a.example.org')],
      NS: [wireName('a.example.org')],
      CNAME: [wireName('a.example.org')],
      SRV: [Buffer.concat([Buffer.from([0, 1, 0, 2, 0, 25]), wireName('a.example.org')])],
    }
    await using server = await dnsServer(({ name, type }) => ({
      answers: data[type as RecordType].map((bytes) => record(name, type, bytes)),
    }))
    const node = new promises.Resolver()
    node.setServers([server.address])
    const resolve = on(new NodeResolver({ servers: [server.address] }))
    for (const type of Object.keys(TYPES) as RecordType[]) {
      const [given, expected] = [
        await resolve('x.example', type),
        await node.resolve('x.example', type),
      ]
      // The strings of a TXT record come joined; all who read SPF, DKIM and DMARC join them. Node 26 adds `type`.
      const joined = (records: unknown): unknown =>
        (records as (string | string[] | object)[]).map((one) => {
          if (typeof one === 'string') return one
          return Array.isArray(one) ? one.join('') : { ...one, type: undefined }
        })
      assert.deepEqual(joined(given), joined(expected), type)
    }
  })

  it('gives records that the caller may change', async () => {
    const resolve = on(scriptedResolver(() => ({ found: [{ exchange: 'a', priority: 1 }] })))
    const first = await resolve('a', 'MX')
    Object.assign(first[0]!, { priority: 2 })
    first.pop()
    assert.deepEqual(await resolve('a', 'MX'), [{ exchange: 'a', priority: 1 }])
  })

  const codes: readonly [DnsFailure, string][] = [
    ['timeout', 'ETIMEOUT'],
    ['unreachable', 'ECONNREFUSED'],
    ['server-failure', 'ESERVFAIL'],
    ['refused', 'EREFUSED'],
    ['bad-answer', 'EBADRESP'],
    ['busy', 'ETIMEOUT'],
    ['error', 'ESERVFAIL'],
  ]
  for (const [reason, code] of codes) {
    it(`throws ${code} for ${reason}`, async () => {
      const resolve = on(scriptedResolver(() => ({ failed: reason })))
      await assert.rejects(resolve('a.example', 'TXT'), {
        code,
        reason,
        syscall: 'queryTxt',
        hostname: 'a.example',
        message: `queryTxt ${code} a.example (${reason})`,
      })
    })
  }

  it('throws ENOTFOUND and ENODATA only if there is nothing', async () => {
    const resolve = on(
      scriptedResolver((question) => ({ none: question === 'A a' ? 'no-domain' : 'no-data' })),
    )
    await assert.rejects(resolve('a', 'A'), { code: 'ENOTFOUND', reason: 'no-domain' })
    await assert.rejects(resolve('b', 'A'), { code: 'ENODATA', reason: 'no-data' })
    await assert.rejects(resolve('a..b', 'A'), { code: 'ENOTFOUND' })
  })

  it('throws ECANCELLED when a limit of the session is used up', async () => {
    const dns = new DnsCache({ resolver: scriptedResolver(() => ({ none: 'no-data' })) })
    const few = nodeStyleResolver(new DnsSession(dns, { maxQueries: 1 }))
    await assert.rejects(few('a', 'A'), { code: 'ENODATA' })
    await assert.rejects(few('b', 'A'), { code: 'ECANCELLED', reason: 'query-limit' })
  })

  it('does not know other types', async () => {
    const resolve = on(scriptedResolver(() => ({ none: 'no-data' })))
    for (const type of ['CAA', 'toString', undefined]) {
      await assert.rejects(resolve('a', type as 'A'), { code: 'ENOTIMP' })
    }
  })

  it('rejects with the reason of the signal', async () => {
    const dns = new DnsCache({ resolver: scriptedResolver(() => new Promise(() => {})) })
    const controller = new AbortController()
    const resolve = nodeStyleResolver(new DnsSession(dns, { signal: controller.signal }))
    const answer = resolve('a', 'A')
    controller.abort(new Error('over'))
    await assert.rejects(answer, { message: 'over' })
  })
})
