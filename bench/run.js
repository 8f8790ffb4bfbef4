// `npm run bench`: the load of a mail server against this package, against others, and against servers
// that do nothing, in turn on the same machine. What counts are the ratios.
import { parseArgs } from 'node:util'
import { buildPackage } from '../scripts/setup.js'
import { buildLoad } from './lib/build.js'
import { describeMachine, machine } from './lib/machine.js'
import { measure, measureMemory, median } from './lib/measure.js'
import { saveResult } from './lib/results.js'
import { availableServers, SERVERS } from './lib/servers.js'
import { digits, ratio, table } from './lib/table.js'

const HELP = `usage: npm run bench -- [options]
  --quick             the daily one: a few servers, once, within a minute
  --servers LIST      ${SERVERS.map(({ name }) => name).join(',')}
  --workloads LIST    noop,addheader,addheader-nr,body,body-1m
  --transports LIST   unix,tcp
  --connections LIST  by default 20,200 on a unix socket, 20 with TCP
  --repetitions N     3; the median counts
  --seconds S         1.5, of each (--quick: 1)
  --warm-up S         4 for Node, which compiles for some seconds what it runs (--quick: 1.5);
                      half a second for the others
  --node PATH         another Node for the servers that need one
  --like-postfix      sockets used as Postfix uses them; see bench/README.md
  --no-memory         without memory
  --no-build          the last build is good enough
`

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    servers: { type: 'string' },
    workloads: { type: 'string' },
    transports: { type: 'string' },
    connections: { type: 'string' },
    repetitions: { type: 'string' },
    seconds: { type: 'string' },
    'warm-up': { type: 'string' },
    node: { type: 'string', default: process.execPath },
    'like-postfix': { type: 'boolean', default: false },
    'no-memory': { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(HELP)
  process.exit()
}

const list = (text) => text?.split(',').filter((word) => word !== '')
const { quick, node } = options
const QUICK_SERVERS = ['floor.js', 'libmilter', 'events', 'objects', 'messages']

/** What differs from a usual message (20 fields, 10 KB, one recipient, ten messages a connection). */
const WORKLOADS = {
  noop: {},
  addheader: {},
  'addheader-nr': { connections: [20] },
  body: {},
  'body-1m': {
    server: 'body',
    load: ['--body', 1_000_000],
  },
}

const servers =
  list(options.servers) ?? (quick ? QUICK_SERVERS : SERVERS.map(({ name }) => name))
const workloads =
  list(options.workloads) ?? (quick ? ['noop', 'addheader', 'body'] : Object.keys(WORKLOADS))
const repetitions = Number(options.repetitions ?? (quick ? 1 : 3))
const times = {
  seconds: Number(options.seconds ?? (quick ? 1 : 1.5)),
  warmUp: Number(options['warm-up'] ?? (quick ? 1.5 : 4)),
}
const likePostfix = options['like-postfix'] ? ['--like-postfix'] : []

/** Combinations of workload, transport and number of connections. */
function situations() {
  const all = []
  for (const workload of workloads) {
    const what = WORKLOADS[workload]
    if (what === undefined) {
      console.error(`no workload ${workload}: ${Object.keys(WORKLOADS).join(', ')}`)
      process.exit(2)
    }
    const transports =
      list(options.transports) ?? (quick ? ['unix'] : (what.transports ?? ['unix', 'tcp']))
    for (const transport of transports) {
      // Over TCP the number of connections tells nothing new, and takes its time.
      const usual = quick || transport === 'tcp' ? [20] : (what.connections ?? [20, 200])
      const connections = list(options.connections)?.map(Number) ?? usual
      for (const count of connections) all.push({ workload, transport, connections: count })
    }
  }
  return all
}

async function run() {
  if (!options['no-build']) buildPackage()
  buildLoad()
  const chosen = availableServers(servers)
  const started = new Date()
  const result = {
    date: started.toISOString(),
    machine: machine(node),
    settings: { ...times, repetitions, likePostfix: options['like-postfix'] },
    cases: [],
    memory: [],
  }
  console.log(`${describeMachine(result.machine)}\n${result.machine.pinning}\n`)
  let failures = 0

  for (const situation of situations()) {
    const what = WORKLOADS[situation.workload]
    const workload = what.server ?? situation.workload
    const entries = chosen
      .filter((server) => server.workloads.includes(workload))
      .filter((server) => server.only === undefined || server.only === situation.transport)
      .map((server) => ({ server, runs: [], error: undefined }))
    // In turn, so that whatever else the machine does meets all of them.
    for (let repetition = 0; repetition < repetitions; repetition++) {
      for (const entry of entries) {
        if (entry.error !== undefined) continue
        try {
          const report = await measure(entry.server, workload, {
            ...times,
            node,
            transport: situation.transport,
            load: [
              '--connections',
              situation.connections,
              ...(what.load ?? []),
              ...likePostfix,
            ],
          })
          entry.runs.push(report)
        } catch (error) {
          entry.error = error.message
          failures++
        }
      }
    }
    const cases = entries.map((entry) => summary(situation, entry))
    result.cases.push(...cases)
    console.log(showCases(situation, cases))
  }

  if (!quick && !options['no-memory']) {
    for (const server of chosen) {
      // Variants of others use as much.
      if (server.manyConnections === false || server.only !== undefined) continue
      if (!server.workloads.includes('noop')) continue
      try {
        result.memory.push({
          server: server.name,
          ...(await measureMemory(server, { node }, 1_000)),
        })
      } catch (error) {
        console.error(`memory of ${server.name}: ${error.message}`)
        failures++
      }
    }
    console.log(showMemory(result.memory))
  }

  if (!quick) save(result)
  return failures
}

function summary(situation, { server, runs, error }) {
  const of = (read) => (runs.length > 0 ? median(runs.map(read)) : undefined)
  return {
    ...situation,
    server: server.name,
    messagesPerSecond: of((run) => run.messagesPerSecond),
    cpuMicroseconds: of((run) => run.cpuMicroseconds),
    p50: of((run) => run.latencyMs.p50),
    p99: of((run) => run.latencyMs.p99),
    roundTrips: of((run) => run.roundTrips),
    generatorCpu: of((run) => run.cpuShare),
    error,
    runs,
  }
}

function showCases({ workload, transport, connections }, cases) {
  const find = (name) => cases.find((one) => one.server === name)
  const libmilter = find('libmilter')
  const floor = find('floor.js')
  const rows = cases.map((one) => [
    one.server,
    digits(one.messagesPerSecond),
    digits(one.cpuMicroseconds),
    digits(one.p99),
    digits(one.roundTrips),
    ratio(one.messagesPerSecond, libmilter?.messagesPerSecond),
    ratio(one.cpuMicroseconds, libmilter?.cpuMicroseconds),
    ratio(one.messagesPerSecond, floor?.messagesPerSecond),
    ratio(one.cpuMicroseconds, floor?.cpuMicroseconds),
  ])
  const heads = [
    'server',
    'msg/s',
    'CPU µs',
    'p99 ms',
    'trips',
    '× libmilter',
    'its CPU',
    '× floor.js',
    'its CPU',
  ]
  const notes = cases.flatMap(({ server, error, generatorCpu }) => [
    ...(error === undefined ? [] : [`${server} failed: ${error}`]),
    ...(generatorCpu > 0.9
      ? [
          `${server}: the generator was busy ${Math.round(generatorCpu * 100)} % of the time, so it may be the limit`,
        ]
      : []),
  ])
  const plural = connections === 1 ? '' : 's'
  return [
    `### ${workload}, ${transport}, ${connections} connection${plural}`,
    '',
    table(heads, rows),
    ...(notes.length > 0 ? ['', ...notes] : []),
    '',
  ].join('\n')
}

function showMemory(entries) {
  const mib = (bytes) => digits(bytes / 2 ** 20)
  return [
    '### Memory',
    '',
    table(
      ['server', 'started, MiB', 'after 1,000 messages, MiB', 'idle connection, KiB'],
      entries.map((one) => [
        one.server,
        mib(one.started),
        mib(one.warm),
        digits(one.perConnection / 1024),
      ]),
    ),
    '',
  ].join('\n')
}

function save(result) {
  const groups = new Map()
  for (const one of result.cases) {
    const key = `${one.workload} ${one.transport} ${one.connections}`
    groups.set(key, [...(groups.get(key) ?? []), one])
  }
  const parts = [...groups.values()].map((cases) => showCases(cases[0], cases))
  if (result.memory.length > 0) parts.push(showMemory(result.memory))
  // A part of it does not replace the whole.
  const { workloads: names, servers: some, transports, connections } = options
  const part = [some, transports, connections].some((value) => value !== undefined)
  const kind = [names?.replaceAll(',', '+'), part ? 'part' : undefined].filter(Boolean)
  saveResult(result, {
    kind: kind.join('-'),
    variant: result.settings.likePostfix ? 'like-postfix' : undefined,
    markdown: `${describeMachine(result.machine)}\n\n${parts.join('\n')}`,
  })
}

process.exitCode = (await run()) > 0 ? 1 : 0
