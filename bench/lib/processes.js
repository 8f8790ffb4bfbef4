// Processes under measurement: started on a core of their own, looked at in /proc, ended by the number
// of the group that was made for them.
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

const cores = availableParallelism()
const canPin = cores > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0
export const pinning = canPin
  ? `server on core 0, generator on core ${cores - 1}`
  : 'not pinned: taskset (Debian: util-linux) or a second core is missing'

const pinned = (core, command) => (canPin ? ['taskset', '-c', `${core}`, ...command] : command)
/** The generator's command on its core, which it has for itself: so it need not sleep. */
export const onLoadCore = (program, args) =>
  pinned(cores - 1, [program, ...(canPin ? ['--spin'] : []), ...args])

const groups = new Set()
process.on('exit', () => {
  for (const group of groups) end(group)
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))

function end(group) {
  groups.delete(group)
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** Starts a server, on the first core or on all of them, and waits until it answers. */
export async function startServer(command, address, { env = {}, allCores = false } = {}) {
  const [program, ...args] = allCores ? command : pinned(0, command)
  // A group of its own, because some servers are several processes.
  const child = spawn(program, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  let said = ''
  let failed
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => (said = (said + text).slice(-2_000)))
  }
  child.on('error', (error) => (failed = error.message))
  if (child.pid !== undefined) groups.add(child.pid)
  const until = Date.now() + 15_000
  while (!(await answers(address))) {
    if (failed !== undefined || child.exitCode !== null || Date.now() > until) {
      end(child.pid)
      throw new Error(`${command.join(' ')} does not listen: ${failed ?? said}`)
    }
    await sleep(20)
  }
  return {
    pid: child.pid,
    get said() {
      return said
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('close', resolve))
      end(child.pid)
      await ended
    },
  }
}

function answers(address) {
  const place = address.slice(address.indexOf(':') + 1)
  return new Promise((resolve) => {
    const socket = address.startsWith('unix:')
      ? connect(place)
      : connect(Number.parseInt(place, 10), '127.0.0.1')
    socket.on('connect', () => resolve(true))
    socket.on('connect', () => socket.destroy())
    socket.on('error', () => resolve(false))
  })
}

/** Fields of /proc/PID/stat from the third on; the second may have spaces in it. */
function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** A process and all below it. */
function family(pid) {
  const children = new Map()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const parent = stat(name)[1]
      children.set(parent, [...(children.get(parent) ?? []), name])
    } catch {
      // It has just ended.
    }
  }
  const all = [`${pid}`]
  for (const one of all) all.push(...(children.get(one) ?? []))
  return all
}

const TICKS = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100

/** CPU seconds a process and its children have used, those that have ended included. */
export function cpuSeconds(pid) {
  let ticks = 0
  for (const one of family(pid)) {
    try {
      // utime, stime, cutime, cstime
      for (const field of stat(one).slice(11, 15)) ticks += Number(field)
    } catch {
      // As above; its parent will have it.
    }
  }
  return ticks / TICKS
}

/** Resident memory in bytes. */
export function memory(pid) {
  let bytes = 0
  for (const one of family(pid)) {
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${one}/status`, 'latin1'))
    if (found) bytes += Number(found[1]) * 1024
  }
  return bytes
}
