import type { Socket } from 'node:net'

/** Bytes. Up to this many, frames are joined instead of handed over one by one. */
const SIZE = 16_384
/** Frames of fewer bytes are joined among others; larger ones are a write each. */
const SMALL = 2_048
let buffer: Buffer | undefined

/**
 * Writes several frames, small ones joined in one buffer for all sockets: memory that is allocated for each
 * answer, and given back by a collection later, costs 3 of 105 microseconds at `body`, 20 connections
 * (docs/decisions/shared-buffers.md).
 *
 * @param socket one that writes to the system, or copies, before `writableLength` is 0 again, as those of
 * Node do
 * @returns false if the other side is to be waited for, as `write` does
 */
export function writeAll(socket: Socket, frames: readonly Buffer[]): boolean {
  const size = totalSize(frames)
  if (size > SIZE) return writeEach(socket, frames)
  // What has to wait needs memory of its own, and no more than it fills; what TLS encrypts always waits.
  if (socket.writableLength !== 0 || 'encrypted' in socket) {
    return socket.write(Buffer.concat(frames, size))
  }
  // Given away until it is known that the system has taken all of it, whatever `write` does.
  const memory = buffer ?? Buffer.allocUnsafeSlow(SIZE)
  buffer = undefined
  let at = 0
  for (const frame of frames) {
    memory.set(frame, at)
    at += frame.length
  }
  const flowing = socket.write(memory.subarray(0, size))
  if (socket.writableLength === 0) buffer = memory
  return flowing
}

/** Small ones joined: what has to wait takes some hundred bytes more for each write. */
function writeEach(socket: Socket, frames: readonly Buffer[]): boolean {
  let flowing = true
  let small: Buffer[] = []
  let size = 0
  const flush = (): void => {
    if (size > 0)
      flowing = socket.write(small.length === 1 ? small[0]! : Buffer.concat(small, size))
    small = []
    size = 0
  }
  socket.cork()
  for (const frame of frames) {
    if (size + frame.length > SIZE) flush()
    if (frame.length < SMALL) {
      small.push(frame)
      size += frame.length
    } else {
      flush()
      flowing = socket.write(frame)
    }
  }
  flush()
  socket.uncork()
  return flowing
}

function totalSize(frames: readonly Buffer[]): number {
  let size = 0
  for (const frame of frames) size += frame.length
  return size
}
