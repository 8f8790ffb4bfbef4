import { inspect } from 'node:util'
import { printable } from '../diagnostics/printable.ts'

/** Priorities of syslog (RFC 5424, section 6.2.1). */
const PRIORITIES: Readonly<Record<string, number>> = {
  debug: 7,
  info: 6,
  warn: 4,
  error: 3,
  fatal: 2,
}
const COLORS: Readonly<Record<string, number>> = { debug: 90, info: 32, warn: 33, error: 31 }

/** A line of JSON with its priority in front, as the journal of systemd reads it. */
export function journalLine(line: string): string {
  const level = /^\{"level":"(\w+)"/.exec(line)?.[1]
  return `<${PRIORITIES[level ?? ''] ?? 6}>${line}`
}

/**
 * Makes a line of JSON readable: `12:34:56.789 INFO  message accepted queueId=4F2K1 ...`. The stack of an error
 * follows, indented. Text from the network cannot start a new line or colour a terminal. A line that is not JSON stays
 * as it is.
 */
export function readableLine(line: string, colors: boolean): string {
  let entry: Record<string, unknown>
  try {
    entry = JSON.parse(line) as Record<string, unknown>
  } catch {
    return line
  }
  const { level, time, msg, err, ...fields } = entry
  const name = String(level)
  const label = name.toUpperCase().padEnd(5)
  const shownLabel = colors ? `\x1b[${COLORS[name] ?? 0}m${label}\x1b[39m` : label
  const clock = typeof time === 'string' ? `${time.slice(11, 23)} ` : ''
  const message = typeof msg === 'string' ? ` ${printable(msg)}` : ''
  const pairs = Object.entries(fields).map(([key, value]) => {
    const shown = `${printable(key)}=${shownValue(value)}`
    return ` ${colors ? `\x1b[2m${shown}\x1b[22m` : shown}`
  })
  return `${clock}${shownLabel}${message}${pairs.join('')}\n${stackOf(err)}`
}

function shownValue(value: unknown): string {
  if (typeof value !== 'string') {
    return printable(inspect(value, { breakLength: Infinity, depth: 4 }))
  }
  return /^[\w.:@<>/+-]+$/.test(value) ? value : printable(JSON.stringify(value))
}

/** The stack and code of an error as pino writes it: an object with type, message, stack and other fields. */
function stackOf(error: unknown): string {
  if (error === undefined) return ''
  if (typeof error !== 'object' || error === null) return `    ${shownValue(error)}\n`
  const { stack, message, code } = error as Record<string, unknown>
  const text = [stack, message].find((one) => typeof one === 'string') ?? inspect(error)
  const lines = text.split('\n').map((line) => `    ${printable(line)}\n`)
  return lines.join('') + (code === undefined ? '' : `    code: ${shownValue(code)}\n`)
}
