import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { build, type BuildOptions } from 'esbuild'

const root = ((): string => {
  for (let path = import.meta.dirname; ; path = dirname(path)) {
    if (existsSync(join(path, 'package.json'))) return path
  }
})()
const directory = mkdtempSync(join(tmpdir(), 'tsmilter-bundle-'))
after(() => rmSync(directory, { recursive: true }))

/** A part in a charset that Node does not have. */
const PROGRAM = `
import { parseMime } from './dist/mime/index.js'
const part = 'Content-Type: text/plain; charset=cp437\\n\\n\\x81'
setTimeout(async () => {
  console.log('mail')
  console.log(await parseMime(Buffer.from(part, 'latin1')).text())
}, 200)
`

async function run(name: string, options: BuildOptions): Promise<ReturnType<typeof spawnSync>> {
  const outfile = join(directory, name)
  await build({
    stdin: { contents: PROGRAM, resolveDir: root },
    bundle: true,
    platform: 'node',
    outfile,
    logLevel: 'silent',
    ...options,
  })
  return spawnSync(process.execPath, [outfile], { encoding: 'utf8' })
}

const REQUIRE =
  "import { createRequire as from } from 'node:module'; const require = from(import.meta.url)"

describe('a bundle', () => {
  it('of an ES module without require ends at its start, before any mail', async () => {
    const { status, stdout, stderr } = await run('bare.mjs', { format: 'esm' })
    assert.equal(status, 1)
    assert.equal(stdout, '')
    assert.match(String(stderr), /BAD_BUNDLE/)
    assert.ok(String(stderr).includes(REQUIRE))
  })

  for (const [what, name, options] of [
    ['with require in its banner', 'banner.mjs', { format: 'esm', banner: { js: REQUIRE } }],
    ['of CommonJS', 'common.cjs', { format: 'cjs' }],
  ] as const) {
    it(`${what} works`, async () => {
      const { status, stdout, stderr } = await run(name, options)
      assert.deepEqual([status, stdout, stderr], [0, 'mail\nü\n', ''])
    })
  }
})
