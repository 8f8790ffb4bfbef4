/**
 * Values of header fields as a filter compares them with words and addresses. Spam hides both: words are glued
 * together, base64 has no padding, charsets do not exist. `mail.subject` and `field.value` leave what cannot be read as it
 * was, because they may be written back. Here it is read as far as possible.
 */
import { decodeCharset } from '../../mime/encodings/charset.ts'
import { decodeEncodedWords, unfold } from '../../mime/fields/encoded-words.ts'
import { mailboxesOf, parseAddresses, type Mailbox } from '../../mime/fields/mailboxes.ts'

/** An encoded word up to its charset. */
const START = /=\?([^?\s*]+)(?=(?:\*[^?\s]*)?\?[bq]\?[^?\r\n]*\?=)/gi

const EMPTY = Buffer.alloc(0)

/** With a charset that nobody knows, a word is read as UTF-8. Usually, it is ASCII. */
const knownCharsets = (value: string): string =>
  value.replaceAll(START, (start, charset: string) =>
    decodeCharset(charset.toLowerCase(), EMPTY) === undefined ? '=?utf-8' : start,
  )

/**
 * The text of a header field with encoded words (RFC 2047), as `parse_header` of pymilter gives it. Words count
 * everywhere, also in the middle of another word. What is not valid in its charset becomes U+FFFD. For reading only.
 *
 *     decodeWords('V=?utf-8?q?i?=agra') // 'Viagra'
 *
 * @param value everything after the colon
 */
export const decodeWords = (value: string): string =>
  decodeEncodedWords(knownCharsets(unfold(value))).toWellFormed()

/**
 * All mailboxes of an address field, also those in groups. Names are decoded as by {@link decodeWords}, and without
 * quotes and comments. It reads any text; a name without an address has an empty address.
 *
 *     mailboxes('friends: Ann <a@example.org>, b@example.org;').map(({ address }) => address)
 *     // ['a@example.org', 'b@example.org']
 *
 * @param value everything after the colon
 */
export const mailboxes = (value: string): Mailbox[] =>
  mailboxesOf(parseAddresses(knownCharsets(unfold(value)), true).addresses)

/**
 * The first mailbox of an address field with its comments in the name, as `parseaddr` of pymilter gives it. Undefined
 * if the field has no address. The name is what a reader sees, so compare it with the address to find forged names.
 *
 *     firstMailbox('foo@example.org (Foo Bar)') // { name: 'Foo Bar', address: 'foo@example.org', ... }
 *
 * @param value everything after the colon
 */
export function firstMailbox(value: string): Mailbox | undefined {
  const text = knownCharsets(unfold(value))
  const { addresses, tokens, stretches } = parseAddresses(text, true)
  const first = mailboxesOf(addresses).find(({ address }) => address !== '')
  if (first === undefined) return undefined
  // The element of the address: from the comma before it to the one after it. In "<>" they separate hops of a route.
  let at = text.indexOf(first.address)
  if (at === -1) at = text.indexOf('@')
  let start = 0
  let end = text.length
  let angle = false
  for (const token of tokens) {
    if (token.kind !== 'special') continue
    if (token.text === '<' || token.text === '>') angle = token.text === '<'
    else if ((token.text === ',' && !angle) || token.text === ';') {
      if (token.start >= at) {
        end = token.start
        break
      }
      start = token.end
    }
  }
  const comments = stretches
    .filter((one) => one.kind === 'comment' && one.start >= start && one.end <= end)
    .map((one) => decodeEncodedWords(withoutBrackets(text.slice(one.start, one.end))))
    .join(' ')
  if (comments === '') return first
  return { ...first, name: first.name === undefined ? comments : `${first.name} (${comments})` }
}

/** The text of a comment, without its brackets and those of comments in it. */
const withoutBrackets = (comment: string): string =>
  comment.replaceAll(/\\([^])|[()]/g, (_, escaped?: string) => escaped ?? '')
