import { inspect } from 'node:util'
import { printable } from './printable.ts'

/**
 * The logger that this package uses. It has the methods of pino, so you can pass a pino logger as it is. Each method
 * takes fields and a message, or only a message.
 */
export interface Logger {
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
  /** Returns a logger that adds these fields to each line. If it is missing, this package adds the fields. */
  child?(fields: Record<string, unknown>): Logger
}

/** A method of a {@link Logger}. */
export interface LogMethod {
  (fields: object, message: string): void
  (message: string): void
}

/** The level of a log line. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/**
 * A logger that writes lines `level message key=value ...` to standard error. It leaves out lines below `level`.
 *
 *     await runMilter('tag', { factory: tag, listen: 'inet:8890@localhost', logger: textLogger('debug') })
 */
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

/** A logger that writes nothing. */
export function silentLogger(): Logger {
  return fromSink(() => {}, {})
}

/**
 * A logger that never throws. If the given logger throws, only the line is lost. This matters after a handler has
 * failed, because mail must get its answer anyway. The first failure emits a process warning.
 */
export function guardedLogger(logger: Logger): Logger {
  let told = false
  const failed = (error: unknown): void => {
    if (told) return
    told = true
    process.emitWarning(
      `the logger failed, lines are lost: ${textOf(error)}`,
      'TsmilterWarning',
    )
  }
  const guard = (inner: Logger): Logger => {
    const at =
      (level: LogLevel): LogMethod =>
      (...line: unknown[]): void => {
        try {
          const write = inner[level] as (...line: unknown[]) => unknown
          const written = write.apply(inner, line)
          // The method may be async by mistake.
          if (written instanceof Promise) written.catch(failed)
        } catch (error) {
          failed(error)
        }
      }
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child(fields) {
        try {
          return guard(childLogger(inner, fields))
        } catch (error) {
          failed(error)
          return silentLogger()
        }
      },
    }
  }
  return guard(logger)
}

function textOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : inspect(error)
  } catch {
    return 'it threw a value that cannot be inspected'
  }
}

/** `logger` with more fields on each line, whether it has `child` or not. */
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

/** Returns one word unchanged. Quotes and escapes all other text. */
const word = (text: string): string =>
  /^[\w.:@<>/+-]+$/.test(text) ? text : printable(JSON.stringify(text))

function plainText(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value, { breakLength: Infinity })
}

function errorText(error: Error): string {
  const code = 'code' in error ? ` [${String(error.code)}]` : ''
  return `${error.stack ?? error.message}${code}`
}
