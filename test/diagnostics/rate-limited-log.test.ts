import assert from 'node:assert/strict'
import { it } from 'node:test'
import { RateLimitedLog } from '../../src/diagnostics/rate-limited-log.ts'
import { recordingLogger, type LogLine } from '../support/wire.ts'

it('a log of what anybody can cause has so many lines a minute of each kind, and counts the others', () => {
  const lines: LogLine[] = []
  const logger = recordingLogger(lines)
  let now = 0
  const log = new RateLimitedLog(() => now)
  const told = (): unknown[] =>
    lines.splice(0).map(({ level, message, fields }) => [level, message, fields])
  const at = (times: readonly number[], write: () => void): void => {
    for (now of times) write()
  }

  at([0, 1, 30_000, 59_999], () => log.write(logger, 'warn', { now }, 'a'))
  assert.deepEqual(told(), [['warn', 'a', { now: 0 }]])
  at([59_999], () => {
    log.write(logger, 'warn', { now }, 'b')
    log.write(logger, 'info', { now }, 'a')
  })
  assert.deepEqual(told(), [
    ['warn', 'b', { now: 59_999 }],
    ['info', 'a', { now: 59_999 }],
  ])
  at([60_000, 60_001, 500_000], () => log.write(logger, 'warn', { now }, 'a'))
  assert.deepEqual(told(), [
    ['warn', 'a', { now: 60_000, leftOut: 3 }],
    ['warn', 'a', { now: 500_000, leftOut: 1 }],
  ])
  at([500_000, 500_001, 500_002, 560_000], () => log.write(logger, 'error', { now }, 'c', 2))
  assert.deepEqual(told(), [
    ['error', 'c', { now: 500_000 }],
    ['error', 'c', { now: 500_001 }],
    ['error', 'c', { now: 560_000, leftOut: 1 }],
  ])
})
