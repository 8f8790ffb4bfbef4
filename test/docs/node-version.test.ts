import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { sourcePath } from '../conformance/support/program.ts'

const { exports, engines } = JSON.parse(readFileSync(sourcePath('package.json'), 'utf8')) as {
  exports: Record<string, { default: string }>
  engines: { node: string }
}
const entries = Object.values(exports).flatMap(({ default: path }) => path ?? [])

/** The program of another version of Node; undefined if it cannot be fetched. */
function oldNode(version: string): string | undefined {
  const args = ['--yes', `node@${version}`, '-p', 'process.execPath']
  const { status, stdout } = spawnSync('npx', args, { encoding: 'utf8', timeout: 120_000 })
  return status === 0 ? stdout.trim() : undefined
}

describe('a Node that is too old', { timeout: 600_000 }, () => {
  it('is looked at by each entry point before anything else', () => {
    assert.ok(entries.length > 4)
    for (const path of entries) {
      const [, first] = /^(?:import|export)\b.*'(.*)';?$/m.exec(
        readFileSync(sourcePath(path), 'utf8'),
      )!
      assert.match(first!, /^\.\.?\/node-version\.js$/, path)
    }
    const command = readFileSync(sourcePath('bin', 'tsmilter.js'), 'utf8')
    assert.deepEqual(
      [...command.matchAll(/^import .*$/gm)].map(([line]) => line),
      ["import '../dist/node-version.js'"],
    )
  })

  for (const version of ['18', '20.18']) {
    it(`ends with one line: ${version}`, (t) => {
      const node = oldNode(version)
      if (node === undefined) return t.skip(`npx cannot fetch node@${version}`)
      const run = (...args: string[]): [number | null, string, string] => {
        const { status, stdout, stderr } = spawnSync(node, args, { encoding: 'utf8' })
        return [status, stdout, stderr]
      }
      const line =
        /^tsmilter needs Node 20\.19 or later \(of 22: 22\.3 or later\), and this is v[\d.]+: get .*nodejs\.org.*\n$/
      const [status, stdout, stderr] = run(sourcePath('bin', 'tsmilter.js'), 'run', 'filter.ts')
      assert.deepEqual([status, stdout], [1, ''])
      assert.match(stderr, line)
      assert.ok(stderr.includes(`this is v${version}.`))
      const main = sourcePath(entries[0]!)
      for (const entry of entries) {
        const program = `import '${sourcePath(entry)}'\nconsole.log('not reached')`
        assert.deepEqual(run('--input-type=module', '-e', program), [1, '', stderr])
      }
      // It is an error as any other for who wants to go on without it.
      const caught = `import('${main}').catch((error) => console.log(error.message))`
      assert.deepEqual(run('-e', caught), [0, stderr, ''])
    })
  }

  it('is as package.json says', () => {
    assert.equal(engines.node, '>=20.19 <21 || >=22.3')
  })
})
