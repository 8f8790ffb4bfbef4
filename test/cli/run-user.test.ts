import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { sourcePath } from '../conformance/support/program.ts'
import {
  COMMAND,
  environment,
  field,
  project,
  Running,
  send,
  until,
} from './support/command.ts'
import { childrenOf } from './support/process.ts'

const NOBODY = 65_534
/** A further group of nobody, whose own is nogroup. */
const FURTHER = 54_321
const FILTER = `export default () => ({ eom: (ctx) => ctx.addHeader('X-Seen', 'yes') })`
/** Node as Debian 13 builds it. */
const REFUSING = `
for (const name of ['setuid', 'setgid', 'setgroups', 'initgroups']) {
  process[name] = () => {
    throw Object.assign(new Error(name + '() disabled: io_uring may be enabled.'), { code: 'ERR_INVALID_STATE' })
  }
}`

/** In a namespace for mounts, where nobody has a further group. */
const WITH_GROUPS = 'mount --bind "$0" /etc/group && exec "$@"'

const asNobody = { uid: NOBODY, gid: NOBODY }
const why =
  process.getuid?.() !== 0 ||
  spawnSync('test', ['-r', sourcePath('dist', 'index.js')], asNobody).status !== 0
    ? 'only root can become somebody else'
    : spawnSync('unshare', ['-m', 'true']).status !== 0 && 'namespaces are not allowed here'

/** `tsmilter run` as root. */
function launch(
  directory: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Running {
  const group = join(directory, 'group')
  writeFileSync(
    group,
    `${readFileSync('/etc/group', 'latin1').trimEnd()}\nfurther:x:${FURTHER}:nobody\n`,
  )
  const command = [process.execPath, COMMAND, 'run', 'filter.mjs', ...args]
  const all = [...command, '--listen', 'inet:0@127.0.0.1']
  return new Running(
    spawn('/usr/bin/unshare', ['-m', '/bin/sh', '-c', WITH_GROUPS, group, ...all], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment(env),
    }),
  )
}

/** Who a process is (proc(5), /proc/PID/status): real, effective, saved, of the file system; and the groups. */
function identityOf(pid: number): Record<string, number[]> {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const numbers = (name: string): number[] =>
    new RegExp(`^${name}:(.*)$`, 'm').exec(status)![1]!.trim().split(/\s+/).map(Number)
  return { uid: numbers('Uid'), gid: numbers('Gid'), groups: numbers('Groups').sort() }
}

const identity = (uid: number, gid: number, ...groups: number[]): Record<string, number[]> => ({
  uid: Array<number>(4).fill(uid),
  gid: Array<number>(4).fill(gid),
  groups: groups.sort(),
})

describe('the user of the workers', { skip: why }, () => {
  for (const [what, refuses] of [
    ['with Node as it is here', false],
    ['with a Node that does not change users', true],
  ] as const) {
    const prepared = (): { directory: string; env: NodeJS.ProcessEnv } => {
      const directory = project({ 'filter.mjs': FILTER, 'refusing.mjs': REFUSING })
      const preload = `--import=${join(directory, 'refusing.mjs')}`
      return { directory, env: refuses ? { NODE_OPTIONS: preload } : {} }
    }
    for (const [args, expected] of [
      [['--user', 'nobody'], identity(NOBODY, NOBODY, NOBODY, FURTHER)],
      [['--user', 'nobody', '--group', 'daemon'], identity(NOBODY, 1, 1, FURTHER)],
      [['--user', '64123', '--group', '64124'], identity(64_123, 64_124, 64_124)],
      [['--group', 'daemon'], identity(0, 1, 1)],
    ] as const) {
      it(`is ${args.join(' ')}, ${what}`, async () => {
        const { directory, env } = prepared()
        await using running = launch(directory, args, env)
        await running.says(/INFO  ready /)
        const [worker] = childrenOf(running.pid)
        assert.deepEqual(identityOf(worker!), expected)
        assert.deepEqual(identityOf(running.pid)['uid'], [0, 0, 0, 0])
        assert.equal(field(await send(running.address), 'X-Seen'), 'yes')
        assert.equal(await running.stop(), 0)
      })
    }

    it(`stays the same for a worker in the place of another, and after a reload, ${what}`, async () => {
      const { directory, env } = prepared()
      await using running = launch(directory, ['--user', 'nobody'], env)
      await running.says(/INFO  ready /)
      const [first] = childrenOf(running.pid)
      process.kill(first!, 'SIGKILL')
      await running.says(/has taken the place/)
      const [second] = childrenOf(running.pid)
      assert.notEqual(second, first)
      assert.deepEqual(identityOf(second!), identity(NOBODY, NOBODY, NOBODY, FURTHER))
      running.signal('SIGHUP')
      await running.says(/INFO  reloaded /)
      await until('the old worker to end', () => !childrenOf(running.pid).includes(second!))
      const [third] = childrenOf(running.pid)
      assert.deepEqual(identityOf(third!), identity(NOBODY, NOBODY, NOBODY, FURTHER))
      assert.equal(await running.stop(), 0)
    })
  }

  it('cannot be another one where nothing changes users: one line says what can', async () => {
    const directory = project({ 'filter.mjs': FILTER, 'refusing.mjs': REFUSING })
    const programs = join(directory, 'programs')
    mkdirSync(programs)
    for (const name of ['getent', 'id', 'mount']) {
      symlinkSync(
        spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim(),
        join(programs, name),
      )
    }
    await using running = launch(directory, ['--user', 'nobody'], {
      PATH: programs,
      NODE_OPTIONS: `--import=${join(directory, 'refusing.mjs')}`,
    })
    assert.equal(await running.ended, 2)
    assert.match(
      running.said,
      /^[^\n]*the option user: .*cannot change the user.*setpriv.*ENOENT.*User= in a systemd unit\n$/,
    )
  })
})
