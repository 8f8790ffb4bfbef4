/**
 * Finds uuencoded files in a text, as mail programs show them (POSIX, uuencode): a line `begin 644 name`, lines of up
 * to 45 bytes, a line `end`. After `begin-base64`, the lines are base64.
 */

export interface UuencodedFile {
  readonly name: string
  /** its first bytes */
  readonly start: Buffer
  /** the bytes of all its lines, up to the first line that is not encoded */
  readonly bytes: () => Buffer
}

const LF = 0x0a
const START = 4_608
const BEGIN = Buffer.from('begin')
/** Outlook also takes a name after two spaces, without a mode. */
const HEADER = /^begin(-base64)?[ \t]+[0-7]{3,6}[ \t]+(\S.*)$|^begin {2}(\S.*)$/
const LONGEST_LINE = 2_000

/** Text before the first `begin` costs one search. Nothing is decoded before it is needed. */
export function* uuencodedFiles(text: Buffer): Generator<UuencodedFile> {
  for (let at = 0; at !== -1 && at < text.length;) {
    const found = text.indexOf(BEGIN, at)
    if (found === -1) return
    at = found + BEGIN.length
    if (found > 0 && !isLineEnd(text[found - 1]!)) continue
    const lineEnd = endOfLine(text, found)
    if (lineEnd - found > LONGEST_LINE) continue
    const match = HEADER.exec(text.toString('latin1', found, lineEnd).trimEnd())
    if (match === null) continue
    const data = lineEnd
    const base64 = match[1] !== undefined
    const decoded = (maximum: number): Buffer => decodeLines(text, data, base64, maximum)
    const start = decoded(START)
    if (match[3] !== undefined && start.length === 0) continue
    yield {
      // The charset is not known. Bytes that are not UTF-8 are shown as they are.
      name: Buffer.from(match[2] ?? match[3]!, 'latin1').toString(),
      start,
      bytes: () => decoded(Infinity),
    }
    at = data
  }
}

/**
 * Decodes content that is uuencoded as a whole (`Content-Transfer-Encoding: x-uuencode`), with or without header line.
 */
export function decodeUuencoded(bytes: Buffer): Buffer {
  for (const file of uuencodedFiles(bytes)) return file.bytes()
  return decodeLines(bytes, 0, false, Infinity)
}

const isLineEnd = (byte: number): boolean => byte === LF || byte === 0x0d

function endOfLine(text: Buffer, at: number): number {
  const feed = text.indexOf(LF, at)
  return feed === -1 ? text.length : feed + 1
}

function decodeLines(text: Buffer, from: number, base64: boolean, maximum: number): Buffer {
  const pieces: Buffer[] = []
  let size = 0
  for (let at = from; at < text.length && size < maximum;) {
    const end = endOfLine(text, at)
    const piece =
      end - at > LONGEST_LINE ? undefined : decodeLine(text.subarray(at, end), base64)
    if (piece === undefined) break
    pieces.push(piece)
    size += piece.length
    at = end
  }
  return Buffer.concat(pieces)
}

/** Undefined for a line that ends the file. */
function decodeLine(line: Buffer, base64: boolean): Buffer | undefined {
  const text = line.toString('latin1').trimEnd()
  if (base64) {
    return /^[A-Za-z0-9+/]+=*$/.test(text) ? Buffer.from(text, 'base64') : undefined
  }
  if (text === 'end' || text === '' || !/^[ -`]+$/.test(text)) return undefined
  const count = (text.charCodeAt(0) - 0x20) & 0x3f
  // Spaces at the end of a line can get lost.
  const digits = Math.ceil(count / 3) * 4
  if (count === 0 || text.length - 1 > digits + 1) return undefined
  const out = Buffer.alloc(count)
  const digit = (i: number): number => {
    const code = text.charCodeAt(1 + i)
    return Number.isNaN(code) ? 0 : (code - 0x20) & 0x3f
  }
  for (let i = 0, at = 0; at < count; i += 4) {
    const bits = (digit(i) << 18) | (digit(i + 1) << 12) | (digit(i + 2) << 6) | digit(i + 3)
    out[at++] = bits >> 16
    if (at < count) out[at++] = (bits >> 8) & 0xff
    if (at < count) out[at++] = bits & 0xff
  }
  return out
}
