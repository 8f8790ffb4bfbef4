import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { SigningKey } from '../../src/filters/signing/signing-key.ts'
import { isSignedBy } from '../../src/filters/dkim/own-signature.ts'

import { project, send, start } from './support/command.ts'

const FILTER = `
import { dkimSign } from 'tsmilter/filters'
export default dkimSign({
  keys: [{ domain: 'example.org', selector: 's1', file: 's1.pem' }],
  canonicalization: 'relaxed/simple',
  networks: ['0.0.0.0/0'],
})
`
const newKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey
const pem = (key: KeyObject): string => String(key.export({ type: 'pkcs8', format: 'pem' }))

it('takes changed key files at SIGHUP; with a broken one it goes on with the old key', async () => {
  const [old, next] = [newKey(), newKey()]
  const directory = project({ 'sign.mjs': FILTER, 's1.pem': pem(old) })
  const change = (text: string): void => writeFileSync(join(directory, 's1.pem'), text)
  await using running = await start(
    ['sign.mjs', '--listen', 'inet:0@127.0.0.1', '--workers', '1'],
    directory,
  )
  const signer = async (): Promise<KeyObject | undefined> => {
    const { message } = await send(running.address)
    const text = message!.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    const fields = text
      .slice(0, end)
      .split(/\r\n(?![ \t])/)
      .map((line) => {
        const colon = line.indexOf(':')
        return {
          name: Buffer.from(line.slice(0, colon), 'latin1'),
          value: Buffer.from(line.slice(colon + 1), 'latin1'),
        }
      })
    const bodyHash = createHash('sha256')
      .update(text.slice(end + 4), 'latin1')
      .digest()
    return [old, next].find((key) =>
      isSignedBy([new SigningKey('example.org', 's1', pem(key))], {
        fields,
        bodyHash,
        bodyForm: 'simple',
        time: 0,
      }),
    )
  }
  assert.equal(await signer(), old)
  change(pem(next))
  assert.equal(await signer(), old)
  running.signal('SIGHUP')
  await running.says(/INFO {2}reloaded/)
  assert.equal(await signer(), next)
  change('broken')
  running.signal('SIGHUP')
  await running.says(/s1\.pem is not a private key in PEM/)
  assert.equal(await signer(), next)
})
