/**
 * The way of a process to the keeper of a store. It starts a keeper if there is none, and looks for the next one when a
 * keeper has ended.
 */
import { fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { MilterError, StoreError } from '../../errors.ts'
import { errorIn, Lines, MAX_LINE, VERSION, type Answer, type Request } from './calls.ts'
import { unavailable } from './files.ts'
import { connectKeeper } from './places.ts'

const PROGRAM = fileURLToPath(new URL('./keeper-main.js', import.meta.url))

/** Milliseconds between two looks for a keeper that is starting. */
const LOOK = 10
/** Keepers that are started in a row, if they end at once. */
const TRIES = 3
/** Milliseconds without another try, after the first failure and at most. */
const FIRST_PAUSE = 100
const LAST_PAUSE = 5_000
/** Bytes that the keeper has not read. Above, it is stopped, and no call is sent. */
const MAX_UNREAD = 16_777_216

export interface LinkEvents {
  onAnswer(answer: Answer): void
  /** Nothing that was sent will be answered any more. */
  onLost(error: MilterError): void
}

export class KeeperLink {
  readonly #path: string
  readonly #maxSize: number
  readonly #deadline: number
  readonly #events: LinkEvents
  #socket: Socket | undefined
  /** the attempt that is made */
  #connecting: Promise<void> | undefined
  #failure:
    { readonly error: MilterError; readonly until: number; readonly pause: number } | undefined
  /** lines that go out together, and their length */
  #lines: string[] = []
  #length = 0
  readonly #closed = new AbortController()

  /** @param deadline milliseconds until there has to be a keeper */
  constructor(path: string, maxSize: number, deadline: number, events: LinkEvents) {
    this.#path = path
    this.#maxSize = maxSize
    this.#deadline = deadline
    this.#events = events
  }

  /**
   * Sends requests, or keeps them until there is a keeper.
   *
   * @throws StoreError STORE_UNAVAILABLE if there was none a moment ago, or if it reads nothing
   */
  send(request: Request): void {
    if (this.#socket === undefined) this.#look()
    if (this.#length + (this.#socket?.writableLength ?? 0) > MAX_UNREAD) {
      throw this.#unavailable('the process that keeps it does not read')
    }
    if (this.#lines.length === 0) process.nextTick(() => this.#flush())
    const line = `${JSON.stringify(request)}\n`
    this.#lines.push(line)
    this.#length += line.length
  }

  /** Resolves when there is a keeper that has opened the files. @throws MilterError why there is none */
  async open(): Promise<void> {
    this.#look()
    await this.#connecting
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Ends the connection. Resolves when the keeper, if it was for this process only, has closed the files. */
  async close(): Promise<void> {
    this.#closed.abort()
    await this.#connecting
    const socket = this.#socket
    if (socket === undefined || socket.destroyed) return
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.ref()
    socket.end()
    await ended
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#closed.abort()
    this.#socket?.destroy()
  }

  #flush(): void {
    if (this.#socket === undefined || this.#lines.length === 0) return
    this.#socket.write(this.#lines.join(''))
    this.#forget()
  }

  #forget(): void {
    this.#lines = []
    this.#length = 0
  }

  /** Looks for a keeper, unless there was none a moment ago. @throws MilterError why */
  #look(): void {
    if (this.#connecting !== undefined || this.#closed.signal.aborted) return
    if (this.#failure !== undefined && performance.now() < this.#failure.until) {
      throw this.#failure.error
    }
    this.#connecting = this.#connect()
      .then(
        () => (this.#failure = undefined),
        (error: unknown) => {
          const pause = Math.min(2 * (this.#failure?.pause ?? FIRST_PAUSE / 2), LAST_PAUSE)
          const failure = error instanceof MilterError ? error : unavailable(this.#path, error)
          this.#failure = { error: failure, until: performance.now() + pause, pause }
          this.#forget()
          this.#events.onLost(failure)
        },
      )
      .then(() => {
        this.#connecting = undefined
      })
  }

  async #connect(): Promise<void> {
    const end = performance.now() + this.#deadline
    let started = 0
    let keeper: Starting | undefined
    while (!this.#closed.signal.aborted) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- a loop of tries
      const socket = await connectKeeper(this.#path)
      // oxlint-disable-next-line eslint/no-await-in-loop -- a loop of tries
      if (socket !== undefined && (await this.#greet(socket, end - performance.now()))) return
      if (keeper?.failure !== undefined) throw keeper.failure
      if (performance.now() > end) {
        throw new StoreError(
          'STORE_TIMEOUT',
          `no process could open the store ${this.#path} within ${this.#deadline} ms`,
        )
      }
      if (socket === undefined && keeper?.running !== true) {
        if (started === TRIES) {
          throw this.#unavailable(`the process that keeps it has ended: ${keeper?.end ?? ''}`)
        }
        started++
        keeper = startKeeper(this.#path, this.#maxSize)
      }
      // oxlint-disable-next-line eslint/no-await-in-loop -- a loop of tries
      await sleep(LOOK)
    }
  }

  /** Waits until a keeper has opened the files. @returns false if it ends before @throws MilterError why it cannot */
  #greet(socket: Socket, milliseconds: number): Promise<boolean> {
    socket.unref().setEncoding('utf8')
    const lines = new Lines(MAX_LINE)
    return new Promise((resolve, reject) => {
      let open = false
      const timer = setTimeout(() => socket.destroy(), milliseconds)
      const onClosed = (): void => void socket.destroy()
      this.#closed.signal.addEventListener('abort', onClosed)
      const greeted = (): void => {
        clearTimeout(timer)
        this.#closed.signal.removeEventListener('abort', onClosed)
      }
      const onAnswer = (answer: Answer): void => {
        if (open) this.#events.onAnswer(answer)
        else if ('error' in answer) reject(errorIn(answer.error))
        else {
          open = true
          greeted()
          this.#socket = socket
          this.#flush()
          resolve(true)
        }
      }
      socket.on('data', (text: string) => {
        let answers: Answer[]
        try {
          answers = lines.take(text).map((line) => JSON.parse(line) as Answer)
        } catch {
          // No keeper writes that.
          return void socket.destroy()
        }
        for (const answer of answers) onAnswer(answer)
      })
      // The other side has ended, as a process that is gone does.
      socket.on('end', () => socket.destroy())
      socket.on('close', () => {
        greeted()
        if (!open) return resolve(false)
        this.#socket = undefined
        this.#forget()
        this.#events.onLost(this.#unavailable('the process that keeps it has ended'))
      })
      const request: Request = {
        number: 0,
        until: 0,
        call: { method: 'open', version: VERSION, maxSize: this.#maxSize },
      }
      socket.write(`${JSON.stringify(request)}\n`)
    })
  }

  #unavailable(why: string): StoreError {
    return new StoreError('STORE_UNAVAILABLE', `the store ${this.#path} has failed: ${why}`)
  }
}

/** A keeper that this process has started. */
interface Starting {
  readonly running: boolean
  /** what it has told */
  readonly failure: MilterError | undefined
  /** how it has ended */
  readonly end: string
}

function startKeeper(path: string, maxSize: number): Starting {
  const child = fork(PROGRAM, [path, String(maxSize)], {
    // It may outlive this process, and must not hold its directory.
    cwd: '/',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  child.unref()
  child.channel?.unref()
  let failure: MilterError | undefined
  let end: string | undefined
  child.on('message', (message: { code: string; message: string }) => {
    failure = errorIn(message)
  })
  child.on('error', (error) => (end = error.message))
  child.on('exit', (code, signal) => (end = signal ?? `code ${code}`))
  return {
    get running() {
      return end === undefined
    },
    get failure() {
      return failure
    },
    get end() {
      return end ?? ''
    },
  }
}
