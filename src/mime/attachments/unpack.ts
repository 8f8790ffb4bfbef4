import {
  constants,
  createGunzip,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
} from 'node:zlib'
import type { ZipBudget } from './zip-budget.ts'

/** What is packed in a zip (`deflate`) or a file of its own (`gzip`). */
export type Packing = 'deflate' | 'gzip'

/** Bytes that are looked at of each file, to tell what it is; a header of a tar is as long. */
const LOOKED_AT = 512

/** Packed bytes that are looked at; the tables in front of the first data take up to 600 of them. */
const MAX_PACKED = 1_024

/** No packing makes more of a byte (RFC 1951: 258 bytes in two bits). */
const HIGHEST_RATIO = 1_032

/**
 * The first bytes of what is packed, as many as come cheaply; undefined where nothing can be unpacked. They
 * may be none at all of content that is there.
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

/** Whether so little came of it that only all of it tells what it is. */
export const isShort = (start: Buffer, packed: Buffer): boolean =>
  start.length < LOOKED_AT && packed.length > MAX_PACKED

export interface Unpacked {
  /** undefined beyond the limits; of what is damaged as far as it came */
  readonly bytes: Buffer | undefined
  readonly problem?: 'ZIP_TOO_LARGE' | 'ZIP_CORRUPT'
}

/**
 * All that is packed, within what the budget has left. In a process one message at a time has unpacked
 * bytes: see {@link ZipBudget.enter}.
 *
 * @param said how large it is, as somebody says
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
