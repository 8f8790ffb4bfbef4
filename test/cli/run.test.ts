import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { sourcePath } from '../conformance/support/program.ts'
import {
  COMMAND,
  environment,
  connect,
  field,
  launch,
  project,
  Running,
  send,
  start,
  until,
} from './support/command.ts'

const TAG = `
import { defineFilter } from 'tsmilter'
export default defineFilter({ name: 'tag', message(mail) { mail.headers.append('X-Seen', 'tag') } })
`
/** With what only jiti understands, and not every Node. */
const TYPED = `
import { defineFilter, type MessageFilter } from 'tsmilter'
interface Names { readonly field: string }
const names: Names = { field: 'X-Typed' }
const filter: MessageFilter = defineFilter({
  name: 'typed',
  message(mail) { mail.headers.append(names.field, process.env['COLOUR'] ?? 'none') },
})
export default filter
`
const SLOW = `
import { writeFileSync } from 'node:fs'
export default () => ({
  async eom() {
    writeFileSync('working', '')
    await new Promise((resolve) => setTimeout(resolve, 600_000))
  },
})
`
const TCP = ['--listen', 'inet:0@127.0.0.1']

/** Starts it as systemd does with a socket unit: descriptor 3 is a socket that listens on the port. */
async function underSystemd(
  args: readonly string[],
): Promise<{ running: Running; port: number }> {
  const server = createServer().listen(0, '127.0.0.1')
  await until('the port', () => server.listening)
  const { port } = server.address() as { port: number }
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle
  const script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
  const run = [process.execPath, COMMAND, 'run', 'tag.mjs', ...args]
  const child = spawn('sh', ['-c', script, 'sh', ...run], {
    cwd: project({ 'tag.mjs': TAG }),
    stdio: ['ignore', 'pipe', 'pipe', fd],
    env: environment(),
  })
  server.close()
  return { running: new Running(child), port }
}

describe('tsmilter run', () => {
  it('serves a filter on both kinds of sockets, and stops', async () => {
    const directory = project({ 'tag.mjs': TAG })
    const path = join(directory, 's')
    await using running = await start(
      ['tag.mjs', ...TCP, '--listen', path, '--unix-socket-mode', '0600'],
      directory,
    )
    assert.equal(running.addresses.length, 2)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    for (const address of running.addresses) {
      assert.equal(field(await send(address), 'X-Seen'), 'tag')
    }
    assert.equal(await running.stop(), 0)
    assert.ok(!existsSync(path))
  })

  it('starts anew under node --watch-path when a file has changed', async () => {
    const directory = project({ 'tag.mjs': TAG })
    const path = join(directory, 's')
    const watch = [`--watch-path=${join(directory, 'tag.mjs')}`]
    await using running = launch(['tag.mjs', '--listen', path], directory, {}, watch)
    await running.says(/INFO {2}ready /)
    writeFileSync(join(directory, 'tag.mjs'), TAG.replace("'tag')", "'changed')"))
    await running.says(/INFO {2}ready /, 2)
    assert.equal(field(await send(`unix:${path}`), 'X-Seen'), 'changed')
    await running.stop()
    assert.doesNotMatch(running.said, /WARN|ERROR/)
    assert.ok(!existsSync(path))
  })

  it('runs TypeScript, several filters as one, and takes options from the environment', async () => {
    const directory = project({ 'tag.mjs': TAG, 'typed.ts': TYPED })
    await using running = await start(['tag.mjs', 'typed.ts'], directory, {
      env: { TSMILTER_LISTEN: 'inet:0@127.0.0.1', COLOUR: 'blue' },
    })
    const outcome = await send(running.address)
    assert.equal(field(outcome, 'X-Seen'), 'tag')
    assert.equal(field(outcome, 'X-Typed'), 'blue')
  })

  it('warns of variables that are no options, by their names alone', async () => {
    const directory = project({ 'tag.mjs': TAG })
    await using running = await start(['tag.mjs', ...TCP], directory, {
      env: { TSMILTER_WORKER: '7', TSMILTER_READS: 'stream', TSMILTER_DATABASE: 'secret' },
    })
    await running.says(
      /WARN {2}the environment variable TSMILTER_WORKER is not an option and has no effect; did you mean TSMILTER_WORKERS\?$/,
    )
    await running.says(/variable TSMILTER_DATABASE is not an option and has no effect$/)
    assert.equal(running.count(/WARN/), 2)
    assert.doesNotMatch(running.said, /secret/)
  })

  it('runs a configuration; the command line goes before it', async () => {
    const directory = project({
      'typed.ts': TYPED,
      'config.ts': `
        import { defineConfig } from 'tsmilter'
        import typed from './typed.ts'
        export default defineConfig({
          filters: [typed], listen: ['inet:0@127.0.0.1', 'unix:unused.sock'], workers: 2,
        })`,
    })
    await using running = await start(['config.ts', ...TCP], directory)
    assert.equal(running.addresses.length, 1)
    assert.match(running.said, /workers=2/)
    assert.equal(field(await send(running.address), 'X-Typed'), 'none')
  })

  it('ends with what was wrong, in one line', async () => {
    const directory = project({
      'tag.mjs': TAG,
      'events.mjs': 'export default () => ({})',
      'number.mjs': 'export default 7',
      'nothing.mjs': '',
      'throws.mjs': "throw new Error('no database\\nat all')",
      'syntax.mjs': 'export default {{',
      'waits.mjs': 'await new Promise((resolve) => setTimeout(resolve, 600_000))',
      'option.mjs':
        "import { defineConfig } from 'tsmilter'\nexport default defineConfig({ filters: [() => ({})], workers: 'many' })",
    })
    const server = createServer().listen(0, '127.0.0.1')
    await until('the port', () => server.listening)
    const taken = `inet:${(server.address() as { port: number }).port}@127.0.0.1`
    const cases: readonly (readonly [string[], number, RegExp])[] = [
      [[], 2, /missing required argument 'filter'/],
      [['tag.mjs'], 2, /no address to listen on; use --listen, TSMILTER_LISTEN/],
      [
        ['tag.mjs', '--workers', '0'],
        2,
        /option workers of the command line \(--workers\).*"0"/,
      ],
      [['tag.mjs', '--listen', 'inet:127.0.0.1:9'], 2, /'inet:9@127\.0\.0\.1'/],
      [['tag.mjs', '--listen', taken], 1, /another process listens there/],
      [['nix.mjs', ...TCP], 2, /^nix\.mjs: there is no such file/],
      [['tag.mjs', 'events.mjs', ...TCP], 2, /^events\.mjs is not made with defineFilter/],
      [['option.mjs', 'tag.mjs', ...TCP], 2, /^option\.mjs is a configuration; give it alone/],
      [['option.mjs', ...TCP], 2, /^the option workers of option\.mjs: .*it got "many"/],
      [
        ['number.mjs', ...TCP],
        2,
        /^the default export of number\.mjs must be a filter .* it is number/,
      ],
      [
        ['nothing.mjs', ...TCP],
        2,
        /^the default export of nothing\.mjs must be a filter .* it is missing/,
      ],
      [
        ['throws.mjs', ...TCP],
        1,
        /^throws\.mjs does not load: Error: no database at all \(\S*throws\.mjs:1\)\n$/,
      ],
      [['syntax.mjs', ...TCP], 1, /^syntax\.mjs does not load: SyntaxError: /],
      [['waits.mjs', ...TCP, '--start-timeout', '0.3s'], 1, /did not load within 300 ms/],
    ]
    await Promise.all(
      cases.map(async ([args, code, reason]) => {
        const running = launch(args, directory)
        assert.equal(await running.ended, code, running.said)
        assert.match(running.said, reason)
        if (args.length > 0) assert.equal(running.said.trim().split('\n').length, 1)
      }),
    )
    server.close()
  })

  it('says what helps where package.json says that files are CommonJS', async () => {
    const directory = project({
      'package.json': '{ "type": "commonjs" }',
      'tag.js': TAG,
      'bare.js': 'export default () => ({})',
    })
    for (const name of ['tag', 'bare']) {
      const running = launch([`${name}.js`, ...TCP], directory)
      assert.equal(await running.ended, 1, running.said)
      const line = running.said.split('\n').find((one) => one.includes('does not load'))
      assert.ok(
        line?.includes(`run "npm pkg set type=module" in its folder, or name it ${name}.mjs`),
        running.said,
      )
    }
  })

  it('lets a session finish within the deadline', async () => {
    const directory = project({ 'tag.mjs': TAG })
    await using running = await start(['tag.mjs', ...TCP], directory)
    await using client = await connect(running.address)
    await client.deliver({})
    running.signal('SIGTERM')
    await running.says(/INFO  stopping/)
    assert.equal(field(await client.deliver({}), 'X-Seen'), 'tag')
    assert.equal(await running.ended, 0)
  })

  it('ends at once at the second signal', async () => {
    const directory = project({ 'slow.mjs': SLOW })
    await using running = await start(['slow.mjs', ...TCP], directory)
    const outcome = send(running.address)
    await until('the handler', () => existsSync(join(directory, 'working')))
    running.signal('SIGTERM')
    await running.says(/INFO  stopping signal=SIGTERM/)
    running.signal('SIGINT')
    await running.says(/INFO  stopping at once signal=SIGINT/)
    assert.equal((await outcome).verdict, 'tempfail')
    assert.equal(await running.ended, 0)
  })

  it('keeps a pid file, and refuses that of another', async () => {
    const directory = project({ 'tag.mjs': TAG })
    const path = join(directory, 'pid')
    // Of a process that has ended.
    const { pid } = spawnSync(process.execPath, ['-e', ''])
    writeFileSync(path, `${pid}\n`)
    await using running = await start(['tag.mjs', ...TCP, '--pid-file', 'pid'], directory)
    assert.equal(readFileSync(path, 'utf8'), `${running.pid}\n`)
    const second = launch(['tag.mjs', ...TCP, '--pid-file', 'pid'], directory)
    assert.equal(await second.ended, 2)
    assert.match(
      second.said,
      new RegExp(`pid holds process id ${running.pid}, which is running`),
    )
    assert.equal(readFileSync(path, 'utf8'), `${running.pid}\n`)
    assert.equal(await running.stop(), 0)
    assert.ok(!existsSync(path))
  })

  it('takes the sockets of systemd', async () => {
    const { running, port } = await underSystemd([])
    await using _ = running
    await running.says(/INFO  ready addresses=fd:3/)
    assert.equal(field(await send(`inet:${port}@127.0.0.1`), 'X-Seen'), 'tag')
    assert.equal(await running.stop(), 0)
    assert.equal(running.count(/WARN/), 0)
  })

  // The kernel accepts connections to it, and nobody answers them: the mail server waits for its timeout.
  it('warns of a socket of systemd that no address names', async () => {
    const { running } = await underSystemd(TCP)
    await using _ = running
    await running.says(/INFO  ready addresses=inet/)
    await running.says(/WARN  systemd has opened .*no answer.*addresses=fd:3/)
    assert.equal(await running.stop(), 0)
  })

  it('does not warn of a socket of systemd that an address names', async () => {
    const { running } = await underSystemd([...TCP, '--listen', 'fd:3'])
    await using _ = running
    await running.says(/INFO  ready addresses="inet\S* fd:3"/)
    assert.equal(await running.stop(), 0)
    assert.equal(running.count(/WARN/), 0)
  })

  it('tells systemd how it is', async () => {
    const directory = project({ 'tag.mjs': TAG })
    // Node has no datagram sockets of the unix family to listen with.
    writeFileSync(join(directory, 'systemd-notify'), '#!/bin/sh\necho "$*" >> told\n', {
      mode: 0o755,
    })
    await using running = await start(['tag.mjs', ...TCP], directory, {
      env: {
        PATH: `${directory}:${process.env['PATH']}`,
        NOTIFY_SOCKET: '/nowhere',
        WATCHDOG_USEC: '400000',
      },
    })
    const told = (): string => readFileSync(join(directory, 'told'), 'utf8')
    await until(
      'the watchdog',
      () => existsSync(join(directory, 'told')) && /WATCHDOG/.test(told()),
    )
    running.signal('SIGHUP')
    await running.says(/INFO  reloaded/)
    assert.equal(await running.stop(), 0)
    assert.match(
      told().replaceAll('WATCHDOG=1\n', ''),
      /^READY=1\nRELOADING=1 MONOTONIC_USEC=\d+\nREADY=1\nSTOPPING=1\n$/,
    )
  })

  const asNobody = { uid: 65_534, gid: 65_534 }
  const reachable =
    process.getuid?.() === 0 &&
    spawnSync('test', ['-r', sourcePath('dist', 'index.js')], asNobody).status === 0
  it('has workers of another user', { skip: reachable ? false : 'only root can' }, async () => {
    const directory = project({
      'who.mjs': `
        const loader = [process.getuid(), process.getgid(), process.getgroups().join('+')]
        export default () => ({ eom: (ctx) => ctx.addHeader('X-Who', loader.join(' ')) })`,
    })
    const path = join(directory, 's')
    await using running = await start(
      ['who.mjs', '--listen', path, '--user', 'nobody', '--unix-socket-mode', '600'],
      directory,
    )
    assert.equal(statSync(path).uid, 0)
    const [uid, gid, groups] = field(await send(`unix:${path}`), 'X-Who').split(' ')
    assert.equal(uid, '65534')
    assert.notEqual(gid, '0')
    assert.ok(!groups!.split('+').includes('0'))
    assert.equal(await running.stop(), 0)
  })
})
