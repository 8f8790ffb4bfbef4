import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../diagnostics/log.ts'
import { RateLimitedLog } from '../../diagnostics/rate-limited-log.ts'
import { parseListenAddress } from '../../net/listen-address.ts'
import { Listener } from '../../server/listener.ts'
import { WorkerPool } from './worker-pool.ts'
import { descriptorLimit } from './descriptors.ts'
import type { Identity } from './messages.ts'
import type { Notifier } from './notify.ts'
import { MAX_TIMER } from '../../options/kinds.ts'
import type { RunSettings } from '../../options/settings.ts'
import type { Given } from './settings.ts'
import { PastMetrics } from './past-metrics.ts'
import { StartError, WorkerProcess, type WorkerEvents } from './worker-process.ts'

/** What is known before the first worker starts. */
export interface Launch {
  /** paths of modules */
  readonly filters: readonly string[]
  readonly given: readonly Given[]
  readonly identity: Identity | undefined
  /** addresses to use without an option `listen`: sockets that systemd has opened, or those of a container */
  readonly inherited: readonly string[]
  /** of this package */
  readonly version: string
  /** for the first worker */
  readonly startTimeout: number
}

/** What the primary reads of a configuration in a text file, which is only data. */
export interface TextConfig {
  /** a line for each mistake */
  readonly mistakes: readonly string[]
  readonly listen: readonly string[] | undefined
}

/**
 * Maximum number of connections that wait for a worker or are on their way to one, or the number that all workers may
 * serve, if that is larger. Further connections are closed.
 */
const MAX_WAITING = 1_000
/** Descriptors that are not used for connections, but for modules and for starting workers. */
const RESERVED = 64
/** Maximum number of versions that finish their sessions side by side. Older ones get the deadline of `stop`. */
const MAX_DRAINING = 3
const AT_ONCE = { delay: 0, deadline: 0, quiet: 0 }

/**
 * The primary of `tsmilter run`. It holds the listening sockets, accepts connections, and gives each one to a worker.
 * It loads no code of a filter.
 *
 * The primary accepts the connections itself, which makes the rest simple. No connection is lost in the queue of a
 * worker that dies. A worker that hangs gets no more connections. If there is no worker at all, the connections wait.
 * node:cluster does the same over TCP. But it creates its own unix sockets, without mode and owner, and loses
 * connections that are on their way to a worker that dies.
 */
export class Supervisor {
  readonly #launch: Launch
  readonly #log: Logger
  readonly #notifier: Notifier
  readonly #listeners = new Map<string, Listener>()
  readonly #waiting: Socket[] = []
  readonly #descriptors = descriptorLimit()
  /** number of connections that are accepted and have not reached a worker */
  #held = 0
  readonly #limitedLog = new RateLimitedLog()
  readonly #draining = new Set<WorkerPool>()
  readonly #past = new PastMetrics()
  #pool: WorkerPool | undefined
  #starting: WorkerPool | undefined
  #settings: RunSettings | undefined
  #turn = 0
  #reloading: Promise<void> | undefined
  #reloadAgain = false
  #stopping = false
  /** addresses in a text file, which this process has read itself */
  #own: readonly string[] = []
  readonly #readConfig: (() => TextConfig) | undefined
  readonly #atOnce = new AbortController()
  /** it no longer accepts connections, and none wait for a worker */
  #closed = false

  /** @param readConfig for a configuration in a text file, which is read again at each reload */
  constructor(launch: Launch, log: Logger, notifier: Notifier, readConfig?: () => TextConfig) {
    this.#launch = launch
    this.#readConfig = readConfig
    this.#log = log
    this.#notifier = notifier
  }

  /** @throws StartError, ListenError; then no worker and no socket is left */
  async start(): Promise<void> {
    await this.#takeOver()
    this.#tell('ready')
    this.#notifier.ready()
    this.#notifier.watchdog(() => this.#pool?.healthy === true)
  }

  /**
   * Loads filters and configuration again, in new workers. The old workers finish their sessions. If loading fails, the
   * error is logged and nothing changes. Calls during a reload lead to one more reload after it.
   */
  reload(): void {
    if (this.#stopping || this.#pool === undefined) return
    if (this.#reloading !== undefined) {
      this.#reloadAgain = true
      return
    }
    this.#reloading = this.#reload().finally(() => {
      this.#reloading = undefined
      if (!this.#reloadAgain) return
      this.#reloadAgain = false
      this.reload()
    })
  }

  async #reload(): Promise<void> {
    this.#log.info('reloading')
    this.#notifier.reloading()
    try {
      await this.#takeOver()
      this.#tell('reloaded')
    } catch (error) {
      if (!this.#stopping) {
        for (const line of (error as Error).message.split('\n')) {
          this.#log.error(`the new version cannot be started, the old one goes on: ${line}`)
        }
      }
    }
    if (!this.#stopping) this.#notifier.ready()
  }

  /**
   * Accepts connections during the option `stop.delay`, and then lets all workers finish their sessions. Resolves when
   * they have ended.
   *
   * @param atOnce shortens all waits, including those of an earlier call
   */
  async stop(atOnce: boolean): Promise<void> {
    this.#stopping = true
    if (atOnce) this.#atOnce.abort()
    this.#starting?.kill()
    this.#notifier.stopping()
    const { signal } = this.#atOnce
    const { delay } = this.#settings?.stop ?? AT_ONCE
    if (delay > 0) await sleep(delay, undefined, { signal }).catch(() => {})
    this.#closed = true
    const stop = (signal.aborted ? undefined : this.#settings?.stop) ?? AT_ONCE
    await this.#closeListeners([...this.#listeners.keys()])
    for (const socket of this.#waiting.splice(0)) socket.destroy()
    await Promise.all(this.#pools.map((pool) => pool.retire(stop)))
    await this.#reloading
    // A reload may have opened one meanwhile.
    await this.#closeListeners([...this.#listeners.keys()])
    this.#notifier.close()
  }

  /** The metrics of all workers, including those of earlier versions, for `/metrics`. */
  async metrics(): Promise<string> {
    const counted = Promise.all(this.#pools.map((pool) => pool.metrics()))
    return await this.#past.with(counted.then((all) => all.flat()))
  }

  /** True, or what is missing, in one word. A supervisor that is stopping is healthy, so that it is not killed. */
  get health(): true | 'starting' | 'workers' | 'filter' {
    if (this.#stopping) return true
    if (this.#pool === undefined) return 'starting'
    if (!this.#pool.healthy) return 'workers'
    return this.#pool.works(false) || 'filter'
  }

  /** True if connections are served, or what is missing, in one word. One running worker is enough. */
  get readiness(): true | 'starting' | 'stopping' | 'workers' | 'filter' {
    if (this.#stopping) return 'stopping'
    if (this.#pool === undefined) return 'starting'
    if (this.#pool.ready.length === 0) return 'workers'
    return this.#pool.works(true) || 'filter'
  }

  /** Starts a new pool, which replaces the current one if there is one. */
  async #takeOver(): Promise<void> {
    const text = this.#readConfig?.()
    if (text !== undefined && text.mistakes.length > 0) {
      throw new StartError(text.mistakes.join('\n'), true)
    }
    this.#own = text?.listen ?? []
    // The first worker of a reload also tries the new version.
    let tries = this.#pool !== undefined
    const pool = new WorkerPool(
      {
        spawn: () => {
          const worker = this.#spawn(tries)
          tries = false
          return worker
        },
        log: this.#log,
        onReady: () => this.#handWaiting(),
        onLeftovers: (sockets) => {
          for (const socket of sockets) this.#hand(socket)
        },
        onCounted: (metrics) => this.#past.keep(metrics),
      },
      this.#settings?.startTimeout ?? this.#launch.startTimeout,
    )
    this.#starting = pool
    try {
      const { settings } = await pool.start()
      const listen = settings.listen ?? this.#launch.inherited
      try {
        if (listen.length === 0) {
          throw new StartError(
            'there is no address to listen on; use --listen, TSMILTER_LISTEN or the option listen of a configuration',
            true,
          )
        }
        this.#checkAddresses(listen)
        this.#checkDescriptors(settings)
        await this.#listenOn(listen, settings)
        if (this.#stopping) throw new StartError('it was stopped while it was loading')
      } catch (error) {
        await pool.retire({ deadline: 0, quiet: 0 })
        if (this.#pool === undefined) await this.#closeListeners([...this.#listeners.keys()])
        throw error
      }
      const old = this.#pool
      this.#pool = pool
      this.#settings = settings
      if (old !== undefined) this.#drain(old, settings)
      this.#handWaiting()
      this.#checkInherited(listen)
      await this.#closeListeners(
        [...this.#listeners.keys()].filter((address) => !listen.includes(address)),
      )
    } finally {
      this.#starting = undefined
    }
  }

  #spawn(tries: boolean): WorkerProcess {
    const start = (): WorkerProcess => {
      try {
        return new WorkerProcess({ type: 'load', ...this.#launch, tries }, this.#workerEvents)
      } catch (error) {
        throw new StartError(`cannot start a process: ${(error as Error).message}`)
      }
    }
    const worker = start()
    if (worker.pid !== 0 || this.#waiting.length === 0) return worker
    // Connections that wait for a worker may use the descriptors that are needed to start one.
    this.#logFailure('cannot start a process: connections that wait are closed', {
      connections: this.#waiting.length,
    })
    for (const socket of this.#waiting.splice(0)) socket.destroy()
    return start()
  }

  readonly #workerEvents: WorkerEvents = {
    onLost: (sockets) => this.#handAnew(sockets),
    onDropped: ({ pid }) =>
      this.#limitedLog.write(
        this.#log,
        'warn',
        { pid },
        'a worker sent a message that is not of tsmilter run, which was dropped (process.send is reserved)',
      ),
    onAbuse: ({ pid }, what) =>
      this.#logFailure('a worker is killed for what it has sent', { pid, what }),
  }

  /**
   * Workers that run as another user must not make root open addresses that they could not open themselves. A worker
   * reads the configuration, so its options cannot be trusted more than the worker. A text file is data, which the
   * primary has read as well.
   *
   * @throws StartError
   */
  #checkAddresses(listen: readonly string[]): void {
    const { given, identity, inherited } = this.#launch
    if (identity === undefined || given.some(({ name }) => name === 'listen')) return
    for (const address of listen) {
      if (inherited.includes(address) || this.#own.includes(address)) continue
      const parsed = parseListenAddress(address)
      if (parsed.type === 'tcp' && (parsed.port === 0 || parsed.port >= 1_024)) continue
      throw new StartError(
        `the option listen: ${address} is from a configuration, which workers with --user or --group read; root does not open it for them: use --listen or TSMILTER_LISTEN`,
        true,
      )
    }
  }

  /** The kernel accepts connections to a listening socket even if no program takes them from it. */
  #checkInherited(listen: readonly string[]): void {
    const unused = this.#launch.inherited.filter(
      (address) => address.startsWith('fd:') && !listen.includes(address),
    )
    if (unused.length === 0) return
    this.#log.warn(
      { addresses: unused.join(' ') },
      'systemd has opened a socket that is not in listen: a mail server that connects to it gets no answer; leave out listen, or add the socket to it',
    )
  }

  #checkDescriptors({ maxConnections }: RunSettings): void {
    const limit = this.#descriptors
    if (maxConnections + RESERVED <= limit) return
    this.#log.warn(
      { maxConnections, limit },
      'the limit of descriptors (ulimit -n) is too low for maxConnections',
    )
  }

  #drain(pool: WorkerPool, { reload, stop }: RunSettings): void {
    for (const oldest of [...this.#draining].slice(0, -(MAX_DRAINING - 1)))
      void oldest.retire(stop)
    this.#draining.add(pool)
    // A session between two messages continues. For the mail server, a lost connection is a failure, and it would defer
    // the next message of the session.
    const { deadline } = reload
    void pool
      .retire({ deadline, quiet: Math.min(deadline + 1, MAX_TIMER) })
      .then(() => this.#draining.delete(pool))
  }

  /** The pool that gets connections, and those that finish their sessions. */
  get #pools(): WorkerPool[] {
    return this.#pool === undefined ? [...this.#draining] : [this.#pool, ...this.#draining]
  }

  /** Logs that a pool has taken over. */
  #tell(what: 'ready' | 'reloaded'): void {
    const addresses = [...this.#listeners.values()].map(({ address }) => address).join(' ')
    const { workers } = this.#settings!
    const { version } = this.#launch
    const pids = this.#pool!.pids.join(' ')
    this.#log.info({ addresses, workers, pids, version, node: process.version }, what)
  }

  // ---- connections

  #accept(socket: Socket): void {
    const { workers = 1, maxConnections = 1 } = this.#settings ?? {}
    const maximum = Math.max(MAX_WAITING, workers * maxConnections)
    if (this.#held >= Math.min(maximum, Math.max(1, this.#descriptors - RESERVED))) {
      this.#logFailure('too many connections wait for a worker: closed', {
        waiting: this.#held,
      })
      socket.destroy()
      return
    }
    this.#held++
    socket.once('close', () => this.#held--)
    socket.on('error', () => {})
    this.#hand(socket)
  }

  #hand(socket: Socket): void {
    const ready = this.#pool?.ready ?? []
    if (ready.length === 0) {
      if (this.#closed) socket.destroy()
      else this.#waiting.push(socket)
      return
    }
    const able = ready.filter(({ full }) => !full)
    const workers = able.length > 0 ? able : ready
    // The workers take turns, but a worker that is slow to take its connections gets fewer.
    this.#turn = (this.#turn + 1) % workers.length
    let chosen = workers[this.#turn]!
    for (const worker of workers) if (worker.untaken < chosen.untaken) chosen = worker
    chosen.hand(socket)
  }

  #handWaiting(): void {
    for (const socket of this.#waiting.splice(0)) this.#hand(socket)
  }

  /** A worker had no descriptors for these. Another one may have some. Otherwise the mail server must try again. */
  #handAnew(sockets: readonly Socket[]): void {
    this.#logFailure('a worker has no descriptors left for connections (ulimit -n)', {
      connections: sockets.length,
    })
    for (const socket of sockets) {
      if (this.#pool?.ready.some(({ full }) => !full) === true) this.#hand(socket)
      else socket.destroy()
    }
  }

  /** Logs a failure that can happen for each of many connections. */
  #logFailure(message: string, fields: object): void {
    this.#limitedLog.write(this.#log, 'error', fields, message)
  }

  // ---- addresses

  /** Opens the addresses that are not open yet: all of them, or none. */
  async #listenOn(addresses: readonly string[], settings: RunSettings): Promise<void> {
    const opened: string[] = []
    try {
      for (const address of addresses) {
        if (this.#listeners.has(address)) continue
        const listener = await Listener.open(
          parseListenAddress(address),
          {
            unixSocket: settings.unixSocket ?? {},
            backlog: settings.backlog,
            trusted: this.#launch.identity,
          },
          (socket) => this.#accept(socket),
          (error, where) =>
            this.#logFailure('cannot accept a connection', { err: error, address: where }),
        )
        this.#listeners.set(address, listener)
        opened.push(address)
      }
    } catch (error) {
      await this.#closeListeners(opened)
      throw error
    }
  }

  async #closeListeners(addresses: readonly string[]): Promise<void> {
    for (const address of addresses) {
      const listener = this.#listeners.get(address)
      this.#listeners.delete(address)
      await listener?.close().catch((error: unknown) => {
        this.#log.warn({ err: error, address }, 'cannot remove the socket')
      })
    }
  }
}
