import { readFileSync } from 'node:fs'

/**
 * Maximum number of descriptors of this process, or Infinity if the system does not say. Node raises its soft limit to
 * the hard limit (`ulimit -Hn`).
 */
export function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1')
    const [, soft] = /^Max open files +(\d+)/m.exec(limits) ?? []
    return soft === undefined ? Infinity : Number(soft)
  } catch {
    return Infinity
  }
}
