// Where a measurement was made. No names of hosts or people: results are published.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { pinning } from './processes.js'
import { SERVERS } from './servers.js'

const ask = (program, ...args) => {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

function system() {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]
  } catch {
    return undefined
  }
}

export function machine(node) {
  const versions = { node: ask(node, '--version'), gcc: ask('gcc', '-dumpfullversion') }
  for (const server of SERVERS) {
    if (server.package === undefined) continue
    const version = ask('dpkg-query', '-W', '-f', '${Version}', server.package)
    if (version) versions[server.package] = version
  }
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory: totalmem(),
    kernel: release(),
    system: system(),
    pinning,
    versions,
  }
}

export const describeMachine = (it) =>
  `${it.cores} cores, ${it.cpu}, ${Math.round(it.memory / 2 ** 30)} GiB; ${it.system ?? 'Linux'}, ` +
  `kernel ${it.kernel}; ` +
  Object.entries(it.versions)
    .filter(([, version]) => version !== undefined)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')
