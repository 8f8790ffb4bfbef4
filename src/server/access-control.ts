import type { Socket } from 'node:net'
import type { Server as TlsServer, TLSSocket } from 'node:tls'
import type { FilterSettings } from '../milter/options.ts'
import type { RefusalCode } from '../diagnostics/channels.ts'
import { NETWORK_FORM, PROXIES_FORM, UNIX } from '../options/kinds.ts'
import type { ConnectionTimeouts, ServerFields } from '../options/types.ts'
import { Networks } from './networks.ts'
import { renewed, tlsServer, type TlsOptions } from './tls.ts'

/** Options for the checks that a connection must pass before it is served. */
export interface AccessOptions extends Pick<ServerFields, 'allow' | 'proxies'> {
  /** TLS on all TCP connections. With `ca`, clients need a certificate. @default none */
  readonly tls?: TlsOptions | undefined
}

/** A connection that waits for its TLS handshake. */
export interface Handshake {
  /** The handshake has succeeded. */
  secured(socket: TLSSocket): void
  /** The handshake has failed. */
  insecure(error: Error, socket: TLSSocket): void
}

type Lines = Pick<FilterSettings, 'logger' | 'limitedLog'>

/** Messages of the log. */
const REFUSED: Readonly<Record<RefusalCode, string>> = {
  PEER_REFUSED: 'a connection was refused: not allowed',
  INVALID_PROXY_HEADER: 'a connection was refused: no PROXY header',
  TLS_FAILED: 'a connection was refused: TLS has failed',
}

/** The checks that the connections of a server must pass: `allow`, `proxies` and `tls`. */
export class AccessControl {
  /** undefined: all addresses are allowed */
  readonly allow: Networks | undefined
  /** undefined: TCP connections have no PROXY header */
  readonly proxies: Networks | undefined
  /** connections over unix sockets have a PROXY header */
  readonly unixProxies: boolean
  readonly #filter: Lines
  readonly #timeout: number
  #tls: TlsServer | undefined
  #tlsOptions: TlsOptions | undefined
  /** handshakes in progress, by their socket */
  readonly #handshakes = new WeakMap<object, Handshake>()

  /**
   * Undefined if none of the options is given.
   *
   * @throws UsageError INVALID_OPTION
   */
  static of(
    options: AccessOptions,
    timeouts: ConnectionTimeouts,
    filter: Lines,
  ): AccessControl | undefined {
    const { allow, proxies, tls } = options
    if (allow === undefined && proxies === undefined && tls === undefined) return undefined
    return new AccessControl(options, timeouts, filter)
  }

  private constructor(
    { allow, proxies, tls }: AccessOptions,
    timeouts: ConnectionTimeouts,
    filter: Lines,
  ) {
    const balancers = [proxies ?? []].flat()
    const addresses = balancers.filter((entry) => entry !== UNIX)
    this.unixProxies = balancers.includes(UNIX)
    if (addresses.length > 0) this.proxies = new Networks('proxies', addresses, PROXIES_FORM)
    if (allow !== undefined) {
      this.allow = new Networks('allow', [allow].flat(), NETWORK_FORM)
    }
    this.#filter = filter
    this.#timeout = timeouts.frame
    if (tls !== undefined) this.renewTls(tls)
  }

  /** Whether TCP connections are encrypted. */
  get encrypts(): boolean {
    return this.#tls !== undefined
  }

  /**
   * Changes TLS for new connections. Options that are left out stay as they are, so that a renewal of key and
   * certificate does not end mutual TLS. @throws UsageError INVALID_OPTION; then nothing has changed
   */
  renewTls(renewal: TlsOptions): void {
    const options = renewed(this.#tlsOptions, renewal)
    const tls = tlsServer(options, this.#timeout)
    this.#tlsOptions = options
    tls.on('secureConnection', (socket) => {
      const handshake = this.#handshakeOf(socket)
      // Otherwise it would stay open and not be served.
      if (handshake === undefined) socket.destroy()
      else handshake.secured(socket)
    })
    tls.on('tlsClientError', (error, socket) => {
      this.#handshakeOf(socket)?.insecure(error, socket)
      // After some errors, Node leaves the socket open.
      socket.destroy()
    })
    this.#tls = tls
  }

  /** Logs why a connection is refused. */
  log(code: RefusalCode, fields: object): void {
    const { logger, limitedLog } = this.#filter
    limitedLog.write(logger, 'warn', { code, ...fields }, REFUSED[code])
  }

  shakeHands(handshake: Handshake, socket: Socket): void {
    this.#handshakes.set(socket, handshake)
    this.#tls!.emit('connection', socket)
  }

  /** Node passes only the encrypted socket. The socket below it is its `_parent` in versions 20 to 26. */
  #handshakeOf(socket: TLSSocket): Handshake | undefined {
    const { _parent: below } = socket as unknown as { _parent: object }
    return this.#handshakes.get(below)
  }
}
