import type { ChildProcess } from 'node:child_process'
import { Allowance } from './allowance.ts'
import type { ToWorker } from './messages.ts'

/** Maximum bytes of a message. The largest are metrics with very many labels. */
const MAX_MESSAGE = 4 * 1024 * 1024
/** Maximum bytes of the answer to a connection or an echo. */
const SMALL_ANSWER = 128
/** Bytes that a worker may send: heartbeats without a request, and the answers to requests. */
const BYTES = { perSecond: 64 * 1024, unasked: MAX_MESSAGE, maximum: 2 * MAX_MESSAGE }
/** Messages that it may send. Each costs this process some 400 bytes until the next collection, however short it is. */
const MESSAGES = {
  perSecond: 1_000,
  unasked: 10_000,
  maximum: 2 * (BYTES.maximum / SMALL_ANSWER),
}
/** Maximum answers to a request. A connection has two: Node's, that the socket has arrived, and that it is taken. */
const MESSAGES_FOR_A_REQUEST = 2

/**
 * Bounds what a worker sends. Node trusts the other side of a channel. A line that is not JSON, or an unexpected
 * command of Node's own protocol, throws an exception that ends the process. A line without an end fills the memory.
 * All handles that arrive are opened. Code of a filter can write anything to the channel.
 *
 * This class uses parts of Node that are not documented, because there is no other way: `onread` of the channel, and
 * the event `internalMessage`. `test/cli/run-abuse.test.ts` fails if they are missing.
 */
export class WorkerChannel {
  readonly #onAbuse: (what: string) => void
  readonly #pipe: ChannelPipe | undefined
  #broken = false
  /** bytes received of a message that is not complete */
  #unfinished = 0
  readonly #bytes = new Allowance(BYTES)
  readonly #messages = new Allowance(MESSAGES)

  /** @param onAbuse called once; later bytes are not read */
  constructor(child: ChildProcess, onAbuse: (what: string) => void) {
    this.#onAbuse = onAbuse
    this.#pipe = pipeOf(child)
    if (this.#pipe !== undefined) this.#guard(this.#pipe)
    this.#filterCommands(child)
  }

  /** The worker was sent a message, and may answer it. */
  asked({ type }: ToWorker): void {
    this.#bytes.add(type === 'connection' || type === 'echo' ? SMALL_ANSWER : MAX_MESSAGE)
    this.#messages.add(MESSAGES_FOR_A_REQUEST)
  }

  #guard(pipe: ChannelPipe): void {
    const { onread } = pipe
    let before = pipe.bytesRead
    pipe.onread = (chunk) => {
      // The end of the channel.
      if (chunk === undefined) return onread.call(pipe, chunk)
      const bytes = new Uint8Array(
        chunk,
        0,
        Math.min(chunk.byteLength, pipe.bytesRead - before),
      )
      before = pipe.bytesRead
      if (pipe.pendingHandle) {
        pipe.pendingHandle.close()
        pipe.pendingHandle = null
        this.#abuse('a handle')
      }
      this.#count(bytes)
      if (this.#broken) return
      try {
        onread.call(pipe, chunk)
      } catch {
        this.#abuse('a line that is not JSON')
      }
    }
  }

  #count(bytes: Uint8Array): void {
    const end = bytes.lastIndexOf(NEWLINE)
    this.#unfinished = end === -1 ? this.#unfinished + bytes.length : bytes.length - end - 1
    if (this.#unfinished > MAX_MESSAGE)
      this.#abuse(`a message of more than ${MAX_MESSAGE} bytes`)
    if (!this.#bytes.take(bytes.length) || !this.#messages.take(countOf(bytes, NEWLINE)))
      this.#abuse('more than it was asked for')
  }

  /**
   * Of Node's own commands, a worker may send whether a socket has arrived, and the answers that a closing listener
   * waits for. The latter go to `SocketListSend`, which adds its own listener later and takes only what it expects.
   */
  #filterCommands(child: ChildProcess): void {
    const handlers = child.listeners('internalMessage')
    child.removeAllListeners('internalMessage')
    child.on('internalMessage', (message: { readonly cmd?: unknown }, handle: unknown) => {
      if (this.#broken) return
      if (message.cmd === 'NODE_SOCKET_ALL_CLOSED' || message.cmd === 'NODE_SOCKET_COUNT')
        return
      if (message.cmd !== 'NODE_HANDLE_ACK' && message.cmd !== 'NODE_HANDLE_NACK') {
        this.#abuse('a command of Node')
        return
      }
      try {
        for (const handler of handlers) handler.call(child, message, handle)
      } catch {
        this.#abuse('an answer about a socket that it was not sent')
      }
    })
  }

  #abuse(what: string): void {
    if (this.#broken) return
    this.#broken = true
    // What the worker has sent already stays in the kernel. If it were read and dropped, it would fill the memory until
    // the next collection.
    this.#pipe?.readStop()
    this.#onAbuse(what)
  }
}

const NEWLINE = 0x0a

function countOf(bytes: Uint8Array, sought: number): number {
  let count = 0
  for (let at = bytes.indexOf(sought); at !== -1; at = bytes.indexOf(sought, at + 1)) count++
  return count
}

/** The parts of Node's channel that are used here. */
interface ChannelPipe {
  onread: (this: ChannelPipe, chunk: ArrayBuffer | undefined) => void
  readonly bytesRead: number
  readStop(): void
  /** a handle that arrived with the bytes that are read next */
  pendingHandle?: { close(): void } | null
}

function pipeOf(child: ChildProcess): ChannelPipe | undefined {
  const symbol = Object.getOwnPropertySymbols(child).find(
    ({ description }) => description === 'kChannelHandle',
  )
  const found = symbol && (child as unknown as Record<symbol, unknown>)[symbol]
  return found && typeof (found as ChannelPipe).onread === 'function'
    ? (found as ChannelPipe)
    : undefined
}
