import type { Socket } from 'node:net'
import type { Server as TlsServer, TLSSocket } from 'node:tls'
import type { FilterSettings } from '../milter/options.ts'
import type { RefusalCode } from '../diagnostics/channels.ts'
import { NETWORK_FORM, PROXIES_FORM, UNIX } from '../options/kinds.ts'
import type { ConnectionTimeouts, ServerFields } from '../options/types.ts'
import { Networks } from './networks.ts'
import { renewed, tlsServer, type TlsOptions } from './tls.ts'

/** What a connection has to pass before it is served. */
export interface AccessOptions extends Pick<ServerFields, 'allow' | 'proxies'> {
  /** TLS on all TCP connections; with `ca` clients need a certificate. @default none */
  readonly tls?: TlsOptions | undefined
}

/** What waits for a TLS handshake. */
export interface Handshake {
  secured(socket: TLSSocket): void
  /** The handshake has failed. */
  insecure(error: Error, socket: TLSSocket): void
}

type Lines = Pick<FilterSettings, 'logger' | 'limitedLog'>

/** What the log says. */
const REFUSED: Readonly<Record<RefusalCode, string>> = {
  PEER_REFUSED: 'a connection was refused: not allowed',
  INVALID_PROXY_HEADER: 'a connection was refused: no PROXY header',
  TLS_FAILED: 'a connection was refused: TLS has failed',
}

/** What the connections of a server have to pass. */
export class AccessControl {
  /** undefined: everybody */
  readonly allow: Networks | undefined
  /** undefined: over TCP there is no PROXY header */
  readonly proxies: Networks | undefined
  /** there is a PROXY header over unix sockets */
  readonly unixProxies: boolean
  readonly #filter: Lines
  readonly #timeout: number
  #tls: TlsServer | undefined
  #tlsOptions: TlsOptions | undefined
  /** those that shake hands, by their socket */
  readonly #handshakes = new WeakMap<object, Handshake>()

  /**
   * Undefined if there is nothing to pass.
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
   * For connections from now on. What is left out beside key and certificate stays: a renewal must not make
   * mutual TLS a one-sided one. @throws UsageError INVALID_OPTION; then nothing has changed
   */
  renewTls(renewal: TlsOptions): void {
    const options = renewed(this.#tlsOptions, renewal)
    const tls = tlsServer(options, this.#timeout)
    this.#tlsOptions = options
    tls.on('secureConnection', (socket) => {
      const handshake = this.#handshakeOf(socket)
      // Nobody would serve it, nor end it.
      if (handshake === undefined) socket.destroy()
      else handshake.secured(socket)
    })
    tls.on('tlsClientError', (error, socket) => {
      this.#handshakeOf(socket)?.insecure(error, socket)
      // After some errors Node leaves it open.
      socket.destroy()
    })
    this.#tls = tls
  }

  /** Tells why somebody may not come in. */
  log(code: RefusalCode, fields: object): void {
    const { logger, limitedLog } = this.#filter
    limitedLog.write(logger, 'warn', { code, ...fields }, REFUSED[code])
  }

  shakeHands(handshake: Handshake, socket: Socket): void {
    this.#handshakes.set(socket, handshake)
    this.#tls!.emit('connection', socket)
  }

  /** Node tells the encrypted socket only; the one below is its `_parent` in versions 20 to 26. */
  #handshakeOf(socket: TLSSocket): Handshake | undefined {
    const { _parent: below } = socket as unknown as { _parent: object }
    return this.#handshakes.get(below)
  }
}
