import type { ChildProcess } from 'node:child_process'
import { Allowance } from './allowance.ts'
import type { ToWorker } from './messages.ts'

/** The largest message: what a worker has counted, with a great many labels. */
const MAX_MESSAGE = 4 * 1024 * 1024
/** The answer to a connection or an echo, in bytes. */
const SMALL_ANSWER = 128
/** Bytes a worker may send: unasked, its signs of life, and then what it was asked for. */
const BYTES = { perSecond: 64 * 1024, unasked: MAX_MESSAGE, maximum: 2 * MAX_MESSAGE }
/** Messages it may send: each costs this process some 400 bytes until the garbage is collected, however short. */
const MESSAGES = {
  perSecond: 1_000,
  unasked: 10_000,
  maximum: 2 * (BYTES.maximum / SMALL_ANSWER),
}
/** What a request may bring. A connection has two: that the socket has arrived (Node's), and that it is taken. */
const MESSAGES_FOR_A_REQUEST = 2

/**
 * Bounds what a worker sends. Node's own reading of a channel trusts the other side: a line that is not JSON, or a
 * command of its own protocol that comes unexpected, is an exception that ends the process, a line without an end
 * fills the memory, and handles are opened whoever sends them. Code of a filter can write whatever it likes there.
 *
 * It rests on parts of Node that are not documented (`onread` of the channel, the event `internalMessage`), since
 * there are no others; `test/cli/run-abuse.test.ts` fails where they are missing.
 */
export class WorkerChannel {
  readonly #onAbuse: (what: string) => void
  readonly #pipe: ChannelPipe | undefined
  #broken = false
  /** bytes of a message whose end has not come */
  #unfinished = 0
  readonly #bytes = new Allowance(BYTES)
  readonly #messages = new Allowance(MESSAGES)

  /** @param onAbuse called once; what comes after is not read */
  constructor(child: ChildProcess, onAbuse: (what: string) => void) {
    this.#onAbuse = onAbuse
    this.#pipe = pipeOf(child)
    if (this.#pipe !== undefined) this.#guard(this.#pipe)
    this.#filterCommands(child)
  }

  /** It has been sent something, and may answer. */
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
   * Of Node's own commands a worker has reason to send whether a socket has arrived, and what a listener asks of
   * it that is closed (`SocketListSend`, whose own listener comes later and takes only what it waits for).
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
        this.#abuse('news of a socket that it was not sent')
      }
    })
  }

  #abuse(what: string): void {
    if (this.#broken) return
    this.#broken = true
    // What has been sent already stays in the kernel: read and dropped, it would be memory until it is collected.
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

/** What the channel is in Node, as far as it is used here. */
interface ChannelPipe {
  onread: (this: ChannelPipe, chunk: ArrayBuffer | undefined) => void
  readonly bytesRead: number
  readStop(): void
  /** came with the bytes that are read next */
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
