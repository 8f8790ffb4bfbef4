import { fstatSync } from 'node:fs'
import { LOG_FORMATS, LOG_LEVELS } from '../options/table.ts'
import { invalidOption } from '../options/invalid-option.ts'
import type { Logger, LogLevel } from '../diagnostics/log.ts'
import { journalLine, readableLine } from './log-line.ts'

/**
 * The format of log lines:
 *
 * - `json`: one JSON object in each line, with `level` as a word and `time` in ISO 8601
 * - `text`: readable lines for a terminal
 * - `journal`: JSON with the priority in front (sd-daemon(3): `<6>`), so that `journalctl -p warning` works; without
 *   `time`, because the journal adds it
 */
export type LogFormat = 'json' | 'text' | 'journal'

/** Options of {@link createLogger}. */
export interface LoggerOptions {
  /** The lowest level that is logged. @default 'info' */
  readonly level?: LogLevel | 'silent' | undefined
  /**
   * `auto` is `text` on a terminal, `journal` if systemd has connected standard output with its journal, and otherwise
   * `json`.
   * @default 'auto'
   */
  readonly format?: LogFormat | 'auto' | undefined
  /**
   * Whether `text` has colours.
   * @default true on a terminal, unless NO_COLOR is set
   */
  readonly colors?: boolean | undefined
  /** Writes a line, including its line end. @default standard output */
  readonly write?: ((line: string) => void) | undefined
}

/**
 * Creates a pino logger, for the option `logger` of a server and for {@link logMessages}. A field `err` is written as
 * an error. Text in fields cannot start a new line.
 *
 * It needs the package `pino`, which it loads when you call it.
 *
 *     const logger = await createLogger({ level: 'debug', format: 'text' })
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
      // No process id or host name, because the journal and container engines add them.
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

/** The format that suits an output. */
export function formatOf(
  output: { readonly isTTY?: boolean; readonly fd?: number },
  environment: Readonly<Record<string, string | undefined>>,
): LogFormat {
  if (output.isTTY === true) return 'text'
  return isJournal(output.fd, environment['JOURNAL_STREAM']) ? 'journal' : 'json'
}

/**
 * Compares the output with the device and inode of the journal's stream, which systemd sets in a variable. The variable
 * alone is not sufficient, because processes whose output goes elsewhere also inherit it (systemd.exec(5),
 * JOURNAL_STREAM).
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
