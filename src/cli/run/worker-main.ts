// A worker of `tsmilter run`. It changes to its user and group, loads the filters, and serves the connections that the
// primary has accepted. It talks only to the primary, which also handles the signals.
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { UsageError } from '../../errors.ts'
import { childLogger, type Logger } from '../../diagnostics/log.ts'
import { MilterServer } from '../../server/server.ts'
import { MAX_TIMER } from '../../options/kinds.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { logMessages } from '../../telemetry/message-log.ts'
import { collectMetrics, type Metrics } from '../../telemetry/metrics.ts'
import { ConfigFileError } from '../config/config-file-error.ts'
import { loadFilters, type LoadedFilters } from './load.ts'
import { oneLine } from './module.ts'
import type { FindingLevel } from '../../filters/inspection.ts'
import type { RunSettings } from '../../options/settings.ts'
import type { FromWorker, Identity, ToWorker } from './messages.ts'
import { readTls } from '../../net/pem-files.ts'
import { processSettings, runSettings } from './settings.ts'

/** Maximum milliseconds between two heartbeats. */
const HEARTBEAT = 1_000

let server: MilterServer | undefined
/** undefined if they are not shown anywhere, because counting costs time */
let metrics: Metrics | undefined
let log: Logger | undefined
let stopping = false

const tell = (message: FromWorker, then: () => void = () => {}): void => {
  // The primary may have ended. Then `disconnect` is emitted.
  process.send?.(message, undefined, undefined, then)
}

// The reader of the log may close its end. Mail goes on.
for (const output of [process.stdout, process.stderr]) output.on('error', () => {})

process.on('message', (message: ToWorker, socket?: Socket) => {
  switch (message.type) {
    case 'load':
      void load(message)
      return
    case 'connection':
      tell({ type: 'taken', id: message.id })
      // Undefined if the other side closed it before it arrived.
      if (socket !== undefined) server?.accept(socket)
      return
    case 'echo':
      tell(message)
      return
    case 'count':
      void count()
      return
    case 'stop':
      void stop(message.deadline, message.quiet)
  }
})

// Signals from the terminal and to the process group also reach the worker.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const) {
  process.on(signal, () => {})
}

// Without the primary, the worker gets no more connections, and nothing else would stop it.
process.on('disconnect', () => {
  if (stopping) return
  log?.error('the primary process has ended: this worker finishes its sessions and ends')
  void stop(30_000, 2_000)
})

async function load(message: ToWorker & { type: 'load' }): Promise<void> {
  try {
    if (message.identity !== undefined) become(message.identity)
    const { logLevel, logFormat, telemetry } = processSettings(message.given)
    const found = await loadFilters(message.filters)
    const { factory, config, source, ...loaded } = found
    const settings = runSettings(message.given, config, source)
    // `connection` is a number of this process. With the process id it is unique among all workers.
    const own = { pid: process.pid }
    log =
      loaded.logger ??
      childLogger(await createLogger({ level: logLevel, format: logFormat }), own)
    const logger = log
    if (message.tries && found.file !== undefined) await tryOut(found, settings, logger)
    logMessages(logger, { content: settings.logContent })
    const tls = settings.tls && (await readTls(settings.tls))
    const made = new MilterServer(factory, { ...settings, tls, logger })
    const memory = (): MilterServer['memory'] => made.memory
    if (telemetry !== undefined) metrics = await collectMetrics({ logger, memory })
    server = made
    tell({ type: 'loaded', settings, name: factory.name })
    setInterval(
      () => tell({ type: 'alive', healthy: made.healthy }),
      Math.min(HEARTBEAT, Math.max(10, settings.hangTimeout / 4)),
    )
  } catch (error) {
    const misused = error instanceof UsageError
    const reason = error instanceof ConfigFileError ? error.message : oneLine(error)
    tell({ type: 'failed', reason, misused }, () => process.exit(1))
  }
}

/**
 * Before a new version of a text file takes over: looks at what it names, and plays messages through its filters. Own
 * filters are not called, since they may do anything.
 *
 * @throws ConfigFileError if mail would suffer
 */
async function tryOut(
  found: LoadedFilters,
  { startTimeout }: RunSettings,
  logger: Logger,
): Promise<void> {
  const { inspect } = await import('../trial/inspect.ts')
  const { trialOfLoaded } = await import('../trial/subject.ts')
  const trial = trialOfLoaded(found.source, found)
  // Half of the time to load: what is not known then is a warning.
  const { findings } = await inspect(trial, {
    deadline: Math.ceil(startTimeout / 2),
    own: false,
  })
  const lines = (wanted: FindingLevel): string[] =>
    findings
      .filter(({ level }) => level === wanted)
      .map(({ place, text }) => `${place}: ${text}`)
  for (const line of lines('warning')) logger.warn(line)
  const errors = lines('error')
  if (errors.length > 0) throw new ConfigFileError([], errors)
}

/** Documented by Node, but missing in @types/node. */
interface Initgroups {
  initgroups(user: string, extraGroup: number): void
}

/** The order matters: only root can change groups. */
function become({ uid, gid, name, setpriv }: Identity): void {
  // setpriv has started it as this user.
  if (setpriv !== undefined) return
  if (name === undefined) process.setgroups!([gid])
  else (process as unknown as Initgroups).initgroups(name, gid)
  process.setgid!(gid)
  if (uid !== undefined) process.setuid!(uid)
}

/** Sends what has been counted so far. */
async function count(): Promise<void> {
  if (metrics === undefined) return
  const snapshot = await metrics.snapshot()
  await new Promise<void>((resolve) => tell({ type: 'counted', metrics: snapshot }, resolve))
}

async function stop(deadline: number, quiet: number): Promise<void> {
  stopping = true
  // Handlers of abort and close may hang. This wait ends before the primary kills the worker (WorkerPool.retire), so
  // that the metrics are not lost.
  const patience = deadline + (deadline === 0 ? 1_500 : 4_000)
  await Promise.race([server?.close({ deadline, quiet }), delay(Math.min(patience, MAX_TIMER))])
  await count()
  // A filter may still have timers or sockets, which would keep the process alive.
  process.exit(0)
}
