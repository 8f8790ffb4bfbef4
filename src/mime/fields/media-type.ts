/** Types whose content is a message. */
export const isMessageType = (type: string): boolean =>
  type === 'message/rfc822' || type === 'message/global' || type === 'message/news'

/** Whether content of this type must not be encoded. The parts in it are encoded instead (RFC 2045, section 6.4). */
export const mustNotBeEncoded = (type: string): boolean => /^(?:multipart|message)\//.test(type)

/** Whether content of this type has lines. In other content, line ends are bytes like all others. */
export const hasLines = (type: string): boolean => /^(?:text|multipart|message)\//.test(type)

/**
 * Whether a browser reads this type as XML (MIME Sniffing, section 4.6). Chromium and others also read the type of XSLT
 * as XML.
 */
export const isXmlType = (type: string): boolean =>
  /^(?:text|application)\/(?:xml|xsl)$|\+xml$|^image\/svg$/.test(type)

/** Characters of a token (RFC 2045, section 5.1), in lower case. */
const TOKEN = /^[!#$%&'*+\-.^_`{|}~0-9a-z]$/
const MEDIA_TYPE = /^[!#$%&'*+\-.^_`{|}~0-9a-z]+\/[!#$%&'*+\-.^_`{|}~0-9a-z]+$/

/**
 * Whether a value in lower case is a media type. A field with another value counts as absent (RFC 2045, section 5.2).
 */
export const isMediaType = (value: string): boolean => MEDIA_TYPE.test(value)

/** Characters that are searched for a type. Even in the worst field, only a few come before it. */
const LONGEST = 1_000

/** The type that a single word means. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['text', 'text/plain'],
  ['html', 'text/html'],
  ['multipart', 'multipart/mixed'],
  ['message', 'message/rfc822'],
])

export interface LenientType {
  readonly type: string
  /** where it ends in the text */
  readonly end: number
}

/**
 * The type that lenient programs read in an invalid value: `application/pdf name="x"`, `multipart/multipart/mixed`,
 * `"text/html"`, `text / html`, `image`.
 *
 * @param text in lower case, everything after the colon
 */
export function lenientType(text: string): LenientType {
  const start = text.slice(0, LONGEST)
  const isToken = (at: number): boolean =>
    at >= 0 && at < start.length && TOKEN.test(start[at]!)
  const isSpace = (at: number): boolean => start[at] === ' ' || start[at] === '\t'
  let from = 0
  for (let slash = 0; slash < start.length; slash++) {
    if (start[slash] !== '/' && start[slash] !== '\\') continue
    let left = slash
    while (left > from && isSpace(left - 1)) left--
    let first = left
    while (first > from && isToken(first - 1)) first--
    let right = slash + 1
    while (isSpace(right) || start[right] === '/') right++
    let end = right
    while (isToken(end)) end++
    if (first < left && end > right) {
      return { type: `${start.slice(first, left)}/${start.slice(right, end)}`, end }
    }
    from = slash + 1
  }
  const word = /[a-z0-9.+_-]+/.exec(start)
  if (word === null) return { type: 'text/plain', end: 0 }
  return {
    type: KINDS.get(word[0]) ?? 'application/octet-stream',
    end: word.index + word[0].length,
  }
}
