// Several processes and one bucket: exactly as many steps are admitted as there are tokens.
// TSMILTER_TAKES says how many steps there are together: 10^6 take about a minute where nothing else runs.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { redisAvailable, RedisServer } from './support/redis-server.ts'

const PROCESSES = 4
const TAKES = Number(process.env['TSMILTER_TAKES'] ?? 100_000)

if (redisAvailable()) {
  it(`${PROCESSES} processes that ask for ${TAKES} tokens get those that are there`, async () => {
    const server = await RedisServer.start()
    const capacity = Math.floor(TAKES / 2) + 1
    const taker = join(import.meta.dirname, 'fixtures', 'taker.js')
    const ended = await Promise.all(
      Array.from({ length: PROCESSES }, (_, i) =>
        promisify(execFile)(process.execPath, [
          taker,
          server.url,
          'load:',
          `process ${i}`,
          String(TAKES / PROCESSES),
          String(capacity),
        ]),
      ),
    )
    const admitted = ended.map(
      ({ stdout }) => (JSON.parse(stdout) as { admitted: number }).admitted,
    )
    assert.equal(
      admitted.reduce((sum, one) => sum + one),
      capacity,
    )
  })
}
