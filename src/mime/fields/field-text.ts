/**
 * Reads and writes fields as text. The grammar of a field says where encoded words are allowed (RFC 2047, section 5).
 */
import { UsageError } from '../../errors.ts'
import { decodeText, encodeText } from '../../protocol/text.ts'
import { addressTokens, type Token } from './address-tokens.ts'
import {
  addressPieces,
  addressValue,
  checkAddresses,
  commentPieces,
  isLoose,
  keptNames,
  saysTheSame,
} from './address-writing.ts'
import { withParameter } from './content-type.ts'
import {
  NON_ASCII,
  decodeEncodedWords,
  encodeWords,
  LOOKS_ENCODED,
  MARK,
  RAW_BYTE,
  trimSpaces,
  unfold,
  type Pieces,
  type Style,
} from './encoded-words.ts'
import { addressText, commentText, wholeEscapes } from './mailboxes.ts'
import { parameterOf, parseParameters } from './parameters.ts'

export type FieldGrammar =
  /** anything; every word may be encoded */
  | 'unstructured'
  /** names may be encoded, addresses not */
  | 'addresses'
  /** the same, but text that is not an address is also valid: `List-Id: A name <id>` */
  | 'phrases'
  /** words that may be encoded, and commas between them that may not */
  | 'keywords'
  /** nothing may be encoded */
  | 'identifiers'
  /** comments may be encoded */
  | 'structured'
  /** the same; the field may also repeat text from the SMTP client, in UTF-8 if it was (RFC 6532, RFC 8616) */
  | 'trace'
  /** parameters are written as in RFC 2231; encoded words in quotes, which programs write, are decoded */
  | 'parameters'

/** All other fields are unstructured. `Resent-` before a name changes nothing. */
const GRAMMARS: ReadonlyMap<string, FieldGrammar> = new Map(
  (
    [
      // RFC 5322, 3.6.2, 3.6.3, 3.6.7; RFC 8098; RFC 9057; RFC 5703; RFC 2156; the fields of Sendmail and older
      // programs. Approved of RFC 5536 is not in the list: in mail it contains the password of a list.
      [
        'addresses',
        'from sender reply-to to cc bcc return-path disposition-notification-to return-receipt-to ' +
          'errors-to apparently-to mail-followup-to mail-reply-to delivered-to envelope-to ' +
          'author original-from originator-return-address x400-originator x400-recipients ' +
          'x-original-to x-envelope-to x-envelope-from x-original-from x-sender x-confirm-reading-to',
      ],
      ['phrases', 'list-id'],
      // RFC 5322, 3.6.5.
      ['keywords', 'keywords'],
      // RFC 5322, 3.6.4; RFC 2045, 7; RFC 5536.
      [
        'identifiers',
        'message-id in-reply-to references content-id original-message-id supersedes',
      ],
      ['parameters', 'content-type content-disposition'],
      [
        'structured',
        'date delivery-date expires expiry-date reply-by deferred-delivery arc-message-signature ' +
          'arc-seal dkim-signature domainkey-signature mime-version content-transfer-encoding ' +
          'list-help list-subscribe list-unsubscribe list-unsubscribe-post list-post list-owner ' +
          'list-archive auto-submitted content-language content-location content-md5 ' +
          'cfbl-address require-recipient-valid-since dl-expansion-history ' +
          'disposition-notification-options importance priority precedence sensitivity x-priority',
      ],
      [
        'trace',
        'received received-spf authentication-results arc-authentication-results ' +
          'original-recipient final-recipient',
      ],
    ] as const
  ).flatMap(([grammar, names]) => names.split(' ').map((name) => [name, grammar] as const)),
)

export const grammarOf = (name: string): FieldGrammar =>
  GRAMMARS.get(name.toLowerCase().replace(/^resent-/, '')) ?? 'unstructured'

/** @param value everything after the colon, not unfolded */
export function readField(name: string, value: string): string {
  const text = trimSpaces(unfold(value), ' \t\r\n')
  switch (grammarOf(name)) {
    case 'addresses':
    case 'phrases':
      return addressText(text)
    case 'identifiers':
      return text
    case 'structured':
    case 'trace':
      return text.includes('=?') ? decoded(text, false) : text
    case 'keywords':
      // An encoded word needs a space after it (RFC 2047, section 5, rule 3).
      return decodeEncodedWords(text.replaceAll(/\?=[ \t]+,/g, '?=,'))
    case 'parameters':
      return text.includes('=?') ? decoded(text, true) : text
    case 'unstructured':
      return decodeEncodedWords(text)
  }
}

/** @param quotes whether words in quotes and alone are decoded too */
function decoded(text: string, quotes: boolean): string {
  return addressTokens(text, quotes)
    .map((token) => {
      if (token.open) return token.text
      if (token.kind === 'comment') return commentText(token.text)
      return quotes ? quotedText(token) : token.text
    })
    .join('')
}

/** The text of an encoded word must not end the quotes around it, or the parameter. */
function quotedText({ kind, text, encoded }: Token): string {
  if (!encoded && kind !== 'quoted') return text
  const escape = (plain: string): string =>
    plain.replaceAll(/["\\]/g, '\\$&').replaceAll(/[\r\n\0]/g, ' ')
  const inner = decodeEncodedWords(encoded ? text : text.slice(1, -1), wholeEscapes, escape)
  return encoded && inner === text ? text : `"${inner}"`
}

export interface WriteOptions {
  /** the old value, everything after the colon: names that stay are written as they were */
  readonly old?: string | undefined
  /** the message uses SMTPUTF8, so that UTF-8 is allowed anywhere (RFC 6532) */
  readonly utf8?: boolean | undefined
  /** whether a word in UTF-8 came with the message; such an address is written back */
  readonly came?: ((word: string) => boolean) | undefined
}

/**
 * A text as it is written after the colon: with a space before it, and folded with a bare LF and a space. Line breaks
 * in the text must be folds already.
 *
 * @throws UsageError INVALID_ADDRESS; INVALID_HEADER_VALUE if the grammar has no place for characters that are not
 * ASCII
 */
export function writeField(
  name: string,
  text: string,
  { old, utf8 = false, came }: WriteOptions = {},
): string {
  const style = { column: Buffer.byteLength(name) + 1 }
  const grammar = grammarOf(name)
  switch (grammar) {
    case 'addresses': {
      const written = addressValue(name, text, true, namesOf(old))
      const found = utf8 ? undefined : newWord(written, came)
      if (found !== undefined) throw unplaced(name, found)
      return written
    }
    case 'phrases': {
      const id = text.lastIndexOf('<')
      if (id === -1) return encodeWords(text, style)
      if (!utf8) checkAscii(name, withoutComments(text.slice(id)))
      return addressValue(name, asOneName(text, id), false, namesOf(old))
    }
    case 'keywords':
      return encodeWords(text, { ...style, pieces: keywordPieces })
    case 'identifiers':
      if (!utf8) checkAscii(name, text)
      return encodeWords(text, { ...style, pieces: verbatim })
    case 'structured':
    case 'trace': {
      if (!utf8 && grammar === 'structured') checkAscii(name, withoutComments(text))
      return encodeWords(text, { ...style, pieces: inComments })
    }
    case 'parameters': {
      const written = writtenParameters(text)
      if (!utf8) checkAscii(name, withoutComments(written))
      const pieces = NON_ASCII.test(written) ? inComments : verbatim
      return encodeWords(written, { ...style, pieces })
    }
    case 'unstructured':
      return encodeWords(text, style)
  }
}

/** Whether a field takes text that is not ASCII only in comments and parameters. */
export const isAsciiField = (name: string): boolean =>
  ['identifiers', 'structured', 'parameters', 'phrases'].includes(grammarOf(name))

const NOT_ASCII = /[^\0-\x7f]+/

/** Bytes that are not UTF-8 came with the message, and stay. */
function checkAscii(name: string, text: string): void {
  const found = NOT_ASCII.exec(text)
  if (found === null || RAW_BYTE.test(text)) return
  throw unplaced(name, found[0])
}

const unplaced = (name: string, found: string): UsageError =>
  new UsageError(
    'INVALID_HEADER_VALUE',
    `${JSON.stringify(found.slice(0, 80))} cannot be written in ${name}, whose grammar has no place for it; write ASCII there (domains as xn--..., URIs with %C3%A9), or give bytes if the message is sent with SMTPUTF8`,
  )

/** A field of addresses as it is written, with names and comments encoded. The rest is an address. */
export function newWord(
  written: string,
  came: (word: string) => boolean = () => false,
): string | undefined {
  if (!NOT_ASCII.test(written) || RAW_BYTE.test(written)) return undefined
  return written.match(WIDE_WORD)?.find((word) => !came(word))
}

const WIDE_WORD = /[^ \t\n<>,;:()"]*[^\0-\x7f][^ \t\n<>,;:()"]*/g

const withoutComments = (text: string): string =>
  NOT_ASCII.test(text)
    ? addressTokens(text, false)
        .filter(({ kind, open }) => kind !== 'comment' || open)
        .map((token) => token.text)
        .join('')
    : ''

const namesOf = (old: string | undefined): ReturnType<typeof keptNames> | undefined =>
  old === undefined ? undefined : keptNames(trimSpaces(unfold(old)))

/** A name with commas that needs encoding is in quotes. Otherwise the commas would divide it. */
function asOneName(text: string, id: number): string {
  const name = trimSpaces(text.slice(0, id), ' \t\r\n')
  const tokens = addressTokens(name, false)
  const loose = tokens.some(({ kind }) => kind === 'special')
  const whole = tokens.every(({ kind }) => ['word', 'space', 'special'].includes(kind))
  return loose && whole && NOT_ASCII.test(name)
    ? `"${unfold(name).replaceAll('\\', '\\\\')}" ${text.slice(id)}`
    : text
}

const inComments = (text: string): Pieces => commentPieces(addressTokens(text, false))

/** Phrases with commas between them. Each word of a phrase may be encoded. */
function keywordPieces(text: string): Pieces {
  const raw = RAW_BYTE.test(text)
  const list: Pieces['list'] = []
  let space = ''
  let word = ''
  const end = (): void => {
    if (word === '') return
    const encode = !raw && (NON_ASCII.test(word) || MARK.test(word))
    const value = encode ? word.replaceAll(/"((?:[^"\\]|\\[^])*)"/g, unquoted) : word
    list.push({ space, text: value, encode })
    space = ''
    word = ''
  }
  for (const token of addressTokens(text, false)) {
    if (token.kind === 'space') {
      end()
      space += token.text
    } else if (token.text === ',') {
      end()
      if (space === '' && list.at(-1)?.encode === true) space = ' '
      list.push({ space, text: ',', encode: false })
      space = ''
    } else word += token.text
  }
  end()
  return { list, end: space }
}

const unquoted = (_all: string, inner: string): string => inner.replaceAll(/\\([^])/g, '$1')

/** Writes parts of a new value beside an old part that stays. */
export function styleOf(name: string): Style {
  const column = Buffer.byteLength(name) + 1
  switch (grammarOf(name)) {
    case 'addresses':
    case 'phrases':
      return { column, pieces: (text, before) => addressPieces(text, undefined, before) }
    case 'unstructured':
      return { column }
    case 'keywords':
      return { column, pieces: keywordPieces }
    default:
      return { column, pieces: verbatim }
  }
}

/**
 * Whether a value that was joined from old and new parts has the text that it should have.
 * @throws UsageError INVALID_ADDRESS for a text that is not a list of addresses
 */
export function isField(name: string, value: string, text: string): boolean {
  const grammar = grammarOf(name)
  if (grammar === 'unstructured') return true
  if (grammar !== 'addresses' && grammar !== 'phrases') return readField(name, value) === text
  return (
    checkAddresses(name, text, grammar === 'addresses') &&
    !isLoose(text) &&
    saysTheSame(value, text)
  )
}

function verbatim(text: string): Pieces {
  const list = []
  let space = ''
  for (const part of text.split(/([ \t\r\n]+)/)) {
    if (part === '') continue
    if (/^[ \t\r\n]/.test(part)) space = part
    else {
      list.push({ space, text: part, encode: false })
      space = ''
    }
  }
  return { list, end: space }
}

/** Parameters that are not ASCII become `name*=utf-8''...`. All others stay as they are. */
function writtenParameters(text: string): string {
  if (!NON_ASCII.test(text) && !LOOKS_ENCODED.test(text)) return text
  let raw = encodeText(text)
  const parsed = parseParameters(raw)
  for (const name of new Set(parsed.parameters.map((one) => one.name.replace(/\*.*$/, '')))) {
    const plain = parsed.parameters.find((one) => one.name === name)?.value
    if (plain === undefined || RAW_BYTE.test(plain)) continue
    if (!NON_ASCII.test(plain) && !LOOKS_ENCODED.test(plain)) continue
    const extended = parsed.parameters.some((one) => one.name.startsWith(`${name}*`))
    raw = withParameter(raw, name, extended ? (parameterOf(parsed, name) ?? plain) : plain)
  }
  return decodeText(raw)
}
