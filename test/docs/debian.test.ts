// docs/debian.md and the files of the Debian package, as far as they can be looked at anywhere. test/packaging installs it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { loadFilters } from '../../src/cli/run/load.ts'
import { deliver } from '../../src/testing/index.ts'
import { run, sourcePath, temporaryDirectory } from '../conformance/support/program.ts'
import { commandsOf, shownFile } from '../packaging/support/page.ts'

const TSMILTER = sourcePath('bin', 'tsmilter.js')
const EXAMPLE = 'examples/tsmilter.yaml'
const text = (...path: string[]): string => readFileSync(sourcePath(...path), 'utf8')
const lines = (content: string): number => content.trimEnd().split('\n').length

/** What check-config says of a configuration whose paths are below a directory. */
function checked(content: string): { status: number | null; said: string } {
  const folder = temporaryDirectory()
  const file = join(folder, 'tsmilter.yaml')
  const key = join(folder, 'etc', 'tsmilter', 's1.pem')
  mkdirSync(join(folder, 'etc', 'tsmilter'), { recursive: true })
  mkdirSync(join(folder, 'var', 'lib', 'tsmilter'), { recursive: true })
  run(process.execPath, [
    TSMILTER,
    'key',
    'make',
    '--domain',
    'x.test',
    '--selector',
    's1',
    '--out',
    key,
  ])
  writeFileSync(
    file,
    content.replaceAll(/(?<=[ :])\/(?:etc|var)\//g, (path) => folder + path),
  )
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [TSMILTER, 'check-config', file],
    {
      encoding: 'utf8',
    },
  )
  return { status, said: stdout + stderr }
}

describe('docs/debian.md', () => {
  it('shows the example of the package, and has commands under its headings', () => {
    assert.equal(shownFile('debian.md', EXAMPLE), text(EXAMPLE))
    const headings = [...commandsOf('debian.md').keys()]
    assert.deepEqual(headings, ['Install', 'Tell Postfix', 'Filter', 'Remove'])
  })

  it('names the version of the package', () => {
    const { version } = JSON.parse(text('package.json')) as { version: string }
    assert.ok(text('docs', 'debian.md').includes(`./tsmilter_${version}_amd64.deb`))
  })
})

describe('the example of a configuration', () => {
  it('tags, limits, greylists, signs, authenticates and blocks attachments in at most 30 lines', () => {
    const content = text(EXAMPLE)
    assert.ok(lines(content) <= 30)
    const names = [...content.matchAll(/^ {2}- (\w+):/gm)].map(([, name]) => name)
    assert.deepEqual(names.sort(), [
      'attachments',
      'authenticate',
      'dkimSign',
      'externalTag',
      'greylist',
      'rateLimit',
    ])
    const { status, said } = checked(content)
    assert.equal(status, 0, said)
    assert.match(
      said,
      /^a message from outside: accept; authenticate: changed .*; externalTag: changed \(tagged\)/m,
    )
    assert.match(said, /^a message of a login: accept; .*dkimSign: changed \(signed\)/m)
  })
})

describe('the configuration that the Debian package comes with', () => {
  it('changes no message', async () => {
    const path = sourcePath('contrib', 'debian', 'tsmilter.yaml')
    assert.ok(lines(text('contrib', 'debian', 'tsmilter.yaml')) <= 30)
    const { factory, config } = await loadFilters([path])
    assert.deepEqual(config, {}, 'the socket is that of systemd')
    const message = 'From: alice@example.org\r\nSubject: x\r\n\r\nHello\r\n'
    const client = { address: '192.0.2.7' }
    const outcome = await deliver(factory, { message, client })
    assert.equal(outcome.verdict, 'accept')
    assert.equal(String(outcome.message), message)
  })
})

const ANALYZE = 'systemd-analyze'
const hasAnalyze = spawnSync(ANALYZE, ['--version']).status === 0

describe('the units of the Debian package', () => {
  it(
    'are in order for systemd',
    { skip: !hasAnalyze && 'systemd-analyze is not installed' },
    () => {
      // A root with nothing but the units of this machine, the user, and the programs that they start.
      const root = temporaryDirectory()
      const units = join(root, 'usr', 'lib', 'systemd', 'system')
      for (const folder of ['usr/bin', 'etc', 'var/lib/tsmilter', 'usr/lib/systemd']) {
        mkdirSync(join(root, folder), { recursive: true })
      }
      const own = ['/usr/lib/systemd/system', '/lib/systemd/system'].find((path) =>
        hasUnits(path),
      )!
      cpSync(own, units, { recursive: true, verbatimSymlinks: true })
      for (const unit of ['tsmilter.service', 'tsmilter.socket']) {
        cpSync(sourcePath('contrib', 'systemd', unit), join(units, unit))
        mkdirSync(join(units, `${unit}.d`))
        cpSync(
          sourcePath('contrib', 'debian', `${unit}.conf`),
          join(units, `${unit}.d`, '10-debian.conf'),
        )
      }
      symlinkSync('usr/lib', join(root, 'lib'))
      symlinkSync('usr/bin', join(root, 'bin'))
      for (const program of ['node', 'kill', 'true', 'sh']) {
        writeFileSync(join(root, 'usr', 'bin', program), '#!/bin/sh\n')
        chmodSync(join(root, 'usr', 'bin', program), 0o755)
      }
      writeFileSync(
        join(root, 'etc', 'passwd'),
        'root:x:0:0::/:/bin/sh\ntsmilter:x:100:100::/:/bin/sh\n',
      )
      writeFileSync(join(root, 'etc', 'group'), 'root:x:0:\ntsmilter:x:100:\n')
      const { status, stderr } = spawnSync(
        ANALYZE,
        ['verify', `--root=${root}`, '--man=no', 'tsmilter.service', 'tsmilter.socket'],
        { encoding: 'utf8' },
      )
      const about = stderr.split('\n').filter((line) => line.includes('tsmilter'))
      assert.deepEqual(about, [])
      assert.equal(status, 0, stderr)
    },
  )
})

function hasUnits(path: string): boolean {
  try {
    return readdirSync(path).includes('sysinit.target')
  } catch {
    return false
  }
}
