import { reasonOf } from '../net/system-error.ts'
import { connect as connectSocket, isIP, type NetConnectOpts, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls } from 'node:tls'
import { MilterError } from '../errors.ts'
import { parseMilterAddress, type ListenAddress } from '../net/listen-address.ts'
import { checkPem, invalidTls, type Pem } from '../net/pem.ts'

/** The direction to a filter, over a socket or anything else. */
export interface Channel {
  /** Sends bytes to the filter. */
  write(bytes: Buffer): void
  /** Ends this side. */
  end(): void
  /** Closes the channel at once. */
  destroy(): void
}

/** The direction from a filter. */
export interface ChannelListener {
  /** Called for each piece that the filter sends. */
  received(chunk: Buffer): void
  /** Called once, when the filter can send nothing more; `cause` if the connection broke. */
  closed(cause?: Error): void
}

/** Opens a channel; resolves when it carries bytes. */
export type OpenChannel = (listener: ChannelListener) => Promise<Channel>

/** The options of TLS to a filter. */
export interface ClientTls {
  /** The authorities that may have signed the filter's certificate. @default those that Node trusts */
  readonly ca?: Pem | undefined
  /** The certificate to send to a filter that asks for one (mutual TLS). */
  readonly cert?: Pem | undefined
  /** The private key of `cert`. */
  readonly key?: Pem | undefined
  /** The name that the filter's certificate must have. @default the host of the address */
  readonly name?: string | undefined
}

/**
 * A channel over TCP or a unix socket.
 *
 * @param address in the syntax of libmilter, such as `inet:8890@127.0.0.1` or `unix:/path`, or of Postfix
 * @param timeout milliseconds to connect, including the TLS handshake
 * @param tls connects with TLS. The promise rejects with UsageError INVALID_OPTION for invalid options
 */
export function socketChannel(address: string, timeout: number, tls?: ClientTls): OpenChannel {
  return (listener) =>
    new Promise((resolve, reject) => {
      const target = parseMilterAddress(address)
      const socket = tls === undefined ? connectSocket(endpoint(target)) : secure(target, tls)
      socket.setNoDelay(true)
      let open = false
      let broken: Error | undefined
      const fail = (cause: Error): void =>
        reject(
          new MilterError(
            'CONNECT_FAILED',
            `no connection to the filter at ${address}: ${reasonOf(cause)}`,
            { cause },
          ),
        )
      const timer = setTimeout(() => {
        socket.destroy()
        fail(new Error(`not open after ${timeout} ms`))
      }, timeout)
      socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
        open = true
        clearTimeout(timer)
        resolve({
          write: (bytes) => void socket.write(bytes),
          end: () => void socket.end(),
          destroy: () => void socket.destroy(),
        })
      })
      socket.on('data', (chunk: Buffer) => listener.received(chunk))
      socket.on('error', (error) => {
        broken = error
        clearTimeout(timer)
        if (!open) fail(error)
      })
      socket.on('close', () => listener.closed(broken))
    })
}

function endpoint(target: ListenAddress): NetConnectOpts {
  if (target.type === 'unix') return { path: target.path }
  if (target.type === 'tcp') return { host: target.host, port: target.port }
  return { fd: target.fd } as never
}

function secure(target: ListenAddress, { name, ...pem }: ClientTls): Socket {
  if (pem.ca !== undefined) checkPem('ca', pem.ca)
  if (pem.cert !== undefined || pem.key !== undefined) {
    checkPem('cert', pem.cert)
    checkPem('key', pem.key)
  }
  const wanted = name ?? (target.type === 'tcp' ? target.host : undefined)
  try {
    return connectTls({
      ...endpoint(target),
      ...pem,
      minVersion: 'TLSv1.2',
      // Sent to the filter (SNI), unless it is an address, which must not be sent (RFC 6066, section 3).
      servername: wanted !== undefined && isIP(wanted) === 0 ? wanted : undefined,
      checkServerIdentity: (host, certificate) =>
        checkServerIdentity(wanted ?? host, certificate),
    })
  } catch (error) {
    throw invalidTls('tls', error)
  }
}
