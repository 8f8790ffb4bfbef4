import { createServer, isIP, type AddressInfo, type Server, type Socket } from 'node:net'
import { formatListenAddress, type ListenAddress } from '../net/listen-address.ts'
import type { SocketPermissions } from '../options/types.ts'
import type { Trusted } from './safe-directory.ts'
import { listenError, listenOnPath, removeSocket, type PlacedSocket } from './unix-socket.ts'

/** How an address is opened. */
export interface ListenerOptions {
  readonly unixSocket: SocketPermissions
  readonly backlog: number
  /** user and group that may write to the directory of a unix socket that root opens */
  readonly trusted?: Trusted | undefined
}

/** One open address. It passes connections on before anything has been read from them. */
export class Listener {
  readonly #server: Server
  readonly #address: ListenAddress
  #placed: PlacedSocket | undefined

  private constructor(address: ListenAddress, onSocket: (socket: Socket) => void) {
    this.#address = address
    this.#server = createServer(
      { noDelay: true, keepAlive: true, pauseOnConnect: true },
      onSocket,
    )
  }

  /**
   * @param onError called when an accept has failed; the next accept follows at once, and may work
   * @throws ListenError
   */
  static async open(
    address: ListenAddress,
    options: ListenerOptions,
    onSocket: (socket: Socket) => void,
    onError: (error: Error, address: string) => void,
  ): Promise<Listener> {
    const listener = new Listener(address, onSocket)
    await listener.#open(options)
    listener.#server.on('error', (error) => onError(error, formatListenAddress(address)))
    return listener
  }

  async #open({ unixSocket, backlog, trusted }: ListenerOptions): Promise<void> {
    const address = this.#address
    const server = this.#server
    if (address.type === 'unix') {
      this.#placed = await listenOnPath(server, address.path, unixSocket, backlog, trusted)
      return
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
      server.listen({ ...where, backlog }, () => {
        server.off('error', failed)
        resolve()
      })
    })
  }

  /** The address in the notation of libmilter, with the real port in place of port 0. */
  get address(): string {
    const address = this.#address
    const bound = address.type === 'tcp' ? (this.#server.address() as AddressInfo | null) : null
    return formatListenAddress(
      address.type !== 'tcp' || bound === null
        ? address
        : { ...address, host: bound.address, port: bound.port },
    )
  }

  /** Stops accepting, and removes its unix socket if it is still the same. */
  async close(): Promise<void> {
    this.#server.close()
    if (this.#placed !== undefined) await removeSocket(this.#placed)
  }
}

/** Resolves a host name to the address family that the spec names. */
async function resolveHost(address: ListenAddress & { type: 'tcp' }): Promise<string> {
  if (isIP(address.host) !== 0) return address.host
  const { lookup } = await import('node:dns/promises')
  try {
    return (await lookup(address.host, { family: address.family })).address
  } catch (error) {
    throw listenError(formatListenAddress(address), error)
  }
}
