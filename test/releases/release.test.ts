import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { sourcePath } from '../conformance/support/program.ts'
import { until } from '../cli/support/command.ts'
import { childrenOf, isAlive } from '../cli/support/process.ts'

const SCRIPT = sourcePath('test', 'releases', 'release.sh')
const isRoot = process.getuid?.() === 0
const made = ['trixie', 'sid'].find((suite) =>
  existsSync(sourcePath('.mta', 'releases', suite, '.complete')),
)
const why = process.platform !== 'linux' ? 'roots of other releases are made on Linux' : false

describe('a root of another release', { skip: why }, () => {
  it('is for root: others get a line that says so', () => {
    const options = { encoding: 'utf8', ...(isRoot && { uid: 65_534, gid: 65_534 }) } as const
    const { status, stderr } = spawnSync('/bin/bash', ['-s', 'sid', 'true'], {
      ...options,
      cwd: '/',
      input: readFileSync(SCRIPT),
    })
    assert.equal(status, 77)
    assert.equal(stderr, 'release.sh: a root of another release needs root: use sudo\n')
  })

  const notHere = !(made !== undefined && isRoot) && 'no root of another release is here'
  it('gives the exit code of the command, and has its own /tmp', { skip: notHere }, () => {
    const check = 'test -z "$(ls -A /tmp)" && test -r package.json && exit 42'
    const { status, stderr } = spawnSync(SCRIPT, [made!, 'sh', '-c', check], {
      encoding: 'utf8',
    })
    assert.equal(stderr, '')
    assert.equal(status, 42)
  })

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
    it(`leaves no process and no mount behind after ${signal}`, { skip: notHere }, async () => {
      const mounts = readFileSync('/proc/self/mounts', 'latin1')
      const child = spawn(SCRIPT, [made!, 'sh', '-c', 'sleep 600 & echo here; sleep 600'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(child.stdout, 'data')
      const processes = descendants(child.pid!)
      assert.ok(processes.length >= 4, String(processes))
      child.kill(signal)
      await once(child, 'exit')
      await until('the end of all', () => !processes.some(isAlive))
      assert.equal(readFileSync('/proc/self/mounts', 'latin1'), mounts)
    })
  }
})

function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)])
}
