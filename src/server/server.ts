import { lookup } from 'node:dns/promises'
import { createServer, isIP, type AddressInfo, type Server, type Socket } from 'node:net'
import { UsageError } from '../errors.ts'
import { channels } from '../milter/channels.ts'
import type { FilterFactory } from '../milter/filter-object.ts'
import { filterSettings, type FilterSettings } from '../milter/options.ts'
import { TEMPFAIL } from '../session/verdict.ts'
import { Connection } from './connection.ts'
import {
  formatListenAddress,
  parseListenAddress,
  type ListenAddress,
} from './listen-address.ts'
import {
  serverSettings,
  type CloseOptions,
  type ServeOptions,
  type ServerSettings,
} from './options.ts'
import { listenError, listenOnPath, removeSocket, type PlacedSocket } from './unix-socket.ts'

/** A sweep over all connections finds those whose time is over; this is how fine it is. */
const SWEEP_INTERVAL = 1_000

/** Told to connections beyond the limit: the mail server tries again later. */
const OVERLOADED: FilterFactory = () => ({ connect: () => TEMPFAIL, envfrom: () => TEMPFAIL })

interface Listener {
  readonly server: Server
  readonly address: ListenAddress
  readonly placed: PlacedSocket | undefined
}

/**
 * A filter that listens. Made by {@link serve}; several can run in one process, side by side.
 * `await using` closes it at the end of its block.
 */
export class MilterServer implements AsyncDisposable {
  readonly #factory: FilterFactory
  readonly #filter: FilterSettings
  readonly #settings: ServerSettings
  readonly #listeners: Listener[] = []
  readonly #connections = new Set<Connection>()
  readonly #overflow = new Set<Connection>()
  #sweep: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined
  #close: CloseOptions = {}
  #closed: (() => void) | undefined
  #unfollow: (() => void) | undefined
  /** Settles when the server has closed, for whatever reason. */
  readonly finished: Promise<void>

  constructor(factory: FilterFactory, options: ServeOptions) {
    this.#factory = factory
    this.#filter = filterSettings(options)
    this.#settings = serverSettings(options)
    this.finished = new Promise((resolve) => {
      this.#closed = resolve
    })
  }

  /** Listens on all addresses, or on none. @throws ListenError */
  async start(signal?: AbortSignal): Promise<this> {
    const addresses = this.#settings.listen.map(parseListenAddress)
    try {
      for (const address of addresses) {
        signal?.throwIfAborted()
        this.#listeners.push(await this.#listen(address))
      }
      signal?.throwIfAborted()
    } catch (error) {
      await this.#closeListeners()
      throw error
    }
    this.#sweep = setInterval(() => this.#checkTimes(), SWEEP_INTERVAL)
    this.#sweep.unref()
    if (signal !== undefined) {
      const onAbort = (): void => void this.close()
      signal.addEventListener('abort', onAbort, { once: true })
      this.#unfollow = () => signal.removeEventListener('abort', onAbort)
    }
    return this
  }

  /** Where it listens, in libmilter's spelling and with the ports that port 0 became. */
  get addresses(): readonly string[] {
    return this.#listeners.map(({ server, address }) => {
      if (address.type !== 'tcp') return formatListenAddress(address)
      const bound = server.address() as AddressInfo | null
      return formatListenAddress(
        bound === null ? address : { ...address, host: bound.address, port: bound.port },
      )
    })
  }

  /** Connections being served, without those only told to try again later. */
  get connections(): number {
    return this.#connections.size
  }

  /**
   * Stops: no new connections from now on. Sessions may finish within the deadline; those without an
   * open message are ended once they are quiet. Then, or with a deadline of 0, what is unanswered is
   * answered by the error policy and everything is closed. A second call can shorten the deadline.
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
    const began = Date.now()
    await this.#closeListeners()
    while (this.#size > 0) {
      const now = Date.now()
      const left = (this.#close.deadline ?? 30_000) - (now - began)
      if (left <= 0) break
      const quiet = this.#close.quiet ?? 2_000
      for (const connection of this.#all()) {
        if (!connection.working && connection.silence(now) >= quiet) connection.stop('shutdown')
      }
      await this.#nap(Math.min(left, 50))
    }
    for (const connection of this.#all()) connection.stop('shutdown')
    // What was answered last still has to leave; those who do not read it are not waited for.
    for (const end = Date.now() + 1_000; this.#size > 0 && Date.now() < end;)
      await this.#nap(20)
    for (const connection of this.#all()) connection.abandon('shutdown')
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
    return this.#connections.size + this.#overflow.size
  }

  #all(): Connection[] {
    return [...this.#connections, ...this.#overflow]
  }

  async #listen(address: ListenAddress): Promise<Listener> {
    const server = createServer(
      { noDelay: true, keepAlive: true, pauseOnConnect: true },
      (socket) => this.#accept(socket),
    )
    if (address.type === 'unix') {
      const { unixSocket, backlog } = this.#settings
      const placed = await listenOnPath(server, address.path, unixSocket, backlog)
      this.#watch(server, address)
      return { server, address, placed }
    }
    const where =
      address.type === 'fd'
        ? { fd: address.fd }
        : {
            host: await resolveHost(address),
            port: address.port,
            ipv6Only: address.family === 6,
          }
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error): void =>
        reject(listenError(formatListenAddress(address), error))
      server.once('error', failed)
      server.listen({ ...where, backlog: this.#settings.backlog }, () => {
        server.off('error', failed)
        resolve()
      })
    })
    this.#watch(server, address)
    return { server, address, placed: undefined }
  }

  /** An accept that fails (no descriptors left) must not end the process; the next one may work. */
  #watch(server: Server, address: ListenAddress): void {
    server.on('error', (error) => {
      this.#filter.logger.error(
        { err: error, address: formatListenAddress(address) },
        'cannot accept a connection',
      )
    })
  }

  #accept(socket: Socket): void {
    const { maxConnections } = this.#settings
    if (this.#connections.size < maxConnections) {
      this.#serve(socket, this.#connections, this.#factory)
      return
    }
    const dropped = this.#overflow.size >= maxConnections
    if (channels.connectionOverload.hasSubscribers) {
      channels.connectionOverload.publish({ maxConnections, dropped })
    }
    if (dropped) {
      socket.destroy()
      return
    }
    this.#filter.logger.warn({ maxConnections }, 'too many connections: try again later')
    this.#serve(socket, this.#overflow, OVERLOADED)
  }

  #serve(socket: Socket, set: Set<Connection>, factory: FilterFactory): void {
    const connection = new Connection(socket, factory, this.#filter, () => {
      set.delete(connection)
      this.#hurry?.()
    })
    set.add(connection)
  }

  #checkTimes(): void {
    const now = Date.now()
    for (const connection of this.#all()) connection.checkTimes(now, this.#settings.timeouts)
  }

  async #closeListeners(): Promise<void> {
    for (const { server, placed } of this.#listeners) {
      server.close()
      if (placed !== undefined) {
        await removeSocket(placed).catch((error: unknown) =>
          this.#filter.logger.warn(
            { err: error, path: placed.path },
            'cannot remove the socket',
          ),
        )
      }
    }
  }
}

/** A name has addresses of both families; the spec says which one is meant. */
async function resolveHost(address: ListenAddress & { type: 'tcp' }): Promise<string> {
  if (isIP(address.host) !== 0) return address.host
  try {
    return (await lookup(address.host, { family: address.family })).address
  } catch (error) {
    throw listenError(formatListenAddress(address), error)
  }
}

/** {@link serve} without its checks of types. */
export async function startServer(
  factory: FilterFactory,
  options: ServeOptions,
): Promise<MilterServer> {
  if (typeof factory !== 'function') {
    throw new UsageError(
      'INVALID_HANDLER',
      `serve takes a function that makes the handlers of one SMTP session: serve(() => ({ eom(ctx) { ... } }), ...); it got ${typeof factory}`,
    )
  }
  return new MilterServer(factory, options).start(options.signal)
}
