import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { connect, field, MESSAGE, project, send, start, until } from './support/command.ts'

/** Says who has served and in which version, and can be made to hang or to take forever. */
const filterOf = (version: string): string => `
import { defineFilter } from 'tsmilter'
import { writeFileSync } from 'node:fs'
export default defineFilter({
  name: 'test',
  async message(mail) {
    const subject = mail.headers.get('Subject')?.trim()
    writeFileSync('began-' + subject + '-' + process.pid, '')
    if (subject === 'forever') await new Promise((resolve) => setTimeout(resolve, 600_000))
    if (subject === 'hang') for (;;) {}
    mail.headers.append('X-Pid', String(process.pid))
    mail.headers.append('X-Version', '${version}')
  },
})
`
const ARGS = ['filter.mjs', '--listen', 'inet:0@127.0.0.1', '--stop-quiet', '50ms']
const withSubject = (subject: string): string => MESSAGE.replace('hello', subject)
const began = (directory: string, subject: string): Promise<string> =>
  until(`the handler of ${subject}`, () =>
    readdirSync(directory).find((name) => name.startsWith(`began-${subject}-`)),
  )

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('workers', () => {
  it('die with their own sessions only, and are replaced', async () => {
    const directory = project({ 'filter.mjs': filterOf('1') })
    await using running = await start([...ARGS, '--workers', '2'], directory)
    const clients = await Promise.all([1, 2, 3, 4].map(() => connect(running.address)))
    try {
      const pids = await Promise.all(
        clients.map(async (client) => field(await client.deliver({}), 'X-Pid')),
      )
      assert.equal(new Set(pids).size, 2)
      const victim = pids[0]!
      const forever = clients[0]!.deliver({ message: withSubject('forever') })
      await began(directory, 'forever')
      process.kill(Number(victim), 'SIGKILL')
      const lost = await forever
      assert.equal(lost.verdict, 'tempfail')
      assert.notEqual(lost.failure, undefined)
      for (const [index, client] of clients.entries()) {
        if (pids[index] !== victim)
          assert.equal(field(await client.deliver({}), 'X-Pid'), pids[index])
      }
      // While there is one worker less, and after it was replaced.
      assert.equal(field(await send(running.address), 'X-Version'), '1')
      await running.says(/INFO  a worker has taken the place of another/)
      await until('the new worker', async () => {
        const pid = field(await send(running.address), 'X-Pid')
        return !pids.includes(pid)
      })
      assert.match(running.said, new RegExp(`a worker has died.* pid=${victim} how=SIGKILL`))
    } finally {
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
    }
    assert.equal(await running.stop(), 0)
  })

  it('are waited for while there is none', async () => {
    const directory = project({ 'filter.mjs': filterOf('1') })
    await using running = await start(ARGS, directory)
    const pid = field(await send(running.address), 'X-Pid')
    process.kill(Number(pid), 'SIGKILL')
    await running.says(/ERROR a worker has died/)
    assert.notEqual(field(await send(running.address), 'X-Pid'), pid)
  })

  it('that hang are replaced', async () => {
    const directory = project({ 'filter.mjs': filterOf('1') })
    await using running = await start([...ARGS, '--hang-timeout', '2s'], directory)
    const hung = send(running.address, withSubject('hang'))
    const pid = (await began(directory, 'hang')).split('-').at(-1)!
    // Given to the worker that hangs, it gets to the next.
    const next = send(running.address)
    assert.equal((await hung).verdict, 'tempfail')
    assert.match(running.said, new RegExp(`a worker hangs and is killed.* pid=${pid} `))
    assert.notEqual(field(await next, 'X-Pid'), pid)
    assert.equal(await running.stop(), 0)
  })
})

describe('workers of an old version', () => {
  it('that hang are killed, and do not keep connections from the new one', async () => {
    const directory = project({ 'filter.mjs': filterOf('1') })
    await using running = await start([...ARGS, '--hang-timeout', '4s'], directory)
    const hung = send(running.address, withSubject('hang'))
    await began(directory, 'hang')
    const next = send(running.address)
    writeFileSync(join(directory, 'filter.mjs'), filterOf('2'))
    running.signal('SIGHUP')
    await running.says(/INFO {2}reloaded/)
    assert.equal(field(await next, 'X-Version'), '2')
    assert.match(running.said, /a worker hangs and is killed/)
    assert.equal((await hung).verdict, 'tempfail')
    assert.equal(await running.stop(), 0)
  })
})

describe('a primary that is killed', () => {
  it('leaves no worker behind', async () => {
    const directory = project({ 'filter.mjs': filterOf('1') })
    await using running = await start([...ARGS, '--workers', '2'], directory)
    const pids = /pids="(\d+) (\d+)"/.exec(running.said)!.slice(1).map(Number)
    running.signal('SIGKILL')
    await until('the end of the workers', () => !pids.some(alive))
    for (const pid of pids) {
      assert.match(
        running.said,
        new RegExp(`ERROR the primary process has ended: .* pid=${pid}\n`),
      )
    }
  })
})

describe('a reload', () => {
  it('serves new connections with the new code; the old ones stay with the old', async () => {
    const directory = project({ 'filter.mjs': filterOf('1') })
    await using running = await start(ARGS, directory)
    await using old = await connect(running.address)
    assert.equal(field(await old.deliver({}), 'X-Version'), '1')
    writeFileSync(join(directory, 'filter.mjs'), filterOf('2'))
    running.signal('SIGHUP')
    await running.says(/INFO  reloaded/)
    assert.equal(field(await send(running.address), 'X-Version'), '2')
    assert.equal(field(await old.deliver({}), 'X-Version'), '1')
    // Several at once become one, or one more.
    writeFileSync(join(directory, 'filter.mjs'), filterOf('3'))
    for (let n = 0; n < 5; n++) running.signal(n % 2 === 0 ? 'SIGUSR2' : 'SIGHUP')
    await until(
      'version 3',
      async () => field(await send(running.address), 'X-Version') === '3',
    )
    await running.says(/INFO  reloaded/, running.count(/INFO  reloading/))
    assert.ok(running.count(/INFO  reloading/) <= 4, running.said)
    assert.equal(await running.stop(), 0)
  })

  it('takes new addresses and numbers from a configuration', async () => {
    const config = (listen: string, workers: number): string => `
      import { defineConfig } from 'tsmilter'
      import filter from './filter.mjs'
      export default defineConfig({ listen: ${listen}, workers: ${workers}, filters: [filter] })`
    const directory = project({
      'filter.mjs': filterOf('1'),
      'config.mjs': config("['unix:a', 'unix:b']", 1),
    })
    await using running = await start(['config.mjs'], directory)
    writeFileSync(join(directory, 'config.mjs'), config("['unix:b', 'unix:c']", 2))
    running.signal('SIGHUP')
    await running.says(/INFO  reloaded .*workers=2/)
    assert.deepEqual(running.addresses, ['unix:b', 'unix:c'])
    await until('the end of the address', () => !existsSync(join(directory, 'a')))
    // One that cannot be had: nothing changes.
    writeFileSync(join(directory, 'config.mjs'), config("['unix:d', 'unix:nix/e']", 1))
    running.signal('SIGHUP')
    await running.says(/ERROR the new version cannot be started.*directory does not exist/)
    assert.ok(!existsSync(join(directory, 'd')))
    for (const name of ['b', 'c']) {
      assert.equal((await send(`unix:${join(directory, name)}`)).verdict, 'accept')
    }
    assert.equal(await running.stop(), 0)
  })

  it('that cannot be leaves everything as it was, and says why', async () => {
    const directory = project({ 'filter.mjs': filterOf('1') })
    await using running = await start([...ARGS, '--start-timeout', '6s'], directory)
    await using old = await connect(running.address)
    const pid = field(await old.deliver({}), 'X-Pid')
    const cases = [
      ['export default {{', /SyntaxError/],
      ["throw new TypeError('broken')", /TypeError: broken/],
      ['export default 7', /must be a filter/],
      ['export default { filters: [() => ({})], nix: 1 }', /the option nix of filter\.mjs/],
      ['process.exit(3)', /the worker ended while it was loading: exit code 3/],
      ['await new Promise((resolve) => setTimeout(resolve, 600_000))', /within 6000 ms/],
    ] as const
    let times = 0
    for (const [code, reason] of cases) {
      writeFileSync(join(directory, 'filter.mjs'), code)
      running.signal('SIGHUP')
      await running.says(
        /ERROR the new version cannot be started, the old one goes on: /,
        ++times,
      )
      const line = running.said.trim().split('\n').at(-1)!
      assert.match(line, reason)
      assert.equal(field(await send(running.address), 'X-Pid'), pid)
    }
    assert.equal(field(await old.deliver({}), 'X-Pid'), pid)
    assert.equal(await running.stop(), 0)
  })

  it('loses nothing under load', async () => {
    const directory = project({ 'filter.mjs': filterOf('0') })
    await using running = await start([...ARGS, '--workers', '2'], directory)
    const { address } = running
    let over = false
    const loads = [1, 2, 3, 4].map(async () => {
      const versions = new Set<string>()
      while (!over) {
        await using client = await connect(address)
        for (let n = 0; n < 3; n++) {
          const outcome = await client.deliver({ message: MESSAGE })
          assert.equal(outcome.verdict, 'accept')
          versions.add(field(outcome, 'X-Version'))
        }
      }
      return versions
    })
    for (let version = 1; version <= 5; version++) {
      writeFileSync(join(directory, 'filter.mjs'), filterOf(String(version)))
      running.signal('SIGHUP')
      await running.says(/INFO  reloaded/, version)
    }
    over = true
    const versions = new Set((await Promise.all(loads)).flatMap((set) => [...set]))
    assert.ok(versions.size > 1)
    assert.equal(field(await send(address), 'X-Version'), '5')
    assert.equal(running.count(/^(?:warn|error) /), 0, running.said)
    assert.equal(await running.stop(), 0)
  })
})
