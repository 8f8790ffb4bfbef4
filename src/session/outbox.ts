import { encodeBody } from '../protocol/replies.ts'
import type { Transport } from './events.ts'

const NONE: readonly Buffer[] = []
const EMPTY = Buffer.alloc(0)
/** Roughly the bytes that are sent in one piece of memory (`server/shared-writes.ts`). */
const FULL = 15_360

/**
 * The frames that answer the commands that were read. Nearly always it is one frame. An array that is emptied after
 * each answer would have its memory freed and allocated again every time.
 */
export class Outbox {
  #first: Buffer | undefined
  #rest: Buffer[] | undefined
  /** bytes */
  #size = 0
  /** a body is being sent: Postfix takes any other frame for its end */
  sendingBody = false

  /** It should be sent first, before more is put in. */
  get full(): boolean {
    return this.#size > FULL
  }

  push(frame: Buffer): void {
    this.#size += frame.length
    if (this.#first === undefined) this.#first = frame
    else if (this.#rest === undefined) this.#rest = [frame]
    else this.#rest.push(frame)
  }

  flush(transport: Transport): void {
    const first = this.#first
    if (first === undefined) return
    const rest = this.#rest ?? NONE
    this.#first = undefined
    this.#rest = undefined
    this.#size = 0
    transport.send(first, rest)
  }

  /** Sends the frames. It waits for a peer that does not read, since answers may be much larger than commands. */
  sendFirst(transport: Transport): Promise<void> | undefined {
    this.flush(transport)
    return transport.drained()
  }

  /**
   * Sends a body as fast as the mail server reads it. False if it could not be read to its end, or was
   * stopped: then the message must not pass, since half of it is with the mail server already.
   */
  async sendBody(
    body: AsyncIterable<Buffer>,
    transport: Transport,
    stopped: () => boolean,
  ): Promise<boolean> {
    let empty = true
    this.sendingBody = true
    try {
      for await (const piece of body) {
        if (stopped()) return false
        if (piece.length === 0) continue
        empty = false
        for (const part of encodeBody(piece)) this.push(part)
        this.flush(transport)
        await transport.drained()
      }
      if (empty) for (const part of encodeBody(EMPTY)) this.push(part)
      return true
    } catch {
      return false
    } finally {
      this.sendingBody = false
    }
  }
}
