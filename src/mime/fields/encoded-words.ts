/**
 * Encoded words (RFC 2047), which carry text that is not ASCII in header fields. The reader accepts what real mail has:
 * charset names of all kinds, characters that are cut between two words, and spaces inside a word. The writer always
 * uses UTF-8, keeps every limit of the RFC, and encodes only if it is necessary.
 */
import { encodeText } from '../../protocol/text.ts'
import { decodeCharset } from '../encodings/charset.ts'
import { equalsDecoded } from '../encodings/hex-escapes.ts'

const WORD = /=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?([^?\r\n]*)\?=/gi
/** Spaces between two encoded words are not part of the text. */
const BETWEEN = /^[ \t\r\n]+$/
/** Maximum lengths of an encoded word, and of a line with one in it (RFC 2047, section 2). */
const WORD_LIMIT = 75
const LINE_LIMIT = 76
/** The maximum length of any line, without its CRLF (RFC 5322, section 2.1.1). */
const HARD_LIMIT = 998

interface Word {
  readonly start: number
  readonly end: number
  readonly charset: string
  readonly bytes: Buffer
}

const same = (text: string): string => text

/**
 * The text of an unfolded value. Words that cannot be read stay as they are.
 *
 * @param plain changes text outside encoded words
 * @param decoded changes text from encoded words
 */
export function decodeEncodedWords(
  text: string,
  plain: (text: string) => string = same,
  decoded: (text: string) => string = same,
): string {
  if (!text.includes('=?')) return plain(text)
  let result = ''
  let end = 0
  /** words of one charset that follow each other are decoded together */
  let run: Word[] = []
  const flush = (): void => {
    if (run.length === 0) return
    result += decoded(
      decodeCharset(run[0]!.charset, Buffer.concat(run.map(({ bytes }) => bytes)))!,
    )
    run = []
  }
  for (const word of readableWords(text)) {
    const gap = text.slice(end, word.start)
    const adjacent = run.length > 0 && (gap === '' || BETWEEN.test(gap))
    if (!adjacent || run[0]!.charset !== word.charset) flush()
    if (!adjacent) result += plain(gap)
    run.push(word)
    end = word.end
  }
  flush()
  return result + plain(text.slice(end))
}

function* readableWords(text: string): Generator<Word> {
  for (const match of text.matchAll(WORD)) {
    const charset = match[1]!.toLowerCase()
    const bytes = match[2]!.toLowerCase() === 'b' ? fromB(match[3]!) : fromQ(match[3]!)
    if (bytes === undefined || decodeCharset(charset, EMPTY) === undefined) continue
    yield { start: match.index, end: match.index + match[0].length, charset, bytes }
  }
}

const EMPTY = Buffer.alloc(0)

/** Undefined if it is not base64. Missing padding is accepted. */
function fromB(content: string): Buffer | undefined {
  const digits = content.replaceAll(/[ \t]+/g, '')
  const length = /^[A-Za-z0-9+/]*(?==*$)/.exec(digits)?.[0].length
  return length === undefined || length % 4 === 1 ? undefined : Buffer.from(digits, 'base64')
}

/** Raw 8-bit bytes in a word are not allowed. They are read in the charset of the word, like the others. */
const fromQ = (content: string): Buffer =>
  equalsDecoded(encodeText(content.replaceAll('_', ' ')))

// ---- writing

/** A character for a byte that is not UTF-8 (see decodeText). Such text cannot be an encoded word. */
export const RAW_BYTE: RegExp = /[\ud800-\udfff]/u
export const NON_ASCII: RegExp = /[^\t\n\r\x20-\x7e]/
/** ASCII that readers would take for an encoded word. It may have spaces in it. */
export const LOOKS_ENCODED: RegExp = /=\?[^?\s]+\?[bq]\?[^?]*\?=/i
export const MARK: RegExp = /=\?|\?=/

/** A word of a text, or several that must stay together, and the spaces before it. */
export interface Piece {
  space: string
  text: string
  /** whether to write it as an encoded word */
  encode: boolean
}

export interface Pieces {
  readonly list: Piece[]
  /** spaces at the end */
  end: string
}

export interface Style {
  /** length of the field's name with its colon */
  readonly column: number
  /**
   * finds the words of a text with a grammar, also of a text that comes before another one; undefined if every word
   * may be encoded
   */
  readonly pieces?: ((text: string, before: boolean) => Pieces) | undefined
}

/**
 * A text as it is written after the colon, with a space before it. Lines that are too long are folded with a bare LF
 * and a space: those with encoded words at 76 columns, others at 998. Text with bytes that are not UTF-8 is written
 * raw.
 */
export function encodeWords(text: string, style: Style): string {
  const { list, end } = piecesOf(text, style, LOOKS_ENCODED.test(text))
  if (list.length === 0) return ` ${text}`
  const encoded = list.some(({ encode }) => encode)
  // Spaces at the ends are not part of the text. Readable values are written as they are.
  list[0]!.space = encoded ? ' ' : ` ${list[0]!.space}`
  return fold('', list, style.column) + (encoded ? '' : end)
}

/** A text, and the spaces on both sides of it. */
export interface Core {
  readonly lead: string
  readonly text: string
  readonly trail: string
}

/**
 * A value whose text is `before`, the text of `core`, and `after`. The bytes of `core` stay as they are. It is
 * undefined if no reader would get that text.
 */
export function extendWords(
  before: string,
  core: Core,
  after: string,
  style: Style,
): string | undefined {
  const head = piecesOf(before, style, true, true)
  const tail = piecesOf(after, style, true)
  // Spaces at the ends are not part of the text.
  const first = head.list[0]
  if (first === undefined) head.end = ''
  else first.space = ''
  tail.end = ''
  const kept = unfold(core.text)
  const wanted = plain(head) + decodeEncodedWords(kept) + plain(tail)

  const words = [...readableWords(kept)]
  if (!joinHead(head, words[0]?.start === 0, style)) return undefined
  if (!joinTail(tail, words.at(-1)?.end === kept.length, style)) return undefined
  let start = ''
  let rest = tail.list
  if (first === undefined) start = core.lead + core.text
  else {
    first.space = ' '
    rest = [...head.list, { space: head.end, text: core.text, encode: false }, ...rest]
  }
  const end = tail.list.length === 0 ? core.trail : ''
  const value = fold(start, rest, style.column, core.text.includes('=?')) + end
  return decodeEncodedWords(trimSpaces(unfold(value))) === wanted ? value : undefined
}

/** The text before a fixed part. Spaces between two encoded words vanish, so they go into the first word. */
function joinHead(head: Pieces, encodedNext: boolean, { pieces: grammar }: Style): boolean {
  const last = head.list.at(-1)
  if (last === undefined) return true
  if (!encodedNext) return head.end !== '' || !last.encode
  if (head.end === '') {
    if (grammar !== undefined) return SPECIAL.test(last.text)
    if (RAW_BYTE.test(last.text)) return false
    last.encode = true
  }
  if (last.encode) {
    last.text += head.end
    head.end = ' '
  }
  return true
}

/** The text after a fixed part, in the same way. */
function joinTail(tail: Pieces, encodedBefore: boolean, { pieces: grammar }: Style): boolean {
  const first = tail.list[0]
  if (first === undefined) return true
  if (!encodedBefore) return first.space !== '' || !first.encode
  if (first.space === '') {
    if (grammar !== undefined) return SPECIAL.test(first.text)
    if (RAW_BYTE.test(first.text)) return false
    first.encode = true
  }
  if (first.encode) {
    first.text = first.space + first.text
    first.space = ' '
  }
  return true
}

const plain = ({ list, end }: Pieces): string =>
  list.map(({ space, text }) => space + text).join('') + end

/** @param marks whether ASCII that could be part of an encoded word must be encoded too */
function piecesOf(
  text: string,
  { pieces }: Style,
  marks: boolean,
  before: boolean = false,
): Pieces {
  if (pieces !== undefined) return pieces(text, before)
  const raw = RAW_BYTE.test(text)
  const needed = (word: string): boolean =>
    !raw && (NON_ASCII.test(word) || (marks && MARK.test(word)))
  return wordPieces(text, needed)
}

function wordPieces(text: string, needed: (word: string) => boolean): Pieces {
  const list: Piece[] = []
  // Only these are white space in a header. A no-break space is an ordinary character.
  const parts = text.split(/([ \t\r\n]+)/)
  for (let i = 0; i < parts.length; i += 2) {
    const word = parts[i]!
    if (word === '') continue
    list.push({ space: parts[i - 1] ?? '', text: word, encode: needed(word) })
  }
  return { list, end: parts.length > 1 && parts.at(-1) === '' ? parts.at(-2)! : '' }
}

const SPECIAL = /^[<>(),;:]$/

/** The pieces after `start`, with a new line before the spaces of a piece that does not fit. */
function fold(
  start: string,
  pieces: readonly Piece[],
  column: number,
  encoded = false,
): string {
  const limit = encoded || pieces.some(({ encode }) => encode) ? LINE_LIMIT : HARD_LIMIT
  let text = start
  let used = column
  const advance = (part: string): void => {
    const feed = part.lastIndexOf('\n')
    used = feed === -1 ? used + size(part) : size(part.slice(feed + 1))
  }
  advance(start)
  for (const { space, text: unit } of units(pieces, column + size(start))) {
    const first = space.length + size(unit.split('\n', 1)[0]!)
    const full = used + first > limit
    // A line break right after the colon only if it helps.
    if (full && space !== '' && !space.includes('\n') && (text !== '' || first <= limit)) {
      text += '\n'
      used = 0
    }
    text += space + unit
    advance(space + unit)
  }
  return text
}

/** The units that can be on a line of their own. Words are encoded, and pieces without a space between are joined. */
function units(pieces: readonly Piece[], column: number): Omit<Piece, 'encode'>[] {
  const result: { space: string; text: string }[] = []
  const push = (space: string, text: string): void => {
    if (space === '' && result.length > 0) result.at(-1)!.text += text
    else result.push({ space, text })
  }
  for (let i = 0; i < pieces.length; i++) {
    let { space, text } = pieces[i]!
    if (!pieces[i]!.encode) {
      push(space, text)
      continue
    }
    // Spaces between two encoded words are encoded, too.
    while (pieces[i + 1]?.encode === true) {
      i++
      text += pieces[i]!.space + pieces[i]!.text
    }
    // All spaces before it except one go into it, so that a line of its own is not too long.
    if (!space.includes('\n')) {
      text = space.slice(1) + text
      space = space.slice(0, 1)
    }
    // The brackets of a comment have no space beside the word. A longer name becomes two words.
    const attached = (space === '' ? 1 : 0) + (pieces[i + 1]?.space === '' ? 1 : 0)
    const room = result.length === 0 ? LINE_LIMIT - column - 1 : WORD_LIMIT
    for (const [n, word] of encodedWords(text, room, WORD_LIMIT - attached).entries()) {
      push(n === 0 ? space : ' ', word)
    }
  }
  return result
}

const OVERHEAD = '=?UTF-8?Q??='.length
/** With less room than this, a word starts on a line of its own. */
const MIN_ROOM = 24

/**
 * A text as encoded words in UTF-8 of at most `limit` bytes each. No character is cut.
 *
 * @param room for the first word, which has to fit after the text that is on its line already
 */
function encodedWords(text: string, room: number, limit: number): string[] {
  const line = text.replaceAll(/[\r\n]+/g, '')
  const quoted = quotedSize(line) <= Math.ceil(size(line) / 3) * 4
  const words: string[] = []
  let maximum = room < MIN_ROOM ? limit : Math.min(room, limit)
  let part = ''
  let used = 0
  const end = (): void => void words.push(quoted ? toQ(part) : toB(part))
  for (const one of line) {
    const more = used + (quoted ? quotedSize(one) : size(one))
    if (part !== '' && OVERHEAD + (quoted ? more : Math.ceil(more / 3) * 4) > maximum) {
      end()
      part = ''
      used = 0
      maximum = limit
    }
    part += one
    used += quoted ? quotedSize(one) : size(one)
  }
  end()
  return words
}

const toB = (text: string): string =>
  `=?UTF-8?B?${Buffer.from(text, 'utf8').toString('base64')}?=`

const toQ = (text: string): string => `=?UTF-8?Q?${quote(text)}?=`

/** Only characters that are also allowed in the phrase of an address (RFC 2047, section 5, rule 3). */
const quote = (text: string): string =>
  Array.from(Buffer.from(text, 'utf8'), (byte) => {
    const one = String.fromCharCode(byte)
    if (one === ' ') return '_'
    return /[A-Za-z0-9!*+/-]/.test(one)
      ? one
      : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')

const quotedSize = (text: string): number => quote(text).length

const size = (text: string): number =>
  Buffer.byteLength(text.replaceAll(/[\udc80-\udcff]/gu, '?'))

// ---- both

/** A value on one line. Only the line breaks of folds are removed, and spaces stay. */
export const unfold = (value: string): string => value.replaceAll(/\r?\n(?=[ \t])/g, '')

/** The text without spaces at its ends. A pattern for that would be slow for many spaces in the middle. */
export function trimSpaces(text: string, spaces = ' \t'): string {
  let start = 0
  let end = text.length
  while (start < end && spaces.includes(text[start]!)) start++
  while (end > start && spaces.includes(text[end - 1]!)) end--
  return text.slice(start, end)
}
