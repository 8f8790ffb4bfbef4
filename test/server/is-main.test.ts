import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { project } from '../cli/support/command.ts'
import { sourcePath } from '../conformance/support/program.ts'

const PROGRAM = `import { isMain } from 'tsmilter'\nconsole.log('tag', isMain(import.meta))\n`

describe('isMain', () => {
  function setUp(): { directory: string; link: string } {
    const directory = project({
      'tag.mjs': PROGRAM,
      'other.mjs': `import './tag.mjs'\n${PROGRAM.replace("'tag'", "'other'")}`,
      'thread.mjs': `import { Worker } from 'node:worker_threads'\nnew Worker(new URL('./tag.mjs', import.meta.url))\n`,
      'a b.mjs': PROGRAM,
    })
    const link = join(directory, 'link')
    symlinkSync(directory, link)
    symlinkSync('tag.mjs', join(directory, 'alias.mjs'))
    return { directory, link }
  }
  const run = (cwd: string, ...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd,
      encoding: 'utf8',
    })
    assert.deepEqual([status, stderr], [0, ''])
    return stdout
  }

  it('is true of the program that was started, however it is named', () => {
    const { directory, link } = setUp()
    for (const args of [
      ['tag.mjs'],
      [join(directory, 'tag.mjs')],
      [join(link, 'tag.mjs')],
      ['alias.mjs'],
      ['a b.mjs'],
      ['--preserve-symlinks-main', 'alias.mjs'],
      ['--preserve-symlinks', '--preserve-symlinks-main', join(link, 'tag.mjs')],
    ]) {
      assert.equal(run(directory, ...args), 'tag true\n', args.join(' '))
    }
    assert.equal(run(link, 'tag.mjs'), 'tag true\n')
  })

  it('is false of what a program imports, in threads, and of code from elsewhere', () => {
    const { directory } = setUp()
    assert.equal(run(directory, 'other.mjs'), 'tag false\nother true\n')
    assert.equal(
      run(directory, '--input-type=module', '-e', "import './tag.mjs'"),
      'tag false\n',
    )
    assert.equal(run(directory, 'thread.mjs'), 'tag false\n')
  })
})

describe('examples and documentation', () => {
  it('ask nothing that a symbolic link makes false', () => {
    const files = ['examples', 'docs'].flatMap((folder) =>
      readdirSync(sourcePath(folder))
        .filter((name) => /\.(?:ts|md)$/.test(name))
        .map((name) => sourcePath(folder, name)),
    )
    for (const path of [...files, sourcePath('README.md')]) {
      assert.doesNotMatch(readFileSync(path, 'utf8'), /argv\[1\]/, path)
    }
  })
})
