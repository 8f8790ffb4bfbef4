import type { UuencodedFile } from './uuencode.ts'

/**
 * Finds yEnc files in a text, as newsreaders and some mail programs show them (yEnc 1.3, www.yenc.org): a line
 * `=ybegin line=128 size=3 name=x.js`, lines of bytes that are each increased by 42, a line `=yend`.
 */
export interface YencFile extends UuencodedFile {
  /** whether this is only a piece of the file */
  readonly isPiece: boolean
}

const LF = 0x0a
const CR = 0x0d
const ESCAPE = 0x3d
const START = 4_608
const BEGIN = Buffer.from('=ybegin')
const LONGEST_LINE = 2_000

/** Nothing is decoded before it is needed. */
export function* yencFiles(text: Buffer): Generator<YencFile> {
  for (let at = 0; ;) {
    const found = text.indexOf(BEGIN, at)
    if (found === -1) return
    at = found + BEGIN.length
    if (found > 0 && text[found - 1] !== LF && text[found - 1] !== CR) continue
    const data = endOfLine(text, found)
    if (data - found > LONGEST_LINE) continue
    const line = text.toString('latin1', at, data)
    // The name continues to the end of the line, with spaces in it.
    const name = /^[ \t](?:.*?[ \t])?name=(.*)$/is.exec(line)?.[1]?.trim()
    if (name === undefined) continue
    at = data
    yield {
      name: Buffer.from(name.replace(/^"(.*)"$/s, '$1'), 'latin1').toString(),
      start: decoded(text, data, START),
      bytes: () => decoded(text, data, Infinity),
      isPiece: /[ \t]part=/i.test(line),
    }
  }
}

function endOfLine(text: Buffer, at: number): number {
  const feed = text.indexOf(LF, at)
  return feed === -1 ? text.length : feed + 1
}

/** Decodes up to the line that ends the file, or until there are `maximum` bytes. */
function decoded(text: Buffer, from: number, maximum: number): Buffer {
  const pieces: Buffer[] = []
  let size = 0
  for (let at = from; at < text.length && size < maximum;) {
    const end = endOfLine(text, at)
    const keyword = text.toString('latin1', at, at + BEGIN.length)
    if (/^=y(?:end|begin)/.test(keyword)) break
    // `=ypart` has the range of a piece.
    const piece = keyword.startsWith('=ypart') ? NOTHING : decodedLine(text.subarray(at, end))
    pieces.push(piece)
    size += piece.length
    at = end
  }
  return Buffer.concat(pieces)
}

const NOTHING = Buffer.alloc(0)

function decodedLine(line: Buffer): Buffer {
  const out = Buffer.alloc(line.length)
  let size = 0
  for (let at = 0; at < line.length; at++) {
    if (line[at] === CR || line[at] === LF) continue
    const isEscaped = line[at] === ESCAPE
    if (isEscaped) at++
    if (at < line.length) out[size++] = (line[at]! - 42 - (isEscaped ? 64 : 0)) & 0xff
  }
  return out.subarray(0, size)
}
