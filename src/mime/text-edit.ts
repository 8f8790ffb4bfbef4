import { UsageError } from '../errors.ts'
import { encodeCharset } from './charset.ts'
import { charsetInHtml, metaCharset } from './html-charset.ts'
import { encodeText } from '../protocol/text.ts'
import { readingOfCharset } from './content-guesses.ts'
import type { Guess } from './guesses.ts'
import type { MimePart } from './part.ts'

/** Another text for a part: its bytes, and what the header has to say of them. */

export interface NewText {
  readonly bytes: Buffer
  /** what is to be named; undefined where the header can stay */
  readonly charset?: string
}

/**
 * In the charset the part has, or as UTF-8 where that has not all characters. What a header does not say
 * and the text is not without, it says from now on, and a meta element says the same.
 */
export async function newText(
  part: { readonly type: string; readonly charset: string | undefined; bytes(): Buffer },
  lines: string,
): Promise<NewText> {
  const named = part.charset
  const within = named === undefined ? charsetInHtml(part.type, part.bytes()) : undefined
  const charset = named ?? within ?? 'us-ascii'
  const bytes = await encodeCharset(charset, lines)
  if (bytes !== undefined && (within === undefined || isAscii(lines))) return { bytes }
  const next = bytes === undefined ? 'utf-8' : charset
  const told = part.type === 'text/html' ? withMetaCharset(lines, next) : lines
  return { bytes: (await encodeCharset(next, told)) ?? encodeText(told), charset: next }
}

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text)

/** HTML whose meta element, if it has one, names the charset it is written in. */
function withMetaCharset(html: string, charset: string): string {
  const said = metaCharset(html.slice(0, 2048))
  return said === undefined ? html : html.slice(0, said.start) + charset + html.slice(said.end)
}

/** Whether two texts differ in nothing but the kind of their line ends. */
export const sameText = (one: string, other: string): boolean =>
  one === other || withFeeds(one) === withFeeds(other)

const withFeeds = (text: string): string => text.replaceAll(/\r\n|\r|\n/g, '\n')

/** The error of an edit that would rest on a guess. */
export const guessedPart = (what: string, guesses: readonly Guess[], how: string): UsageError =>
  new UsageError(
    'GUESSED_PART',
    `${what} would change a text that could not be read for sure (${guesses.join(', ')}); ${how}`,
  )

/** @throws UsageError GUESSED_PART if a new text rests on a reading that was a guess */
export function checkGuesses(part: MimePart, before: string, after: string): void {
  const { guesses } = part
  if (guesses.length === 0) return
  const { ascii } = readingOfCharset(part.type, part.charset, part.bytes())
  if (!restsOn(before, after, ascii && guesses.every((guess) => guess === 'charset'))) return
  throw guessedPart('setText', guesses, 'force: true puts it in its place all the same')
}

/** Shorter words are in every text. */
const SHORTEST = 4

/**
 * Whether a new text rests on a reading that was a guess: words that may be others are in it again. A text
 * that has nothing of the old one replaces it, whatever that was.
 * @param ascii whether the words of ASCII in the old one are sure
 */
function restsOn(before: string, after: string, ascii: boolean): boolean {
  const words = new Set(
    before.split(/\s+/).filter((word) => word.length >= SHORTEST && !word.startsWith('--')),
  )
  return after
    .split(/\s+/)
    .some((word) => words.has(word) && (!ascii || !isAscii(word) || word.includes('\x1b')))
}
