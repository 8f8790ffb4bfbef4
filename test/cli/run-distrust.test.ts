import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { readWorkerMessage } from '../../src/cli/run/worker-message.ts'
import { launch, project, send, start } from './support/command.ts'

const FILTER = `export default () => ({ eom: (ctx) => ctx.addHeader('X-Seen', 'yes') })`

const METRIC = {
  name: 'tsmilter_messages_total',
  help: 'messages',
  type: 'counter',
  values: [
    { value: 1, labels: { verdict: 'accept', worker: 2 } },
    { value: null, labels: {}, metricName: 'x_sum' },
  ],
}

describe('a message of a worker', () => {
  it('is ignored if it is not valid', () => {
    for (const raw of [
      null,
      undefined,
      1,
      'loaded',
      [],
      {},
      { type: 'other' },
      { type: 'loaded' },
      { type: 'loaded', settings: null, name: 'x' },
      { type: 'taken', id: '1' },
      { type: 'echo', id: -1 },
      { type: 'counted', metrics: [null] },
      { type: 'failed', reason: {}, misused: true },
      { type: 'alive' },
      { type: 'alive', healthy: 'yes' },
      { type: 'taken', id: 2 ** 60 },
      { type: 'toString' },
      { type: '__proto__' },
      { type: ['taken'], id: 1 },
      { type: 'loaded', settings: [], name: 'x' },
      { type: 'loaded', settings: {}, name: 5 },
      { type: 'echo', id: 1.5 },
      { type: 'counted', metrics: { length: 0 } },
      ...[
        { name: 'a b' },
        { name: 'x'.repeat(202) },
        { help: 5 },
        { type: 'other' },
        { aggregator: 'all' },
        { aggregator: null },
        { values: {} },
        { values: [null] },
        { values: [{ value: '1', labels: {} }] },
        { values: [{ labels: {} }] },
        { values: [{ value: 1, labels: [] }] },
        { values: [{ value: 1, labels: { 'a b': 'x' } }] },
        { values: [{ value: 1, labels: { a: null } }] },
        { values: [{ value: 1, labels: {}, metricName: 'a b' }] },
      ].map((part) => ({ type: 'counted', metrics: [METRIC, { ...METRIC, ...part }] })),
    ]) {
      assert.equal(readWorkerMessage(raw), undefined, JSON.stringify(raw))
    }
    for (const message of [
      { type: 'taken', id: 1 },
      { type: 'counted', metrics: [] },
      { type: 'counted', metrics: [METRIC, { ...METRIC, aggregator: 'max', more: 1 }] },
      { type: 'loaded', settings: { workers: 1 }, name: 'x' },
    ]) {
      assert.deepEqual(readWorkerMessage(message), message)
    }
  })

  it('is cut to a length that suits the log', () => {
    // A configuration can have 100 mistakes, each in a line.
    const long = 'x'.repeat(500_000)
    const read = readWorkerMessage({ type: 'failed', reason: long, misused: false })
    assert.deepEqual(read, { type: 'failed', reason: long.slice(0, 100_000), misused: false })
  })

  it('does not end the primary, whatever it is', async () => {
    const directory = project({
      'filter.mjs': `
        for (const raw of [null, 1, 'x', [], { type: 'echo' }, { type: 'counted', metrics: 1 }]) process.send(raw)
        ${FILTER}`,
    })
    await using running = await start(['filter.mjs', '--listen', 'inet:0@127.0.0.1'], directory)
    assert.equal((await send(running.address)).verdict, 'accept')
    assert.equal(await running.stop(), 0)
  })

  it('does not say where to listen if the command line does', async () => {
    const directory = project()
    const wanted = join(directory, 'other')
    const lie = `
      const send = process.send.bind(process)
      process.send = (message, ...rest) => {
        if (message.type === 'loaded') message.settings.listen = ['unix:${wanted}']
        return send(message, ...rest)
      }
      ${FILTER}`
    await using running = await start(
      ['filter.mjs', '--listen', 'inet:0@127.0.0.1'],
      project({ 'filter.mjs': lie }),
    )
    assert.match(running.address, /^inet:/)
    assert.equal(existsSync(wanted), false)
    assert.equal(await running.stop(), 0)
  })

  it('with invalid settings is a reason not to start', async () => {
    const lie = `
      const send = process.send.bind(process)
      process.send = (message, ...rest) => {
        if (message.type === 'loaded') message.settings.workers = -1
        return send(message, ...rest)
      }
      ${FILTER}`
    const directory = project({ 'filter.mjs': lie })
    await using running = launch(['filter.mjs', '--listen', 'inet:0@127.0.0.1'], directory)
    assert.equal(await running.ended, 2)
    assert.match(running.said, /the option workers of a worker/)
  })
})

describe('before a version takes over', () => {
  for (const [what, text, reason] of [
    ['throws', `export default () => { throw new Error('no database') }`, /no database/],
    ['misspells', `export default () => ({ eomm() {} })`, /eomm is not a callback/],
  ] as const) {
    it(`a factory that ${what} is found`, async () => {
      const directory = project({ 'filter.mjs': text })
      await using running = launch(['filter.mjs', '--listen', 'inet:0@127.0.0.1'], directory)
      assert.notEqual(await running.ended, 0)
      assert.match(running.said, reason)
    })
  }
})

describe('the socket of tsmilter run', () => {
  it('has its mode whatever the umask is', async () => {
    const directory = project({ 'filter.mjs': FILTER })
    const path = join(directory, 's')
    await using running = await start(
      ['filter.mjs', '--listen', `unix:${path}`, '--unix-socket-mode', '666'],
      directory,
    )
    assert.equal(statSync(path).mode & 0o777, 0o666)
    assert.equal(await running.stop(), 0)
  })
})

describe('standard output without a reader', () => {
  it('does not end the primary', async () => {
    const directory = project({ 'filter.mjs': FILTER })
    const path = join(directory, 's')
    await using running = await start(['filter.mjs', '--listen', `unix:${path}`], directory)
    running.closeOutput()
    running.signal('SIGHUP')
    for (let n = 0; n < 5; n++) assert.equal((await send(`unix:${path}`)).verdict, 'accept')
    assert.equal(await running.stop(), 0)
  })
})

describe('the inspector', () => {
  it('has a port for the primary and another for each worker', async () => {
    const directory = project({ 'filter.mjs': FILTER })
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as AddressInfo
    probe.close()
    await once(probe, 'close')
    await using running = await start(
      ['filter.mjs', '--listen', 'inet:0@127.0.0.1'],
      directory,
      { env: { NODE_OPTIONS: `--inspect=127.0.0.1:${port}` } },
    )
    await running.says(/Debugger listening on ws:\/\/127\.0\.0\.1:/, 2)
    assert.doesNotMatch(running.said, /address already in use/)
    assert.equal(await running.stop(), 0)
  })
})
