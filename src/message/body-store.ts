import { randomUUID } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { MilterError } from '../errors.ts'
import { channels } from '../milter/channels.ts'
import type { MessageLimits } from './limits.ts'

/** Bytes that are read from the file at a time; also the size of a frame of a new body. */
const PIECE = 65_535

/**
 * A body that arrives in pieces. Beyond the limit of memory it goes to a file without a name: it is
 * unlinked as soon as it is open, so that it is gone however the process ends.
 */
export class BodyStore implements AsyncIterable<Buffer> {
  readonly #limits: MessageLimits
  #chunks: Buffer[] = []
  #size = 0
  #file: FileHandle | undefined
  #written = 0
  #disposed = false
  /** why some of it is not there */
  #failure: MilterError | undefined

  constructor(limits: MessageLimits) {
    this.#limits = limits
  }

  static of(bytes: Buffer, limits: MessageLimits): BodyStore {
    const store = new BodyStore(limits)
    if (bytes.length > 0) store.#chunks.push(bytes)
    store.#size = bytes.length
    return store
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
    this.#chunks.push(chunk)
    return this.#size > this.#limits.bodyMemory ? this.#spill() : undefined
  }

  async #spill(): Promise<void> {
    try {
      if (this.#disposed) throw gone()
      if (this.#file === undefined) {
        this.#file = await this.#openFile()
        this.#tell(false)
      }
      const chunks = this.#chunks
      this.#chunks = []
      for (const chunk of chunks) {
        // write() may take less than it was given.
        for (let done = 0; done < chunk.length;) {
          const { bytesWritten } = await this.#file.write(chunk, done, undefined, this.#written)
          done += bytesWritten
          this.#written += bytesWritten
        }
      }
    } catch (cause) {
      this.#failure = this.#disposed
        ? gone()
        : new MilterError(
            'SPILL_FAILED',
            `a body of more than ${this.#limits.bodyMemory} bytes cannot be written to a file in ${this.#limits.temporaryDirectory}: ${(cause as Error).message}`,
            { cause },
          )
      if (!this.#disposed) this.#tell(true)
      throw this.#failure
    } finally {
      if (this.#disposed) await this.dispose()
    }
  }

  #tell(failed: boolean): void {
    if (!channels.spill.hasSubscribers) return
    channels.spill.publish({ bytes: this.#size, failed })
  }

  async #openFile(): Promise<FileHandle> {
    const path = join(this.#limits.temporaryDirectory, `tsmilter-${randomUUID()}`)
    const file = await open(path, 'wx+', 0o600)
    try {
      await unlink(path)
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** All of it in one piece of memory. @throws MilterError BODY_GONE, SPILL_FAILED */
  async bytes(): Promise<Buffer> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#file === undefined) {
      if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
      return this.#chunks[0] ?? Buffer.alloc(0)
    }
    const whole = Buffer.allocUnsafe(this.#size)
    let at = 0
    for await (const piece of this) at += piece.copy(whole, at)
    return whole
  }

  /** Pieces of 65,535 bytes at most, none empty. @throws as {@link bytes} */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#file === undefined) {
      for (const chunk of this.#chunks) {
        for (let at = 0; at < chunk.length; at += PIECE) yield chunk.subarray(at, at + PIECE)
      }
      return
    }
    for (let at = 0; at < this.#written;) {
      if (this.#disposed) throw gone()
      const piece = Buffer.allocUnsafe(Math.min(PIECE, this.#written - at))
      const { bytesRead } = await this.#read(piece, at)
      if (bytesRead === 0) throw gone()
      at += bytesRead
      yield piece.subarray(0, bytesRead)
    }
  }

  async #read(piece: Buffer, at: number): Promise<{ bytesRead: number }> {
    try {
      return await this.#file!.read(piece, 0, piece.length, at)
    } catch (cause) {
      if (this.#disposed) throw gone()
      throw new MilterError(
        'SPILL_FAILED',
        `a body cannot be read from its temporary file: ${(cause as Error).message}`,
        { cause },
      )
    }
  }

  /** Whether both hold the same bytes; in files they are compared piece by piece. */
  async equals(other: BodyStore): Promise<boolean> {
    if (this.#size !== other.#size) return false
    if (this.inMemory && other.inMemory) return (await this.bytes()).equals(await other.bytes())
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

  /** Lets go of the file. What is in memory stays readable. */
  async dispose(): Promise<void> {
    this.#disposed = true
    const file = this.#file
    if (file === undefined || this.#closing) return
    this.#closing = true
    await file.close().catch(() => {})
  }

  #closing = false
}

const gone = (): MilterError =>
  new MilterError(
    'BODY_GONE',
    'the message is over, and its body with it; read what is needed before the handler ends',
  )
