/** Types whose content is a message. */
export const isMessageType = (type: string): boolean =>
  type === 'message/rfc822' || type === 'message/global' || type === 'message/news'

/** What is in it is encoded instead (RFC 2045, section 6.4). */
export const mustNotBeEncoded = (type: string): boolean => /^(?:multipart|message)\//.test(type)

/** Whether its line ends are those of lines; in other content they are bytes like all others. */
export const hasLines = (type: string): boolean => /^(?:text|multipart|message)\//.test(type)

/** Types that a browser reads as XML (MIME Sniffing, section 4.6); Chromium and others that of XSLT, too. */
export const isXmlType = (type: string): boolean =>
  /^(?:text|application)\/(?:xml|xsl)$|\+xml$|^image\/svg$/.test(type)

/** Characters of a token (RFC 2045, section 5.1), in lower case. */
const TOKEN = /^[!#$%&'*+\-.^_`{|}~0-9a-z]$/
const MEDIA_TYPE = /^[!#$%&'*+\-.^_`{|}~0-9a-z]+\/[!#$%&'*+\-.^_`{|}~0-9a-z]+$/

/** Whether a value in lower case is a type: what is none counts as none (RFC 2045, section 5.2). */
export const isMediaType = (value: string): boolean => MEDIA_TYPE.test(value)

/** More is not looked through: before a type stands little, even in the worst field. */
const LONGEST = 1_000

/** What is said by a kind alone. */
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
 * What lenient programs take for the type in a value that is none: `application/pdf name="x"`,
 * `multipart/multipart/mixed`, `"text/html"`, `text / html`, `image`.
 *
 * @param text in lower case, from the colon on
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
