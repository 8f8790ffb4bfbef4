import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PastMetrics } from '../../src/cli/run/past-metrics.ts'
import type { MetricsSnapshot } from '../../src/telemetry/metrics.ts'

const counted = (value: number): MetricsSnapshot => [
  {
    name: 'messages',
    help: 'x',
    type: 'counter',
    aggregator: 'sum',
    values: [{ labels: {}, value }],
  },
  {
    name: 'open',
    help: 'x',
    type: 'gauge',
    aggregator: 'sum',
    values: [{ labels: {}, value }],
  },
]

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve }
}

describe('what ended workers have counted', () => {
  it('adds what ended workers have counted, and nothing of how they were', async () => {
    const past = new PastMetrics()
    past.keep(counted(2))
    past.keep(counted(3))
    const text = await past.with(Promise.resolve([counted(4)]))
    assert.match(text, /^messages 9$/m)
    assert.match(text, /^open 4$/m)
  })

  it('counts one once that ends while the others are asked', async () => {
    const past = new PastMetrics()
    past.keep(counted(1))
    const { promise, resolve } = deferred<MetricsSnapshot[]>()
    const text = past.with(promise)
    // It is among those that were asked.
    past.keep(counted(2))
    resolve([counted(2), counted(4)])
    assert.match(await text, /^messages 7$/m)
    assert.match(await past.with(Promise.resolve([counted(4)])), /^messages 7$/m)
  })

  it('survives a worker whose numbers cannot be added up', async () => {
    const past = new PastMetrics()
    past.keep(counted(2))
    past.keep([
      { name: 'messages', type: 'counter', aggregator: 'no such thing', values: [] },
      null as never,
    ])
    past.keep(counted(3))
    assert.match(await past.with(Promise.resolve([])), /^messages 5$/m)
  })
})
