// `npm run bench:workers`: what more workers of `tsmilter run` are good for, with a filter that is bound
// by the CPU. Server and generator share all cores: the generator needs next to nothing here.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { buildPackage } from '../scripts/setup.js'
import { buildLoad, runCommand } from './lib/build.js'
import { describeMachine, machine } from './lib/machine.js'
import { loadBeside, median, withServer } from './lib/measure.js'
import { cpuSeconds } from './lib/processes.js'
import { saveResult } from './lib/results.js'
import { digits, ratio, table } from './lib/table.js'

const { values: options } = parseArgs({
  options: {
    workers: { type: 'string' },
    repetitions: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    node: { type: 'string', default: process.execPath },
    'no-build': { type: 'boolean', default: false },
  },
})

/** 1, 2, 4 and so on, up to the cores there are. */
const powers = Array.from({ length: 10 }, (_, i) => 2 ** i)
const counts =
  options.workers?.split(',').map(Number) ??
  powers.filter((count) => count <= Math.max(2, availableParallelism()))

const server = (workers) => ({
  name: `tsmilter run --workers ${workers}`,
  allCores: true,
  command: (node, address) => runCommand(node, address, 'busy.js', workers),
})

async function once(workers) {
  const { node } = options
  return await withServer(
    server(workers),
    'noop',
    { transport: 'unix', node },
    async (address, pid) => {
      const args = ['--workload', 'noop', '--connections', 20, address]
      await loadBeside('--seconds', 1, ...args)
      const before = cpuSeconds(pid)
      const report = await loadBeside('--seconds', options.seconds, ...args)
      return {
        messagesPerSecond: report.messagesPerSecond,
        p99: report.latencyMs.p99,
        cpuMilliseconds: ((cpuSeconds(pid) - before) * 1e3) / report.allMessages,
        generatorShare: report.cpuShare,
      }
    },
  )
}

if (!options['no-build']) buildPackage()
buildLoad()
const here = { ...machine(options.node), pinning: 'not pinned' }
console.log(`${describeMachine(here)}\n`)
const runs = new Map(counts.map((workers) => [workers, []]))
// In turn, so that whatever else the machine does meets all of them.
for (let repetition = 0; repetition < Number(options.repetitions); repetition++) {
  for (const [workers, list] of runs) list.push(await once(workers))
}

const cases = [...runs].map(([workers, list]) => ({
  workers,
  messagesPerSecond: median(list.map((one) => one.messagesPerSecond)),
  p99: median(list.map((one) => one.p99)),
  cpuMilliseconds: median(list.map((one) => one.cpuMilliseconds)),
  generatorShare: median(list.map((one) => one.generatorShare)),
  runs: list,
}))
const [first] = cases
console.log(
  table(
    ['workers', 'messages/s', 'ratio', 'CPU ms', 'p99 ms', 'generator'],
    cases.map((one) => [
      one.workers,
      digits(one.messagesPerSecond),
      ratio(one.messagesPerSecond, first.messagesPerSecond),
      digits(one.cpuMilliseconds),
      digits(one.p99),
      `${(one.generatorShare * 100).toFixed(1)} %`,
    ]),
  ),
)
// A part would take the place of the whole.
if (options.workers === undefined) {
  saveResult({ date: new Date().toISOString(), machine: here, cases }, { kind: 'workers' })
}
