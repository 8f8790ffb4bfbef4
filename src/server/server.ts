import type { Socket } from 'node:net'
import { UsageError } from '../errors.ts'
import { channels } from '../diagnostics/channels.ts'
import type { Filter, FilterFactory } from '../milter/filter-object.ts'
import { filterSettings, STAGE_DEADLINE, type FilterSettings } from '../milter/options.ts'
import type { Overload } from '../milter/overload.ts'
import { tryFactory } from '../milter/trial.ts'
import { parseListenAddress } from '../net/listen-address.ts'
import type { CloseSettings, ServerValues } from '../options/settings.ts'
import type { CloseOptions, OverloadAnswer } from '../options/types.ts'
import { checkNames } from '../options/validate.ts'
import type { MemoryBudget } from '../session/memory-budget.ts'
import { PendingConnection } from './pending-connection.ts'
import { clock } from './clock.ts'
import { ServerConnection } from './connection.ts'
import { AccessControl } from './access-control.ts'
import { Listener } from './listener.ts'
import {
  addressList,
  closeSettings,
  SERVE_OPTIONS,
  serverSettings,
  type ServeOptions,
} from './options.ts'
import { firstToGo, idleOf } from './pressure.ts'
import { ConnectionSet } from './connection-set.ts'
import type { TlsOptions } from './tls.ts'

/** Messages of the log about connections above the limit. */
const TOO_MANY = {
  tempfail: 'too many connections: try again later',
  accept: 'too many connections: their mail passes unfiltered',
  dropped: 'too many connections: closed',
}
const MADE_ROOM = 'too many connections: one without a message is closed for another'
const MADE_MEMORY = 'all memory is in use: a connection without a message is closed'

/** A filter that gives the same answer to all mail. */
const answering =
  ({ verdict }: Overload): FilterFactory =>
  () => ({ connect: () => verdict, envfrom: () => verdict })

/** Milliseconds between two calls of a factory that fails. */
const RETRY_INTERVAL = 1_000

/** Milliseconds between two sweeps, which close connections whose timeouts have passed. */
const SWEEP_INTERVAL = 1_000
/** Milliseconds in which the other side can close an ended session. With a check every 50 ms it is at most a second. */
const PARTING = 900

/**
 * A server that runs a filter. {@link serve} returns one. Several servers can run in one process. `await using` closes
 * the server at the end of its block.
 *
 *     await using server = await serve(tag, { listen: 'inet:0@localhost' })
 *     console.log(server.addresses) // [ 'inet:41234@127.0.0.1' ]
 */
export class MilterServer implements AsyncDisposable {
  readonly #factory: FilterFactory
  readonly #filter: FilterSettings
  readonly #settings: ServerValues
  /** undefined if connections need not pass any check */
  readonly #access: AccessControl | undefined
  readonly #pendings = new ConnectionSet<PendingConnection>()
  readonly #listeners: Listener[] = []
  readonly #connections = new ConnectionSet<ServerConnection>()
  readonly #overflow = new ConnectionSet<ServerConnection>()
  /** connections that made room for others, and are not closed yet */
  readonly #leaving = new ConnectionSet<PendingConnection | ServerConnection>()
  #sweep: NodeJS.Timeout | undefined
  #relieving = false
  #closing: Promise<void> | undefined
  #close: CloseSettings = closeSettings({})
  #closed: (() => void) | undefined
  #unfollow: (() => void) | undefined
  /** the last call of the factory threw */
  #failing = false
  /** when it was last called without a session */
  #tried = -Infinity
  /** Resolves when the server has closed, for any reason. */
  readonly finished: Promise<void>

  constructor(factory: FilterFactory, options: Omit<ServeOptions, 'listen'>) {
    this.#filter = filterSettings(options)
    tryFactory(factory, this.#filter)
    this.#factory = () => this.#make(factory)
    this.#settings = serverSettings(options)
    this.#access = AccessControl.of(options, this.#settings.timeouts, this.#filter)
    this.#filter.memory.onExhausted = () => {
      if (this.#relieving) return
      this.#relieving = true
      setImmediate(() => this.#relieve())
    }
    this.finished = new Promise((resolve) => {
      this.#closed = resolve
    })
  }

  /** Listens on all addresses, or on none. @throws ListenError */
  async start(listen: readonly string[], signal?: AbortSignal): Promise<this> {
    const addresses = listen.map(parseListenAddress)
    try {
      for (const address of addresses) {
        signal?.throwIfAborted()
        const listener = await Listener.open(
          address,
          this.#settings,
          (socket) => this.accept(socket),
          (error, where) => this.#cannotAccept(error, where),
        )
        this.#listeners.push(listener)
      }
      signal?.throwIfAborted()
    } catch (error) {
      await this.#closeListeners()
      throw error
    }
    if (signal !== undefined) {
      const onAbort = (): void => void this.close()
      signal.addEventListener('abort', onAbort, { once: true })
      this.#unfollow = () => signal.removeEventListener('abort', onAbort)
    }
    return this
  }

  #cannotAccept(error: Error, address: string): void {
    const { logger, limitedLog } = this.#filter
    limitedLog.write(logger, 'error', { err: error, address }, 'cannot accept a connection')
  }

  /** The addresses it listens on, in the notation of libmilter, with the real port in place of port 0. */
  get addresses(): readonly string[] {
    return this.#listeners.map(({ address }) => address)
  }

  /**
   * Changes the certificate for new connections, for example after a renewal. The server must have been started with
   * `tls`. Other options than key and certificate stay as they are if you leave them out. In particular, `ca` stays, so
   * that mutual TLS continues.
   *
   * @throws UsageError INVALID_OPTION; then the old certificate stays
   */
  renewTls(tls: TlsOptions): void {
    if (this.#access?.encrypts !== true) {
      throw new UsageError(
        'INVALID_OPTION',
        'the option tls cannot be renewed: this server was started without it',
      )
    }
    this.#access.renewTls(tls)
  }

  /**
   * False while the filter cannot be created: the factory threw in the latest session, and all mail gets `onError`.
   * Reading it then calls the factory again, at most once a second, so that it becomes true even without mail.
   */
  get healthy(): boolean {
    if (!this.#failing) return true
    const now = clock()
    if (now - this.#tried >= RETRY_INTERVAL) {
      this.#tried = now
      try {
        this.#factory()
      } catch {
        // The error was logged when a session called the factory.
      }
    }
    return !this.#failing
  }

  #make(factory: FilterFactory): Filter {
    try {
      const filter = factory()
      this.#failing = false
      return filter
    } catch (error) {
      this.#failing = true
      throw error
    }
  }

  /** Number of connections that the filter serves. Those that get only the answer of `overload` do not count. */
  get connections(): number {
    return this.#connections.size
  }

  /** The bytes that messages and connections hold in memory, and the limit. */
  get memory(): Pick<MemoryBudget, 'limit' | 'used'> {
    return this.#filter.memory
  }

  /**
   * Stops the server. It accepts no more connections. Sessions may finish within the deadline. A session without an
   * open message ends once it is quiet, and its connection is closed at most a second later, whether the mail server
   * closes its side or not. After the deadline, or at once if it is 0, the error policy answers all open commands, and
   * all connections are closed. A second call can shorten the deadline.
   *
   * When the promise resolves, no handler is called any more. Handlers of `abort` and `close` have ended or missed
   * their own deadlines (option `deadlines`). They can take longer than the deadline of the server. Without a deadline
   * they have 8 seconds then.
   *
   *     process.once('SIGTERM', () => void server.close({ deadline: 10_000 }))
   *
   * @throws UsageError INVALID_OPTION; then the server goes on
   */
  async close(options: CloseOptions = {}): Promise<void> {
    this.#close = closeSettings(options)
    this.#hurry?.()
    await (this.#closing ??= this.#shutDown())
  }

  #hurry: (() => void) | undefined

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #shutDown(): Promise<void> {
    this.#unfollow?.()
    const began = clock()
    await this.#closeListeners()
    while (this.#size > 0) {
      const now = clock()
      const { deadline, quiet } = this.#close
      const left = deadline - (now - began)
      if (left <= 0) break
      for (const connection of this.#all()) {
        if (connection.working) continue
        // Postfix and Sendmail notice that the filter has closed when their client sends its next command.
        if (connection.parting(now) >= PARTING) connection.abandon('shutdown')
        else if (connection.silence(now) >= quiet) connection.stop('shutdown')
      }
      await this.#nap(Math.min(left, 50))
    }
    for (const connection of this.#all()) connection.stop('shutdown')
    // Gives the last replies time to leave, but does not wait for mail servers that do not read them.
    for (const end = clock() + 1_000; this.#size > 0 && clock() < end;) await this.#nap(20)
    for (const connection of this.#all()) connection.abandon('shutdown')
    // Handlers of abort and close end by themselves or at their deadlines. Nothing runs after that.
    for (const connection of this.#all()) {
      if (connection instanceof ServerConnection) connection.boundNotices(STAGE_DEADLINE)
    }
    while (this.#size > 0) await this.#nap(1_000)
    clearInterval(this.#sweep)
    this.#closed?.()
  }

  /** Waits, until a further call of `close` at most. */
  async #nap(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      this.#hurry = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  get #size(): number {
    return (
      this.#pendings.size + this.#connections.size + this.#overflow.size + this.#leaving.size
    )
  }

  #all(): (PendingConnection | ServerConnection)[] {
    return [...this.#pendings, ...this.#connections, ...this.#overflow, ...this.#leaving]
  }

  /** Serves a connection, which another process may have accepted. Nothing may have been read from it yet. */
  accept(socket: Socket): void {
    // Its event `close` would not come again.
    if (socket.closed) return
    // Started with the first connection, because `start` is not called for a server that gets connections this way.
    this.#sweep ??= setInterval(() => this.#checkTimes(), SWEEP_INTERVAL).unref()
    if (this.#access === undefined) this.#admit(socket)
    else if (this.#hasRoom(this.#pendings)) this.#receive(socket, this.#access)
    else this.#drop(socket)
  }

  #receive(socket: Socket, access: AccessControl): void {
    const pending = new PendingConnection(socket, access, {
      admitted: (open, peer) => this.#admit(open, peer),
      gone: () => {
        this.#pendings.remove(pending)
        this.#leaving.remove(pending)
        this.#hurry?.()
      },
    })
    this.#pendings.add(pending)
    pending.begin()
  }

  #admit(socket: Socket, peer?: string): void {
    if (this.#hasRoom(this.#connections)) {
      this.#serve(socket, this.#connections, this.#factory, peer)
      return
    }
    if (!this.#hasRoom(this.#overflow)) {
      this.#drop(socket)
      return
    }
    const { overload } = this.#filter
    this.#tellOverload(overload.answer, false)
    this.#serve(socket, this.#overflow, answering(overload), peer)
  }

  /** Whether there is room for one more connection. If necessary, an idle one is closed for it. */
  #hasRoom<T extends PendingConnection | ServerConnection>(
    connectionSet: ConnectionSet<T>,
  ): boolean {
    const { maxConnections } = this.#settings
    if (connectionSet.size < maxConnections) return true
    const now = clock()
    const idle = firstToGo(connectionSet, now)
    if (idle === undefined) return false
    const { logger, limitedLog } = this.#filter
    const fields = { maxConnections, peer: idle.peer, unused: idle.unused(now) }
    limitedLog.write(logger, 'warn', fields, MADE_ROOM)
    idle.abandon('overload')
    // The socket closes a moment later, and its handler of close may take a while. But its place is needed now.
    connectionSet.remove(idle)
    this.#leaving.add(idle)
    return true
  }

  /** Frees memory for messages: closes connections without a message, and then gives up frames above the usual size. */
  #relieve(): void {
    this.#relieving = false
    const { logger, limitedLog, memory } = this.#filter
    const now = clock()
    const holding = [...this.#connections, ...this.#overflow].filter(({ held }) => held > 0)
    for (const idle of idleOf(holding, now)) {
      if (!memory.exhausted) return
      const fields = { maxMemory: memory.limit, peer: idle.peer, unused: idle.unused(now) }
      limitedLog.write(logger, 'warn', fields, MADE_MEMORY)
      idle.abandon('overload')
    }
    for (const connection of holding) connection.relieve()
  }

  #drop(socket: Socket): void {
    this.#tellOverload(this.#filter.overload.answer, true)
    socket.destroy()
  }

  #tellOverload(answer: OverloadAnswer, dropped: boolean): void {
    const { maxConnections } = this.#settings
    const { logger, limitedLog } = this.#filter
    if (channels.connectionOverload.hasSubscribers) {
      channels.connectionOverload.publish({ maxConnections, dropped, answer })
    }
    limitedLog.write(logger, 'warn', { maxConnections }, TOO_MANY[dropped ? 'dropped' : answer])
  }

  #serve(
    socket: Socket,
    connectionSet: ConnectionSet<ServerConnection>,
    factory: FilterFactory,
    peer: string | undefined,
  ): void {
    const connection = new ServerConnection(socket, factory, this.#filter, this.#gone, peer)
    connectionSet.add(connection)
  }

  /** One function for all connections, because V8 would keep a closure of each connection after its end. */
  readonly #gone = (connection: ServerConnection): void => {
    this.#connections.remove(connection)
    this.#overflow.remove(connection)
    this.#leaving.remove(connection)
    this.#hurry?.()
  }

  #checkTimes(): void {
    const now = clock()
    for (const connection of this.#all()) connection.checkTimes(now, this.#settings.timeouts)
  }

  async #closeListeners(): Promise<void> {
    for (const listener of this.#listeners) {
      await listener
        .close()
        .catch((error: unknown) =>
          this.#filter.logger.warn(
            { err: error, path: listener.address },
            'cannot remove the socket',
          ),
        )
    }
  }
}

/** {@link serve} without the checks of its types. */
export async function startServer(
  factory: FilterFactory,
  options: ServeOptions,
): Promise<MilterServer> {
  checkNames('serve', options, SERVE_OPTIONS)
  if (typeof factory !== 'function') {
    throw new UsageError(
      'INVALID_HANDLER',
      `serve takes a function that returns the handlers of one SMTP session: serve(() => ({ eom(ctx) { ... } }), ...); it got ${typeof factory}`,
    )
  }
  const server = new MilterServer(factory, options)
  return server.start(addressList(options.listen), options.signal)
}
