import { connect as connectSocket } from 'node:net'
import { MilterError } from '../errors.ts'
import { parseListenAddress } from '../server/listen-address.ts'

/** Bytes to a filter, whatever carries them. */
export interface Channel {
  write(bytes: Buffer): void
  /** Nothing more comes from this side. */
  end(): void
  /** Drops everything at once. */
  destroy(): void
}

/** Bytes from a filter. */
export interface ChannelListener {
  received(chunk: Buffer): void
  /** Once, when nothing more can come; `cause` if the connection broke. */
  closed(cause?: Error): void
}

/** Opens a channel; resolves when it carries bytes. */
export type OpenChannel = (listener: ChannelListener) => Promise<Channel>

/**
 * A channel over TCP or a unix socket.
 *
 * @param address in libmilter's spelling, such as `inet:8890@127.0.0.1` or `unix:/path`
 * @param timeout milliseconds until it must be open
 */
export function socketChannel(address: string, timeout: number): OpenChannel {
  return (listener) =>
    new Promise((resolve, reject) => {
      const target = parseListenAddress(address)
      const socket =
        target.type === 'unix'
          ? connectSocket(target.path)
          : target.type === 'tcp'
            ? connectSocket(target.port, target.host)
            : connectSocket({ fd: target.fd } as never)
      socket.setNoDelay(true)
      let open = false
      let broken: Error | undefined
      const fail = (cause: Error): void =>
        reject(
          new MilterError(
            'CONNECT_FAILED',
            `no connection to the filter at ${address}: ${cause.message}`,
            { cause },
          ),
        )
      const timer = setTimeout(() => {
        socket.destroy()
        fail(new Error(`not open after ${timeout} ms`))
      }, timeout)
      socket.once('connect', () => {
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
