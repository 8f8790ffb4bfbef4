import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Tally } from '../../src/cli/run/tally.ts'
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

describe('a tally', () => {
  it('adds what ended workers have counted, and nothing of how they were', async () => {
    const tally = new Tally()
    tally.keep(counted(2))
    tally.keep(counted(3))
    const text = await tally.with([counted(4)])
    assert.match(text, /^messages 9$/m)
    assert.match(text, /^open 4$/m)
  })

  it('survives a worker whose numbers cannot be added up', async () => {
    const tally = new Tally()
    tally.keep(counted(2))
    tally.keep([
      { name: 'messages', type: 'counter', aggregator: 'no such thing', values: [] },
      null as never,
    ])
    tally.keep(counted(3))
    assert.match(await tally.with([]), /^messages 5$/m)
  })
})
