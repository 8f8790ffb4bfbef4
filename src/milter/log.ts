import { inspect } from 'node:util'
import { printable } from './printable.ts'

/**
 * What this package logs to: the shape of pino, so that a pino logger can be passed as it is.
 * Each method takes fields and a message, or a message alone.
 */
export interface Logger {
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
  /** A logger whose every line carries these fields. Without it the fields are added here. */
  child?(fields: Record<string, unknown>): Logger
}

export interface LogMethod {
  (fields: object, message: string): void
  (message: string): void
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** Lines on standard error: `level message key=value ...`. Nothing below `level`. */
export function textLogger(
  level: LogLevel = 'warn',
  write: (line: string) => void = (line) => process.stderr.write(line),
): Logger {
  const first = LEVELS.indexOf(level)
  return fromSink((at, fields, message) => {
    if (LEVELS.indexOf(at) >= first) {
      write(`${at} ${printable(message)}${formatFields(fields)}\n`)
    }
  }, {})
}

/** A logger that says nothing. */
export function silentLogger(): Logger {
  return fromSink(() => {}, {})
}

/** `logger` with more fields on each line, whether it knows `child` or not. */
export function childLogger(logger: Logger, fields: Record<string, unknown>): Logger {
  if (logger.child !== undefined) return logger.child(fields)
  return fromSink((level, more, message) => logger[level](more, message), fields)
}

type Sink = (level: LogLevel, fields: Record<string, unknown>, message: string) => void

function fromSink(sink: Sink, bound: Record<string, unknown>): Logger {
  const at =
    (level: LogLevel): LogMethod =>
    (first: object | string, message?: string) =>
      typeof first === 'string'
        ? sink(level, bound, first)
        : sink(level, { ...bound, ...first }, message ?? '')
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => fromSink(sink, { ...bound, ...fields }),
  }
}

function formatFields(fields: Record<string, unknown>): string {
  let text = ''
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue
    const shown = value instanceof Error ? errorText(value) : plainText(value)
    text += ` ${word(key)}=${word(shown)}`
  }
  return text
}

/** As it is if it is one word; else in quotes, and escaped. */
const word = (text: string): string =>
  /^[\w.:@<>/+-]+$/.test(text) ? text : printable(JSON.stringify(text))

function plainText(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value, { breakLength: Infinity })
}

function errorText(error: Error): string {
  const code = 'code' in error ? ` [${String(error.code)}]` : ''
  return `${error.stack ?? error.message}${code}`
}
