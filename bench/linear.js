// `npm run bench:linear`: does the cost of a message grow as the message does? CPU time for each message
// against fields, recipients, bytes, connections and edits.
import { parseArgs } from 'node:util'
import { buildPackage } from '../scripts/setup.js'
import { buildLoad } from './lib/build.js'
import { describeMachine, machine } from './lib/machine.js'
import { measure } from './lib/measure.js'
import { saveResult } from './lib/results.js'
import { availableServers } from './lib/servers.js'
import { digits, table } from './lib/table.js'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    seconds: { type: 'string', default: '1.5' },
    node: { type: 'string', default: process.execPath },
    'no-build': { type: 'boolean', default: false },
  },
})

const own = { events: 'noop', objects: 'noop', messages: 'addheader', libmilter: 'noop' }
/**
 * What grows, and what each server does meanwhile. Few connections where messages are large: they are
 * in memory at the same time.
 */
const SERIES = [
  {
    name: 'headers',
    unit: 'header fields',
    points: [10, 100, 1_000, 10_000],
    load: (n) => ['--headers', n, '--connections', 4],
    servers: own,
  },
  {
    name: 'recipients',
    unit: 'recipients',
    points: [1, 10, 100, 1_000, 5_000],
    load: (n) => ['--recipients', n, '--connections', 4],
    servers: own,
  },
  {
    name: 'body',
    unit: 'bytes of body',
    each: [1_000, 'each KB'],
    points: [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 30_000_000],
    load: (n) => ['--body', n, '--connections', 4],
    servers: { events: 'body', objects: 'body', messages: 'body', libmilter: 'body' },
  },
  {
    name: 'connections',
    unit: 'connections',
    points: [10, 100, 1_000],
    load: (n) => ['--connections', n],
    servers: { events: 'noop', objects: 'noop', messages: 'noop', libmilter: 'noop' },
    // A message on one of many connections is to cost what it costs on one of few.
    flat: true,
  },
  {
    name: 'edits',
    unit: 'edits',
    points: [1, 10, 100, 1_000, 10_000],
    load: (n) => ['--edits', n, '--headers', Math.max(n, 20), '--connections', 4],
    servers: { messages: 'edits' },
    extra: (n) => [String(n)],
  },
]

/** By which power the cost has grown; 1 is linear. */
const growth = (before, after) =>
  Math.log(after.cpuMicroseconds / before.cpuMicroseconds) / Math.log(after.n / before.n)
/** Above noise: two measurements that are 15 % off make 0.12 of ten times as much. */
const TOO_MUCH = 0.25

async function series(what, servers) {
  const lines = []
  for (const server of servers) {
    const workload = what.servers[server.name]
    if (workload === undefined) continue
    const points = []
    for (const n of what.points) {
      try {
        const report = await measure(server, workload, {
          seconds: Number(options.seconds),
          warmUp: 0.5,
          node: options.node,
          transport: 'unix',
          load: what.load(n),
          extra: what.extra?.(n),
        })
        points.push({ n, cpuMicroseconds: report.cpuMicroseconds, p99: report.latencyMs.p99 })
      } catch (error) {
        console.error(error.message)
        process.exitCode = 1
        break
      }
    }
    lines.push({ server: server.name, workload, points })
  }
  const { name, unit, each = [1, 'each'], flat = false } = what
  return { name, unit, each, flat, lines }
}

function show({ name, unit, each: [per, each], flat, lines }) {
  const heads = [
    unit,
    ...lines.flatMap(({ server }) => [`${server}, µs`, flat ? '' : each, 'growth']),
  ]
  const counts = [...new Set(lines.flatMap(({ points }) => points.map(({ n }) => n)))]
  const rows = counts.map((n) => [
    n.toLocaleString('en'),
    ...lines.flatMap(({ points }) => {
      const at = points.findIndex((point) => point.n === n)
      if (at < 0) return [undefined, undefined, undefined]
      const power = at > 0 ? growth(points[at - 1], points[at]) : undefined
      return [
        digits(points[at].cpuMicroseconds),
        flat ? '' : digits((points[at].cpuMicroseconds * per) / n),
        power?.toFixed(2) ?? '',
      ]
    }),
  ])
  const limit = (flat ? 0 : 1) + TOO_MUCH
  const steep = lines.flatMap(({ server, points }) =>
    points
      .slice(1)
      .filter((point, at) => growth(points[at], point) > limit)
      .map(({ n }) => `${server} to ${n.toLocaleString('en')}`),
  )
  const verdict =
    steep.length === 0
      ? 'No server grows faster than it should.'
      : `Grows faster than it should: ${steep.join(', ')}.`
  return [`### ${name}`, '', table(heads, rows), '', verdict, ''].join('\n')
}

if (!options['no-build']) buildPackage()
buildLoad()
const wanted = options.only?.split(',')
const servers = availableServers(['libmilter', 'events', 'objects', 'messages'])
const here = machine(options.node)
console.log(`${describeMachine(here)}\n`)
const result = { date: new Date().toISOString(), machine: here, series: [] }
for (const what of SERIES) {
  if (wanted !== undefined && !wanted.includes(what.name)) continue
  const one = await series(what, servers)
  result.series.push(one)
  console.log(show(one))
}
// A part would take the place of the whole.
if (wanted === undefined) saveResult(result, { kind: 'linear' })
