import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDebugged } from '../../diagnostics/debugger.ts'
import type { Logger } from '../../diagnostics/log.ts'
import { MAX_TIMER } from '../../options/kinds.ts'
import type { MetricsSnapshot } from '../../telemetry/metrics.ts'
import type { Stop } from './messages.ts'
import { StartError, type Loaded, type WorkerProcess } from './worker-process.ts'

/** A worker that keeps dying is replaced after 100 ms, 200 ms ... 10 s. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 10_000
/** After this lifetime in milliseconds, the next pause is the first one again. */
const HEALTHY_AFTER = 60_000
/** Maximum milliseconds between two checks of the workers. */
const LOOK_EVERY = 1_000
/** Milliseconds after its deadline in which a worker can send its last answers. */
const GRACE = 5_000

/** What a pool needs from the supervisor. */
export interface WorkerPoolContext {
  /** starts a worker, which loads the current filters; throws StartError */
  readonly spawn: () => WorkerProcess
  readonly log: Logger
  /** a worker can take connections */
  readonly onReady: () => void
  /** connections that had not reached a worker when it died */
  readonly onLeftovers: (sockets: Socket[]) => void
  /** the last metrics of a worker that has ended */
  readonly onCounted: (metrics: MetricsSnapshot) => void
}

/** The workers of one version of the filters. They start and end together. A worker that dies is replaced. */
export class WorkerPool {
  readonly #context: WorkerPoolContext
  readonly #startTimeout: number
  readonly #workers = new Set<WorkerProcess>()
  readonly #retired = new AbortController()
  readonly #keepers: Promise<void>[] = []
  #loaded: Loaded | undefined
  #look: NodeJS.Timeout | undefined
  #deadline: NodeJS.Timeout | undefined

  /** @param startTimeout for the first worker, whose configuration is not known yet */
  constructor(context: WorkerPoolContext, startTimeout: number) {
    this.#context = context
    this.#startTimeout = startTimeout
  }

  /**
   * Starts one worker, which says how many there should be, and then the others.
   *
   * @throws StartError; then there is no worker left
   */
  async start(): Promise<Loaded> {
    try {
      const first = this.#spawn()
      const loaded = await this.#untilLoaded(first, this.#startTimeout)
      const { workers, startTimeout } = loaded.settings
      const others = Array.from({ length: workers - 1 }, () => this.#spawn())
      await Promise.all(others.map((worker) => this.#untilLoaded(worker, startTimeout)))
      this.#retired.signal.throwIfAborted()
      this.#loaded = loaded
      for (const worker of [first, ...others]) this.#keepers.push(this.#keep(worker))
      this.#lookAfter()
      return loaded
    } catch (error) {
      this.kill()
      await Promise.all([...this.#workers].map(({ gone }) => gone))
      if (error instanceof StartError) throw error
      throw new StartError('it was stopped while it was loading')
    }
  }

  /** The workers that can take connections. */
  get ready(): WorkerProcess[] {
    return [...this.#workers].filter(({ ready }) => ready)
  }

  /** Whether all workers run and have sent a heartbeat recently. */
  get healthy(): boolean {
    const settings = this.#loaded?.settings
    if (settings === undefined) return false
    const { ready } = this
    const now = performance.now()
    return (
      ready.length === settings.workers &&
      ready.every((worker) => worker.silence(now) < settings.hangTimeout)
    )
  }

  /** Whether the workers that get mail can create their filter: all of them, or `some`. */
  works(some: boolean): boolean {
    const working = ({ failing }: WorkerProcess): boolean => !failing
    return some ? this.ready.some(working) : this.ready.every(working)
  }

  /** The metrics of each worker. */
  async metrics(): Promise<MetricsSnapshot[]> {
    const all = await Promise.all([...this.#workers].map((worker) => worker.metrics()))
    return all.filter((metrics) => metrics !== undefined)
  }

  get pids(): number[] {
    return [...this.#workers].map(({ pid }) => pid)
  }

  /** Lets the workers finish their sessions and end. A second call can shorten the deadline. */
  async retire(how: Stop): Promise<void> {
    this.#retired.abort()
    for (const worker of this.#workers) worker.stop(how)
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(
      () => this.kill(),
      Math.min(how.deadline + (how.deadline === 0 ? 2_000 : GRACE), MAX_TIMER),
    )
    await this.#end()
  }

  /** Ends the workers at once. */
  kill(): void {
    this.#retired.abort()
    for (const worker of this.#workers) worker.kill()
  }

  async #end(): Promise<void> {
    await Promise.all(this.#keepers)
    await Promise.all([...this.#workers].map(({ gone }) => gone))
    clearTimeout(this.#deadline)
    clearInterval(this.#look)
  }

  #spawn(): WorkerProcess {
    this.#retired.signal.throwIfAborted()
    const worker = this.#context.spawn()
    this.#workers.add(worker)
    void worker.gone.then(() => {
      this.#workers.delete(worker)
      const sockets = worker.leftovers()
      if (sockets.length > 0) this.#context.onLeftovers(sockets)
      if (worker.counted !== undefined) this.#context.onCounted(worker.counted)
    })
    return worker
  }

  async #untilLoaded(worker: WorkerProcess, timeout: number): Promise<Loaded> {
    const timer = new AbortController()
    const late = sleep(timeout, undefined, { signal: timer.signal }).then(() => {
      throw new StartError(`it did not load within ${timeout} ms (startTimeout)`)
    })
    late.catch(() => {})
    try {
      return await Promise.race([worker.loaded, late])
    } catch (error) {
      worker.kill()
      throw error
    } finally {
      timer.abort()
    }
  }

  /** Keeps one place of the pool filled: a worker that dies is replaced. */
  async #keep(first: WorkerProcess): Promise<void> {
    const { log, onReady } = this.#context
    const { signal } = this.#retired
    let worker = first
    let failures = 0
    for (;;) {
      const since = performance.now()
      const how = await worker.gone
      if (signal.aborted) return
      if (performance.now() - since > HEALTHY_AFTER) failures = 0
      const pause = Math.min(FIRST_PAUSE * 2 ** failures++, LONGEST_PAUSE)
      log.error(
        { pid: worker.pid, how, pause },
        'a worker has died; another one takes its place',
      )
      await sleep(pause, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      try {
        worker = this.#spawn()
        await this.#untilLoaded(worker, this.#loaded!.settings.startTimeout)
        log.info({ pid: worker.pid }, 'a worker has taken the place of another')
        onReady()
      } catch (error) {
        if (!signal.aborted) log.error(`a worker cannot load: ${(error as StartError).message}`)
      }
    }
  }

  /** Kills workers whose event loop is blocked, and finds connections that will not arrive. */
  #lookAfter(): void {
    const { hangTimeout } = this.#loaded!.settings
    const pace = Math.min(LOOK_EVERY, Math.max(10, hangTimeout / 4))
    let last = performance.now()
    this.#look = setInterval(() => {
      const now = performance.now()
      // This process itself did not run, so it has not read the messages of the workers.
      if (now - last > 2 * pace) for (const worker of this.#workers) worker.excuse()
      last = now
      for (const worker of this.#workers) {
        worker.findLost()
        if (!worker.running || worker.silence(now) <= hangTimeout || isDebugged()) continue
        this.#context.log.error(
          { pid: worker.pid, hangTimeout },
          'a worker hangs and is killed (hangTimeout)',
        )
        worker.kill()
      }
    }, pace)
  }
}
