/**
 * A frame is a big-endian u32 length, a command byte and length - 1 bytes of payload.
 * PROTOCOL: `libmilter/comm.c` mi_rd_cmd, `mi_wr_cmd`.
 */
import { ProtocolError } from '../errors.ts'
import { letter } from './constants.ts'

/** Length field and command byte. */
export const FRAME_HEADER_SIZE = 5

/** Where a payload lies: `bytes[start..end)`. */
export interface Payload {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

/** One frame, in a buffer of its own. `parts` are joined to the payload. */
export function encodeFrame(code: number, ...parts: readonly Uint8Array[]): Buffer {
  let size = 0
  for (const part of parts) size += part.length
  const frame = Buffer.allocUnsafe(FRAME_HEADER_SIZE + size)
  frame.writeUInt32BE(size + 1, 0)
  frame[4] = code
  let offset = FRAME_HEADER_SIZE
  for (const part of parts) {
    frame.set(part, offset)
    offset += part.length
  }
  return frame
}

const EMPTY = Buffer.alloc(0)
/** A carry buffer larger than this is given back once its frame is done. */
const KEEP = 4096

/**
 * Finds frames in the bytes from a socket, wherever they were split. A frame that arrived whole is read in place. One
 * that was split is put together in a buffer that grows with the bytes that arrive, never with the announced length.
 *
 * `push` a chunk, then call `next` until it returns false. After `next` has returned true, `command`, `bytes`, `start`
 * and `end` describe the frame until the following `next` or `push`.
 */
export class FrameDecoder implements Payload {
  /** The command or reply byte of the current frame. */
  command = 0
  bytes: Buffer = EMPTY
  start = 0
  end = 0

  readonly #limit: number
  /** What has come lies in `#chunk[#offset..#end)`. */
  #chunk: Buffer = EMPTY
  #offset = 0
  #end = 0
  #borrowed = false
  #carry: Buffer = EMPTY
  #carried = 0

  /** @param maxPayload the largest payload to accept, in bytes, without the command byte */
  constructor(maxPayload: number) {
    this.#limit = maxPayload
  }

  /** Whether part of a frame has arrived and its rest has not. */
  get partial(): boolean {
    return this.#carried > 0
  }

  /**
   * Bytes of memory that are kept for the next call: those of an incomplete frame, and of chunks and frames that are
   * still in use. A borrowed chunk does not count.
   */
  get held(): number {
    const frame =
      this.bytes === this.#chunk || this.bytes === this.#carry ? 0 : this.bytes.length
    return (
      frame +
      (this.#borrowed ? 0 : this.#chunk.length) +
      (this.#carry.length > KEEP ? this.#carry.length : 0)
    )
  }

  /** The next piece of the stream; every frame of the piece before must have been read. */
  push(chunk: Buffer): void {
    this.pushBorrowed(chunk, chunk.length)
    this.#borrowed = false
  }

  /** The same with `memory[0..size)`. The owner may reuse the memory after {@link hold}. */
  pushBorrowed(memory: Buffer, size: number): void {
    this.#chunk = memory
    this.#offset = 0
    this.#end = size
    this.#borrowed = true
  }

  /** The rest of the current chunk, after the current frame. */
  get unread(): Payload {
    return { bytes: this.#chunk, start: this.#offset, end: this.#end }
  }

  /**
   * Steps to the next whole frame.
   * @throws ProtocolError FRAME_EMPTY, FRAME_TOO_LARGE as soon as the length field is known
   */
  next(): boolean {
    const chunk = this.#chunk
    const offset = this.#offset
    if (this.#carried === 0) {
      const have = this.#end - offset
      if (have >= 4) {
        const length = this.#checkedLength(chunk, offset)
        if (have >= 4 + length) {
          this.#frame(chunk, offset, length)
          this.#offset = offset + 4 + length
          return true
        }
      }
      if (have > 0) this.#collect(have)
      return this.#done()
    }
    return this.#nextCarried()
  }

  /** The frame began in an earlier chunk: its bytes go to the carry buffer until it is whole. */
  #nextCarried(): boolean {
    if (this.#carried < 4) {
      this.#collect(Math.min(4 - this.#carried, this.#end - this.#offset))
      if (this.#carried < 4) return this.#done()
    }
    const length = this.#checkedLength(this.#carry, 0)
    const missing = 4 + length - this.#carried
    this.#collect(Math.min(missing, this.#end - this.#offset))
    if (this.#carried < 4 + length) return this.#done()
    this.#frame(this.#carry, 0, length)
    this.#carried = 0
    if (this.#carry.length > KEEP) this.#carry = EMPTY
    return true
  }

  /** Bytes of the payload. */
  get size(): number {
    return this.end - this.start
  }

  /** The payload, in place: valid until the next `next`, `push` or `hold`. */
  view(): Buffer {
    return this.bytes.subarray(this.start, this.end)
  }

  /**
   * The payload in memory that does not change, whatever is pushed later: in place if that is safe, otherwise a copy.
   */
  take(): Buffer {
    const payload = this.view()
    if (this.bytes === this.#carry || (this.bytes === this.#chunk && this.#borrowed)) {
      return Buffer.from(payload)
    }
    return payload
  }

  /** Copies the part of borrowed memory that is still needed, before its owner reuses it. */
  hold(): void {
    // Nearly always all of it has been read, and two objects need not be made (15 of 190 us at `noop`).
    if (!this.#borrowed || this.#chunk === EMPTY) return
    this.#borrowed = false
    if (this.bytes === this.#chunk) {
      this.bytes = Buffer.from(this.view())
      this.end -= this.start
      this.start = 0
    }
    this.#chunk = Buffer.from(this.#chunk.subarray(this.#offset, this.#end))
    this.#end -= this.#offset
    this.#offset = 0
  }

  /** Lets go of everything that has come. */
  clear(): void {
    this.bytes = this.#chunk = this.#carry = EMPTY
    this.start = this.end = this.#offset = this.#end = this.#carried = 0
    this.#borrowed = false
  }

  #frame(bytes: Buffer, offset: number, length: number): void {
    this.command = bytes[offset + 4]!
    this.bytes = bytes
    this.start = offset + FRAME_HEADER_SIZE
    this.end = offset + 4 + length
  }

  #checkedLength(bytes: Buffer, offset: number): number {
    const length = lengthAt(bytes, offset)
    if (length === 0) {
      throw new ProtocolError(
        'FRAME_EMPTY',
        'a frame of length 0 arrived; every frame has at least its command byte, so the other side ' +
          'has lost its place in the stream or does not speak the milter protocol',
      )
    }
    if (length - 1 > this.#limit) {
      throw new ProtocolError(
        'FRAME_TOO_LARGE',
        `a frame announces ${length - 1} bytes of data and the limit is ${this.#limit}` +
          hintOfText(bytes, offset),
      )
    }
    return length
  }

  #collect(count: number): void {
    const needed = this.#carried + count
    if (this.#carry.length < needed) {
      const grown = Buffer.allocUnsafe(this.#roomFor(needed))
      this.#carry.copy(grown, 0, 0, this.#carried)
      this.#carry = grown
    }
    this.#chunk.copy(this.#carry, this.#carried, this.#offset, this.#offset + count)
    this.#carried = needed
    this.#offset += count
  }

  /**
   * Once a quarter of a frame has arrived, there is room for all of it. Before that the room doubles: a peer that only
   * announces a frame gets no memory for it.
   */
  #roomFor(needed: number): number {
    let frame = 0
    if (this.#carried >= 4) frame = 4 + lengthAt(this.#carry, 0)
    else if (this.#carried === 0 && needed >= 4) frame = 4 + lengthAt(this.#chunk, this.#offset)
    return Math.max(needed, frame <= 4 * needed ? frame : 2 * this.#carry.length, 64)
  }

  /** The chunk is used up: let go of it, and of the frame before. */
  #done(): false {
    this.bytes = EMPTY
    this.#chunk = EMPTY
    this.#offset = this.#end = 0
    return false
  }
}

/** Byte by byte: the methods of a Buffer are looked up again at each call, which costs more than reading. */
function lengthAt(bytes: Buffer, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  )
}

/** A length field of four printable letters is a text protocol on the wrong port, and TLS begins with its version. */
function hintOfText(bytes: Buffer, offset: number): string {
  // A record of a handshake, of SSL 3 or TLS (RFC 8446, section 5.1).
  if (bytes[offset] === 0x16 && bytes[offset + 1] === 0x03) {
    return ' (a TLS handshake: the other side speaks TLS, and this port does not; the option tls is for that)'
  }
  for (let i = offset; i < offset + 4; i++) {
    if (bytes[i]! < 0x20 || bytes[i]! > 0x7e) return ''
  }
  const text = bytes.toString('latin1', offset, offset + 4)
  return ` (the first bytes are the text ${JSON.stringify(text)}: an HTTP, TLS or SMTP client on the milter port?)`
}

/**
 * Follows the frames of a stream without reading them, and reports the command of each as soon as its header has
 * arrived. It is used to see ABORT and QUIT behind a command that is still being handled.
 */
export class FrameScanner {
  #skip = 0
  #header: number[] = []

  /** Calls `seen` for the command of each frame that begins in the piece. */
  scan({ bytes, start, end }: Payload, seen: (command: number) => void): void {
    let i = start
    while (i < end) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, end - i)
        this.#skip -= step
        i += step
        continue
      }
      this.#header.push(bytes[i++]!)
      if (this.#header.length < FRAME_HEADER_SIZE) continue
      const [a, b, c, d, command] = this.#header as [number, number, number, number, number]
      const length = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
      this.#header = []
      this.#skip = Math.max(0, length - 1)
      seen(command)
    }
  }

  reset(): void {
    this.#skip = 0
    this.#header = []
  }
}

/** For messages: the letter and the size of a frame. */
export function describeFrame(command: number, payload: Payload): string {
  return `${letter(command)} with ${payload.end - payload.start} bytes of data`
}
