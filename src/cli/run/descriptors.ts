import { readFileSync } from 'node:fs'

/**
 * How many descriptors this process may have (`ulimit -Hn`: Node raises its own limit to that), or
 * Infinity where the system does not say.
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
