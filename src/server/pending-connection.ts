import { codeOf, reasonOf } from '../net/system-error.ts'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { ProtocolError } from '../errors.ts'
import { channels, type RefusalCode } from '../diagnostics/channels.ts'
import { clock } from './clock.ts'
import { plainAddress } from '../net/network.ts'
import type { ConnectionTimeouts } from '../options/types.ts'
import type { AccessControl, Handshake } from './access-control.ts'
import { formatPeer } from './networks.ts'
import { readProxyHeader, type ProxyHeader } from './proxy-header.ts'
import type { Occupant } from './pressure.ts'
import type { Listed } from './connection-set.ts'

/** Events of a pending connection. */
export interface PendingConnectionEvents {
  /** It is admitted. @param peer `address:port` of the client; undefined if it is not known */
  admitted(socket: Socket, peer: string | undefined): void
  /** It is no longer pending, whether it was admitted or not. Can be called more than once. */
  gone(): void
}

/** Error codes of OpenSSL for input that is not TLS. */
const NO_TLS = /WRONG_VERSION_NUMBER|HTTP_REQUEST|HTTPS_PROXY_REQUEST|PACKET_LENGTH_TOO_LONG/
const PLAIN =
  ' (the other side does not use TLS; Postfix and Sendmail cannot, so run a TLS proxy beside them, or leave out the option tls)'

const EMPTY = Buffer.alloc(0)

/** A connection that has not passed the {@link AccessControl} yet. */
export class PendingConnection implements Handshake, Listed, Occupant {
  place = 0
  readonly #socket: Socket
  readonly #access: AccessControl
  readonly #events: PendingConnectionEvents
  readonly #began = clock()
  readonly #unix: boolean
  readonly #address: string | undefined
  #peer: string | undefined
  /** memory for the PROXY header, undefined while none is expected; and the number of its bytes received so far */
  #header: Buffer | undefined
  #headerCame = 0
  #headerSize = 0
  /** it was admitted or refused */
  #decided = false

  constructor(socket: Socket, access: AccessControl, events: PendingConnectionEvents) {
    this.#socket = socket
    this.#access = access
    this.#events = events
    this.#unix = isUnix(socket)
    const { remoteAddress, remotePort } = socket
    if (remoteAddress === undefined) return
    this.#address = plainAddress(remoteAddress)
    this.#peer = formatPeer(this.#address, remotePort)
  }

  begin(): void {
    const socket = this.#socket
    socket.on('error', nothing)
    socket.on('close', this.#onClose)
    if (!this.#unix && this.#address === undefined) {
      // It is closed already, and its address is lost.
      this.abandon()
      return
    }
    const { allow, proxies, unixProxies } = this.#access
    if (this.#unix ? unixProxies : proxies !== undefined) {
      if (!this.#unix && !proxies!.has(this.#address)) {
        this.#refuse('PEER_REFUSED', 'its address is not in the option proxies')
        return
      }
      this.#header = EMPTY
      socket.on('data', this.#onData)
      socket.resume()
    } else if (!this.#unix && allow?.has(this.#address) === false) this.#refuseAddress()
    else this.#shakeHands()
  }

  // ---- the PROXY header

  readonly #onData = (chunk: Buffer): void => {
    const bytes = this.#collect(chunk)
    let header: ProxyHeader | undefined
    try {
      header = readProxyHeader(bytes)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#refuse('INVALID_PROXY_HEADER', error.message)
      return
    }
    if (header === undefined) return
    const socket = this.#socket
    socket.off('data', this.#onData)
    socket.pause()
    // The next reader of the socket, TLS or the session, gets these bytes first.
    if (bytes.length > header.size) socket.unshift(bytes.subarray(header.size))
    this.#header = undefined
    this.#headerSize = header.size
    this.#introduced(header)
  }

  /** All bytes of the header so far. The memory grows as in FrameDecoder, even if the bytes come one by one. */
  #collect(chunk: Buffer): Buffer {
    const before = this.#headerCame
    this.#headerCame += chunk.length
    if (before === 0) this.#header = chunk
    else if (this.#headerCame > this.#header!.length) {
      const grown = Buffer.allocUnsafeSlow(2 * this.#headerCame)
      this.#header!.copy(grown, 0, 0, before)
      this.#header = grown
    }
    if (before > 0) chunk.copy(this.#header!, before)
    return this.#header!.subarray(0, this.#headerCame)
  }

  #introduced({ local, source }: ProxyHeader): void {
    const { allow } = this.#access
    if (source !== undefined) this.#peer = formatPeer(source.address, source.port)
    // The option `proxies` allows connections of the balancer itself. A client whose address the balancer does not give
    // is not covered by that, so the balancer's own address must be in `allow`.
    if (!local && allow?.has(source?.address ?? this.#address) === false) this.#refuseAddress()
    else this.#shakeHands()
  }

  // ---- TLS

  #shakeHands(): void {
    if (!this.#unix && this.#access.encrypts) this.#access.shakeHands(this, this.#socket)
    else this.#admit(this.#socket)
  }

  secured(socket: TLSSocket): void {
    if (this.#decided) socket.destroy()
    else this.#admit(socket)
  }

  insecure(error: Error, socket: TLSSocket): void {
    // A client that connects and closes without sending anything is a health check.
    const silent = this.#socket.bytesRead === this.#headerSize
    if (this.#decided || (silent && codeOf(error) === 'ECONNRESET')) return
    // If a certificate was not accepted, the error says only that the connection has ended.
    const reason = String(socket.authorizationError ?? reasonOf(error))
    const hint = NO_TLS.test(codeOf(error)) ? PLAIN : ''
    this.#refuse('TLS_FAILED', `the TLS handshake failed: ${reason}${hint}`)
  }

  // ---- how it ends

  #admit(socket: Socket): void {
    this.#decided = true
    this.#socket.off('close', this.#onClose)
    this.#events.gone()
    this.#events.admitted(socket, this.#peer)
  }

  #refuseAddress(): void {
    this.#refuse('PEER_REFUSED', 'its address is not in the option allow')
  }

  #refuse(code: RefusalCode, reason: string): void {
    const peer = this.#peer
    if (channels.connectionRefused.hasSubscribers) {
      channels.connectionRefused.publish({ peer, code })
    }
    const proxy = this.#headerSize > 0 ? this.#address : undefined
    this.#access.log(code, { peer, proxy, reason })
    this.abandon()
  }

  readonly #onClose = (): void => {
    if (!this.#decided && this.#header !== undefined && this.#headerCame > 0) {
      this.#refuse('INVALID_PROXY_HEADER', 'the connection ended within its PROXY header')
    }
    // With TLS it is not decided yet: the error of the handshake, which has the reason, comes later.
    this.#events.gone()
  }

  // ---- for the server, as in ServerConnection

  get peer(): string | undefined {
    return this.#peer
  }

  readonly working = false

  silence(now: number): number {
    return now - this.#began
  }

  parting(): number {
    return 0
  }

  readonly hadMessage = false

  unused(now: number): number {
    return now - this.#began
  }

  checkTimes(now: number, { frame }: ConnectionTimeouts): void {
    if (this.#decided || now - this.#began <= frame) return
    if (this.#header !== undefined) {
      this.#refuse('INVALID_PROXY_HEADER', `no complete PROXY header came within ${frame} ms`)
    } else this.#refuse('TLS_FAILED', `the TLS handshake did not end within ${frame} ms`)
  }

  stop(): void {
    this.abandon()
  }

  abandon(): void {
    this.#decided = true
    this.#socket.destroy()
  }
}

/** Not in Node's documentation. */
interface SocketInternals {
  readonly _handle?: { readonly getpeername?: unknown } | null
}

/**
 * The handle of a unix socket has no `getpeername`. A missing address is not sufficient: a TCP connection that was
 * reset has lost its address, but its bytes can still be read.
 */
function isUnix(socket: Socket): boolean {
  const handle = (socket as unknown as SocketInternals)._handle
  return handle ? handle.getpeername === undefined : false
}

const nothing = (): void => {}
