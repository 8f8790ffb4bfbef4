// contrib's unit files and the configuration of docs/running.md together, played without systemd
// (support/play-unit.py): under exactly the system calls that the unit allows, on every line of Node.
import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '../cli/support/command.ts'
import { killAtEnd } from '../support/resources.ts'
import { run, sourcePath, temporaryDirectory } from './support/program.ts'

const PLAYER = sourcePath('test', 'conformance', 'support', 'play-unit.py')
const SERVICE = sourcePath('contrib', 'systemd', 'tsmilter.service')
const SOCKET = sourcePath('contrib', 'systemd', 'tsmilter.socket')

/** The lines of Node that are supported. */
const VERSIONS = ['20', '22', '24', '26']

const MESSAGE = 'From: alice@example.org\nSubject: hello\n\nhello\n'
const TAG = `
import { defineFilter } from 'tsmilter'
export default defineFilter({
  name: 'tag',
  message(mail) {
    mail.headers.append('X-Seen', process.version)
  },
})
`

/** A configuration with a store in files, which needs native code and a process of its own. */
const STORE = `
import { defineConfig, defineFilter } from 'tsmilter'
import { openEmbeddedStore } from 'tsmilter/store'
const store = await openEmbeddedStore({ path: '/tmp/store' })
await store.get('key')
console.error('the store answers')
const filter = defineFilter({ name: 'x', message() {} })
export default defineConfig({ listen: 'unix:/run/tsmilter/filter.sock', filters: [filter] })
`

const works = (program: string, ...args: string[]): boolean =>
  spawnSync(program, args, { stdio: 'ignore' }).status === 0

function whyNot(): string | undefined {
  const how = 'run `sudo test/conformance/setup.sh` (Debian) to get it'
  if (process.platform !== 'linux') return 'a unit file needs Linux'
  if (process.getuid?.() !== 0) return 'playing a unit file needs root'
  if (!works('unshare', '-m', '--propagation', 'private', 'true'))
    return 'playing a unit file needs own namespaces: in a container use --privileged'
  if (!works('systemd-analyze', 'syscall-filter', '@default'))
    return `systemd-analyze is not installed: ${how}`
  if (!works('/usr/bin/python3', '-c', "import ctypes; ctypes.CDLL('libseccomp.so.2')"))
    return `python3 with libseccomp is not installed: ${how}`
  if (!works('getent', 'group', 'postfix'))
    return 'there is no group postfix: run `sudo test/mail-servers/setup.sh` (Debian) to get it'
  return undefined
}

/** The program of a line of Node, or why there is none. */
function nodeOf(version: string): { program: string } | { missing: string } {
  if (process.versions.node.split('.')[0] === version) return { program: process.execPath }
  const { status, stdout } = spawnSync(
    'npx',
    ['--yes', `node@${version}`, '-p', 'process.execPath'],
    { cwd: '/', encoding: 'utf8' },
  )
  if (status === 0) return { program: stdout.trim() }
  return { missing: `Node ${version} is not to be had here through npx` }
}

/** The configuration that docs/running.md shows first. */
function documentedConfiguration(): string {
  const text = readFileSync(sourcePath('docs', 'running.md'), 'utf8')
  const block = /```ts\n(import \{ defineConfig \}[^]*?)```/.exec(text)
  assert.ok(block, 'docs/running.md shows a configuration')
  return block[1]!
}

/** The service, running. */
class Played {
  said = ''
  readonly #child: ChildProcess

  constructor(args: readonly string[]) {
    this.#child = killAtEnd(
      spawn('/usr/bin/python3', [PLAYER, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }),
    )
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (text) => (this.said += String(text)))
  }

  /** Waits until it has said something, so many times: as long as a very busy machine may need. */
  async says(pattern: RegExp, times = 1): Promise<void> {
    for (let n = 0; n < 12_000; n++) {
      if ([...this.said.matchAll(new RegExp(pattern, 'gm'))].length >= times) return
      if (/^ended /m.test(this.said)) break
      await sleep(10)
    }
    assert.fail(`no ${pattern} in ${this.said}`)
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(Number(/^main (\d+)$/m.exec(this.said)![1]), signal)
  }
}

/** A machine with the package installed in /opt/filter, and with a /run of its own. */
function machine(program: string, configuration: string): { run: string; args: string[] } {
  const directory = temporaryDirectory()
  const [filter, runDirectory] = [join(directory, 'filter'), join(directory, 'run')]
  mkdirSync(runDirectory)
  mkdirSync(join(filter, 'node_modules', 'tsmilter'), { recursive: true })
  writeFileSync(join(filter, 'config.ts'), configuration)
  writeFileSync(join(filter, 'tag.ts'), TAG)
  writeFileSync(join(filter, 'package.json'), '{ "type": "module" }')
  const binds = {
    [runDirectory]: '/run',
    [filter]: '/opt/filter',
    [sourcePath('.')]: '/opt/filter/node_modules/tsmilter',
    [program]: '/opt/node',
  }
  const args = Object.entries(binds).flatMap(([from, to]) => ['--bind', `${from}:${to}`])
  return { run: runDirectory, args: [...args, '--node', '/opt/node'] }
}

async function seen(path: string): Promise<string | undefined> {
  await using client = await connect(`unix:${path}`)
  const { verdict, message } = await client.deliver({ message: MESSAGE })
  assert.equal(verdict, 'accept')
  return /^X-Seen: (\S+?)\r?$/m.exec(String(message))?.[1]
}

const reason = whyNot()
if (reason !== undefined && process.env['TSMILTER_REQUIRE_MTA'] === '1') {
  it('the unit file', () => assert.fail(reason))
} else {
  describe('the unit file with the documented configuration', { skip: reason ?? false }, () => {
    for (const version of VERSIONS) {
      it(`serves, reloads and stops on Node ${version}`, async (test) => {
        const node = nodeOf(version)
        if ('missing' in node) {
          if (process.env['TSMILTER_REQUIRE_MTA'] === '1') assert.fail(node.missing)
          test.skip(node.missing)
          return
        }
        const { run: directory, args } = machine(node.program, documentedConfiguration())
        const played = new Played([SERVICE, '--groups', ...args])
        await played.says(/^notify READY=1$/)
        const path = join(directory, 'tsmilter', 'filter.sock')
        const { mode, gid } = lstatSync(path)
        const group = Number(run('getent', ['group', 'postfix']).split(':')[2])
        assert.deepEqual([mode & 0o777, gid], [0o660, group])
        assert.match(String(await seen(path)), new RegExp(`^v${version}\\.`))
        played.signal('SIGHUP')
        await played.says(/^notify RELOADING=1 MONOTONIC_USEC=\d+$/)
        await played.says(/^notify READY=1$/, 2)
        assert.match(String(await seen(path)), new RegExp(`^v${version}\\.`))
        played.signal('SIGTERM')
        await played.says(/^ended/)
        assert.match(played.said, /^notify STOPPING=1$/m)
        assert.match(played.said, /^ended 0$/m)
      })
    }

    it('takes the socket of the socket unit', async () => {
      const text = documentedConfiguration().replace(/^ {2}(listen|unixSocket):.*\n/gm, '')
      const { run: directory, args } = machine(process.execPath, text)
      const played = new Played([SERVICE, '--socket', SOCKET, ...args])
      await played.says(/^notify READY=1$/)
      assert.equal(await seen(join(directory, 'tsmilter.sock')), process.version)
      played.signal('SIGTERM')
      await played.says(/^ended 0$/)
    })

    it('keeps a store in files under its system calls', async () => {
      const { args } = machine(process.execPath, STORE)
      const played = new Played([SERVICE, ...args])
      await played.says(/"msg":"ready"/)
      played.signal('SIGTERM')
      await played.says(/^ended 0$/)
      assert.match(played.said, /the store answers/)
    })

    // What the list of system calls is for: the test above would not notice one that lets everything pass.
    it('lets nothing pass that is not on its list', async () => {
      const { args } = machine(process.execPath, documentedConfiguration())
      const without = join(temporaryDirectory(), 'tsmilter.service')
      const unit = readFileSync(SERVICE, 'utf8').replace('@system-service', '@basic-io')
      writeFileSync(without, unit)
      const played = new Played([without, '--groups', ...args])
      await played.says(/^ended/)
      assert.match(played.said, /^ended -31$/m, 'SIGSYS')
    })
  })
}
