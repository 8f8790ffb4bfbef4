import {
  constants,
  createGunzip,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
} from 'node:zlib'
import type { ZipBudget } from './zip-budget.ts'

/** How data is packed: in a zip (`deflate`) or in a file of its own (`gzip`). */
export type Packing = 'deflate' | 'gzip'

/** Number of first bytes that show the kind of a file. The header of a tar has the same length. */
const LOOKED_AT = 512

/** Maximum number of packed bytes that are read. The tables before the first data take up to 600 of them. */
const MAX_PACKED = 1_024

/** Maximum number of bytes that a packed byte can give (RFC 1951: 258 bytes in two bits). */
const HIGHEST_RATIO = 1_032

/**
 * The first unpacked bytes, as many as are cheap to get, or undefined if nothing can be unpacked. The result can be
 * empty although there is content.
 */
export function startOfPacked(packed: Buffer, packing: Packing): Buffer | undefined {
  const unpackNow = packing === 'deflate' ? inflateRawSync : gunzipSync
  for (let count = 64; ; count *= 2) {
    const piece = packed.subarray(0, count)
    try {
      const start = unpackNow(piece, {
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: (count + 1) * HIGHEST_RATIO,
      })
      if (start.length >= LOOKED_AT || count >= packed.length || count >= MAX_PACKED) {
        return start
      }
    } catch {
      return undefined
    }
  }
}

/** Whether these are too few bytes to show what the content is, so that all of it has to be unpacked. */
export const isShort = (start: Buffer, packed: Buffer): boolean =>
  start.length < LOOKED_AT && packed.length > MAX_PACKED

export interface Unpacked {
  /** undefined above the limits; for a damaged file, the bytes before the damage */
  readonly bytes: Buffer | undefined
  readonly problem?: 'ZIP_TOO_LARGE' | 'ZIP_CORRUPT'
}

/**
 * Unpacks everything, within the rest of the budget. Only one message of a process has unpacked bytes at a time: see
 * {@link ZipBudget.enter}.
 *
 * @param said the size that the archive states
 */
export async function unpack(
  packed: Buffer,
  packing: Packing,
  budget: ZipBudget,
  said: number,
): Promise<Unpacked> {
  await budget.enter()
  const maximum = packed.length * budget.limits.ratio
  let bytes = Buffer.allocUnsafeSlow(Math.max(4_096, Math.min(said, maximum, budget.bytesLeft)))
  let size = 0
  const options = { chunkSize: 65_536 }
  const stream = packing === 'deflate' ? createInflateRaw(options) : createGunzip(options)
  stream.end(packed)
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      const next = size + piece.length
      if (!budget.takeBytes(piece.length) || next > maximum) {
        return { bytes: undefined, problem: 'ZIP_TOO_LARGE' }
      }
      if (next > bytes.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(next, 2 * bytes.length))
        bytes.copy(larger, 0, 0, size)
        bytes = larger
      }
      piece.copy(bytes, size)
      size = next
    }
  } catch {
    return { bytes: bytes.subarray(0, size), problem: 'ZIP_CORRUPT' }
  }
  return { bytes: bytes.subarray(0, size) }
}
