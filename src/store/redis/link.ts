/**
 * The way of each call to the server and back, within its deadline. It makes a new client when one ends, sends what was
 * called in one turn of the event loop together, and bounds what waits.
 *
 * While the server is lost, calls wait for it only during the first deadline of the outage. From then on they fail at
 * once, so that an outage costs mail no time. A call that was sent is never sent again: whether the server made the step
 * is not known when the connection breaks.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError, UsageError } from '../../errors.ts'
import { connectClient, type Client, type Done } from './client.ts'
import { failure, MalformedReply, replyCode } from './failures.ts'
import type { Settings } from './options.ts'

/** What a call sends, and what it makes of the reply. */
export interface Request<Result> {
  /** @param wanted whether anybody still waits for the reply */
  send(client: Client, done: Done, wanted: () => boolean): void
  /** @throws MalformedReply, or UsageError for a mistake of the caller */
  read(reply: unknown): Result
  /** bytes that it holds while it waits, roughly */
  readonly bytes: number
  /** whether it can change something */
  readonly writes: boolean
  /** It asks the client, not a server. */
  readonly local?: true
}

/** A call without a result is in a list with the others, in the order of their ends. */
interface Call {
  readonly request: Request<unknown>
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
  readonly ends: number
  readonly signal: AbortSignal | undefined
  onAbort: (() => void) | undefined
  sent: boolean
  settled: boolean
  /** how many replicas have it */
  confirmed: Promise<number> | undefined
  older: Call | undefined
  newer: Call | undefined
}

/** Milliseconds between attempts to connect: doubled from the first to the last. */
const FIRST_PAUSE = 50
const LAST_PAUSE = 1_000
/** Milliseconds that an attempt may take. It asks one Sentinel after the other. */
const ATTEMPT = 1_500
/** What ioredis says of a connection that ended, and of one that has just ended. */
const NO_CONNECTION = /^(?:Connection is closed|Stream isn't writeable|Cluster is)/

export class Link {
  readonly #settings: Settings
  readonly #closing = new AbortController()
  #client: Client | undefined
  /** why there is no client */
  #reason = 'it is not connected yet'
  /** when the server last gave a sign of life, by `performance.now` */
  #alive = performance.now()
  /** since when there is a client */
  #since = 0
  /** ends the attempt to connect that is in progress */
  #attempting: AbortController | undefined
  /** why the server is lost, if that was logged */
  #told: string | undefined

  /** the ends of the list of calls without a result; all have the same deadline, so one timer is enough */
  #oldest: Call | undefined
  #newest: Call | undefined
  #timer: NodeJS.Timeout | undefined
  /** calls for the next turn, or for the next client */
  #waiting: Call[] = []
  #flushing = false
  /** calls that are held: those that wait, and those that were sent and have no reply, with or without a result */
  #calls = 0
  #bytes = 0
  #unanswered = 0
  /** since when there is no reply to what was sent */
  #silent = 0

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** Connects. Resolves after the first attempt, whether or not it succeeded, and after at most the deadline. */
  async open(): Promise<void> {
    const stop = new AbortController()
    const first = this.#connect()
    const wait = sleep(this.#settings.deadline, undefined, { signal: stop.signal })
    await Promise.race([first, wait.catch(() => {})])
    stop.abort()
  }

  /** @param make makes the request; what it throws, the promise rejects with */
  call<Result>(make: () => Request<Result>, signal: AbortSignal | undefined): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const request = make()
      const { deadline, maxCalls, maxBytes } = this.#settings
      const now = performance.now()
      if (this.#closing.signal.aborted) return reject(this.#closed())
      if (signal?.aborted === true) return reject(signal.reason)
      if (this.#client === undefined && now - this.#alive >= deadline) {
        return reject(this.#unavailable())
      }
      if (this.#calls >= maxCalls || this.#bytes + request.bytes > maxBytes) {
        return reject(
          this.#error(`${this.#calls} calls wait already; maxCalls and maxBytes bound them`),
        )
      }
      const call: Call = {
        request,
        resolve: resolve as Call['resolve'],
        reject,
        ends: now + deadline,
        signal,
        onAbort: undefined,
        sent: false,
        settled: false,
        confirmed: undefined,
        older: this.#newest,
        newer: undefined,
      }
      this.#calls++
      this.#bytes += request.bytes
      if (this.#newest === undefined) this.#oldest = call
      else this.#newest.newer = call
      this.#newest = call
      if (this.#timer === undefined) this.#watch(deadline)
      if (signal !== undefined) {
        call.onAbort = (): void => this.#reject(call, signal.reason)
        signal.addEventListener('abort', call.onAbort, { once: true })
      }
      this.#waiting.push(call)
      if (this.#client !== undefined) this.#flushSoon()
    })
  }

  close(): void {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    this.#attempting?.abort()
    clearTimeout(this.#timer)
    const client = this.#client
    this.#client = undefined
    while (this.#oldest !== undefined) this.#reject(this.#oldest, this.#closed())
    this.#waiting = []
    client?.destroy()
  }

  /** The result of the first attempt; further ones follow by themselves. */
  async #connect(): Promise<void> {
    if (await this.#attempt()) return
    void this.#goOn()
  }

  async #goOn(first = FIRST_PAUSE): Promise<void> {
    const { signal } = this.#closing
    for (let pause = first; ; pause = Math.min(2 * pause, LAST_PAUSE)) {
      // Many processes lose a server at the same time, and should not come back at the same time.
      const jitter = 0.5 + Math.random() / 2
      await sleep(pause * jitter, undefined, { signal }).catch(() => {})
      if (signal.aborted || (await this.#attempt())) return
    }
  }

  async #attempt(): Promise<boolean> {
    const { deadline, place } = this.#settings
    const servers = place.type === 'sentinels' ? place.sentinels.length + 1 : 1
    const end = new AbortController()
    this.#attempting = end
    const timer = setTimeout(() => end.abort(), servers * Math.max(ATTEMPT, 2 * deadline))
    let client: Client | undefined
    let gone: string | undefined
    const ended = (reason: string): void => {
      gone = reason
      this.#lost(client, reason)
    }
    try {
      client = await connectClient(this.#settings, ended, end.signal)
    } catch (error) {
      gone = (error as Error).message
    } finally {
      clearTimeout(timer)
    }
    if (this.#closing.signal.aborted) {
      client?.destroy()
      return true
    }
    if (client === undefined || gone !== undefined) {
      this.#failed(gone ?? 'it closed the connection')
      return false
    }
    this.#client = client
    this.#since = this.#alive = performance.now()
    if (this.#told !== undefined) {
      this.#told = undefined
      this.#settings.logger.info({ store: this.#settings.name }, 'the store answers again')
    }
    this.#flushSoon()
    return true
  }

  /** An attempt to connect has failed. */
  #failed(reason: string): void {
    this.#tell(reason)
    if (performance.now() - this.#alive < this.#settings.deadline) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const call of waiting) {
      this.#release(call)
      this.#reject(call, this.#unavailable())
    }
  }

  /** A client has ended by itself, or is given up. Its unanswered calls fail by themselves. */
  #lost(client: Client | undefined, reason: string): void {
    if (client === undefined || this.#client !== client) return
    this.#client = undefined
    client.destroy()
    this.#tell(reason)
    // One that was of no use is not followed at once, or a call a turn would make a connection each.
    const short = performance.now() - this.#since < LAST_PAUSE
    void (short ? this.#goOn(LAST_PAUSE) : this.#connect())
  }

  #tell(reason: string): void {
    this.#reason = reason
    if (this.#told === reason) return
    this.#told = reason
    const { logger, name } = this.#settings
    logger.warn({ store: name, reason }, 'the store cannot be used')
  }

  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    // After all promises that the last replies have settled: their calls go out in one write.
    process.nextTick(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  #flush(): void {
    const client = this.#client
    if (client === undefined || this.#waiting.length === 0) return
    const batch = this.#waiting
    this.#waiting = []
    const { replicas, deadline } = this.#settings
    if (this.#unanswered === 0) this.#silent = performance.now()
    if (batch.length === 1 && replicas === 0) return this.#send(client, batch[0]!)
    client.together(() => {
      for (const call of batch) this.#send(client, call)
      if (replicas > 0 && batch.some(({ request }) => request.writes)) {
        // A little less than what is left, to say what is missing.
        const confirmed = client.confirm(replicas, Math.ceil(0.8 * deadline))
        confirmed.catch(() => {})
        for (const call of batch) if (call.request.writes) call.confirmed = confirmed
      }
    })
  }

  #send(client: Client, call: Call): void {
    if (call.settled) return this.#release(call)
    call.sent = true
    this.#unanswered++
    call.request.send(
      client,
      (error, reply) => this.#replied(client, call, error, reply),
      () => !call.settled && this.#client === client,
    )
  }

  #replied(client: Client, call: Call, error: Error | undefined, reply: unknown): void {
    this.#unanswered--
    this.#release(call)
    if (call.request.local !== true && (error === undefined || error.name === 'ReplyError')) {
      this.#silent = this.#alive = performance.now()
    }
    if (error !== undefined) {
      // Sentinels or a name have a new primary.
      if (replyCode(error) === 'READONLY') this.#lost(client, 'it became a replica')
      return this.#reject(call, this.#failure(error))
    }
    if (call.settled) return
    let result: unknown
    try {
      result = call.request.read(reply)
    } catch (wrong) {
      if (!(wrong instanceof MalformedReply)) return this.#reject(call, wrong)
      const reason = 'it gave a reply that does not belong to the question'
      this.#lost(client, reason)
      return this.#reject(call, this.#error(reason))
    }
    if (call.confirmed === undefined) return this.#resolve(call, result)
    const { replicas } = this.#settings
    call.confirmed.then(
      (confirmed) => {
        if (confirmed >= replicas) return this.#resolve(call, result)
        this.#reject(
          call,
          this.#error(
            `${confirmed || 0} of ${replicas} replicas have the step, so a failover could undo it; it may be repeated`,
          ),
        )
        // A primary that lost its replicas may not be the primary any more.
        if (this.#settings.place.type === 'sentinels') this.#lost(client, 'it has no replicas')
      },
      (cause: Error) => this.#reject(call, this.#failure(cause)),
    )
  }

  /** Ends calls whose time is over, from a time on. */
  #watch(milliseconds: number): void {
    this.#timer = setTimeout(() => {
      // After a pause of this process, replies that have come are read first: they are not late.
      setImmediate(() => {
        this.#timer = undefined
        if (!this.#closing.signal.aborted) this.#look()
      })
    }, milliseconds)
  }

  #look(): void {
    const now = performance.now()
    const { deadline } = this.#settings
    while (this.#oldest !== undefined && this.#oldest.ends <= now) {
      this.#reject(this.#oldest, this.#oldest.sent ? this.#late() : this.#unavailable())
    }
    let next = this.#oldest?.ends
    if (this.#unanswered > 0 && this.#client !== undefined) {
      // A server that is silent for so long is not waited for: its connection may be dead.
      const limit = this.#silent + 2 * deadline
      if (now >= limit) this.#lost(this.#client, 'it did not answer')
      else next ??= limit
    }
    if (next !== undefined) this.#watch(Math.max(1, Math.ceil(next - now)))
  }

  #resolve(call: Call, result: unknown): void {
    if (this.#settle(call)) call.resolve(result)
  }

  #reject(call: Call, error: unknown): void {
    if (this.#settle(call)) call.reject(error)
  }

  #settle(call: Call): boolean {
    if (call.settled) return false
    call.settled = true
    const { older, newer } = call
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
    call.older = call.newer = undefined
    if (call.onAbort !== undefined) call.signal?.removeEventListener('abort', call.onAbort)
    return true
  }

  #release({ request }: Call): void {
    this.#calls--
    this.#bytes -= request.bytes
  }

  #error(what: string): StoreError {
    return new StoreError('STORE_UNAVAILABLE', `${this.#settings.name}: ${what}`)
  }

  #unavailable(): StoreError {
    return this.#error(this.#reason)
  }

  #late(): StoreError {
    const { name, deadline } = this.#settings
    return new StoreError(
      'STORE_TIMEOUT',
      `${name} did not answer within ${deadline} ms; the step may still be made, and may be repeated`,
    )
  }

  #closed(): StoreError {
    return new StoreError('STORE_CLOSED', `${this.#settings.name}: this store is closed`)
  }

  #failure(error: Error): Error {
    if (this.#closing.signal.aborted) return this.#closed()
    if (error instanceof StoreError || error instanceof UsageError) return error
    const { name } = this.#settings
    // ioredis tells of its options instead.
    if (error.name === 'MaxRetriesPerRequestError' || NO_CONNECTION.test(error.message)) {
      return this.#error(
        'the connection broke; the step may have been made, and may be repeated',
      )
    }
    return failure(name, error, this.#secrets())
  }

  #secrets(): (string | undefined)[] {
    let password: string | undefined
    try {
      password = this.#settings.password()
    } catch {
      // Then it cannot be in a message either.
    }
    return [password, this.#settings.sentinelPassword]
  }
}
