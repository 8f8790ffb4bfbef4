import { Command } from '../protocol/constants.ts'
import { FrameDecoder, FrameScanner, type Payload } from '../protocol/frame.ts'

/** Bytes of a block in which small chunks that wait are joined; a chunk of as many waits as it is. */
const BLOCK = 4096
/** Bytes that a piece of memory takes as an object, about. */
const OBJECT = 256

/**
 * The input that is not handled yet: the current chunk, and those that came while a handler ran. Frames are taken from
 * it in order. ABORT and QUIT are seen before their turn.
 */
export class Inbox {
  /** The frame that was taken last. */
  readonly frame: FrameDecoder
  /** How many were taken. */
  taken = 0
  /** whole chunks, from `#first` on; an index, since what is shifted out of a long list is moved each time */
  #waiting: Buffer[] = []
  #first = 0
  /** behind them, small chunks joined: as objects they take far more than their bytes */
  #tail: Buffer | undefined
  #tailSize = 0
  #waitingSize = 0
  #waitingHeld = 0
  /** The current chunk is scanned at most once; waiting chunks are scanned when they come. */
  #scanner: FrameScanner | undefined
  #scanned = false
  #aborts = 0
  #quits = 0

  constructor(frameSize: number) {
    this.frame = new FrameDecoder(frameSize)
  }

  /** Bytes that wait. */
  get size(): number {
    return this.#waitingSize
  }

  /** Bytes of memory that what has arrived takes. */
  get held(): number {
    return this.#waitingHeld + this.frame.held
  }

  /** Whether an ABORT has arrived and not been reached. Known only after `lookAhead`. */
  get abortAhead(): boolean {
    return this.#aborts > 0
  }

  /** Whether a QUIT or QUIT_NC has arrived and not been reached. Known only after `lookAhead`. */
  get quitAhead(): boolean {
    return this.#quits > 0
  }

  /** A chunk, while everything before it has been taken. */
  read(chunk: Buffer): void {
    this.frame.push(chunk)
    this.#scanned = false
  }

  /** The same in `memory[0..size)`, which is its owner's again after `frame.hold()`. */
  readBorrowed(memory: Buffer, size: number): void {
    this.frame.pushBorrowed(memory, size)
    this.#scanned = false
  }

  /** A copy of `memory[0..size)`, which has to wait. */
  wait(memory: Buffer, size: number): void {
    this.#waitingSize += size
    if (size < BLOCK) this.#join(memory, size)
    else {
      this.#closeTail()
      const chunk = this.#allocate(size)
      memory.copy(chunk, 0, 0, size)
      this.#waiting.push(chunk)
    }
    this.#scan({ bytes: memory, start: 0, end: size })
  }

  #join(memory: Buffer, size: number): void {
    for (let at = 0; at < size;) {
      this.#tail ??= this.#allocate(BLOCK)
      const count = Math.min(size - at, BLOCK - this.#tailSize)
      memory.copy(this.#tail, this.#tailSize, at, at + count)
      this.#tailSize += count
      at += count
      if (this.#tailSize === BLOCK) this.#closeTail()
    }
  }

  #allocate(size: number): Buffer {
    this.#waitingHeld += size + OBJECT
    return Buffer.allocUnsafeSlow(size)
  }

  #closeTail(): void {
    if (this.#tail === undefined) return
    this.#waiting.push(this.#tail.subarray(0, this.#tailSize))
    this.#tail = undefined
    this.#tailSize = 0
  }

  #nextWaiting(): Buffer {
    if (this.#first === this.#waiting.length) this.#closeTail()
    const chunk = this.#waiting[this.#first]!
    this.#first++
    this.#waitingHeld -= Math.max(chunk.length, BLOCK) + OBJECT
    // Half of the list at a time, so that each chunk is moved but once.
    if (this.#first * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
    return chunk
  }

  /**
   * Steps to the next frame.
   * @throws ProtocolError FRAME_EMPTY, FRAME_TOO_LARGE
   */
  next(): boolean {
    for (;;) {
      if (this.frame.next()) {
        this.taken++
        this.#reached(this.frame.command)
        return true
      }
      if (this.#waitingSize === 0) return false
      const chunk = this.#nextWaiting()
      this.#waitingSize -= chunk.length
      this.frame.push(chunk)
      this.#scanned = true
    }
  }

  /** Looks through the rest of the present chunk. */
  lookAhead(): void {
    if (this.#scanned) return
    this.#scanned = true
    this.#scanner?.reset()
    this.#scan(this.frame.unread)
  }

  /** Lets go of everything. */
  clear(): void {
    this.frame.clear()
    this.#waiting = []
    this.#first = 0
    this.#tail = undefined
    this.#tailSize = 0
    this.#waitingSize = this.#waitingHeld = 0
  }

  #scan(piece: Payload): void {
    this.#scanner ??= new FrameScanner()
    this.#scanner.scan(piece, (command) => {
      if (command === Command.ABORT) this.#aborts++
      else if (command === Command.QUIT || command === Command.QUIT_NC) this.#quits++
    })
  }

  #reached(command: number): void {
    if (command === Command.ABORT && this.#aborts > 0) this.#aborts--
    else if ((command === Command.QUIT || command === Command.QUIT_NC) && this.#quits > 0) {
      this.#quits--
    }
  }
}
