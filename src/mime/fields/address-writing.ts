/**
 * Writes the text of address fields as it is in a message. Names and comments become encoded words if they must.
 * Addresses never do (RFC 2047, section 5).
 */
import { UsageError } from '../../errors.ts'
import type { Token } from './address-tokens.ts'
import {
  NON_ASCII,
  decodeEncodedWords,
  encodeWords,
  LOOKS_ENCODED,
  MARK,
  RAW_BYTE,
  unfold,
  type Piece,
  type Pieces,
} from './encoded-words.ts'
import {
  nameOf,
  parseAddresses,
  phraseText,
  sameAddresses,
  stretchText,
  type Stretch,
} from './mailboxes.ts'

/** Names of the old value, by the text that is shown. Names that stay are written as they were. */
export type KeptNames = ReadonlyMap<string, string>

const NONE: KeptNames = new Map()

/** @param unfolded everything after the colon */
export function keptNames(unfolded: string): KeptNames {
  if (!unfolded.includes('=?')) return NONE
  const kept = new Map<string, string>()
  for (const stretch of parseAddresses(unfolded, true).stretches) {
    const shown = stretch.kind === 'name' ? stretchText(stretch, unfolded) : undefined
    if (shown !== undefined) kept.set(shown, unfolded.slice(stretch.start, stretch.end))
  }
  return kept
}

/**
 * A text as it is written after the colon: with a space before it, and folded with a bare LF and a space.
 *
 * @param strict whether it must be a list of addresses
 * @throws UsageError INVALID_ADDRESS
 */
export function addressValue(
  name: string,
  text: string,
  strict: boolean,
  kept: KeptNames = NONE,
): string {
  const isList = checkAddresses(name, text, strict)
  const column = Buffer.byteLength(name) + 1
  const written = encodeWords(text, { column, pieces: (part) => addressPieces(part, kept) })
  if (isList && saysTheSame(written, text)) return written
  if (!strict) return encodeWords(text, { column })
  throw unwritable(name, text, 'readers would not agree on it')
}

/**
 * Whether a text is a list of addresses.
 * @throws UsageError INVALID_ADDRESS if it must be one and is not
 */
export function checkAddresses(name: string, text: string, strict: boolean): boolean {
  const { problem } = parseAddresses(unfold(text), false)
  if (strict && problem !== undefined) throw unwritable(name, text, problem)
  return problem === undefined
}

/** Whether a written value has the same mailboxes as a text. */
export const saysTheSame = (written: string, text: string): boolean =>
  sameAddresses(
    parseAddresses(unfold(written), true).addresses,
    parseAddresses(unfold(text), false).addresses,
  )

/** Whether a text has names without the quotes that they need. */
export const isLoose = (text: string): boolean =>
  parseAddresses(unfold(text), false).stretches.some(({ loose }) => loose)

function unwritable(name: string, text: string, why: string): UsageError {
  const shown = JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}...` : text)
  return new UsageError(
    'INVALID_ADDRESS',
    `${shown} cannot be written as ${name}: ${why}; write addresses with commas between them, names with other than letters in quotes ("Doe, Jane" <jane@example.org>), or set mailboxes (mail.addresses)`,
  )
}

/**
 * The words of a text with addresses, and which of them to encode.
 *
 * @param before whether text follows, so that the last word is a name or a part of one
 */
export function addressPieces(
  text: string,
  kept: KeptNames = NONE,
  before: boolean = false,
): Pieces {
  const { tokens: all, stretches } = parseAddresses(before ? `${text}<>` : text, false)
  const tokens = before ? all.filter(({ start }) => start < text.length) : all
  const writer = new PieceWriter(text, kept)
  let next = 0
  for (let i = 0; i < tokens.length; i++) {
    const stretch = stretches[next]
    if (stretch === undefined || tokens[i]!.start < stretch.start) writer.token(tokens[i]!)
    else {
      next++
      i += stretch.tokens.length - 1
      if (stretch.kind === 'comment') writer.comment(tokens[i]!.text)
      else writer.name(stretch)
    }
  }
  return writer.pieces()
}

/** The words of a text in which only comments may contain encoded words. */
export function commentPieces(tokens: readonly Token[]): Pieces {
  const writer = new PieceWriter('', NONE)
  for (const one of tokens) {
    if (one.kind === 'comment' && !one.open) writer.comment(one.text)
    else writer.token(one)
  }
  return writer.pieces()
}

class PieceWriter {
  readonly #text: string
  readonly #kept: KeptNames
  readonly #list: Piece[] = []
  #space = ''
  /** whether the last piece is an encoded name, which needs a space after it */
  #afterName = false

  constructor(text: string, kept: KeptNames) {
    this.#text = text
    this.#kept = kept
  }

  pieces(): Pieces {
    return { list: this.#list, end: this.#space }
  }

  #push(text: string, encode = false): void {
    let space = this.#space
    if (this.#afterName && space === '') space = ' '
    if (encode && !space.includes('\n')) space = space.slice(0, 1)
    this.#list.push({ space, text, encode })
    this.#space = ''
    this.#afterName = false
  }

  token({ kind, text }: Token): void {
    if (kind === 'space') this.#space += text
    else this.#push(text)
  }

  #encodedName(text: string): void {
    const before = this.#list.at(-1)?.text
    if (this.#space === '' && before !== undefined && !/^[,:;]$/.test(before)) {
      this.#space = ' '
    }
    this.#push(text, true)
    this.#afterName = true
  }

  name({ tokens, start, end, loose }: Stretch): void {
    const source = this.#text.slice(start, end)
    const kept = this.#kept.get(unfold(source))
    if (kept !== undefined) {
      for (const word of kept.split(/([ \t]+)/)) {
        if (/^[ \t]+$/.test(word)) this.#space = word
        else if (word !== '') this.#push(word)
      }
      this.#afterName = true
      return
    }
    const name = nameOf(tokens, this.#text, false)
    const looks = LOOKS_ENCODED.test(name)
    if (RAW_BYTE.test(name)) {
      this.#push(loose || looks ? phraseText(name) : source)
    } else if (loose) {
      if (needed(name)) this.#encodedName(name)
      else this.#push(phraseText(name))
    } else this.#words(tokens)
  }

  /** Words and strings in quotes stay together if no space is between them. */
  #words(tokens: readonly Token[]): void {
    let run: Token[] = []
    const end = (): void => {
      if (run.length === 0) return
      const value = nameOf(run, this.#text, false)
      const source = this.#text.slice(run[0]!.start, run.at(-1)!.end)
      // An encoded word in an unknown charset is kept: it means the same in the new field.
      const unread = UNREAD.test(source) && decodeEncodedWords(source) === source
      if (needed(value) && !unread) this.#encodedName(value)
      else this.#push(source)
      run = []
    }
    for (const one of tokens) {
      if (one.kind === 'space') {
        end()
        this.#space += one.text
      } else run.push(one)
    }
    end()
  }

  comment(text: string): void {
    const raw = RAW_BYTE.test(text)
    for (const [word] of text.matchAll(/[ \t\r\n]+|[()]|(?:[^ \t\r\n()\\]|\\[^])+/g)) {
      if (/^[ \t\r\n]/.test(word)) this.#space += word
      else if (!raw && word.length > 1 && needed(word)) {
        this.#push(word.replaceAll(/\\([^])/g, '$1'), true)
      } else if (!raw && needed(word)) this.#push(word, true)
      else this.#push(word)
    }
  }
}

const UNREAD = /^=\?[!#$%&'*+\-/0-9A-Z^_`a-z{|}~]+\?[bq]\?[!#$%&'*+\-/0-9=A-Z^_`a-z{|}~]*\?=$/i

const needed = (text: string): boolean => NON_ASCII.test(text) || MARK.test(text)
