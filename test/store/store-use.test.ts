import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { observe, type StoreUsed } from '../../src/diagnostics/channels.ts'
import { silentLogger } from '../../src/diagnostics/log.ts'
import { openMemoryStore, StoreError, StoreUse, type Store } from '../../src/store/index.ts'
import { collectMetrics } from '../../src/telemetry/metrics.ts'
import { atEnd } from '../support/resources.ts'
import { recordingLogger, type LogLine } from '../support/wire.ts'

type Code = 'STORE_TIMEOUT' | 'STORE_UNAVAILABLE' | 'STORE_FULL' | 'STORE_CLOSED'

/** A store that fails when it is told to, and counts how often it was asked. */
function mortalStore() {
  const store = openMemoryStore()
  const state = { code: undefined as Code | undefined, asked: 0 }
  const use = async (name: string): Promise<string> => {
    state.asked++
    if (state.code !== undefined) throw new StoreError(state.code, 'as the test says')
    return store.setIfAbsent(name, name, { ttl: 60_000 })
  }
  return { state, store: { ...store, kind: 'redis', setIfAbsent: use } as unknown as Store }
}

const call = (use: StoreUse, key = 'a'): Promise<string> =>
  use.run((store) => store.setIfAbsent(key, 'stored', { ttl: 60_000 }), 'allowed')

describe('a use of a store', () => {
  const logger = silentLogger()

  for (const code of [
    'STORE_TIMEOUT',
    'STORE_UNAVAILABLE',
    'STORE_FULL',
    'STORE_CLOSED',
  ] as const) {
    it(`goes by its policy after ${code}`, async () => {
      const { state, store } = mortalStore()
      state.code = code
      const open = new StoreUse(store, { name: 'one', onFailure: 'open', logger })
      assert.equal(await call(open), 'allowed')
      assert.equal(await call(open), 'allowed')
      const closed = new StoreUse(store, { name: 'two', onFailure: 'closed', logger })
      await assert.rejects(call(closed), { name: 'StoreError', code })
      await assert.rejects(call(closed), { name: 'StoreError', code })
      const local = new StoreUse(store, { name: 'three', onFailure: 'local', logger })
      assert.equal(await call(local), 'stored')
      state.code = undefined
    })
  }

  it('keeps what the local store has, until the store is back', async () => {
    let now = 0
    const { state, store } = mortalStore()
    const use = new StoreUse(store, {
      name: 'one',
      onFailure: 'local',
      logger,
      clock: () => now,
    })
    const claim = (value: string): Promise<string> =>
      use.run((at) => at.setIfAbsent('key', value, { ttl: 60_000 }), value)
    state.code = 'STORE_TIMEOUT'
    assert.equal(await claim('first'), 'first')
    assert.equal(await claim('second'), 'first')
    state.code = undefined
    now += 100
    assert.equal(await claim('key'), 'key')
    state.code = 'STORE_TIMEOUT'
    assert.equal(await claim('third'), 'third')
  })

  it('asks a store that fails now and then, and one that is back always', async () => {
    let now = 0
    const { state, store } = mortalStore()
    const options = { name: 'one', onFailure: 'open', logger, clock: () => now } as const
    const use = new StoreUse(store, options)
    state.code = 'STORE_TIMEOUT'
    const askedAt: number[] = []
    for (; now < 20_000; now += 10) {
      const before = state.asked
      await call(use)
      if (state.asked > before) askedAt.push(now)
    }
    const pauses = askedAt.slice(1).map((at, i) => at - askedAt[i]!)
    assert.deepEqual(pauses, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000])
    state.code = undefined
    now += 5_000
    state.asked = 0
    for (let i = 0; i < 10; i++) assert.equal(await call(use, 'b'), 'b')
    assert.equal(state.asked, 10)
  })

  it('has one call at a time wait for a store that fails', async () => {
    let now = 0
    const waiting: (() => void)[] = []
    const fail = (): Promise<never> =>
      new Promise((_, reject) =>
        waiting.push(() => reject(new StoreError('STORE_TIMEOUT', 'too late'))),
      )
    const store = { kind: 'redis', setIfAbsent: fail } as unknown as Store
    const options = { name: 'one', onFailure: 'open', logger, clock: () => now } as const
    const use = new StoreUse(store, options)
    // What was on its way waits for itself, and counts as one failure.
    const calls = Array.from({ length: 5 }, () => call(use))
    for (const end of waiting.splice(0)) end()
    assert.deepEqual(await Promise.all(calls), Array(5).fill('allowed'))
    now = 100
    const probe = call(use)
    for (let i = 0; i < 5; i++) assert.equal(await call(use), 'allowed')
    assert.equal(waiting.length, 1)
    waiting[0]!()
    assert.equal(await probe, 'allowed')
  })

  it('asks a full store each time', async () => {
    const { state, store } = mortalStore()
    const use = new StoreUse(store, { name: 'one', onFailure: 'open', logger })
    state.code = 'STORE_FULL'
    for (let i = 0; i < 5; i++) assert.equal(await call(use), 'allowed')
    assert.equal(state.asked, 5)
  })

  it('lets other errors through', async () => {
    const use = new StoreUse(openMemoryStore(), { name: 'one', onFailure: 'open', logger })
    await assert.rejects(
      use.run((store) => store.get(''), undefined),
      { code: 'INVALID_OPTION' },
    )
    const reason = new Error('aborted')
    await assert.rejects(
      use.run((store) => store.get('a', { signal: AbortSignal.abort(reason) }), undefined),
      reason,
    )
  })

  it('logs the first failure and the return', async () => {
    let now = 0
    const lines: LogLine[] = []
    const { state, store } = mortalStore()
    const use = new StoreUse(store, {
      name: 'one',
      onFailure: 'closed',
      logger: recordingLogger(lines),
      clock: () => now,
    })
    state.code = 'STORE_TIMEOUT'
    for (; now < 1_000; now += 10) await assert.rejects(call(use))
    state.code = undefined
    now += 5_000
    await call(use)
    await call(use)
    assert.deepEqual(
      lines.map(({ level, message, fields }) => [
        level,
        message,
        fields['use'],
        fields['store'],
        fields['code'],
        fields['policy'],
      ]),
      [
        ['warn', 'a store has failed', 'one', 'redis', 'STORE_TIMEOUT', 'closed'],
        ['warn', 'a store is back', 'one', 'redis', undefined, undefined],
      ],
    )
    // A store that comes and goes does not fill the log.
    for (let i = 0; i < 100; i++) {
      state.code = i % 2 === 0 ? 'STORE_FULL' : undefined
      await call(use).catch(() => {})
    }
    assert.ok(lines.length <= 8, `${lines.length} lines`)
  })

  it('is counted', async () => {
    const { state, store } = mortalStore()
    const events: StoreUsed[] = []
    atEnd(observe({ 'tsmilter:store': (event) => void events.push(event) }))
    const metrics = await collectMetrics()
    atEnd(() => metrics.close())
    const use = new StoreUse(store, { name: 'counted', onFailure: 'open', logger })
    await call(use)
    state.code = 'STORE_TIMEOUT'
    await call(use)
    await call(use)
    const failed = { use: 'counted', store: 'redis', code: 'STORE_TIMEOUT', policy: 'open' }
    assert.deepEqual(events, [
      { use: 'counted', store: 'redis', code: undefined, policy: undefined },
      failed,
      failed,
    ])
    const text = await metrics.text()
    assert.match(text, /^tsmilter_store_calls_total\{use="counted",store="redis"\} 3$/m)
    assert.match(
      text,
      /^tsmilter_store_failures_total\{use="counted",store="redis",code="STORE_TIMEOUT",policy="open"\} 2$/m,
    )
  })

  it('has a name that a programmer chose', () => {
    const store = openMemoryStore()
    for (const options of [
      { name: '', onFailure: 'open' },
      { name: 'a@example.org', onFailure: 'open' },
      { name: 'x'.repeat(33), onFailure: 'open' },
      { name: 'one' },
      { name: 'one', onFailure: 'opne' },
      { name: 'one', onFailure: 'local', localBytes: 1 },
      { name: 'one', onFailure: 'open', policy: 'open' },
    ]) {
      assert.throws(() => new StoreUse(store, options as never), { code: 'INVALID_OPTION' })
    }
    assert.throws(
      () => {
        for (let i = 0; i < 100; i++) {
          void new StoreUse(store, { name: `user-${i}`, onFailure: 'open' })
        }
      },
      { code: 'INVALID_OPTION', message: /at most 64 names/ },
    )
  })
})
