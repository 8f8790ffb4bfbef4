import { MilterError, UsageError } from '../../errors.ts'
import { isDeepStrictEqual } from 'node:util'
import { textLogger, type Logger } from '../../diagnostics/log.ts'
import { serveTelemetry, type TelemetryServer } from '../../telemetry/http.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { installedCode, replacedSince } from '../installed-code.ts'
import { identityOf } from './identity.ts'
import { Notifier } from './notify.ts'
import { writePidFile } from './pid-file.ts'
import { isConfigFile, readConfigFile } from '../config/config-file.ts'
import { ConfigFileError } from '../config/config-file-error.ts'
import { linesOf } from '../config/place.ts'
import type { OptionValues } from '../config/server-options.ts'
import { optionsOf } from '../../options/table.ts'
import { givenOptions, processSettings, runSettings } from './settings.ts'
import { Supervisor, type TextConfig } from './supervisor.ts'
import { LISTEN_VARIABLE, unknownVariables, words } from './unknown-variables.ts'
import { StartError } from './worker-process.ts'

/** How it ended: stopped by a signal, failed, or failed because of a mistake in an option. */
export type RunResult = { readonly ended: 'stopped' } | RunFailure

interface RunFailure {
  readonly ended: 'failed' | 'misused'
  /** why, in one line */
  readonly reason: string
}

const STOP: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT']
/** The reader of the log may close its end. Mail goes on. */
const onOutputError = (): void => {}

const RELOAD: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGUSR2']

/**
 * `tsmilter run`: runs filters until SIGTERM or SIGINT, and loads them again at SIGHUP or SIGUSR2. It handles these
 * signals while it runs.
 *
 * @param paths modules whose default export is a filter, or one configuration: a module or a text file
 * @param flags options of the command line, by name
 */
export async function runFilters(
  paths: readonly string[],
  flags: ReadonlyMap<string, unknown>,
): Promise<RunResult> {
  let log = textLogger('info')
  const env = process.env
  let telemetry: TelemetryServer | undefined
  let supervisor: Supervisor | undefined
  let removePidFile = async (): Promise<void> => {}
  let stopped: Promise<void> | undefined
  const onStop = (signal: NodeJS.Signals): void => {
    log.info({ signal }, stopped === undefined ? 'stopping' : 'stopping at once')
    stopped = supervisor?.stop(stopped !== undefined)
    wake()
  }
  const started = installedCode()
  const onReload = (): void => {
    supervisor?.reload()
    const replaced = replacedSince(started)
    if (replaced === undefined) return
    log.warn(
      { running: started.version },
      `${replaced}: the new workers run that code, and this process still the one it was started with; restart it`,
    )
  }
  let wake = (): void => {}
  const told = new Promise<void>((resolve) => (wake = resolve))
  try {
    for (const output of [process.stdout, process.stderr]) output.on('error', onOutputError)
    const text = paths.length === 1 ? paths.find(isConfigFile) : undefined
    const read = text === undefined ? undefined : readConfigFile(text, env)
    if (read !== undefined && read.mistakes.length > 0) throw new ConfigFileError(read.mistakes)
    const given = givenOptions(flags, env, read?.options)
    const settings = processSettings(given)
    log = await createLogger({ level: settings.logLevel, format: settings.logFormat })
    for (const { variable, meant } of unknownVariables(env)) {
      const hint = meant === undefined ? '' : `; did you mean ${meant}?`
      log.warn(`the environment variable ${variable} is not an option and has no effect${hint}`)
    }
    const identity = await identityOf(settings)
    if (identity !== undefined && identity.uid === undefined) {
      log.warn(
        '--group without --user: the workers have another group, but still run as root; use --user as well',
      )
    }
    const systemd = inheritedSockets(env)
    const inherited = systemd.length > 0 ? systemd : words(env[LISTEN_VARIABLE])
    if (settings.pidFile !== undefined) removePidFile = await writePidFile(settings.pidFile)
    supervisor = new Supervisor(
      {
        filters: paths,
        given,
        identity,
        inherited,
        version: started.version,
        // The value in a configuration is not known before a worker has loaded it.
        startTimeout: runSettings(given, undefined, '').startTimeout,
      },
      log,
      new Notifier(env, log),
      text === undefined ? undefined : () => textConfig(text, env, read!.options, log),
    )
    const supervised = supervisor
    if (settings.telemetry !== undefined) {
      telemetry = await serveTelemetry({
        listen: settings.telemetry,
        metrics: { text: () => supervised.metrics() },
        healthy: () => supervised.health,
        ready: () => supervised.readiness,
      })
      log.info({ url: telemetry.url }, 'telemetry')
    }
    for (const signal of STOP) process.on(signal, onStop)
    for (const signal of RELOAD) process.on(signal, onReload)
    await supervisor.start().catch((error: unknown) => {
      // After a stop, the error is not the fault of the filter.
      if (stopped === undefined) throw error
    })
    await told
    // Each further signal replaces the promise.
    for (let last; last !== stopped;) await (last = stopped)
    log.info('stopped')
    return { ended: 'stopped' }
  } catch (error) {
    if (error instanceof StartError) return failure(error.misused, error)
    if (error instanceof MilterError) return failure(error instanceof UsageError, error)
    throw error
  } finally {
    for (const signal of STOP) process.off(signal, onStop)
    for (const signal of RELOAD) process.off(signal, onReload)
    await telemetry?.close()
    await removePidFile()
  }
}

/**
 * What the primary has to know of a text file, at the start and at each reload.
 *
 * @param before the options at the start
 */
function textConfig(
  path: string,
  env: NodeJS.ProcessEnv,
  before: OptionValues,
  log: Logger,
): TextConfig {
  const { options, mistakes } = readConfigFile(path, env)
  for (const { name } of optionsOf('process')) {
    if (isDeepStrictEqual(before.get(name), options.get(name))) continue
    log.warn(`the option ${name} of ${path} has changed, which has no effect before a restart`)
  }
  return { mistakes: linesOf(mistakes), listen: options.get('listen') as readonly string[] }
}

const failure = (misused: boolean, { message }: Error): RunFailure => ({
  ended: misused ? 'misused' : 'failed',
  reason: message,
})

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST_DESCRIPTOR = 3

/** Addresses of the sockets that systemd has opened for this process. */
function inheritedSockets({ LISTEN_PID, LISTEN_FDS }: NodeJS.ProcessEnv): string[] {
  const count = Number(LISTEN_FDS)
  if (Number(LISTEN_PID) !== process.pid || !Number.isInteger(count) || count < 1) return []
  return Array.from({ length: Math.min(count, 1_000) }, (_, n) => `fd:${FIRST_DESCRIPTOR + n}`)
}
