// What code of a filter can do to the primary through the channel between them.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { sourcePath } from '../conformance/support/program.ts'
import { field, get, launch, project, send, start } from './support/command.ts'

const TCP = ['--listen', 'inet:0@127.0.0.1']

/** Does its worst once, when the first message asks for it, and is as others afterwards. */
const abusing = (what: string): string => `
  import { existsSync, writeFileSync, writeSync } from 'node:fs'
  import { createServer } from 'node:net'
  import { setTimeout as sleep } from 'node:timers/promises'
  // Descriptor 3 is the channel (child_process, stdio of the primary).
  function raw(text) {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length;) {
      try { at += writeSync(3, bytes, at) } catch (error) { if (error.code !== 'EAGAIN') throw error }
    }
  }
  async function abuse() { ${what} }
  export default () => ({ async eom(ctx) {
    if (!existsSync('done')) {
      writeFileSync('done', '')
      await abuse()
      await sleep(60_000, undefined, { ref: false })
    }
    ctx.addHeader('X-Pid', String(process.pid))
  } })`

/** What a worker is killed for, and what the log says then. */
const ABUSES: readonly [string, string, RegExp][] = [
  ['a line that is not JSON', `raw('garbage\\n')`, /a line that is not JSON/],
  ['a message without an end', `raw('x'.repeat(6 << 20))`, /a message of more than/],
  [
    'a huge message',
    `process.send({ type: 'counted', metrics: [{ text: 'x'.repeat(200 << 20) }] })`,
    /a message of more than/,
  ],
  [
    'a flood of good messages',
    `const line = '{"type":"alive","healthy":true}\\n'.repeat(1000); for (let n = 0; n < 20_000; n++) { raw(line); if (n % 100 === 0) await sleep(0) }`,
    /more than it was asked for/,
  ],
  [
    'a listening socket',
    `const server = createServer().listen(0, '127.0.0.1', () => process.send({ type: 'alive' }, server)); await sleep(100)`,
    /a handle/,
  ],
  ['a handle of no kind', `raw('{"cmd":"NODE_HANDLE","type":"x"}\\n')`, /a command of Node/],
  [
    'a command of a cluster',
    `process.send({ cmd: 'NODE_CLUSTER', act: 'queryServer' })`,
    /a command of Node/,
  ],
  [
    'news of a socket never sent',
    `raw('{"cmd":"NODE_HANDLE_ACK"}\\n'.repeat(9))`,
    /a socket that it was not sent/,
  ],
]

/** Bytes the primary may grow by: a fraction of what the largest of these send. */
const MAX_GROWTH = 32_000_000

describe('a worker is killed and replaced, and the primary goes on, for', () => {
  for (const [what, code, reason] of ABUSES) {
    it(what, async () => {
      const directory = project({ 'filter.mjs': abusing(code) })
      await using running = await start(['filter.mjs', ...TCP], directory)
      const before = residentSize(running.pid)
      const victim = send(running.address)
      await running.says(/ERROR a worker is killed for what it has sent/)
      assert.match(running.said, reason)
      assert.equal((await victim).verdict, 'tempfail')
      await running.says(/a worker has taken the place of another/)
      assert.equal((await send(running.address)).verdict, 'accept')
      assert.ok(residentSize(running.pid) - before < MAX_GROWTH, 'memory of the primary')
      assert.equal(await running.stop(), 0)
    })
  }
})

describe('a worker goes on, and one line a minute is logged, for', () => {
  for (const [what, code] of [
    [
      'what is no message',
      `[null, 1, 'x', [], { type: 'other' }].forEach((raw) => process.send(raw))`,
    ],
    [
      'wrong types',
      `process.send({ type: 'taken', id: '1' }); process.send({ type: 'echo', id: 1.5 })`,
    ],
    [
      'a second set of settings',
      `process.send({ type: 'loaded', name: 'x', settings: { listen: ['unix:/tmp/never'], workers: 9 } })`,
    ],
  ] as const) {
    it(what, async () => {
      const filter = abusing(code).replace('await sleep(60_000, undefined, { ref: false })', '')
      const directory = project({ 'filter.mjs': filter })
      await using running = await start(['filter.mjs', ...TCP], directory)
      const pid = field(await send(running.address), 'X-Pid')
      await running.says(/WARN {2}a worker sent a message that is not of tsmilter run/)
      assert.equal(field(await send(running.address), 'X-Pid'), pid)
      assert.equal(await running.stop(), 0)
      assert.equal(running.count(/a worker sent a message that is not of tsmilter run/), 1)
    })
  }
})

describe('a failure that a worker reports while it serves', () => {
  it('ends nothing', async () => {
    const code = `process.send({ type: 'failed', reason: 'a lie', misused: true })`
    const filter = abusing(code).replace('await sleep(60_000, undefined, { ref: false })', '')
    const directory = project({ 'filter.mjs': filter })
    await using running = await start(['filter.mjs', ...TCP], directory)
    const pid = field(await send(running.address), 'X-Pid')
    assert.equal(field(await send(running.address), 'X-Pid'), pid)
    assert.equal(await running.stop(), 0)
    assert.doesNotMatch(running.said, /a lie/)
  })
})

describe('ids that a worker was not given', () => {
  it('take and lose nothing', async () => {
    const code = `for (let id = 0; id < 50; id++) process.send({ type: 'taken', id }), process.send({ type: 'echo', id })`
    const filter = abusing(code).replace('await sleep(60_000, undefined, { ref: false })', '')
    const directory = project({ 'filter.mjs': filter })
    await using running = await start(['filter.mjs', ...TCP, '--workers', '2'], directory)
    for (let n = 0; n < 6; n++) assert.equal((await send(running.address)).verdict, 'accept')
    assert.equal(await running.stop(), 0)
  })
})

describe('a worker that lies in what it has counted', () => {
  it('does not take /metrics away', async () => {
    const lies = [
      [{ name: 'x' }],
      [{ name: 'a b', help: '', type: 'counter', values: [] }],
      [{ name: 'x', help: '', type: 'counter', aggregator: 'y', values: [] }],
      [{ name: 'x', help: '', type: 'counter', values: [{ value: '1', labels: {} }] }],
      [
        {
          name: 'x',
          help: '',
          type: 'counter',
          values: [{ value: 1, labels: { 'a"} 1\n': 'x' } }],
        },
      ],
    ]
    const code = `for (const metrics of ${JSON.stringify(lies)}) process.send({ type: 'counted', metrics })`
    const filter = abusing(code).replace('await sleep(60_000, undefined, { ref: false })', '')
    const directory = project({ 'filter.mjs': filter })
    const args = ['filter.mjs', ...TCP, '--telemetry', '0']
    await using running = await start(args, directory)
    assert.equal((await send(running.address)).verdict, 'accept')
    await running.says(/WARN {2}a worker sent a message that is not of tsmilter run/)
    const url = /url=(\S+)/.exec(running.said)![1]!.replaceAll('"', '')
    const text = await (await get(`${url}/metrics`)).text()
    assert.match(text, /^tsmilter_messages_total.* 1$/m)
    assert.doesNotMatch(text, /^x/m)
    assert.equal(await running.stop(), 0)
  })
})

const asNobody = { uid: 65_534, gid: 65_534 }
const canBecome =
  process.getuid?.() === 0 &&
  spawnSync('test', ['-r', sourcePath('dist', 'index.js')], asNobody).status === 0

describe(
  'with --user',
  { skip: canBecome ? false : 'only root can become somebody else' },
  () => {
    for (const [what, listen] of [
      ['a unix socket', 'unix:/tmp/tsmilter-never'],
      ['a descriptor', 'fd:0'],
      ['a port below 1024', 'inet:1023@127.0.0.1'],
    ] as const) {
      for (const liar of [false, true]) {
        it(`root does not open ${what} of ${liar ? 'a worker that lies' : 'a configuration'}`, async () => {
          const lie = `
          const send = process.send.bind(process)
          process.send = (message, ...rest) => {
            if (message.type === 'loaded') message.settings.listen = ['${listen}']
            return send(message, ...rest)
          }`
          const config = `${liar ? lie : ''}
          export default { ${liar ? '' : `listen: '${listen}', `}filters: [() => ({})] }`
          const directory = project({ 'config.mjs': config })
          await using running = launch(['config.mjs', '--user', 'nobody'], directory)
          assert.equal(await running.ended, 2)
          assert.match(running.said, /root does not open it for them: use --listen/)
        })
      }
    }

    it('workers get the environment, but for what is of the login of root', async () => {
      const filter = `
      const names = Object.keys(process.env).filter((name) => !name.startsWith('TSMILTER_'))
      const said = [...names.sort(), process.env.HOME].join(' ')
      export default () => ({ eom: (ctx) => ctx.addHeader('X-Env', said) })`
      const directory = project({ 'filter.mjs': filter })
      const env = {
        DATABASE_URL: 'postgres://x',
        HOME: '/root',
        MAIL: '/var/mail/root',
        SSH_AUTH_SOCK: '/tmp/ssh',
        SUDO_COMMAND: 'x',
        XDG_RUNTIME_DIR: '/run/user/0',
        NOTIFY_SOCKET: '/nowhere',
        SHELL: '/bin/bash',
      }
      await using running = await start(['filter.mjs', ...TCP, '--user', 'nobody'], directory, {
        env,
      })
      assert.equal(
        field(await send(running.address), 'X-Env'),
        'DATABASE_URL HOME LOGNAME PATH USER /nonexistent',
      )
      assert.equal(await running.stop(), 0)
    })
  },
)

/** Bytes. */
function residentSize(pid: number): number {
  return (
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) * 1024
  )
}
