// One measurement: a fresh server, a warm-up, and the load.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { built } from './build.js'
import { cpuSeconds, memory, onLoadCore, startServer } from './processes.js'

/** What the load generator says; throws with its reason if an answer was wrong. */
export async function load(...args) {
  return await reportOf(startLoad(args, 'ignore'))
}

/** The same beside a server that has all cores: the generator sleeps while it waits. */
export async function loadBeside(...args) {
  return await reportOf(startLoad(args, 'ignore', (program, rest) => [program, ...rest]))
}

async function reportOf(child) {
  const { code, out, said } = await child.ended
  if (code !== 0) throw new Error(said.trim() || `the load generator ended with ${code}`)
  return JSON.parse(out)
}

function startLoad(args, stdin, command = onLoadCore) {
  const [program, ...rest] = command(built('load'), args.map(String))
  const child = spawn(program, rest, { stdio: [stdin, 'pipe', 'pipe'] })
  let out = ''
  let said = ''
  child.stdout.on('data', (text) => (out += text))
  child.stderr.on('data', (text) => (said += text))
  child.ended = new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out, said }))
  })
  return child
}

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Runs something against a fresh server. */
export async function withServer(server, workload, { transport, node, extra = [] }, use) {
  const folder = mkdtempSync(join(tmpdir(), 'tsmilter-bench-'))
  const address =
    transport === 'tcp'
      ? `inet:${await freePort()}@127.0.0.1`
      : `unix:${join(folder, 'filter.sock')}`
  let running
  try {
    running = await startServer(
      server.command(node, address, workload, ...extra),
      address,
      server,
    )
    return await use(address, running.pid)
  } catch (error) {
    throw new Error(
      `${server.name}, ${workload}: ${error.message}\n${running?.said ?? ''}`.trim(),
      {
        cause: error,
      },
    )
  } finally {
    await running?.stop()
    rmSync(folder, { recursive: true })
  }
}

const FEW = 50
/** Seconds of warm-up for a server that does not compile. */
const SHORT = 0.5

/**
 * A run of the load on a fresh server.
 * @param options.load arguments of the load generator, without the address
 * @returns its report, and the server's CPU time for each message
 */
export async function measure(server, workload, options) {
  const { warmUp: wanted = SHORT, seconds = 2 } = options
  const warmUp = server.compiles ? wanted : Math.min(wanted, SHORT)
  return await withServer(server, workload, options, async (address, pid) => {
    const args = ['--workload', workload, ...(server.load ?? []), ...options.load, address]
    if (warmUp > 0) await load('--seconds', warmUp, ...args)
    const run = async (time) => {
      const before = cpuSeconds(pid)
      // Where it listened is of this machine only.
      const { address: _here, ...report } = await load('--seconds', time, ...args)
      const cpu = cpuSeconds(pid) - before
      return { ...report, cpuMicroseconds: (cpu * 1e6) / report.allMessages }
    }
    const report = await run(seconds)
    // What takes a second for a message needs more than two of them.
    return report.messages < FEW ? await run(4 * seconds) : report
  })
}

/** Memory of a server: just started, after some messages, and with connections that only wait. */
export async function measureMemory(server, options, connections) {
  const workload = 'noop'
  return await withServer(
    server,
    workload,
    { ...options, transport: 'unix' },
    async (address, pid) => {
      const args = ['--workload', workload, ...(server.load ?? []), address]
      const started = memory(pid)
      await load('--messages', connections, ...args)
      const warm = memory(pid)
      const holding = startLoad(['--hold', '--connections', connections, ...args], 'pipe')
      const held = await Promise.race([
        new Promise((resolve) => holding.stdout.once('data', () => resolve(true))),
        holding.ended.then(() => false),
      ])
      const full = held ? memory(pid) : 0
      holding.stdin.end()
      const { code, said } = await holding.ended
      if (code !== 0) throw new Error(said.trim())
      return { started, warm, connections, perConnection: (full - warm) / connections }
    },
  )
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
