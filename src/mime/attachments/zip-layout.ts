/**
 * Where the records of a zip are (APPNOTE.TXT of PKWARE, section 4.3). Some programs read what is before the central
 * directory, or beside it, and they do not agree on it.
 */
import type { Span } from '../tree/span.ts'

const LOCAL = Buffer.from('PK\x03\x04', 'latin1')
const CENTRAL = Buffer.from('PK\x01\x02', 'latin1')
const END = Buffer.from('PK\x05\x06', 'latin1')
const LOCATOR_64 = Buffer.from('PK\x06\x07', 'latin1')

const END_SIZE = 22
const LOCAL_SIZE = 30
/** How many signatures of an end record are tried, beginning with the last one. */
const TRIES = 16

/** An archive. There may be other data before and after it. */
export interface FoundArchive {
  readonly bytes: Buffer
  /** the number of bytes before it */
  readonly start: number
}

/** Undefined if no end record fits the bytes before it. */
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

/** Offsets count from the start of the archive, or from the start of the file that the archive was appended to. */
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

/** The archive without a comment that is cut off, or that contains a signature. */
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

/** Whether bytes begin as a zip does. An empty zip and one part of a split zip count too. */
export const beginsAsZip = (bytes: Buffer): boolean =>
  has(bytes, 0, LOCAL) || has(bytes, 0, END) || has(bytes, 0, Buffer.from('PK\x07\x08'))

export interface LocalHeader {
  readonly start: number
  readonly flags: number
  readonly method: number
  /** 0 if the size comes after the data */
  readonly compressedSize: number
  readonly size: number
  readonly name: Buffer
  readonly dataStart: number
}

/** Undefined if the bytes are not a local header. */
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

/** The caller gets a turn after this number of signatures in a row that do not begin a header. */
const PER_TURN = 1_000

/**
 * Local headers that are not in the central directory. Programs that read a zip from its start show them. Signatures
 * inside the spans of known entries are part of their content. Yields undefined now and then if nothing is found for a
 * long time.
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

/** Whether a header is likely here. Programs that read or write zips contain the four bytes of the signature too. */
function isLikely(bytes: Buffer, at: number): boolean {
  if (at + LOCAL_SIZE > bytes.length) return false
  const method = bytes.readUInt16LE(at + 8)
  const nameLength = bytes.readUInt16LE(at + 26)
  return nameLength > 0 && (method <= 20 || (method >= 90 && method <= 99))
}
