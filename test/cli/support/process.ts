// What the system knows of a process; Linux only.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** What keeps tests away that look into /proc and change limits of processes. */
export const notLinux: string | false =
  process.platform !== 'linux'
    ? 'only Linux has /proc and prlimit'
    : spawnSync('prlimit', ['--version']).status !== 0 && 'prlimit (util-linux) is not here'

/** Processes that a process has started, and that live. */
export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => statOf(pid)?.parent === parent)
}

/** Open descriptors. */
export const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

export const isAlive = (pid: number): boolean => statOf(pid) !== undefined

/** Seconds of CPU it has used, in user and kernel mode (proc(5): 100 ticks a second). */
export const cpuTimeOf = (pid: number): number => statOf(pid)!.ticks / 100

/** Bytes in memory. */
export function residentSizeOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(
    readFileSync(`/proc/${pid}/status`, 'latin1'),
  )!
  return Number(kilobytes) * 1024
}

/**
 * Sets the soft limit of a running process, which its owner may raise again.
 * @param value a number, or 'max' for all that is allowed
 */
export function limit(pid: number, what: 'nofile' | 'fsize', value: number | 'max'): void {
  const maximum = value === 'max' ? hardLimit(pid, what) : value
  const { status, stderr } = spawnSync('prlimit', ['--pid', `${pid}`, `--${what}=${maximum}:`])
  if (status !== 0) throw new Error(`prlimit: ${String(stderr)}`)
}

/** The most it can have. */
export function hardLimit(pid: number, what: 'nofile' | 'fsize'): string {
  const name = { nofile: 'Max open files', fsize: 'Max file size' }[what]
  const limits = readFileSync(`/proc/${pid}/limits`, 'latin1')
  return new RegExp(`^${name} +\\S+ +(\\S+)`, 'm').exec(limits)![1]!
}

/** proc(5), /proc/PID/stat: "pid (name) state parent ...". Nothing for one that has ended. */
function statOf(pid: number): { parent: number; ticks: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    // A zombie only waits for its parent.
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }
  } catch {
    return undefined
  }
}
