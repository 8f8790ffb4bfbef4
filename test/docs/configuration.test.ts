import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { loadFilters } from '../../src/cli/run/load.ts'
import { deliver } from '../../src/testing/index.ts'
import { sourcePath } from '../conformance/support/program.ts'

const folder = mkdtempSync(join(tmpdir(), 'tsmilter-'))
after(() => rmSync(folder, { recursive: true }))

describe('docs/configuration.md', () => {
  it('begins with a file of at most 30 lines that runs', async () => {
    const page = readFileSync(sourcePath('docs', 'configuration.md'), 'utf8')
    const [, text] = /<!-- test example -->\n\n```yaml\n([^]*?)```/.exec(page)!
    assert.ok(text!.trimEnd().split('\n').length <= 30)
    const { privateKey } = generateKeyPairSync('ed25519')
    writeFileSync(join(folder, 's1.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(join(folder, 'tsmilter.yaml'), text!)
    const { factory, config } = await loadFilters([join(folder, 'tsmilter.yaml')])
    assert.deepEqual(config, { listen: ['inet:8890@localhost'] })
    const message = 'From: alice@example.org\nSubject: x\n\nHello\n'
    const signed = await deliver(factory, { message, authenticated: 'alice' })
    assert.match(String(signed.message), /^DKIM-Signature: /)
    const other = await deliver(factory, { message })
    assert.doesNotMatch(String(other.message), /DKIM-Signature/)
  })
})
