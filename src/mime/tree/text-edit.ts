/** A new text for a part: its bytes, and the charset that the header must name. */
import { UsageError } from '../../errors.ts'
import { encodeCharset } from '../encodings/charset.ts'
import { charsetInHtml, declaredCharset, metaCharset } from '../html/html-charset.ts'
import { encodeText } from '../../protocol/text.ts'
import { readingOfPart, type ContentOfPart } from './content-guesses.ts'
import type { Guess } from './guesses.ts'
import { isXmlType } from '../fields/media-type.ts'

export interface EditOptions {
  /** edit also if the new content relies on a guess */
  readonly force?: boolean
}

/** A part whose readings may be guesses. */
type GuessedContent = Pick<ContentOfPart, 'type' | 'charset' | 'charsets' | 'bytes'> & {
  readonly guesses: readonly Guess[]
}

export interface NewText {
  readonly bytes: Buffer
  /** the charset that the header has to name; undefined if the header can stay */
  readonly charset?: string
}

/**
 * Encodes a text in the charset of the part, or in UTF-8 if that charset lacks a character. If the header names no
 * charset and the text needs one, the header gets it. A meta element or an XML declaration gets the same charset.
 */
export async function newText(
  part: Pick<ContentOfPart, 'type' | 'charset' | 'charsets' | 'bytes'>,
  text: string,
  eol: string,
): Promise<NewText> {
  const lines = withLineEnds(text, eol)
  const named = part.charset
  const within = named === undefined ? charsetInHtml(part.type, part.bytes()) : undefined
  const charset = named ?? within ?? 'us-ascii'
  const bytes = await encodeCharset(charset, lines)
  if (bytes !== undefined && (within === undefined || isAscii(lines))) {
    // If the header names several charsets, only the one that was used stays.
    return part.charsets.length < 2 ? { bytes } : { bytes, charset }
  }
  const next = bytes === undefined ? 'utf-8' : charset
  const told = withCharset(part.type, lines, next)
  return { bytes: (await encodeCharset(next, told)) ?? encodeText(told), charset: next }
}

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text)

/** The text with its own declaration of the charset corrected, if it has one. */
function withCharset(type: string, text: string, charset: string): string {
  const html = type === 'text/html'
  const declared = html || isXmlType(type) ? renamed(text, declaredCharset, charset) : text
  // Some programs show XHTML as HTML.
  return html || type === 'application/xhtml+xml'
    ? renamed(declared, metaCharset, charset)
    : declared
}

/** Number of characters at the start that are searched for the declaration of a charset. */
const LOOKED_THROUGH = 2048

function renamed(text: string, find: typeof metaCharset, charset: string): string {
  const said = find(text.slice(0, LOOKED_THROUGH))
  return said === undefined ? text : text.slice(0, said.start) + charset + text.slice(said.end)
}

const LF = 0x0a
const CR = 0x0d

/**
 * Whether two texts are the same except for their line ends. This copies neither of them. It compares from the end,
 * because a LF shows that the CRs before it mean nothing.
 */
function sameText(one: string, other: string): boolean {
  if (one === other) return true
  let at = one.length
  let to = other.length
  while (at > 0 && to > 0) {
    const unit = one.charCodeAt(at - 1)
    const isEnd = unit === LF || unit === CR
    const next = other.charCodeAt(to - 1)
    if (isEnd ? next !== LF && next !== CR : unit !== next) return false
    at = beforeUnit(one, at)
    to = beforeUnit(other, to)
  }
  return at === to
}

/** The offset before a character or a line end. If there are several CRs before a LF, only one belongs to it. */
function beforeUnit(text: string, end: number): number {
  let at = end - 1
  if (text.charCodeAt(at) === LF) while (text.charCodeAt(at - 1) === CR) at--
  return at
}

function withLineEnds(text: string, eol: string): string {
  // Most texts are right already, and an object for each of millions of lines takes long.
  if (hasLineEnds(text, eol)) return text
  return text.replaceAll(/\r+\n?|\n/g, (end) =>
    end.endsWith('\n') ? eol : eol.repeat(end.length),
  )
}

/** Whether all line ends are of that kind. */
function hasLineEnds(text: string, eol: string): boolean {
  if (eol === '\n') return !text.includes('\r')
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit === LF || (unit === CR && text.charCodeAt(++at) !== LF)) return false
  }
  return true
}

/** The error of an edit that would rely on a guess. */
export const guessedPart = (what: string, guesses: readonly Guess[], how: string): UsageError =>
  new UsageError(
    'GUESSED_PART',
    `${what} would change a text that could not be read for sure (${guesses.join(', ')}); ${how}`,
  )

/**
 * Whether a new text differs from the old one.
 * @throws UsageError GUESSED_PART if it relies on a reading that was a guess
 */
export function checkText(
  part: GuessedContent,
  before: string,
  after: string,
  { force }: EditOptions,
): boolean {
  if (sameText(after, before)) return false
  const { guesses } = part
  if (force === true || guesses.length === 0) return true
  const { ascii } = readingOfPart(part, part.bytes())
  const sure = ascii && guesses.every((guess) => guess === 'charset')
  if (!restsOn(before, after, sure)) return true
  throw guessedPart('setText', guesses, 'force: true puts it in its place all the same')
}

/** @throws UsageError GUESSED_PART if new content relies on a transfer encoding that was a guess */
export function checkContent(
  part: GuessedContent,
  after: Buffer,
  { force }: EditOptions,
): void {
  const { guesses } = part
  if (force === true || !guesses.includes('transfer-encoding')) return
  if (!restsOn(part.bytes().toString('latin1'), after.toString('latin1'), false)) return
  throw guessedPart('setContent', guesses, 'force: true puts it in its place all the same')
}

/** Shorter words occur in every text. */
const SHORTEST = 4
/** Two texts do not share a start or an end of this length by chance. */
const LONG = 16
/** ASCII bytes that start other characters in some charsets. */
// oxlint-disable-next-line eslint/no-control-regex -- escape sequences begin with ESC
const SHIFTS = /\x1b|~\{/

/**
 * Whether a new text relies on a reading that was a guess: it repeats the start, the end, or a word of the old text
 * that may be wrong. A text that repeats nothing of the old one can replace it, whatever that was.
 * @param ascii whether the ASCII characters of the old text are sure
 */
function restsOn(before: string, after: string, ascii: boolean): boolean {
  const isUnsure = (text: string): boolean => !ascii || !isAscii(text) || SHIFTS.test(text)
  const old = before.trim()
  const next = after.trim()
  if (old === '') return false
  for (const shared of [commonStart(old, next), commonEnd(old, next)]) {
    // Two texts can have some letters in common by chance.
    const isAll = shared === old
    if ((isAll || shared.length >= LONG) && isUnsure(shared)) return true
  }
  const words = new Set(
    before.split(/\s+/).filter((word) => word.length >= SHORTEST && !word.startsWith('--')),
  )
  return after.split(/\s+/).some((word) => words.has(word) && isUnsure(word))
}

function commonStart(one: string, other: string): string {
  let end = 0
  while (end < one.length && one[end] === other[end]) end++
  return one.slice(0, end)
}

function commonEnd(one: string, other: string): string {
  let size = 0
  while (size < one.length && size < other.length && one.at(-1 - size) === other.at(-1 - size))
    size++
  return one.slice(one.length - size)
}
