import type { Logger, LogLevel } from '../diagnostics/log.ts'

/** A line that a filter logged, or that was logged about it. */
export interface LogLine {
  readonly level: LogLevel
  readonly message: string
  /** the fields of the line; `err` is what a handler threw */
  readonly fields: Readonly<Record<string, unknown>>
}

/** A logger that keeps its lines in `lines`. */
export function recordingLogger(
  lines: LogLine[],
  bound: Readonly<Record<string, unknown>> = {},
): Logger {
  const at =
    (level: LogLevel) =>
    (first: object | string, message?: string): void => {
      lines.push(
        typeof first === 'string'
          ? { level, message: first, fields: bound }
          : { level, message: message ?? '', fields: { ...bound, ...first } },
      )
    }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => recordingLogger(lines, { ...bound, ...fields }),
  }
}
