// `npm run bench:store`: steps of each store, at 1, 20 and 200 callers in one process, beside the bare commands of
// ioredis and rate-limiter-flexible on the same Redis. It starts a redis-server of its own on a unix socket.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible'
import { buildPackage } from '../scripts/setup.js'
import { describeMachine, machine } from './lib/machine.js'
import { median } from './lib/measure.js'
import { digits, table } from './lib/table.js'

const { values: options } = parseArgs({
  options: {
    callers: { type: 'string', default: '1,20,200' },
    repetitions: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    'no-build': { type: 'boolean', default: false },
  },
})
if (!options['no-build']) buildPackage()
const store = await import('../dist/store/index.js')
const { INCREMENT, TAKE } = await import('../dist/store/redis/scripts.js')

const folder = mkdtempSync(join(tmpdir(), 'tsmilter-bench-'))
const socket = join(folder, 'redis.sock')
const server = spawn(
  'redis-server',
  ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder],
  { stdio: 'ignore' },
)
server.once('error', (error) => {
  console.error(
    `bench:store needs redis-server (Debian: apt install redis-server): ${error.message}`,
  )
  process.exit(1)
})
while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20))

const HOUR = 3_600_000
const MANY = 1e9
const bucket = { key: 'bucket', capacity: MANY, fillTime: HOUR }
const bare = new Redis({ path: socket })
const pipelined = new Redis({ path: socket, enableAutoPipelining: true })
const increment = await bare.script('LOAD', INCREMENT.source)
const take = await bare.script('LOAD', TAKE.source)
const limits = { points: MANY, duration: 3_600 }
const limiter = new RateLimiterRedis({ storeClient: bare, keyPrefix: 'rlf', ...limits })
const pipelinedLimiter = new RateLimiterRedis({
  storeClient: pipelined,
  keyPrefix: 'rlp',
  ...limits,
})
const memoryLimiter = new RateLimiterMemory(limits)

const memory = store.openMemoryStore?.()
const embedded = await store.openEmbeddedStore?.({ path: join(folder, 'store') })
const redis = await store.openRedisStore({ url: `unix:${socket}` })
const ofStore = (name, one) =>
  one === undefined
    ? []
    : [
        [`${name}: increment`, () => one.increment('number', { ttl: HOUR })],
        [`${name}: take`, () => one.take([bucket])],
      ]
const safe = [String(Number.MIN_SAFE_INTEGER), String(Number.MAX_SAFE_INTEGER)]
const bucketArgs = ['1', String(MANY), String(HOUR), '1']
/** Each with the step that it is compared with. */
const steps = [
  ...ofStore('memory', memory),
  ['rate-limiter-flexible, memory: consume', () => memoryLimiter.consume('k')],
  ...ofStore('embedded', embedded),
  ...ofStore('redis', redis),
  [
    'ioredis: EVALSHA, the script of increment',
    () => bare.evalsha(increment, 1, 'bare', '1', ...safe, String(HOUR)),
  ],
  ['ioredis: EVALSHA, the script of take', () => bare.evalsha(take, 1, 'taken', ...bucketArgs)],
  ['ioredis: INCR', () => bare.incr('incr')],
  [
    'ioredis, autopipelining: EVALSHA, the script of increment',
    () => pipelined.evalsha(increment, 1, 'bare', '1', ...safe, String(HOUR)),
  ],
  ['ioredis, autopipelining: INCR', () => pipelined.incr('incr')],
  ['rate-limiter-flexible, redis: consume', () => limiter.consume('k')],
  [
    'rate-limiter-flexible, redis, autopipelining: consume',
    () => pipelinedLimiter.consume('k'),
  ],
]

/** Steps of some callers, each of which makes its next one when it has the result of the one before. */
async function measure(step, callers, seconds) {
  const times = []
  const start = performance.now()
  const cpu = process.cpuUsage()
  const end = start + 1_000 * seconds
  const caller = async () => {
    for (;;) {
      const before = performance.now()
      if (before >= end) return
      await step()
      times.push(performance.now() - before)
      // The steps in memory wait for nothing, and would let nothing else happen.
      if (times.length % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  const elapsed = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  return {
    perSecond: (1_000 * times.length) / elapsed,
    p99: times.sort((a, b) => a - b)[Math.floor(0.99 * times.length)],
    cpu: (user + system) / times.length,
  }
}

console.log(`${describeMachine(machine(process.execPath))}\n`)
try {
  for (const callers of options.callers.split(',').map(Number)) {
    const results = new Map(steps.map(([name]) => [name, []]))
    for (const [, step] of steps) await measure(step, callers, 0.5)
    // In turn, so that whatever else the machine does meets all of them.
    for (let i = 0; i < Number(options.repetitions); i++) {
      for (const [name, step] of steps) {
        results.get(name).push(await measure(step, callers, Number(options.seconds)))
      }
    }
    const of = (name, what) => median(results.get(name).map((one) => one[what]))
    console.log(
      table(
        [`${callers} ${callers === 1 ? 'caller' : 'callers'}`, 'steps/s', 'p99 ms', 'CPU µs'],
        steps.map(([name]) => [
          name,
          digits(of(name, 'perSecond')),
          digits(of(name, 'p99')),
          digits(of(name, 'cpu')),
        ]),
      ),
    )
    const cost = (name, other) => (of(other, 'perSecond') / of(name, 'perSecond')).toFixed(2)
    console.log(
      `\nredis: increment takes ${cost('redis: increment', 'ioredis: EVALSHA, the script of increment')} times as long as EVALSHA of its script, and ${cost('redis: increment', 'ioredis: INCR')} times as long as INCR\n`,
    )
  }
} finally {
  await Promise.all([memory?.close(), embedded?.close(), redis.close()])
  bare.disconnect()
  pipelined.disconnect()
  server.kill()
  rmSync(folder, { recursive: true, force: true })
}
