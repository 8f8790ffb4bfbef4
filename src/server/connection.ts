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
  /** when it was seen that something had come or gone, and how many bytes had by then */
  #spoke = this.#opened
  #spokenBytes = 0
  /** when a frame was first seen whose rest had not come, 0 for never, and how many were before it */
  #frameBegan = 0
  #framesBefore = 0
  /** when it was seen that a message was there, and how many there had been by then */
  #used = this.#opened
  #messages = 0
  /** when this side said that it is over */
  #left = 0
  /** since when the other side has taken nothing of what is to be sent */
  #blocked = 0
  /** bytes that it had not taken then */
  #unsent = 0
  /** bytes of memory that are counted for what it has not read */
  #unread = 0
  readonly #memory: MemoryBudget
  #paused = false
  /** its socket is closed */
  #gone = false
  /** who waits for the other side to read */
  readonly #waiting: (() => void)[] = []

  /**
   * @param socket one that has not read yet
   * @param peer who it is, if that is not the other end of the socket
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

  /** The system has taken all that was written. */
  flows(): void {
    this.#blocked = 0
    this.#countUnread(0)
    this.#read()
    this.#wake()
  }

  /** The socket is closed; handlers of abort and close may take their time. */
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
    // Somebody who asks and never listens must not fill the memory with answers.
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
    // Not destroyed: a reset could take an answer from the other side before it was read. What it
    // still sends is read and dropped; if it does not close, the server's sweep does.
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
   * Milliseconds since one of both sides said something, as far as it was looked at: a clock that is read
   * for each chunk is a hundredth of the cost of a message.
   */
  silence(now: number): number {
    const bytes = this.#socket.bytesRead + this.#socket.bytesWritten
    if (bytes !== this.#spokenBytes) {
      this.#spokenBytes = bytes
      this.#spoke = now
    }
    return now - this.#spoke
  }

  /** As far as it was looked at, as `silence`. */
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

  /** Gives up a frame that others have no memory for. */
  relieve(): void {
    this.#session.boundMemory()
  }

  /** Milliseconds since this side has said that it is over; 0 if it has not. */
  parting(now: number): number {
    return this.#left === 0 ? 0 : now - this.#left
  }

  /** A mail server that reads slowly is not one that does not read: the time begins anew with each byte. */
  #heedReading(now: number): void {
    const unsent = unsentBytes(this.#socket)
    if (unsent < this.#unsent) {
      if (this.#blocked > 0) this.#blocked = now
      if (this.#left > 0) this.#left = now
    }
    this.#unsent = unsent
  }

  /** Ends the connection if one of its times is over. */
  checkTimes(now: number, limits: ConnectionTimeouts): void {
    const session = this.#session
    const silence = this.silence(now)
    this.unused(now)
    if (this.#blocked > 0) this.#heedReading(now)
    if (session.closed) {
      // Closed by us, and the other side does not close, whatever it still sends.
      if (now - this.#left > limits.write) this.#socket.destroy()
    } else if (this.#blocked > 0 && now - this.#blocked > limits.write) {
      this.abandon('timeout')
    } else if (session.handling) {
      this.#spoke = now // its deadline watches over it
    } else if (this.#frameOverdue(now, limits.frame)) {
      this.abandon('timeout')
    } else if (session.terms === undefined && now - this.#opened > limits.frame) {
      this.abandon('timeout')
    } else if (silence > limits.idle) {
      this.abandon('timeout')
    }
  }

  /** The same frame has been incomplete for so long; in a long body each read may end in another one. */
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

  /** Answers what is owed, by the policy if need be, and closes. */
  stop(reason: CloseReason): void {
    this.#session.end(reason)
  }

  /** Closes without a further word. */
  abandon(reason: CloseReason): void {
    this.#session.end(reason)
    this.#socket.destroy()
  }

  /** Bounds handlers of abort and close that have no deadline. */
  boundNotices(patience: number): void {
    this.#conversation.boundNotices(patience)
  }
}

/** What Node's documentation does not have: what libuv could not hand to the system yet. */
interface SocketInternals {
  readonly _handle?: { readonly writeQueueSize?: number } | null
}

/** Of one large write libuv hands over piece by piece, and Node counts it until the last of them. */
function unsentBytes(socket: Socket): number {
  const { _handle: handle } = socket as unknown as SocketInternals
  return socket.writableLength + (handle?.writeQueueSize ?? 0)
}

const CONNECTION: unique symbol = Symbol('connection')
interface Served extends Socket {
  [CONNECTION]?: ServerConnection | undefined
}

// The same listeners for all sockets, not closures for each: for the reason that `onRead` has.

function whenEnded(this: Served): void {
  this[CONNECTION]?.stop('eof')
}

/** A mail server may be gone before it has read its last answer; nothing is lost by that. */
function whenFailed(this: Served, error: Error): void {
  this[CONNECTION]?.stop(codeOf(error) === 'ECONNRESET' ? 'eof' : 'error')
}

function whenDrained(this: Served): void {
  this[CONNECTION]?.flows()
}

function whenClosed(this: Served): void {
  const connection = this[CONNECTION]
  // Node 24 and 26 keep closed sockets until a major collection, and all that hangs on them.
  this[CONNECTION] = undefined
  stopReading(this)
  connection?.gone()
}
