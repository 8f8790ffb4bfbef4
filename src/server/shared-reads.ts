import type { Socket } from 'node:net'

/**
 * Bytes of a read, 128 KiB: a full body frame with the macros before it in one read, where the 64 KiB
 * of a stream need two and a copy that joins them.
 */
const SIZE = 131_072
const BUFFER = Buffer.allocUnsafeSlow(SIZE)

export interface Reader {
  /** Bytes in memory that stays as it is. */
  receive(chunk: Buffer): void
  /** Bytes in `memory[0..size)`, which is overwritten after the call. */
  receiveBorrowed(memory: Buffer, size: number): void
}

/** What Node's documentation does not have: the handle of a socket, and where `onread` is kept. */
interface SocketInternals {
  readonly _handle: { useUserBuffer?(buffer: Buffer): void } | null
  /** ours */
  [READER]?: Reader | undefined
  [key: symbol]: unknown
}

/** `stream` in this environment variable switches it off, should a version of Node not be up to it. */
export const READS_VARIABLE = 'TSMILTER_READS'
const ALLOWED = process.env[READS_VARIABLE] !== 'stream'

/**
 * Has a socket that a server has accepted, and that has not read anything yet (`pauseOnConnect`), read
 * into one buffer for all sockets. A stream allocates 64 KiB for each read, whatever it brings; that is
 * a fifth of the cost of a message (docs/decisions/shared-buffers.md).
 *
 * It is what the option `onread` of a socket does, which is documented for sockets one makes oneself;
 * `net.createServer` does not pass it on. So it is set afterwards, as the constructor of Socket sets
 * it, by names that all versions from 20 to 26 have. Where they are missing the socket is read as a
 * stream.
 */
export function readShared(socket: Socket, reader: Reader): void {
  // One that another process has accepted has begun to read when it arrives. If something is there
  // already, only the stream has it, and so it is behind a PROXY header. What TLS has decrypted comes
  // from a stream anyway.
  const untouched = ALLOWED && socket.readableLength === 0 && !('encrypted' in socket)
  const innards = socket as unknown as SocketInternals
  innards[READER] = reader
  if (!untouched || !setOnRead(innards)) socket.on('data', whenData)
  socket.resume()
}

/** The socket is closed: its reader does not hang on it any longer. */
export function stopReading(socket: Socket): void {
  const innards = socket as unknown as SocketInternals
  innards[READER] = undefined
}

/** False if this version of Node has other names for it. */
function setOnRead(innards: SocketInternals): boolean {
  const handle = innards._handle
  const names = ON_READ ?? prepare(innards)
  if (names.length !== 2 || typeof handle?.useUserBuffer !== 'function') return false
  innards[names[0]!] = BUFFER
  innards[names[1]!] = onRead
  handle.useUserBuffer(BUFFER)
  return true
}

const READER: unique symbol = Symbol('reader')

// One of each for all sockets. With a closure for each, V8 keeps what hangs on it until the next major
// collection, long after the connection: 2.2 KB of each (`test/server/leftovers.test.ts`).

function whenData(this: SocketInternals, chunk: Buffer): void {
  this[READER]?.receive(chunk)
}

function onRead(this: SocketInternals, size: number): boolean {
  this[READER]?.receiveBorrowed(BUFFER, size)
  return true
}

let ON_READ: readonly symbol[] | undefined

/**
 * With the first socket. A handler may be lent a part of the buffer: should it give that to a worker with
 * its memory, no connection could read any more. From Node 21 on that is an error there, before it is
 * copied.
 */
function prepare(socket: object): readonly symbol[] {
  process.getBuiltinModule('node:worker_threads').markAsUntransferable(BUFFER.buffer)
  ON_READ = findNames(socket)
  return ON_READ
}

/** The symbols of the buffer and its callback; every socket has them, empty where there is no `onread`. */
const findNames = (socket: object): symbol[] =>
  ['kBuffer', 'kBufferCb'].flatMap((name) =>
    Object.getOwnPropertySymbols(socket).filter(({ description }) => description === name),
  )
