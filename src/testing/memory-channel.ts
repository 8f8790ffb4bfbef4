import { Conversation } from '../milter/conversation.ts'
import type { FilterFactory } from '../milter/filter-object.ts'
import type { FilterSettings } from '../milter/options.ts'
import type { ChannelListener, OpenChannel } from '../mta/channel.ts'
import type { Transport } from '../session/events.ts'

/**
 * A channel in memory with a filter at its other end, in the same session as behind a server. Bytes arrive in a
 * separate microtask, because bytes from a socket do not arrive during the write either.
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
          // As behind a server, borrowed bytes are overwritten after the call.
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

/** The byte that fills a borrowed chunk after the call, so that a filter that keeps it finds wrong bytes. */
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

  /** The client takes all output at once. */
  drained(): undefined {}

  /** The client waits for each reply, so the waiting input never grows. */
  pause(): void {}
  resume(): void {}
}
