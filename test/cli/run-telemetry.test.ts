import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { join } from 'node:path'
import { rmSync, writeFileSync } from 'node:fs'
import { field, get, project, send, start, until, type Running } from './support/command.ts'

const PID = `
import { defineFilter, REJECT } from 'tsmilter'
export default defineFilter({
  name: 'pid',
  message(mail) {
    if (mail.subject === 'no') return REJECT
    mail.headers.append('X-Pid', String(process.pid))
    mail.log.warn('a word of the filter')
  },
})
`
const urlOf = (running: Running): string => /url=(http:\S+)/.exec(running.said)![1]!

async function page(running: Running, path: string): Promise<[status: number, text: string]> {
  const response = await get(`${urlOf(running)}${path}`)
  return [response.status, await response.text()]
}

/** The sum of a metric over its labels. */
async function metric(running: Running, name: string): Promise<number> {
  const [, text] = await page(running, '/metrics')
  const lines = text.split('\n').filter((line) => line.replace(/[ {].*/, '') === name)
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

describe('tsmilter run', () => {
  it('logs a line for each message, in JSON where nobody looks', async () => {
    const directory = project({ 'pid.mjs': PID })
    const args = ['pid.mjs', '--listen', 'inet:0@127.0.0.1', '--log-format']
    await using running = await start([...args, 'text'], directory)
    await send(running.address)
    await send(running.address, 'Subject: no\n\nx\n')
    await running.says(/INFO  message accepted .*verdict=accept/)
    await running.says(/INFO  message rejected .*verdict=reject/)
    await running.says(/WARN  a word of the filter .*filter=pid/)
    assert.doesNotMatch(running.said, /hello/)
    await running.stop()

    await using json = await start([...args, 'json'], directory, {}, /"msg":"ready"/)
    const address = /"addresses":"([^"]+)"/.exec(json.said)![1]!
    await send(address)
    await json.says(/"msg":"message accepted"/)
    assert.doesNotMatch(json.said, /"content"/)
    for (const line of json.said.trim().split('\n')) {
      const { level, time } = JSON.parse(line) as { level: string; time: string }
      assert.match(level, /^(?:info|warn)$/)
      assert.equal(new Date(time).toISOString(), time)
    }
  })

  it('has numbers for sessions in its lines that are unique with the id of the process', async () => {
    const directory = project({ 'pid.mjs': PID })
    const args = ['pid.mjs', '--listen', 'inet:0@127.0.0.1', '--workers', '2']
    await using running = await start(args, directory)
    const pids = new Set<string>()
    for (let n = 0; n < 4; n++) pids.add(field(await send(running.address), 'X-Pid'))
    assert.equal(pids.size, 2)
    await running.says(/INFO  message accepted /, 4)
    const sessions = (pattern: RegExp): string[] =>
      [...running.said.matchAll(pattern)].map(([, pid, connection]) => `${pid} ${connection}`)
    const lines = sessions(/message accepted pid=(\d+) connection=(\d+) /g)
    assert.equal(new Set(lines).size, 4)
    assert.deepEqual(new Set(lines.map((line) => line.split(' ')[0])), pids)
    // Those of the filter are of the same sessions.
    const own = sessions(/a word of the filter pid=(\d+) connection=(\d+) /g)
    assert.deepEqual(own.toSorted(), lines.toSorted())
  })

  it('logs content if it is asked to', async () => {
    const directory = project({ 'pid.mjs': PID })
    const args = ['pid.mjs', '--listen', 'inet:0@127.0.0.1', '--log-content', 'Subject']
    await using running = await start([...args, '--log-content', 'recipients'], directory)
    await send(running.address, 'Subject: no\n\nx\n')
    await running.says(/message rejected .*content=.*subject.*no.*recipients.*@example/)
  })

  it('says nothing below the level that was asked for', async () => {
    const directory = project({ 'pid.mjs': PID })
    const socket = join(directory, 's')
    const args = ['pid.mjs', '--listen', `unix:${socket}`, '--log-level', 'error']
    await using running = await start(args, directory, {}, /^/)
    await until('an answer', () =>
      send(`unix:${socket}`).then(
        ({ verdict }) => verdict === 'accept',
        () => false,
      ),
    )
    assert.equal(await running.stop(), 0)
    assert.equal(running.said, '')
  })

  it('shows health, and sums of all workers that outlive a reload', async () => {
    const directory = project({ 'pid.mjs': PID })
    const args = ['pid.mjs', '--listen', 'inet:0@127.0.0.1', '--telemetry', '0']
    await using running = await start([...args, '--workers', '2'], directory)
    assert.deepEqual(await page(running, '/healthz'), [200, 'ok\n'])
    assert.deepEqual(await page(running, '/readyz'), [200, 'ok\n'])
    for (let i = 0; i < 4; i++) await send(running.address)
    const counted = async (): Promise<number> =>
      await metric(running, 'tsmilter_messages_total')
    await until('four messages', async () => (await counted()) === 4)

    running.signal('SIGHUP')
    await running.says(/INFO  reloaded/)
    await send(running.address)
    await until('five messages', async () => (await counted()) === 5)
    await until(
      'no connection',
      async () => (await metric(running, 'tsmilter_connections_open')) === 0,
    )

    writeFileSync(join(directory, 'pid.mjs'), 'throw new Error("broken")')
    running.signal('SIGHUP')
    await running.says(/ERROR the new version cannot be started/)
    assert.deepEqual(await page(running, '/readyz'), [200, 'ok\n'])
    assert.equal(await counted(), 5)
  })

  it('is neither well nor ready while its filter cannot be made', async () => {
    const directory = project({
      'moody.mjs': `
        import { existsSync } from 'node:fs'
        export default () => {
          if (existsSync('broken')) throw new Error('no directory')
          return { eom() {} }
        }`,
    })
    const args = ['moody.mjs', '--listen', 'inet:0@127.0.0.1', '--telemetry', '127.0.0.1:0']
    await using running = await start(args, directory)
    assert.equal((await send(running.address)).verdict, 'accept')
    const pages = async (): Promise<string> =>
      (await Promise.all(['/healthz', '/readyz'].map((path) => page(running, path)))).join(' ')
    assert.equal(await pages(), '200,ok\n 200,ok\n')
    writeFileSync(join(directory, 'broken'), '')
    assert.equal((await send(running.address)).verdict, 'tempfail')
    await until('both say filter', async () => (await pages()) === '503,filter\n 503,filter\n')
    // It finds out by itself: a balancer would send no more mail.
    rmSync(join(directory, 'broken'))
    await until('both are well', async () => (await pages()) === '200,ok\n 200,ok\n')
  })

  it('refuses options it does not understand', async () => {
    const directory = project({ 'pid.mjs': PID })
    for (const [option, value] of [
      ['--log-level', 'loud'],
      ['--log-format', 'xml'],
      ['--telemetry', 'somewhere'],
      ['--telemetry', '127.0.0.1:99999'],
    ] as const) {
      const args = ['pid.mjs', '--listen', 'inet:0@127.0.0.1', option, value]
      await using running = await start(args, directory, {}, /it takes/)
      assert.equal(await running.ended, 2)
    }
  })

  it('still accepts for stop.delay after SIGTERM, while /readyz says stopping', async () => {
    const directory = project({ 'pid.mjs': PID })
    const args = ['pid.mjs', '--listen', 'inet:0@127.0.0.1', '--telemetry', '127.0.0.1:0']
    await using running = await start([...args, '--stop-delay', '10m'], directory)
    assert.deepEqual(await page(running, '/readyz'), [200, 'ok\n'])
    running.signal('SIGTERM')
    await running.says(/INFO  stopping signal=SIGTERM/)
    assert.deepEqual(await page(running, '/readyz'), [503, 'stopping\n'])
    // Whoever looks whether it lives must not kill it for that.
    assert.deepEqual(await page(running, '/healthz'), [200, 'ok\n'])
    assert.equal((await send(running.address)).verdict, 'accept')
    // The second signal ends that, too.
    assert.equal(await running.stop(), 0)

    await using again = await start([...args, '--stop-delay', '10ms'], directory)
    assert.equal(await again.stop(), 0)
    assert.equal(again.count(/INFO  stopping at once/), 0)
  })
})
