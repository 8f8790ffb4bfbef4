import { decodeText, encodeText } from '../protocol/text.ts'
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
  BEYOND_ASCII,
  decodeEncodedWords,
  encodeWords,
  LOOKS_ENCODED,
  RAW_BYTE,
  trimBlanks,
  unfold,
  type Pieces,
  type Style,
} from './encoded-words.ts'
import { addressText, commentText, wholeEscapes } from './mailboxes.ts'
import { parameterOf, parseParameters } from './parameters.ts'

/** Fields as text, each by its grammar: it says where an encoded word can stand (RFC 2047, section 5). */

export type FieldGrammar =
  /** anything; every word may be encoded */
  | 'unstructured'
  /** names may be encoded, addresses not */
  | 'addresses'
  /** the same, but what is no address is right too: `List-Id: A name <id>` */
  | 'phrases'
  /** nothing may be encoded */
  | 'identifiers'
  /** comments may be encoded */
  | 'structured'
  /** parameters are written as RFC 2231 has it; programs write encoded words in quotes, which are read */
  | 'parameters'

/** All others are unstructured. Resent- before a name changes nothing. */
const GRAMMARS: ReadonlyMap<string, FieldGrammar> = new Map(
  (
    [
      // RFC 5322, 3.6.2, 3.6.3, 3.6.7; RFC 8098; what Sendmail and older programs have.
      [
        'addresses',
        'from sender reply-to to cc bcc return-path disposition-notification-to return-receipt-to ' +
          'errors-to apparently-to mail-followup-to mail-reply-to delivered-to envelope-to ' +
          'x-original-to x-envelope-to x-envelope-from x-original-from x-sender x-confirm-reading-to',
      ],
      ['phrases', 'list-id'],
      // RFC 5322, 3.6.4; RFC 2045, 7; RFC 5536.
      [
        'identifiers',
        'message-id in-reply-to references content-id original-message-id supersedes',
      ],
      ['parameters', 'content-type content-disposition'],
      [
        'structured',
        'date delivery-date expires expiry-date reply-by deferred-delivery received ' +
          'authentication-results arc-authentication-results arc-message-signature arc-seal ' +
          'dkim-signature domainkey-signature received-spf mime-version content-transfer-encoding ' +
          'list-help list-subscribe list-unsubscribe list-unsubscribe-post list-post list-owner ' +
          'list-archive auto-submitted content-language content-location content-md5 ' +
          'original-recipient final-recipient disposition-notification-options importance priority ' +
          'precedence sensitivity x-priority',
      ],
    ] as const
  ).flatMap(([grammar, names]) => names.split(' ').map((name) => [name, grammar] as const)),
)

export const grammarOf = (name: string): FieldGrammar =>
  GRAMMARS.get(name.toLowerCase().replace(/^resent-/, '')) ?? 'unstructured'

/** @param value everything after the colon, folds as they are */
export function readField(name: string, value: string): string {
  const text = trimBlanks(unfold(value), ' \t\r\n')
  switch (grammarOf(name)) {
    case 'addresses':
    case 'phrases':
      return addressText(text)
    case 'identifiers':
      return text
    case 'structured':
      return text.includes('=?') ? decoded(text, false) : text
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

/** What an encoded word says must not end the quotes around it, or the parameter. */
function quotedText({ kind, text, encoded }: Token): string {
  if (!encoded && kind !== 'quoted') return text
  const escape = (plain: string): string =>
    plain.replaceAll(/["\\]/g, '\\$&').replaceAll(/[\r\n\0]/g, ' ')
  const inner = decodeEncodedWords(encoded ? text : text.slice(1, -1), wholeEscapes, escape)
  return encoded && inner === text ? text : `"${inner}"`
}

/**
 * A text as it stands behind the colon, with a blank before it; folds are a bare LF and a blank. Line
 * breaks in the text have to be folds already.
 *
 * @param old everything after the colon as it was: names that stay are written as they were
 * @throws UsageError INVALID_ADDRESS
 */
export function writeField(name: string, text: string, old?: string): string {
  const style = { column: Buffer.byteLength(name) + 1 }
  const grammar = grammarOf(name)
  switch (grammar) {
    case 'addresses':
    case 'phrases': {
      const kept = old === undefined ? undefined : keptNames(trimBlanks(unfold(old)))
      return addressValue(name, text, grammar === 'addresses', kept)
    }
    case 'identifiers':
      return encodeWords(text, { ...style, pieces: verbatim })
    case 'structured':
      return encodeWords(text, {
        ...style,
        pieces: (part) => commentPieces(addressTokens(part, false)),
      })
    case 'parameters':
      return encodeWords(writtenParameters(text), { ...style, pieces: verbatim })
    case 'unstructured':
      return encodeWords(text, style)
  }
}

/** How parts of a new value are written beside an old one that stays. */
export function styleOf(name: string): Style {
  const column = Buffer.byteLength(name) + 1
  switch (grammarOf(name)) {
    case 'addresses':
    case 'phrases':
      return { column, pieces: (text, before) => addressPieces(text, undefined, before) }
    case 'unstructured':
      return { column }
    default:
      return { column, pieces: verbatim }
  }
}

/**
 * Whether a value that was put together of old and new parts says what the text does.
 * @throws UsageError INVALID_ADDRESS for a text that is no list of addresses
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
  let blank = ''
  for (const part of text.split(/([ \t\r\n]+)/)) {
    if (part === '') continue
    if (/^[ \t\r\n]/.test(part)) blank = part
    else {
      list.push({ blank, text: part, encode: false })
      blank = ''
    }
  }
  return { list, end: blank }
}

/** Parameters beyond ASCII become `name*=utf-8''...`; what else there is stays as it stands. */
function writtenParameters(text: string): string {
  if (!BEYOND_ASCII.test(text) && !LOOKS_ENCODED.test(text)) return text
  let raw = encodeText(text)
  const parsed = parseParameters(raw)
  for (const name of new Set(parsed.parameters.map((one) => one.name.replace(/\*.*$/, '')))) {
    const plain = parsed.parameters.find((one) => one.name === name)?.value
    if (plain === undefined || RAW_BYTE.test(plain)) continue
    if (!BEYOND_ASCII.test(plain) && !LOOKS_ENCODED.test(plain)) continue
    const extended = parsed.parameters.some((one) => one.name.startsWith(`${name}*`))
    raw = withParameter(raw, name, extended ? (parameterOf(parsed, name) ?? plain) : plain)
  }
  return decodeText(raw)
}
