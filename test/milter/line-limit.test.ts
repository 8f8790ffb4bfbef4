import assert from 'node:assert/strict'
import { it } from 'node:test'
import { LineLimit } from '../../src/milter/line-limit.ts'

it('a limit of lines lets some through in each interval, and counts the others', () => {
  const limit = new LineLimit(2, 1_000)
  assert.deepEqual(
    [0, 10, 20, 999].map((now) => limit.pass(now)),
    [{}, {}, undefined, undefined],
  )
  assert.deepEqual(limit.pass(1_000), { leftOut: 2 })
  assert.deepEqual(limit.pass(1_001), {})
  assert.equal(limit.pass(1_002), undefined)
  assert.deepEqual(limit.pass(60_000), { leftOut: 1 })
})
