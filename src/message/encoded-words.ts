import { decodeText } from '../protocol/text.ts'

/**
 * Text beyond ASCII in header fields: encoded words, RFC 2047. Reading forgives what real mail does
 * (charset names of all kinds, characters cut between two words, blanks inside a word); writing is
 * always UTF-8, within every limit of the RFC, and only where it must be.
 */

const WORD = /=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?([^?\r\n]*)\?=/gi
/** Blanks between two encoded words are not part of the text. */
const BETWEEN = /^[ \t\r\n]+$/
/** Longest encoded word, and longest line with one in it (RFC 2047, section 2). */
const WORD_LIMIT = 75
const LINE_LIMIT = 76
/** Longest line of all, without its CRLF (RFC 5322, section 2.1.1). */
const HARD_LIMIT = 998

interface Word {
  readonly charset: string
  readonly bytes: Buffer
}

/** The text of an unfolded value. Words that cannot be read stay as they are. */
export function decodeEncodedWords(text: string): string {
  if (!text.includes('=?')) return text
  let result = ''
  let end = 0
  /** words of one charset that follow each other are decoded together */
  let run: Word[] = []
  const flush = (): void => {
    if (run.length === 0) return
    result += decodeCharset(run[0]!.charset, Buffer.concat(run.map(({ bytes }) => bytes)))!
    run = []
  }
  for (const match of text.matchAll(WORD)) {
    const [whole, charset, encoding, content] = match as unknown as [
      string,
      string,
      string,
      string,
    ]
    const key = charset.toLowerCase()
    if (decodeCharset(key, EMPTY) === undefined) continue
    const gap = text.slice(end, match.index)
    const adjacent = run.length > 0 && BETWEEN.test(gap)
    if (gap !== '' && !adjacent) {
      flush()
      result += gap
    } else if (run.length > 0 && run[0]!.charset !== key) flush()
    run.push({
      charset: key,
      bytes: encoding.toLowerCase() === 'b' ? fromB(content) : fromQ(content),
    })
    end = match.index + whole.length
  }
  flush()
  return result + text.slice(end)
}

const EMPTY = Buffer.alloc(0)

const fromB = (content: string): Buffer => Buffer.from(content, 'base64')

function fromQ(content: string): Buffer {
  const bytes = content
    .replaceAll('_', ' ')
    .replaceAll(/=([0-9a-f]{2})/gi, (_all, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
  // Raw 8-bit text in a word, which is not allowed, comes through as UTF-8.
  return /[^\0-\xff]/.test(bytes) ? Buffer.from(bytes, 'utf8') : Buffer.from(bytes, 'latin1')
}

const decoders = new Map<string, InstanceType<typeof TextDecoder> | undefined>()

/** Undefined for a charset nobody knows. */
function decodeCharset(charset: string, bytes: Buffer): string | undefined {
  // Bytes that are no UTF-8 are kept, as everywhere in this package.
  if (charset === 'utf-8' || charset === 'utf8') return decodeText(bytes)
  if (!decoders.has(charset)) {
    // Names come from the network: the cache must not grow with them.
    if (decoders.size >= 100) decoders.clear()
    try {
      decoders.set(charset, new TextDecoder(charset))
    } catch {
      decoders.set(charset, undefined)
    }
  }
  return decoders.get(charset)?.decode(bytes)
}

/** What stands for a byte that is no UTF-8 (see decodeText): such text cannot be an encoded word. */
const RAW_BYTE = /[\ud800-\udfff]/u
const BEYOND_ASCII = /[^\t\n\r\x20-\x7e]/
const LOOKS_ENCODED = /=\?[^?\s]+\?[bq]\?[^?]*\?=/i

/** Whether a word has to be encoded to arrive as it is. */
const needsEncoding = (word: string): boolean =>
  BEYOND_ASCII.test(word) || LOOKS_ENCODED.test(word)

/**
 * A text as it stands in a header, folded with a bare LF and a blank where it must be: lines with
 * encoded words at 76 columns, others at 998. Text with bytes that are no UTF-8 is written raw.
 *
 * @param column where the text begins on its line
 */
export function encodeWords(text: string, column: number): string {
  if (RAW_BYTE.test(text)) return foldAt(HARD_LIMIT, text.split(/(\s+)/), column)
  const pieces = text.split(/(\s+)/)
  if (!pieces.some((piece, i) => i % 2 === 0 && needsEncoding(piece))) {
    return foldAt(HARD_LIMIT, pieces, column)
  }
  return foldAt(LINE_LIMIT, encodeRuns(pieces, column), column)
}

/** A text that is encoded as a whole, blanks at its ends included. */
export function encodeWhole(text: string, column: number): string {
  return encodedWords(text, LINE_LIMIT - column).join('\n ')
}

/** Words that need it become encoded words, with the blanks between two of them inside. */
function encodeRuns(pieces: readonly string[], column: number): string[] {
  const result: string[] = []
  for (let i = 0; i < pieces.length; i += 2) {
    let last = i
    while (
      last + 2 < pieces.length &&
      pieces[last + 2] !== '' &&
      needsEncoding(pieces[last + 2]!)
    ) {
      last += 2
    }
    const run = needsEncoding(pieces[i]!) ? pieces.slice(i, last + 1).join('') : undefined
    if (run === undefined) result.push(pieces[i]!)
    else {
      // The first one has to fit behind what stands on its line already.
      const words = encodedWords(run, result.length === 0 ? LINE_LIMIT - column : WORD_LIMIT)
      result.push(...words.flatMap((word, n) => (n === 0 ? [word] : [' ', word])))
      i = last
    }
    if (i + 1 < pieces.length) result.push(pieces[i + 1]!)
  }
  return result
}

/** A text as encoded words of UTF-8, none cut inside a character, each of 75 bytes at most. */
function encodedWords(text: string, room: number): string[] {
  const plain = text.replaceAll(/[\r\n]+/g, '')
  const encodeOne = quotedSize(plain) <= Math.ceil(Buffer.byteLength(plain) / 3) * 4 ? toQ : toB
  const words: string[] = []
  let part = ''
  let limit = Math.max(20, Math.min(room, WORD_LIMIT))
  for (const one of plain) {
    if (part !== '' && encodeOne(part + one).length > limit) {
      words.push(encodeOne(part))
      part = ''
      limit = WORD_LIMIT
    }
    part += one
  }
  words.push(encodeOne(part))
  return words
}

const toB = (text: string): string =>
  `=?UTF-8?B?${Buffer.from(text, 'utf8').toString('base64')}?=`

/** Only what may stand in a phrase of an address too (RFC 2047, section 5, rule 3). */
const toQ = (text: string): string =>
  `=?UTF-8?Q?${Array.from(Buffer.from(text, 'utf8'), (byte) => {
    const one = String.fromCharCode(byte)
    if (one === ' ') return '_'
    return /[A-Za-z0-9!*+/-]/.test(one)
      ? one
      : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')}?=`

const quotedSize = (text: string): number => toQ(text).length - '=?UTF-8?Q??='.length

/** Pieces, blanks and words in turn, joined; before blanks a new line where the next word would not fit. */
function foldAt(limit: number, pieces: readonly string[], column: number): string {
  let text = ''
  let used = column
  let pending = ''
  for (const [i, piece] of pieces.entries()) {
    if (/^\s*$/.test(piece) && i > 0) {
      pending += piece
      continue
    }
    const feed = pending.lastIndexOf('\n')
    if (
      feed === -1 &&
      pending !== '' &&
      used + pending.length + size(piece) > limit &&
      text !== ''
    ) {
      text += '\n'
      used = 0
    }
    text += pending + piece
    used = feed === -1 ? used + pending.length : pending.length - feed - 1
    used += size(piece)
    pending = ''
  }
  return text + pending
}

const size = (text: string): number => Buffer.byteLength(text)

/**
 * The value of a field of addresses: a display name in quotes that needs encoding loses its quotes,
 * since an encoded word in quotes is none (RFC 2047, section 5).
 */
export function withoutEncodedQuotes(text: string): string {
  return text.replaceAll(/"((?:\\.|[^"\\])*)"/gs, (whole, inner: string) =>
    BEYOND_ASCII.test(inner) && !RAW_BYTE.test(inner)
      ? inner.replaceAll(/\\(.)/gs, '$1')
      : whole,
  )
}
