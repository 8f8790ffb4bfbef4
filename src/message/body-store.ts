import type { FileHandle } from 'node:fs/promises'
import { MilterError } from '../errors.ts'
import { channels } from '../diagnostics/channels.ts'
import type { MessageLimits } from '../options/types.ts'
import type { MemoryBudget } from '../session/memory-budget.ts'
import { openUnlinked } from './unlinked-file.ts'

/** Bytes that are read from the file at a time; also the size of a frame of a new body. */
const PIECE = 65_535
/** Pieces below this are put together: the object for each takes more memory than a few bytes. */
const SMALL = 4_096

/**
 * A body that arrives in pieces. If it is larger than the limit of memory, or if the budget of all messages is used up,
 * it goes to an unlinked file, which disappears however the process ends.
 */
export class BodyStore implements AsyncIterable<Buffer> {
  readonly #limits: MessageLimits
  readonly #memory: MemoryBudget
  #chunks: Buffer[] = []
  /** the last chunk, if it was made of small pieces and may have room for more */
  #joined: Buffer | undefined
  #joinedSize = 0
  #size = 0
  /** bytes that are reserved of the budget */
  #held = 0
  /** bytes for which there was no room, on their way to the file */
  #passing = 0
  #file: FileHandle | undefined
  #written = 0
  #disposed = false
  /** why some of it is not there */
  #failure: MilterError | undefined

  constructor(limits: MessageLimits, memory: MemoryBudget) {
    this.#limits = limits
    this.#memory = memory
  }

  /** Bytes. */
  get size(): number {
    return this.#size
  }

  /** Whether all of it is in memory. */
  get inMemory(): boolean {
    return this.#file === undefined
  }

  /**
   * Takes a piece; a promise while it goes to the file. The memory of the piece must stay as it is.
   * One at a time.
   * @throws MilterError MESSAGE_TOO_LARGE, SPILL_FAILED
   */
  add(chunk: Buffer): void | Promise<void> {
    if (this.#size + chunk.length > this.#limits.bodySize) {
      throw new MilterError(
        'MESSAGE_TOO_LARGE',
        `the body has more than ${this.#limits.bodySize} bytes (limits.bodySize)`,
      )
    }
    if (chunk.length === 0) return undefined
    this.#size += chunk.length
    const added = chunk.length < SMALL ? this.#join(chunk) : this.#keep(chunk)
    const fits = this.#hold(added)
    const stays = fits && this.inMemory && this.#size <= this.#limits.bodyMemory
    return stays ? undefined : this.#spill(fits)
  }

  /** Keeps a piece; gives the bytes of memory it takes. */
  #keep(chunk: Buffer): number {
    this.#joined = undefined
    // Memory of its own, as nearly all have. To ask for `buffer` costs a microsecond.
    if (chunk.byteOffset === 0) {
      this.#chunks.push(chunk)
      return chunk.length
    }
    // A view of a read with much else in it, or of Node's pool: all of that would be held.
    const held = chunk.buffer.byteLength
    const copies = held > 2 * chunk.length + SMALL
    this.#chunks.push(copies ? copyOf(chunk) : chunk)
    return copies ? chunk.length : held
  }

  /** Puts a small piece to those before it; gives the bytes of memory it takes. */
  #join(chunk: Buffer): number {
    const last = this.#joined
    const size = this.#joinedSize + chunk.length
    if (last !== undefined && size <= last.length) {
      chunk.copy(last, this.#joinedSize)
      this.#joinedSize = size
      this.#chunks[this.#chunks.length - 1] = last.subarray(0, size)
      return 0
    }
    this.#joinedSize = chunk.length
    if (last === undefined) {
      // Nearly always it is the only one.
      this.#joined = copyOf(chunk)
      this.#chunks.push(this.#joined)
      return chunk.length
    }
    const next = Buffer.allocUnsafeSlow(
      Math.max(chunk.length, Math.min(2 * last.length, PIECE)),
    )
    chunk.copy(next)
    this.#joined = next
    this.#chunks.push(next.subarray(0, chunk.length))
    return next.length
  }

  /** False if there is no room for it. */
  #hold(bytes: number): boolean {
    if (this.#disposed) return true
    if (this.#memory.reserveForBody(bytes)) {
      this.#held += bytes
      return true
    }
    this.#memory.pass(bytes)
    this.#passing += bytes
    return false
  }

  #letGo(): void {
    this.#memory.release(this.#held)
    this.#memory.pass(-this.#passing)
    this.#held = this.#passing = 0
  }

  /** @param fits the budget has room, so the body is too large by itself */
  async #spill(fits: boolean): Promise<void> {
    const reason = fits ? 'size' : 'memory'
    try {
      if (this.#disposed) throw bodyGone()
      if (this.#file === undefined) {
        this.#file = await openUnlinked(this.#limits.temporaryDirectory)
        this.#tell(reason, false)
      }
      const chunks = this.#chunks
      this.#chunks = []
      this.#joined = undefined
      for (const chunk of chunks) {
        // write() may take less than it was given.
        for (let done = 0; done < chunk.length;) {
          const { bytesWritten } = await this.#file.write(chunk, done, undefined, this.#written)
          done += bytesWritten
          this.#written += bytesWritten
        }
      }
    } catch (cause) {
      // No filter can read it any more.
      this.#chunks = []
      this.#joined = undefined
      this.#failure = this.#disposed
        ? bodyGone()
        : new MilterError(
            'SPILL_FAILED',
            `a body that cannot stay in memory cannot be written to a file either, in ${this.#limits.temporaryDirectory}: ${(cause as Error).message}`,
            { cause },
          )
      if (!this.#disposed) this.#tell(reason, true)
      throw this.#failure
    } finally {
      this.#letGo()
      if (this.#disposed) await this.dispose()
    }
  }

  #tell(reason: 'size' | 'memory', failed: boolean): void {
    if (!channels.spill.hasSubscribers) return
    channels.spill.publish({ bytes: this.#size, reason, failed })
  }

  /** The pieces that are in memory, without a copy. @throws MilterError BODY_GONE, SPILL_FAILED */
  pieces(): readonly Buffer[] {
    if (this.#failure !== undefined) throw this.#failure
    return this.#chunks
  }

  /** All of it in one piece of memory. @throws MilterError BODY_GONE, SPILL_FAILED */
  async bytes(): Promise<Buffer> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#file === undefined) {
      this.#joined = undefined
      if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
      return this.#chunks[0] ?? Buffer.alloc(0)
    }
    const whole = Buffer.allocUnsafe(this.#size)
    let at = 0
    for await (const piece of this) at += piece.copy(whole, at)
    return whole
  }

  /** Iterates over pieces of at most 65,535 bytes, none of them empty. @throws as {@link bytes} */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#file === undefined) {
      for (const chunk of this.#chunks) {
        for (let at = 0; at < chunk.length; at += PIECE) yield chunk.subarray(at, at + PIECE)
      }
      return
    }
    for (let at = 0; at < this.#written;) {
      if (this.#disposed) throw bodyGone()
      const piece = Buffer.allocUnsafe(Math.min(PIECE, this.#written - at))
      const { bytesRead } = await this.#read(piece, at)
      if (bytesRead === 0) throw bodyGone()
      at += bytesRead
      yield piece.subarray(0, bytesRead)
    }
  }

  async #read(piece: Buffer, at: number): Promise<{ bytesRead: number }> {
    try {
      return await this.#file!.read(piece, 0, piece.length, at)
    } catch (cause) {
      if (this.#disposed) throw bodyGone()
      throw new MilterError(
        'SPILL_FAILED',
        `a body cannot be read from its temporary file: ${(cause as Error).message}`,
        { cause },
      )
    }
  }

  /** Whether both hold the same bytes; they are compared piece by piece, and joined nowhere. */
  async equals(other: BodyStore): Promise<boolean> {
    if (this.#size !== other.#size) return false
    const others = other[Symbol.asyncIterator]()
    let rest: Buffer = Buffer.alloc(0)
    for await (const piece of this) {
      for (let at = 0; at < piece.length;) {
        if (rest.length === 0) {
          const { done, value } = await others.next()
          if (done === true) return false
          rest = value
        }
        const length = Math.min(piece.length - at, rest.length)
        if (piece.compare(rest, 0, length, at, at + length) !== 0) return false
        rest = rest.subarray(length)
        at += length
      }
    }
    return true
  }

  /** Frees the file and the memory. Pieces in memory that the filter holds stay readable. */
  async dispose(): Promise<void> {
    this.#disposed = true
    this.#letGo()
    const file = this.#file
    if (file === undefined || this.#closing) return
    this.#closing = true
    await file.close().catch(() => {})
  }

  #closing = false
}

/** In memory of its own. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}

export const bodyGone = (): MilterError =>
  new MilterError(
    'BODY_GONE',
    'the body is gone because the handler is over; read the body before the handler ends, and await it there',
  )
