import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { installedCode, replacedSince } from '../../src/cli/installed-code.ts'
import { main } from '../../src/cli/main.ts'
import { sourcePath } from '../conformance/support/program.ts'

const { version } = JSON.parse(readFileSync(sourcePath('package.json'), 'utf8')) as {
  version: string
}

describe('the installed code', () => {
  it('has the version of the package', async () => {
    assert.equal(installedCode().version, version)
    let said = ''
    const code = await main(['--version'], { out: (text) => void (said += text), err() {} })
    assert.deepEqual([code, said], [0, `${version}\n`])
  })

  for (const [what, now, expected] of [
    ['the same', { version: '1.0.0', changed: 5 }, undefined],
    ['older files, as of a backup', { version: '1.0.0', changed: 4 }, undefined],
    ['newer files', { version: '1.0.0', changed: 6 }, 'files of version 1.0.0 have changed'],
    ['another version', { version: '1.1.0', changed: 1 }, 'version 1.1.0 is installed'],
  ] as const) {
    it(`is compared with what runs: ${what}`, () => {
      assert.equal(replacedSince({ version: '1.0.0', changed: 5 }, now), expected)
    })
  }

  it('is what it was a moment ago', () => {
    assert.equal(replacedSince(installedCode()), undefined)
    assert.ok(installedCode().changed > 0)
  })
})
