import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { Allowance } from '../../src/cli/run/allowance.ts'

describe('what a worker may send', () => {
  let now = 0
  mock.method(performance, 'now', () => now)
  const allowance = (): Allowance =>
    new Allowance({ perSecond: 10, unasked: 100, maximum: 250 })

  it('is at first what one may have put off', () => {
    const it = allowance()
    assert.ok(it.take(100))
    assert.ok(!it.take(1))
  })

  it('grows with time, up to the same', () => {
    const it = allowance()
    it.take(100)
    now += 3_000
    assert.ok(it.take(30))
    assert.ok(!it.take(1))
    now += 3_600_000
    assert.ok(it.take(100))
    assert.ok(!it.take(1))
  })

  it('grows by what it was asked for, which time does not take away', () => {
    const it = allowance()
    it.add(120)
    now += 3_600_000
    assert.ok(it.take(220))
    assert.ok(!it.take(1))
  })

  it('never exceeds the largest amount', () => {
    const it = allowance()
    it.add(1_000)
    assert.ok(it.take(250))
    assert.ok(!it.take(1))
  })
})
