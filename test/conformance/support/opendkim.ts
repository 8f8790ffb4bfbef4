/** opendkim as the verifier behind a filter of ours. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MtaClient } from '../../../src/mta/index.ts'
import { RECORDS } from './dkim.ts'
import { startFilter, temporaryDirectory } from './program.ts'

/** Starts it with the keys of {@link RECORDS}. Returns its address. */
export async function startOpendkim(): Promise<string> {
  const directory = temporaryDirectory()
  const path = (name: string): string => join(directory, name)
  writeFileSync(
    path('pubkeys'),
    Object.entries(RECORDS)
      .map(([name, record]) => `${name} ${record.replaceAll('; ', ';')}\n`)
      .join(''),
  )
  const socket = path('s')
  writeFileSync(
    path('conf'),
    `Socket local:${socket}\nMode v\nTestPublicKeys ${path('pubkeys')}\nSyslog no\nAlwaysAddARHeader yes\n`,
  )
  await startFilter('opendkim', ['-f', '-x', path('conf')], socket)
  return `unix:${socket}`
}

/** What it says of each signature that it can verify. */
export async function byOpendkim(address: string, message: Buffer): Promise<string[]> {
  await using client = await MtaClient.connect(address, { mta: 'postfix' })
  const outcome = await client.deliver({
    message,
    client: { hostname: 'outside.example.org', address: '198.51.100.7' },
  })
  assert.equal(outcome.failure, undefined)
  const fields = outcome.message!.toString('latin1').replaceAll(/\r\n[ \t]+/g, ' ')
  const results = /^Authentication-Results: (.*)$/m.exec(fields)?.[1] ?? ''
  return [...results.matchAll(/\bdkim=(\w+)/g)].map(([, result]) => result!)
}
