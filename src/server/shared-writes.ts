import type { Socket } from 'node:net'

/** Maximum bytes of frames that are joined instead of written one by one. */
const SIZE = 16_384
/** In longer output, frames of fewer bytes than this are joined. Each larger one is a write of its own. */
const SMALL = 2_048
let buffer: Buffer | undefined

/**
 * Writes several frames. Small ones are joined in one buffer that all sockets share. Memory that is allocated for each
 * answer, and collected later, costs 3 of 105 microseconds at `body`, 20 connections
 * (docs/decisions/shared-buffers.md).
 *
 * @param socket must have written or copied the bytes when its `writableLength` is 0 again, as sockets of Node do
 * @returns false if you should wait for the other side, as with `write`
 */
export function writeAll(socket: Socket, frames: readonly Buffer[]): boolean {
  const size = totalSize(frames)
  if (size > SIZE) return writeEach(socket, frames)
  // Bytes that must wait need memory of their own, of the right size. With TLS they always wait.
  if (socket.writableLength !== 0 || 'encrypted' in socket) {
    return socket.write(Buffer.concat(frames, size))
  }
  // The buffer is not used again until the system has taken all bytes, even if `write` throws.
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

/** Writes large frames one by one and joins small ones, because each waiting write takes some hundred bytes more. */
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
