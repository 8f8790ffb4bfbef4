/** The words of an address field (RFC 5322, section 3.2). */

export interface Token {
  readonly kind: 'space' | 'word' | 'quoted' | 'comment' | 'literal' | 'special'
  readonly text: string
  readonly start: number
  readonly end: number
  /** whether the field ends before this token does */
  readonly open: boolean
  /** whether it is an encoded word, whatever it contains */
  readonly encoded: boolean
}

/**
 * The kind of a character, by its code: 1 for a space, 2 for a token of its own or the start of another kind, 0 for a
 * part of a word.
 */
const KINDS = new Uint8Array(128)
for (const one of ' \t\r\n') KINDS[one.charCodeAt(0)] = 1
for (const one of '"()<>[]:;@\\,') KINDS[one.charCodeAt(0)] = 2
const kindAt = (text: string, at: number): number => KINDS[text.charCodeAt(at)] ?? 0

const QUOTED = /"(?:[^"\\]|\\[^])*"/y
/**
 * An encoded word must not contain a character that separates or ends something elsewhere. Otherwise text that is put
 * in quotes after a `[` could become a literal.
 */
const LITERAL = /\[[^[\]\\\r\n"(),;<>]*\]/y
/** An encoded word as most readers see it: it can contain spaces and special characters (Python's get_encoded_word). */
const ENCODED = /=\?[^?\s]+\?[bq]\?[^?\r\n]*\?=/iy

/** The start of a source route: `<@a,@b:`. */
const ROUTE = /<[ \t\r\n]*@[^"()<>;:\\]*:/y

/** The end of a source route that begins at a `<`; -1 if there is none. */
export function routeEnd(text: string, at: number): number {
  ROUTE.lastIndex = at
  return ROUTE.test(text) ? ROUTE.lastIndex : -1
}

/** @param encoded whether encoded words are words of their own, as in a message */
export function addressTokens(text: string, encoded: boolean): Token[] {
  const tokens: Token[] = []
  let at = 0
  /** from this offset on, no literal ends */
  const noLiteral = text.lastIndexOf(']') + 1
  /** in brackets there are no encoded words */
  let angle = false
  let route = -1
  const push = (kind: Token['kind'], end: number, open = false, isEncoded = false): void => {
    tokens.push({
      kind,
      text: text.slice(at, end),
      start: at,
      end,
      open,
      encoded: isEncoded,
    })
    at = end
  }
  const match = (pattern: RegExp): number => {
    pattern.lastIndex = at
    return pattern.test(text) ? pattern.lastIndex : -1
  }
  /** the first encoded word after the last offset that was asked for; searched for only once */
  let mark = text.indexOf('=?')
  const markFrom = (from: number): number => {
    if (mark !== -1 && mark < from) mark = text.indexOf('=?', from)
    return mark
  }
  /** the end of the characters of one kind */
  const run = (kind: number): number => {
    let end = at + 1
    while (end < text.length && kindAt(text, end) === kind) end++
    return end
  }
  while (at < text.length) {
    const one = text[at]!
    const kind = kindAt(text, at)
    let end: number
    if (kind === 1) push('space', run(1))
    else if (kind === 0) {
      if (encoded && !angle && one === '=' && (end = match(ENCODED)) !== -1) {
        push('word', end, false, true)
        continue
      }
      end = run(0)
      // An encoded word directly after another one, or after letters, is decoded too.
      let next = encoded && !angle ? markFrom(at + 1) : -1
      for (; next !== -1 && next < end; next = markFrom(next + 1)) {
        ENCODED.lastIndex = next
        if (ENCODED.test(text)) end = next
      }
      push('word', end)
    } else if (one === '"') {
      end = match(QUOTED)
      push('quoted', end === -1 ? text.length : end, end === -1)
    } else if (one === '(') {
      end = commentEnd(text, at)
      push('comment', end === -1 ? text.length : end, end === -1)
    } else if (one === '[') {
      end = at < noLiteral ? match(LITERAL) : -1
      push(end === -1 ? 'special' : 'literal', end === -1 ? at + 1 : end)
    } else {
      if (one === '<') route = routeEnd(text, at)
      if ('<>,;'.includes(one) && at >= route) angle = false
      if (one === '<') angle = true
      push('special', at + 1)
    }
  }
  return tokens
}

/** The end of a comment; -1 if it has none. Comments nest. */
export function commentEnd(text: string, start: number): number {
  let depth = 0
  for (let i = start; i < text.length; i++) {
    const one = text[i]
    if (one === '\\') i++
    else if (one === '(') depth++
    else if (one === ')' && --depth === 0) return i + 1
  }
  return -1
}
