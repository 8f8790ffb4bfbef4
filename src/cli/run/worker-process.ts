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

/** A worker could not be started; the message says why, in one line. */
export class StartError extends Error {
  /** what was asked for cannot be: a mistake in the configuration */
  readonly misused: boolean

  constructor(message: string, misused = false) {
    super(message)
    this.misused = misused
  }
}

export interface Loaded {
  readonly settings: RunSettings
  /** the name of the filter */
  readonly name: string
}

const PROGRAM = fileURLToPath(new URL('./worker-main.js', import.meta.url))

/** Milliseconds in which everything is read that a worker has said before it ended. */
const UNREAD = 200

/** Milliseconds in which a worker without descriptors is given no connections, if another one can take them. */
const FULL = 30_000

/** Milliseconds a worker has to tell what it has counted; one that is busy is shown as it was. */
const COUNT_TIME = 2_000

let lastId = 0

/** What happens with a worker that is not expected. */
export interface WorkerEvents {
  /** sockets that it had no descriptors for; they are still open here */
  readonly onLost: (sockets: Socket[]) => void
  /** it has sent something that is no message of this program, which was dropped */
  readonly onDropped: (worker: WorkerProcess) => void
  /** it has sent what no worker sends, and is killed for it */
  readonly onAbuse: (worker: WorkerProcess, what: string) => void
}

/** A worker as the primary sees it. */
export class WorkerProcess {
  /** settles when the filters are loaded; rejects with a {@link StartError} */
  readonly loaded: Promise<Loaded>
  /** settles when the process has ended and everything it said was heard: how it ended */
  readonly gone: Promise<string>
  readonly #child: ChildProcess
  readonly #load: ToWorker & { readonly type: 'load' }
  readonly #channel: WorkerChannel
  readonly #events: WorkerEvents
  /** handed over, and not yet known to have arrived */
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
      this.#settle?.reject(new StartError(`the worker has sent ${what}`))
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

  /** It has loaded, and says so again and again; it may be stopping. */
  get running(): boolean {
    return this.#ready
  }

  /** Its filter cannot be made at the moment: all mail gets `onError`. */
  get failing(): boolean {
    return this.#failing
  }

  /** How many connections have not arrived; a worker that is busy has more of them. */
  get untaken(): number {
    return this.#untaken.size
  }

  /** It had no descriptor for a connection lately. */
  get full(): boolean {
    return performance.now() - this.#lostAt < FULL
  }

  /** Milliseconds since it was heard. */
  silence(now: number): number {
    return now - this.#heard
  }

  /** What was in the way of hearing it was this process itself. */
  excuse(): void {
    this.#heard = performance.now()
  }

  /** The socket stays open here until it has arrived: if the worker dies before, another gets it. */
  hand(socket: Socket): void {
    const id = ++lastId
    this.#untaken.set(id, socket)
    if (!this.#child.connected) return
    const message: ToWorker = { type: 'connection', id }
    this.#channel.asked(message)
    this.#child.send(message, socket, { keepOpen: true }, () => {})
  }

  /**
   * Finds out what has not arrived and never will: a process without free descriptors is not told of the
   * socket, nor of the message that came with it, and nor is this one (Node gives up after the first try
   * with `keepOpen`).
   */
  findLost(): void {
    if (this.#ready && this.#untaken.size > 0) this.#send({ type: 'echo', id: lastId })
  }

  /** Has it finish its sessions and end; a second call can shorten the deadline. */
  stop(how: Stop): void {
    this.#stopping = true
    if (this.#ready) this.#send({ type: 'stop', ...how })
    else this.kill()
  }

  /** What it has counted: asked for now, or what it said last. */
  async metrics(): Promise<MetricsSnapshot | undefined> {
    if (this.#ready) {
      const answered = new Promise<void>((resolve) => this.#waiting.push(resolve))
      this.#send({ type: 'count' })
      await Promise.race([answered, this.gone, sleep(COUNT_TIME, undefined, { ref: false })])
    }
    return this.#counted
  }

  /** What it said last, which is all there is when it has ended. */
  get counted(): MetricsSnapshot | undefined {
    return this.#counted
  }

  kill(): void {
    this.#stopping = true
    this.#child.kill('SIGKILL')
  }

  /** What was not taken when it was gone. */
  leftovers(): Socket[] {
    const sockets = [...this.#untaken.values()]
    this.#untaken.clear()
    return sockets
  }

  #send(message: ToWorker): void {
    // It may be gone, or was never there (then it has no `send`); `gone` tells.
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

  /** Read as a configuration is: what was given to the primary goes before it, whatever the worker says. */
  #acceptSettings(said: object, name: string): void {
    try {
      const settings = runSettings(this.#load.given, said, 'a worker')
      this.#ready = true
      this.#settle?.resolve({ settings, name })
    } catch (error) {
      this.#settle?.reject(new StartError((error as Error).message, true))
    }
  }

  /** All up to `id` that was not taken. */
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
    // There may be messages it has sent before. Node does not tell of the end of the channel if a socket
    // was on its way, so it is not waited for without end; a turn of the loop more reads what is there.
    if (child.connected) {
      await sleep(UNREAD, undefined, { signal: disconnected.signal }).catch(() => {})
      await nextTurn()
    }
    if (child.connected) child.disconnect()
    this.#ready = false
    this.#settle?.reject(new StartError(`the worker ended while it loaded: ${how}`))
    return how
  }
}
