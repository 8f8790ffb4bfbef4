import { Socket } from 'node:net'

/**
 * Bytes of a read, 128 KiB: a full body frame with the macros before it in one read, where the 64 KiB
 * of a stream need two and a copy that joins them.
 */
const SIZE = 131_072
const BUFFER = Buffer.allocUnsafeSlow(SIZE)

/** What Node's documentation does not have: the handle of a socket, for `new Socket({ handle })`. */
interface HandleOwner {
  _handle: { readonly useUserBuffer?: unknown } | null
}

/** `stream` in the environment variable switches it off, should a version of Node not be up to it. */
const ALLOWED = process.env['TSMILTER_READS'] !== 'stream'

/**
 * Has a socket that a server has accepted, and that has not read anything yet (`pauseOnConnect`), read
 * into one buffer for all sockets. A stream allocates 64 KiB for each read, whatever it brings; that is
 * a third of the cost of a message (docs/performance.md).
 *
 * `onread` is an option for sockets one makes oneself, and `net.createServer` does not pass it on. So
 * the handle moves to a new socket. That uses two things that are not documented, which all versions
 * from 20 to 26 have; where they are missing the socket is read as a stream.
 *
 * @param receive gets each chunk; it is lent, and overwritten after the call, if `borrowed` is set
 * @returns the socket to go on with
 */
export function readShared(
  accepted: Socket,
  receive: (chunk: Buffer, borrowed: boolean) => void,
): Socket {
  const owner = accepted as unknown as HandleOwner
  const handle = owner._handle
  if (!ALLOWED || typeof handle?.useUserBuffer !== 'function') {
    accepted.on('data', (chunk: Buffer) => receive(chunk, false))
    accepted.resume()
    return accepted
  }
  owner._handle = null
  // The server counts it as gone; nobody listens to it yet.
  accepted.destroy()
  return new Socket({
    handle,
    onread: {
      buffer: BUFFER,
      callback: (size: number) => {
        receive(BUFFER.subarray(0, size), true)
        return true
      },
    },
  } as object)
}
