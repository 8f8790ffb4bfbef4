/**
 * Where things lie in a zip (APPNOTE.TXT of PKWARE, section 4.3): what is read before and beside the
 * central directory, which programs do not agree on.
 */
import type { Span } from '../tree/span.ts'

const LOCAL = Buffer.from('PK\x03\x04', 'latin1')
const CENTRAL = Buffer.from('PK\x01\x02', 'latin1')
const END = Buffer.from('PK\x05\x06', 'latin1')
const LOCATOR_64 = Buffer.from('PK\x06\x07', 'latin1')

const END_SIZE = 22
const LOCAL_SIZE = 30
/** Signatures of an end that are tried, from the last one up. */
const TRIES = 16

/** The archive in bytes that may have other data before and after it. */
export interface FoundArchive {
  readonly bytes: Buffer
  /** how much is before it */
  readonly start: number
}

/** Undefined where no end of a central directory fits what is before it. */
export function archiveIn(bytes: Buffer): FoundArchive | undefined {
  let at = bytes.length
  for (let tries = 0; tries < TRIES && at > 0; tries++) {
    at = bytes.lastIndexOf(END, at - 1)
    if (at === -1) return undefined
    const start = at + END_SIZE <= bytes.length ? startOf(bytes, at) : undefined
    if (start !== undefined) return { bytes: endedAt(bytes, start, at), start }
  }
  return undefined
}

/** Offsets count from the start of the archive, or from that of the file it was appended to. */
function startOf(bytes: Buffer, end: number): number | undefined {
  const count = bytes.readUInt16LE(end + 10)
  const size = bytes.readUInt32LE(end + 12)
  const offset = bytes.readUInt32LE(end + 16)
  const large = end >= 20 && has(bytes, end - 20, LOCATOR_64)
  if (large && (offset === 0xffffffff || size === 0xffffffff || count === 0xffff)) return 0
  const directory = end - size
  const start = directory - offset
  if (start >= 0 && (count === 0 || has(bytes, directory, CENTRAL))) return start
  return has(bytes, offset, CENTRAL) ? 0 : undefined
}

/** A comment that is cut off, or that has a signature in it, is left out. */
function endedAt(bytes: Buffer, start: number, at: number): Buffer {
  const end = at + END_SIZE + bytes.readUInt16LE(at + 20)
  if (end <= bytes.length && bytes.lastIndexOf(END) === at) return bytes.subarray(start, end)
  const record = Buffer.from(bytes.subarray(at, at + END_SIZE))
  record.writeUInt16LE(0, 20)
  return Buffer.concat([bytes.subarray(start, at), record])
}

const has = (bytes: Buffer, at: number, signature: Buffer): boolean =>
  at >= 0 &&
  at + signature.length <= bytes.length &&
  bytes.readUInt32LE(at) === signature.readUInt32LE(0)

/** Bytes that begin as a zip does, an empty one or a part of a set too. */
export const beginsAsZip = (bytes: Buffer): boolean =>
  has(bytes, 0, LOCAL) || has(bytes, 0, END) || has(bytes, 0, Buffer.from('PK\x07\x08'))

export interface LocalHeader {
  readonly start: number
  readonly flags: number
  readonly method: number
  /** 0 where it comes behind the data */
  readonly compressedSize: number
  readonly size: number
  readonly name: Buffer
  readonly dataStart: number
}

/** Undefined for bytes that are none. */
export function localHeaderAt(bytes: Buffer, start: number): LocalHeader | undefined {
  if (!has(bytes, start, LOCAL) || start + LOCAL_SIZE > bytes.length) return undefined
  const nameStart = start + LOCAL_SIZE
  const nameEnd = nameStart + bytes.readUInt16LE(start + 26)
  const dataStart = nameEnd + bytes.readUInt16LE(start + 28)
  if (dataStart > bytes.length) return undefined
  return {
    start,
    flags: bytes.readUInt16LE(start + 6),
    method: bytes.readUInt16LE(start + 8),
    compressedSize: bytes.readUInt32LE(start + 18),
    size: bytes.readUInt32LE(start + 22),
    name: bytes.subarray(nameStart, nameEnd),
    dataStart,
  }
}

/** Signatures in a row that begin nothing, before the caller gets a turn. */
const PER_TURN = 1_000

/**
 * Local headers the central directory does not tell of: programs that read a zip from its start show
 * them. What lies in the spans of the entries that are known is their content. Undefined now and then, where
 * nothing was found for long.
 */
export function* otherLocalHeaders(
  bytes: Buffer,
  known: readonly Span[],
): Generator<LocalHeader | undefined> {
  const spans = known.toSorted((a, b) => a.start - b.start)
  let next = 0
  let tried = 0
  for (let at = 0; ;) {
    at = bytes.indexOf(LOCAL, at)
    if (at === -1) return
    while (next < spans.length && spans[next]!.end <= at) next++
    const span = spans[next]
    if (span !== undefined && span.start <= at) {
      at = span.end
      continue
    }
    const header = isLikely(bytes, at) ? localHeaderAt(bytes, at) : undefined
    if (header === undefined || header.name.includes(0)) {
      at += LOCAL.length
      if (++tried % PER_TURN === 0) yield undefined
      continue
    }
    yield header
    at = header.dataStart + header.compressedSize
  }
}

/** The four bytes of the signature also stand in programs that read or write zips. */
function isLikely(bytes: Buffer, at: number): boolean {
  if (at + LOCAL_SIZE > bytes.length) return false
  const method = bytes.readUInt16LE(at + 8)
  const nameLength = bytes.readUInt16LE(at + 26)
  return nameLength > 0 && (method <= 20 || (method >= 90 && method <= 99))
}
