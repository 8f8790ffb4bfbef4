import type { Socket } from 'node:net'
import { UsageError } from '../errors.ts'
import { channels } from '../diagnostics/channels.ts'
import type { Filter, FilterFactory } from '../milter/filter-object.ts'
import { filterSettings, STAGE_DEADLINE, type FilterSettings } from '../milter/options.ts'
import type { Overload } from '../milter/overload.ts'
import { tryFactory } from '../milter/trial.ts'
import { parseListenAddress } from '../net/listen-address.ts'
import type { ServerValues } from '../options/settings.ts'
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
  CLOSE_DEFAULTS,
  SERVE_OPTIONS,
  serverSettings,
  type ServeOptions,
} from './options.ts'
import { firstToGo, idleOf } from './pressure.ts'
import { ConnectionSet } from './connection-set.ts'
import type { TlsOptions } from './tls.ts'

/** What the log says of connections beyond the limit. */
const TOO_MANY = {
  tempfail: 'too many connections: try again later',
  accept: 'too many connections: their mail passes unfiltered',
  dropped: 'too many connections: closed',
}
const MADE_ROOM = 'too many connections: one without a message is closed for another'
const MADE_MEMORY = 'all memory is in use: a connection without a message is closed'

/** A filter that says the same to all mail. */
const answering =
  ({ verdict }: Overload): FilterFactory =>
  () => ({ connect: () => verdict, envfrom: () => verdict })

/** Milliseconds between two tries of a factory that fails. */
const RETRY_INTERVAL = 1_000

/** A sweep over all connections finds those whose time is over; this is how fine it is. */
const SWEEP_INTERVAL = 1_000
/** Milliseconds in which the other side of an ended session can close it; with a look each 50 they make a second. */
const PARTING = 900

/**
 * A filter that listens. Made by {@link serve}; several can run in one process, side by side.
 * `await using` closes it at the end of its block.
 */
export class MilterServer implements AsyncDisposable {
  readonly #factory: FilterFactory
  readonly #filter: FilterSettings
  readonly #settings: ServerValues
  /** undefined for connections that are served as they come */
  readonly #access: AccessControl | undefined
  readonly #pendings = new ConnectionSet<PendingConnection>()
  readonly #listeners: Listener[] = []
  readonly #connections = new ConnectionSet<ServerConnection>()
  readonly #overflow = new ConnectionSet<ServerConnection>()
  /** those that had to make room, and are not gone yet */
  readonly #leaving = new ConnectionSet<PendingConnection | ServerConnection>()
  #sweep: NodeJS.Timeout | undefined
  #relieving = false
  #closing: Promise<void> | undefined
  #close: CloseOptions = {}
  #closed: (() => void) | undefined
  #unfollow: (() => void) | undefined
  /** the factory has thrown when it was called last */
  #failing = false
  /** when it was called for no session */
  #tried = -Infinity
  /** Settles when the server has closed, for whatever reason. */
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

  /** Where it listens, in libmilter's spelling and with the ports that port 0 became. */
  get addresses(): readonly string[] {
    return this.#listeners.map(({ address }) => address)
  }

  /**
   * Takes another certificate, such as one that was renewed, for the connections that are made from now
   * on. Only of a server that was started with `tls`. What is left out beside key and certificate stays
   * as it is: `ca` above all, so that mutual TLS stays mutual.
   *
   * @throws UsageError INVALID_OPTION; then the one before stays
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
   * False while the filter cannot be made: the factory has thrown in the latest session, and all mail gets `onError`.
   * Asked then, it tries again, once a second at most, so that it becomes true without mail.
   */
  get healthy(): boolean {
    if (!this.#failing) return true
    const now = clock()
    if (now - this.#tried >= RETRY_INTERVAL) {
      this.#tried = now
      try {
        this.#factory()
      } catch {
        // It was logged when it was for a session.
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

  /** Connections being served, without those only told to try again later. */
  get connections(): number {
    return this.#connections.size
  }

  /** The bytes that messages and connections hold in memory, and how many they may. */
  get memory(): Pick<MemoryBudget, 'limit' | 'used'> {
    return this.#filter.memory
  }

  /**
   * Stops: no new connections from now on. Sessions may finish within the deadline; those without an
   * open message are ended once they are quiet, and are gone at most a second later, whether the mail server
   * closes its side or not. Then, or with a deadline of 0, what is unanswered is
   * answered by the error policy and everything is closed. A second call can shorten the deadline.
   *
   * When it settles no handler is called any more, and those of `abort` and `close` have ended or missed their
   * own deadlines (option `deadlines`), which also bound how long it takes beyond its own; without a deadline
   * they have 8 seconds then.
   */
  close(options: CloseOptions = {}): Promise<void> {
    this.#close = options
    if (this.#closing !== undefined) {
      this.#hurry?.()
      return this.#closing
    }
    this.#closing = this.#shutDown()
    return this.#closing
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
      const left = (this.#close.deadline ?? CLOSE_DEFAULTS.deadline) - (now - began)
      if (left <= 0) break
      const quiet = this.#close.quiet ?? CLOSE_DEFAULTS.quiet
      for (const connection of this.#all()) {
        if (connection.working) continue
        // Postfix and Sendmail see that the filter has gone when their client speaks next, and close then.
        if (connection.parting(now) >= PARTING) connection.abandon('shutdown')
        else if (connection.silence(now) >= quiet) connection.stop('shutdown')
      }
      await this.#nap(Math.min(left, 50))
    }
    for (const connection of this.#all()) connection.stop('shutdown')
    // What was answered last still has to leave; those who do not read it are not waited for.
    for (const end = clock() + 1_000; this.#size > 0 && clock() < end;) await this.#nap(20)
    for (const connection of this.#all()) connection.abandon('shutdown')
    // Handlers of abort and close end by themselves or at their deadlines; nothing runs after that.
    for (const connection of this.#all()) {
      if (connection instanceof ServerConnection) connection.boundNotices(STAGE_DEADLINE)
    }
    while (this.#size > 0) await this.#nap(1_000)
    clearInterval(this.#sweep)
    this.#closed?.()
  }

  /** Waits, but not past a further call of `close`. */
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

  /** Serves a connection, be it one that somebody else has accepted. Nothing was read from it yet. */
  accept(socket: Socket): void {
    // It would never say again that it is.
    if (socket.closed) return
    // From the first connection on: a server that is given its connections is never told to start.
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

  /** One more may come; perhaps one that does nothing has to go for it. */
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
    // Its socket is closed in a moment, and its handler of close may take a while; its place is needed now.
    connectionSet.remove(idle)
    this.#leaving.add(idle)
    return true
  }

  /** Messages need the memory that others hold: those that have none, and then frames beyond the usual size. */
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

  /** One function for all connections: what each of them has of its own lives and dies with it. */
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

/** {@link serve} without its checks of types. */
export async function startServer(
  factory: FilterFactory,
  options: ServeOptions,
): Promise<MilterServer> {
  checkNames('serve', options, SERVE_OPTIONS)
  if (typeof factory !== 'function') {
    throw new UsageError(
      'INVALID_HANDLER',
      `serve takes a function that makes the handlers of one SMTP session: serve(() => ({ eom(ctx) { ... } }), ...); it got ${typeof factory}`,
    )
  }
  const server = new MilterServer(factory, options)
  return server.start(addressList(options.listen), options.signal)
}
