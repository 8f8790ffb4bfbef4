import { fork, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { MetricsSnapshot } from '../../telemetry/metrics.ts'
import type { Stop, ToWorker } from './messages.ts'
import { onFreePort, workerEnvironment } from './worker-environment.ts'
import type { RunSettings } from '../../options/settings.ts'
import { runSettings } from './settings.ts'
import { WorkerChannel } from './worker-channel.ts'
import { readWorkerMessage } from './worker-message.ts'

/** A worker could not be started. The message says why, in one line. */
export class StartError extends Error {
  /** the cause is a mistake in the configuration */
  readonly misused: boolean

  constructor(message: string, misused = false) {
    super(message)
    this.misused = misused
  }
}

/** What a worker reports when it has loaded the filters. */
export interface Loaded {
  readonly settings: RunSettings
  /** the name of the filter */
  readonly name: string
}

const PROGRAM = fileURLToPath(new URL('./worker-main.js', import.meta.url))

/** Milliseconds to read what a worker sent before it ended. */
const UNREAD = 200

/** Milliseconds in which a worker without descriptors gets no connections, if another worker can take them. */
const FULL = 30_000

/** Milliseconds that a worker has to send its metrics. Of a busy worker, the last ones it sent are shown. */
const COUNT_TIME = 2_000

let lastId = 0

/** Unexpected events of a worker. */
export interface WorkerEvents {
  /** sockets that it had no descriptors for; they are still open in the primary */
  readonly onLost: (sockets: Socket[]) => void
  /** it sent something that is not a message of this program, which was dropped */
  readonly onDropped: (worker: WorkerProcess) => void
  /** it sent something that no worker sends, and is killed */
  readonly onAbuse: (worker: WorkerProcess, what: string) => void
}

/** A worker as the primary sees it. */
export class WorkerProcess {
  /** settles when the filters are loaded; rejects with a {@link StartError} */
  readonly loaded: Promise<Loaded>
  /** resolves with how the process ended, when all it sent has been read */
  readonly gone: Promise<string>
  readonly #child: ChildProcess
  readonly #load: ToWorker & { readonly type: 'load' }
  readonly #channel: WorkerChannel
  readonly #events: WorkerEvents
  /** connections that were sent to the worker and have not arrived yet */
  readonly #untaken = new Map<number, Socket>()
  #ready = false
  #stopping = false
  #failing = false
  #heard = performance.now()
  #lostAt = -Infinity
  #counted: MetricsSnapshot | undefined
  readonly #waiting: (() => void)[] = []
  #settle: { resolve(loaded: Loaded): void; reject(error: StartError): void } | undefined

  constructor(load: ToWorker & { readonly type: 'load' }, events: WorkerEvents) {
    this.#load = load
    this.#events = events
    const execArgv = process.execArgv.map(onFreePort)
    // setpriv(1) becomes Node: the process and its channel stay the same.
    const [execPath, ...before] = [...(load.identity?.setpriv ?? []), process.execPath]
    this.#child = fork(PROGRAM, {
      env: workerEnvironment(process.env, load.identity),
      execPath,
      execArgv: [...before, ...execArgv],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#channel = new WorkerChannel(this.#child, (what) => {
      this.#settle?.reject(new StartError(`the worker sent ${what}`))
      events.onAbuse(this, what)
      this.kill()
    })
    this.loaded = new Promise((resolve, reject) => (this.#settle = { resolve, reject }))
    this.loaded.catch(() => {})
    this.#child.on('message', (message: unknown) => this.#receive(message))
    this.gone = this.#watch()
    this.#send(load)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** It has loaded, is not stopping, and can be given connections. */
  get ready(): boolean {
    return this.#ready && !this.#stopping
  }

  /** It has loaded and sends heartbeats. It may be stopping. */
  get running(): boolean {
    return this.#ready
  }

  /** Its filter cannot be created at the moment, so all mail gets `onError`. */
  get failing(): boolean {
    return this.#failing
  }

  /** Number of connections that have not arrived yet. A busy worker has more of them. */
  get untaken(): number {
    return this.#untaken.size
  }

  /** It recently had no descriptor for a connection. */
  get full(): boolean {
    return performance.now() - this.#lostAt < FULL
  }

  /** Milliseconds since its last message. */
  silence(now: number): number {
    return now - this.#heard
  }

  /** Counts its silence from now on, because this process was blocked and could not read its messages. */
  excuse(): void {
    this.#heard = performance.now()
  }

  /** Sends a connection. The socket stays open here until it has arrived. If the worker dies first, another gets it. */
  hand(socket: Socket): void {
    const id = ++lastId
    this.#untaken.set(id, socket)
    if (!this.#child.connected) return
    const message: ToWorker = { type: 'connection', id }
    this.#channel.asked(message)
    this.#child.send(message, socket, { keepOpen: true }, () => {})
  }

  /**
   * Finds connections that will never arrive. A process without free descriptors gets neither the socket nor the
   * message that came with it. This process does not learn of it: with `keepOpen`, Node gives up after the first try.
   */
  findLost(): void {
    if (this.#ready && this.#untaken.size > 0) this.#send({ type: 'echo', id: lastId })
  }

  /** Lets it finish its sessions and end. A second call can shorten the deadline. */
  stop(how: Stop): void {
    this.#stopping = true
    if (this.#ready) this.#send({ type: 'stop', ...how })
    else this.kill()
  }

  /** Its metrics: asked for now, or the last ones it sent. */
  async metrics(): Promise<MetricsSnapshot | undefined> {
    if (this.#ready) {
      const answered = new Promise<void>((resolve) => this.#waiting.push(resolve))
      this.#send({ type: 'count' })
      await Promise.race([answered, this.gone, sleep(COUNT_TIME, undefined, { ref: false })])
    }
    return this.#counted
  }

  /** The last metrics it sent. After its end there are no others. */
  get counted(): MetricsSnapshot | undefined {
    return this.#counted
  }

  kill(): void {
    this.#stopping = true
    this.#child.kill('SIGKILL')
  }

  /** Connections that had not arrived when it ended. */
  leftovers(): Socket[] {
    const sockets = [...this.#untaken.values()]
    this.#untaken.clear()
    return sockets
  }

  #send(message: ToWorker): void {
    // It may have ended, or may never have started, and then it has no `send`. `gone` reports both.
    if (!this.#child.connected) return
    this.#channel.asked(message)
    this.#child.send(message, () => {})
  }

  #receive(raw: unknown): void {
    const message = readWorkerMessage(raw)
    if (message === undefined || (message.type === 'loaded' && this.#ready)) {
      this.#events.onDropped(this)
      return
    }
    this.#heard = performance.now()
    switch (message.type) {
      case 'loaded':
        this.#acceptSettings(message.settings, message.name)
        return
      case 'failed':
        this.#settle?.reject(new StartError(message.reason, message.misused))
        return
      case 'taken':
        this.#untaken.get(message.id)?.destroy()
        this.#untaken.delete(message.id)
        return
      case 'echo':
        this.#lose(message.id)
        return
      case 'counted':
        this.#counted = message.metrics
        for (const resolve of this.#waiting.splice(0)) resolve()
        return
      case 'alive':
        this.#failing = !message.healthy
    }
  }

  /** Reads the settings like a configuration: options that the primary got take precedence over those of the worker. */
  #acceptSettings(said: object, name: string): void {
    try {
      const settings = runSettings(this.#load.given, said, 'a worker')
      this.#ready = true
      this.#settle?.resolve({ settings, name })
    } catch (error) {
      this.#settle?.reject(new StartError((error as Error).message, true))
    }
  }

  /** Gives up the connections up to `id` that have not arrived. */
  #lose(id: number): void {
    const lost = [...this.#untaken].filter(([one]) => one <= id)
    if (lost.length === 0) return
    for (const [one] of lost) this.#untaken.delete(one)
    this.#lostAt = performance.now()
    this.#events.onLost(lost.map(([, socket]) => socket))
  }

  async #watch(): Promise<string> {
    const child = this.#child
    let how = ''
    const exit = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        how = signal === null ? `exit code ${code}` : signal
        resolve()
      })
      child.on('error', (error) => {
        if (child.pid !== undefined) return
        how = error.message
        resolve()
      })
    })
    const disconnected = new AbortController()
    child.once('disconnect', () => disconnected.abort())
    await exit
    // There may be messages left to read. Node does not report the end of the channel if a socket was on its way, so
    // the wait has a limit. One more turn of the event loop reads what is there.
    if (child.connected) {
      await sleep(UNREAD, undefined, { signal: disconnected.signal }).catch(() => {})
      await nextTurn()
    }
    if (child.connected) child.disconnect()
    this.#ready = false
    this.#settle?.reject(new StartError(`the worker ended while it was loading: ${how}`))
    return how
  }
}
