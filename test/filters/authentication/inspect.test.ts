import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspectArcSeal } from '../../../src/filters/arc/inspect-arc-seal.ts'
import { ARC_SEAL } from '../../../src/filters/arc/arc-seal-options.ts'
import { AUTHENTICATE } from '../../../src/filters/authentication/authenticate-options.ts'
import { inspectAuthenticate } from '../../../src/filters/authentication/inspect-authenticate.ts'
import type { Finding } from '../../../src/filters/inspection.ts'
import { readShape } from '../../../src/options/shape.ts'
import { DnsCache, DnsSession, type ResolverAnswer } from '../../../src/toolkit/index.ts'
import { scriptedResolver, zone } from '../../toolkit/dns/scripted-resolver.ts'
import { KEYS, keyRecord } from './world.ts'

const cacheOf = (answers: (question: string) => ResolverAnswer): DnsCache =>
  new DnsCache({ resolver: scriptedResolver(answers) })
const SILENT = (): ResolverAnswer => ({ failed: 'timeout' })

async function said(findings: AsyncIterable<Finding>): Promise<string[]> {
  const found: string[] = []
  for await (const { level, path, text } of findings) {
    found.push(`${level} ${path.join('.')}: ${text}`)
  }
  return found
}
const tools = (answers: (question: string) => ResolverAnswer) => ({
  dns: new DnsSession(cacheOf(answers)),
  signal: new AbortController().signal,
})

describe('an inspection of authenticate', () => {
  const look = (options: object, answers = zone({})) =>
    said(inspectAuthenticate(readShape(AUTHENTICATE, options), tools(answers)))

  it('says whether the name server answers', async () => {
    assert.deepEqual(await look({}), ['ok dns: the name server answers'])
    assert.match((await look({}, SILENT)).join(), /^warning dns: .*not answer \(timeout\)/)
  })

  it('asks the servers of the option dns', async () => {
    assert.match((await look({ dns: cacheOf(SILENT) })).join(), /^warning dns/)
  })

  it('says whether the name can be that of others, too', async () => {
    for (const authservId of ['mail', 'localhost', 'mail.localdomain']) {
      assert.match(
        (await look({ authservId }))[0]!,
        /^warning authservId: .* not a name of your own/,
      )
    }
    assert.equal((await look({ authservId: 'mx.example.org' })).length, 1)
  })
})

describe('an inspection of arcSeal', () => {
  const pem = (key: 'rsa' | 'ed25519'): string =>
    String(KEYS[key].export({ type: 'pkcs8', format: 'pem' }))
  const look = (keys: object, records: Parameters<typeof zone>[0] = {}, authservId?: string) =>
    said(
      inspectArcSeal(readShape(ARC_SEAL, { keys, authservId } as never), tools(zone(records))),
    )
  const place = { domain: 'example.org', selector: 'r' }
  const NAME = 'TXT r._domainkey.example.org'

  it('says whether keys are published', async () => {
    const key = { ...place, privateKey: pem('rsa') }
    assert.match((await look(key)).join(), /^warning keys\.0: r\..* has no TXT record/)
    assert.deepEqual(await look(key, { [NAME]: [keyRecord(KEYS.rsa)] }), [
      'ok keys.0: r._domainkey.example.org is published',
    ])
    const other = await look(key, { [NAME]: [keyRecord(KEYS.ed25519)] })
    assert.match(other.join(), /another key/)
  })

  it('says that few read seals by Ed25519', async () => {
    const key = { ...place, privateKey: pem('ed25519') }
    const found = await look(key, { [NAME]: [keyRecord(KEYS.ed25519)] }, 'mx')
    assert.match(found[0]!, /^warning authservId/)
    assert.match(found[2]!, /^warning keys: .*RSA/)
  })
})
