import { fstatSync } from 'node:fs'
import { LOG_FORMATS, LOG_LEVELS } from '../options/table.ts'
import { invalidOption } from '../options/validate.ts'
import type { Logger, LogLevel } from '../diagnostics/log.ts'
import { journalLine, readableLine } from './log-line.ts'

/**
 * - `json`: one JSON object a line, with `level` as a word and `time` in ISO 8601
 * - `text`: for people at a terminal
 * - `journal`: JSON as well, with the priority in front as systemd wants it (sd-daemon(3): `<6>`), so
 *   that `journalctl -p warning` works; without `time`, which the journal has itself
 */
export type LogFormat = 'json' | 'text' | 'journal'

export interface LoggerOptions {
  /** Nothing below it. @default 'info' */
  readonly level?: LogLevel | 'silent' | undefined
  /**
   * `auto`: `text` on a terminal, `journal` if systemd has connected standard output with its journal,
   * otherwise `json`.
   * @default 'auto'
   */
  readonly format?: LogFormat | 'auto' | undefined
  /**
   * Colours in `text`.
   * @default on a terminal, unless NO_COLOR is set
   */
  readonly colors?: boolean | undefined
  /** Where lines go, with their line end. @default standard output */
  readonly write?: ((line: string) => void) | undefined
}

/**
 * A logger of pino, for the option `logger` of a server and for {@link logMessages}. A field `err` is an
 * error. Each line is one line, whatever is in its fields.
 *
 * Needs the package `pino`, which is loaded at the call.
 *
 * @throws UsageError INVALID_OPTION
 */
export async function createLogger(options: LoggerOptions = {}): Promise<Logger> {
  const { level = 'info', format = 'auto', write } = options
  if (!LOG_LEVELS.includes(level)) throw invalidOption('level', level, LOG_LEVELS.join(', '))
  if (!LOG_FORMATS.includes(format)) {
    throw invalidOption('format', format, LOG_FORMATS.join(', '))
  }
  const { pino } = await import('pino')
  const chosen = format === 'auto' ? formatOf(process.stdout, process.env) : format
  const out = write ?? ((line: string): void => void process.stdout.write(line))
  const colors = options.colors ?? (process.stdout.isTTY && !('NO_COLOR' in process.env))
  const logger: Logger = pino(
    {
      level,
      // Who writes is known: the journal and container engines add it.
      base: null,
      timestamp: chosen === 'journal' ? false : pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => out(FORMATTERS[chosen](line, colors)) },
  )
  return logger
}

const FORMATTERS: Readonly<Record<LogFormat, (line: string, colors: boolean) => string>> = {
  json: (line) => line,
  journal: journalLine,
  text: readableLine,
}

/** What suits an output. */
export function formatOf(
  output: { readonly isTTY?: boolean; readonly fd?: number },
  environment: Readonly<Record<string, string | undefined>>,
): LogFormat {
  if (output.isTTY === true) return 'text'
  return isJournal(output.fd, environment['JOURNAL_STREAM']) ? 'journal' : 'json'
}

/**
 * systemd tells device and inode of the journal's stream, to be compared with the output: the variable
 * is inherited also by processes whose output goes elsewhere (systemd.exec(5), JOURNAL_STREAM).
 */
function isJournal(fd: number | undefined, stream: string | undefined): boolean {
  if (fd === undefined || stream === undefined) return false
  try {
    const { dev, ino } = fstatSync(fd)
    return stream === `${dev}:${ino}`
  } catch {
    return false
  }
}
