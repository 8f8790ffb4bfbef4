import type { Socket } from 'node:net'

/** Bytes. Up to this many, frames are joined instead of handed over one by one. */
const SIZE = 16_384
let buffer: Buffer | undefined

/**
 * Writes several frames, small ones joined in one buffer for all sockets: memory that is allocated for each
 * answer, and given back by a collection later, costs 3 of 105 microseconds at `body`, 20 connections
 * (docs/performance.md).
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

function writeEach(socket: Socket, frames: readonly Buffer[]): boolean {
  socket.cork()
  let flowing = true
  for (const frame of frames) flowing = socket.write(frame)
  socket.uncork()
  return flowing
}

function totalSize(frames: readonly Buffer[]): number {
  let size = 0
  for (const frame of frames) size += frame.length
  return size
}
