import { Conversation } from '../milter/conversation.ts'
import type { FilterFactory } from '../milter/filter-object.ts'
import type { FilterSettings } from '../milter/options.ts'
import type { ChannelListener, OpenChannel } from '../mta/channel.ts'
import type { Transport } from '../session/events.ts'

/**
 * A filter at the other end of a channel without a socket: the same session as behind a server. Bytes
 * arrive in a turn of their own, as they do from a socket.
 */
export function memoryChannel(factory: FilterFactory, settings: FilterSettings): OpenChannel {
  return (listener) => {
    const link = new MemoryLink(listener)
    const { session } = new Conversation(factory, settings, link)
    let closed = false
    const end = (): void => {
      if (closed) return
      closed = true
      session.end('eof')
      link.close()
    }
    return Promise.resolve({
      write(bytes) {
        queueMicrotask(() => {
          if (closed || link.closed) return
          link.bytesReceived += bytes.length
          // As behind a server: what was borrowed does not stay.
          const memory = Buffer.from(bytes)
          session.receiveBorrowed(memory, memory.length)
          memory.fill(LENT_NO_MORE)
        })
      },
      end: () => queueMicrotask(end),
      destroy: end,
    })
  }
}

/** What a filter finds that has kept a chunk it was borrowed. */
const LENT_NO_MORE = 0x3f

class MemoryLink implements Transport {
  closed = false
  bytesReceived = 0
  bytesSent = 0
  readonly #listener: ChannelListener

  constructor(listener: ChannelListener) {
    this.#listener = listener
  }

  send(first: Buffer, rest: readonly Buffer[]): void {
    if (this.closed) return
    const bytes = Buffer.concat([first, ...rest])
    this.bytesSent += bytes.length
    queueMicrotask(() => this.#listener.received(bytes))
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    queueMicrotask(() => this.#listener.closed())
  }

  /** The client takes everything at once. */
  drained(): undefined {}

  /** The client waits for each answer: what is under way never grows. */
  pause(): void {}
  resume(): void {}
}
