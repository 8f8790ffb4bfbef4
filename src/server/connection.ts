import { codeOf } from '../net/system-error.ts'
import type { Socket } from 'node:net'
import type { FilterFactory } from '../milter/filter-object.ts'
import { Conversation } from '../milter/conversation.ts'
import type { FilterSettings } from '../milter/options.ts'
import type { ConnectionTimeouts } from '../options/types.ts'
import type { CloseReason, Transport } from '../session/events.ts'
import type { MemoryBudget } from '../session/memory-budget.ts'
import type { Session } from '../session/session.ts'
import { clock } from './clock.ts'
import { formatPeer } from './networks.ts'
import type { Occupant } from './pressure.ts'
import type { Listed } from './connection-set.ts'
import { readShared, stopReading } from './shared-reads.ts'
import { writeAll } from './shared-writes.ts'

/** One socket and the session that runs on it. */
export class ServerConnection implements Transport, Listed, Occupant {
  place = 0
  readonly acknowledgesLate: boolean
  readonly peer: string | undefined
  readonly #socket: Socket
  readonly #conversation: Conversation
  readonly #session: Session
  readonly #onClose: (connection: ServerConnection) => void
  readonly #opened = clock()
  /** when a check last saw new bytes in either direction, and how many there were by then */
  #spoke = this.#opened
  #spokenBytes = 0
  /** when a check first saw the current incomplete frame, 0 for none, and how many frames came before it */
  #frameBegan = 0
  #framesBefore = 0
  /** when a check last saw a message, and how many messages there were by then */
  #used = this.#opened
  #messages = 0
  /** when this side ended the connection */
  #left = 0
  /** since when the other side has read nothing of the output */
  #blocked = 0
  /** bytes that it had not read then */
  #unsent = 0
  /** bytes of memory that are counted for unread output */
  #unread = 0
  readonly #memory: MemoryBudget
  #paused = false
  /** its socket is closed */
  #gone = false
  /** callers that wait for the other side to read */
  readonly #waiting: (() => void)[] = []

  /**
   * @param socket a socket that has not read anything yet
   * @param peer the client, if it is not the other end of the socket
   */
  constructor(
    socket: Socket,
    factory: FilterFactory,
    settings: FilterSettings,
    onClose: (connection: ServerConnection) => void,
    peer?: string,
  ) {
    this.#onClose = onClose
    this.#memory = settings.memory
    this.#socket = socket
    const { remoteAddress, remotePort } = socket
    this.acknowledgesLate = remoteAddress !== undefined
    this.peer =
      peer ?? (remoteAddress === undefined ? undefined : formatPeer(remoteAddress, remotePort))
    this.#conversation = new Conversation(factory, settings, this)
    this.#session = this.#conversation.session
    readShared(socket, this.#session)
    socket.setNoDelay(true)
    socket.setKeepAlive(true)
    const served: Served = socket
    served[CONNECTION] = this
    socket.on('end', whenEnded)
    socket.on('error', whenFailed)
    socket.on('close', whenClosed)
  }

  // ---- for the socket

  /** The system has taken all output. */
  flows(): void {
    this.#blocked = 0
    this.#countUnread(0)
    this.#read()
    this.#wake()
  }

  /** The socket is closed. Handlers of abort and close may still run. */
  gone(): void {
    this.#countUnread(0)
    this.#session.end('eof')
    this.#wake()
    this.#gone = true
    if (this.#session.over) this.#onClose(this)
  }

  // ---- Transport

  get bytesReceived(): number {
    return this.#socket.bytesRead
  }

  get bytesSent(): number {
    return this.#socket.bytesWritten
  }

  send(first: Buffer, rest: readonly Buffer[]): void {
    const socket = this.#socket
    if (!socket.writable) return
    const flowing = rest.length === 0 ? socket.write(first) : writeAll(socket, [first, ...rest])
    // A client that sends commands and never reads must not fill the memory with replies.
    if (!flowing) this.#countUnread(socket.writableLength)
    if (!flowing && this.#blocked === 0) {
      this.#blocked = clock()
      this.#unsent = unsentBytes(socket)
      socket.once('drain', whenDrained)
      socket.pause()
    }
  }

  #countUnread(bytes: number): void {
    if (bytes === this.#unread) return
    const more = bytes - this.#unread
    this.#unread = bytes
    this.#memory.pass(more)
  }

  drained(): Promise<void> | undefined {
    if (this.#blocked === 0 || this.#socket.destroyed) return undefined
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  over(): void {
    if (this.#gone) this.#onClose(this)
  }

  close(): void {
    // The socket is not destroyed, because a reset could discard a reply before the other side has read it. Later input
    // is read and dropped. If the other side does not close, the server's sweep does.
    this.#left = clock()
    this.#socket.end()
    this.#socket.resume()
  }

  pause(): void {
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#paused = false
    this.#read()
  }

  #read(): void {
    if (!this.#paused && this.#blocked === 0) this.#socket.resume()
  }

  // ---- for the server

  /** A message is open or a handler runs. */
  get working(): boolean {
    return this.#session.working
  }

  /**
   * Milliseconds since either side last sent something, as far as the checks have seen it. Reading a clock for each
   * chunk would add a hundredth to the cost of a message.
   */
  silence(now: number): number {
    const bytes = this.#socket.bytesRead + this.#socket.bytesWritten
    if (bytes !== this.#spokenBytes) {
      this.#spokenBytes = bytes
      this.#spoke = now
    }
    return now - this.#spoke
  }

  /** Milliseconds without a message, as far as the checks have seen it, like `silence`. */
  unused(now: number): number {
    const { inMessage, handling, messages } = this.#session
    if (inMessage || handling || messages !== this.#messages) {
      this.#messages = messages
      this.#used = now
    }
    return now - this.#used
  }

  get hadMessage(): boolean {
    return this.#session.messages > 0
  }

  /** Bytes of memory that are counted for it. */
  get held(): number {
    return this.#session.held + this.#unread
  }

  /** Gives up a frame if others need its memory. */
  relieve(): void {
    this.#session.boundMemory()
  }

  /** Milliseconds since this side ended the connection; 0 if it has not. */
  parting(now: number): number {
    return this.#left === 0 ? 0 : now - this.#left
  }

  /** A mail server that reads slowly does read, so the time starts again with each byte. */
  #heedReading(now: number): void {
    const unsent = unsentBytes(this.#socket)
    if (unsent < this.#unsent) {
      if (this.#blocked > 0) this.#blocked = now
      if (this.#left > 0) this.#left = now
    }
    this.#unsent = unsent
  }

  /** Ends the connection if one of its timeouts has passed. */
  checkTimes(now: number, limits: ConnectionTimeouts): void {
    const session = this.#session
    const silence = this.silence(now)
    this.unused(now)
    if (this.#blocked > 0) this.#heedReading(now)
    if (session.closed) {
      // This side has closed. The other side does not, even if it still sends something.
      if (now - this.#left > limits.write) this.#socket.destroy()
    } else if (this.#blocked > 0 && now - this.#blocked > limits.write) {
      this.abandon('timeout')
    } else if (session.handling) {
      this.#spoke = now // the deadline of the handler applies
    } else if (this.#frameOverdue(now, limits.frame)) {
      this.abandon('timeout')
    } else if (session.terms === undefined && now - this.#opened > limits.frame) {
      this.abandon('timeout')
    } else if (silence > limits.idle) {
      this.abandon('timeout')
    }
  }

  /** Whether one frame has been incomplete for too long. In a long body, each read may end within another frame. */
  #frameOverdue(now: number, limit: number): boolean {
    const session = this.#session
    if (!session.midFrame) {
      this.#frameBegan = 0
    } else if (this.#frameBegan === 0 || this.#framesBefore !== session.framesTaken) {
      this.#frameBegan = now
      this.#framesBefore = session.framesTaken
    }
    return this.#frameBegan > 0 && now - this.#frameBegan > limit
  }

  /** Answers open commands, by the error policy if necessary, and closes. */
  stop(reason: CloseReason): void {
    this.#session.end(reason)
  }

  /** Closes without an answer. */
  abandon(reason: CloseReason): void {
    this.#session.end(reason)
    this.#socket.destroy()
  }

  /** Sets a deadline for handlers of abort and close that have none. */
  boundNotices(patience: number): void {
    this.#conversation.boundNotices(patience)
  }
}

/** Not in Node's documentation: the bytes that libuv could not pass to the system yet. */
interface SocketInternals {
  readonly _handle?: { readonly writeQueueSize?: number } | null
}

/** libuv passes one large write to the system in pieces. `writableLength` counts all of it until the last piece. */
function unsentBytes(socket: Socket): number {
  const { _handle: handle } = socket as unknown as SocketInternals
  return socket.writableLength + (handle?.writeQueueSize ?? 0)
}

const CONNECTION: unique symbol = Symbol('connection')
interface Served extends Socket {
  [CONNECTION]?: ServerConnection | undefined
}

// The same listeners for all sockets instead of closures, for the same reason as `onRead` in shared-reads.ts.

function whenEnded(this: Served): void {
  this[CONNECTION]?.stop('eof')
}

/** A mail server may close before it has read the last reply. Nothing is lost by that. */
function whenFailed(this: Served, error: Error): void {
  this[CONNECTION]?.stop(codeOf(error) === 'ECONNRESET' ? 'eof' : 'error')
}

function whenDrained(this: Served): void {
  this[CONNECTION]?.flows()
}

function whenClosed(this: Served): void {
  const connection = this[CONNECTION]
  // Node 24 and 26 keep closed sockets, and all that they refer to, until a major collection.
  this[CONNECTION] = undefined
  stopReading(this)
  connection?.gone()
}
