import { inspect } from 'node:util'

/** A value as a message shows it: in one line, at most 200 characters. */
export function show(value: unknown): string {
  const shown =
    typeof value === 'string'
      ? JSON.stringify(value)
      : inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 10 })
  return shown.length > 200 ? `${shown.slice(0, 200)}...` : shown
}
