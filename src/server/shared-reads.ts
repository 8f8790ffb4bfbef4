import type { Socket } from 'node:net'

/**
 * Bytes of a read, 128 KiB. One read then holds a full body frame with the macros before it. The 64 KiB of a stream
 * would need two reads, and a copy to join them.
 */
const SIZE = 131_072
const BUFFER = Buffer.allocUnsafeSlow(SIZE)

/** Takes the bytes that a socket receives. */
export interface Reader {
  /** Bytes in memory that is not used again. */
  receive(chunk: Buffer): void
  /** Bytes in `memory[0..size)`, which is overwritten after the call. */
  receiveBorrowed(memory: Buffer, size: number): void
}

/** Not in Node's documentation: the handle of a socket, and the fields of `onread`. */
interface SocketInternals {
  readonly _handle: { useUserBuffer?(buffer: Buffer): void } | null
  /** ours */
  [READER]?: Reader | undefined
  [key: symbol]: unknown
}

/** The value `stream` of this environment variable turns it off, in case a version of Node does not support it. */
export const READS_VARIABLE = 'TSMILTER_READS'
const ALLOWED = process.env[READS_VARIABLE] !== 'stream'

/**
 * Reads a socket into one buffer that all sockets share. The server must have accepted the socket, and not read from it
 * yet (`pauseOnConnect`). A stream allocates 64 KiB for each read, even for few bytes. That is a fifth of the cost of a
 * message (docs/decisions/shared-buffers.md).
 *
 * This is what the option `onread` of `new net.Socket` does. `net.createServer` does not have that option. So it is set
 * here in the same way as the constructor of Socket does, by names that all versions from 20 to 26 have. If they are
 * missing, the socket is read as a stream.
 */
export function readShared(socket: Socket, reader: Reader): void {
  // A socket that another process has accepted is already reading when it arrives, and only the stream has bytes that
  // came before. The same is true after a PROXY header. Bytes that TLS has decrypted always come from a stream.
  const untouched = ALLOWED && socket.readableLength === 0 && !('encrypted' in socket)
  const internals = socket as unknown as SocketInternals
  internals[READER] = reader
  if (!untouched || !setOnRead(internals)) socket.on('data', whenData)
  socket.resume()
}

/** Removes the reader of a closed socket. */
export function stopReading(socket: Socket): void {
  const internals = socket as unknown as SocketInternals
  internals[READER] = undefined
}

/** Sets `onread`. False if this version of Node has other names for it. */
function setOnRead(internals: SocketInternals): boolean {
  const handle = internals._handle
  const names = ON_READ ?? prepare(internals)
  if (names.length !== 2 || typeof handle?.useUserBuffer !== 'function') return false
  internals[names[0]!] = BUFFER
  internals[names[1]!] = onRead
  handle.useUserBuffer(BUFFER)
  return true
}

const READER: unique symbol = Symbol('reader')

// These functions are the same for all sockets. V8 keeps the closures of each socket, and what they refer to, until the
// next major collection, long after the connection: 2.2 KB of each (`test/server/leftovers.test.ts`).

function whenData(this: SocketInternals, chunk: Buffer): void {
  this[READER]?.receive(chunk)
}

function onRead(this: SocketInternals, size: number): boolean {
  this[READER]?.receiveBorrowed(BUFFER, size)
  return true
}

let ON_READ: readonly symbol[] | undefined

/**
 * Called for the first socket. A handler may get a part of the buffer, which is valid only during the call. If the
 * handler transferred its memory to a worker, no connection could read any more. Since Node 21 the transfer throws
 * instead; before, the memory is copied.
 */
function prepare(socket: object): readonly symbol[] {
  process.getBuiltinModule('node:worker_threads').markAsUntransferable(BUFFER.buffer)
  ON_READ = findNames(socket)
  return ON_READ
}

/** The symbols of the buffer and its callback. Every socket has them; they are empty without `onread`. */
const findNames = (socket: object): symbol[] =>
  ['kBuffer', 'kBufferCb'].flatMap((name) =>
    Object.getOwnPropertySymbols(socket).filter(({ description }) => description === name),
  )
