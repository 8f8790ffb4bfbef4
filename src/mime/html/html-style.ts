/** Finds and removes the parts of style sheets that run code or load something. */
import type { SanitizeOptions } from './sanitize-options.ts'

/** The style without escapes and in lower case, only for a check. */
const plainOf = (css: string): string =>
  css
    .replaceAll(/\\([0-9a-f]{1,6})[ \t\r\n\f]?/gi, (_all, hex: string) =>
      character(Number.parseInt(hex, 16)),
    )
    .replaceAll(/\\([^\r\n])/g, '$1')
    .toLowerCase()

const character = (code: number): string => (code < 0x80 ? String.fromCharCode(code) : '\ufffd')

/** Whether a reading of the style passes a check. */
type Look = (matches: (plain: string) => boolean) => boolean

/** A style is read with and without comments, because an escape can create one. One reading serves all checks. */
function looking(css: string): Look {
  const plain = plainOf(css)
  const bare = withoutComments(plain)
  return (matches) => matches(plain) || (bare !== plain && matches(bare))
}

/** A longer style with escapes is not read. Decoding them takes long, and no real style is like that. */
const LONGEST_ESCAPED = 1_048_576

const isUnread = (css: string): boolean => css.length > LONGEST_ESCAPED && css.includes('\\')

/**
 * Code that old programs run in CSS, except for the behavior of VML, which only draws. And rules that load other style
 * sheets.
 */
export const isActiveStyle = (css: string): boolean => isUnread(css) || looking(css)(isActive)

const isActive = (plain: string): boolean => ACTIVE.test(plain)

const ACTIVE =
  /@import|expression\s*\(|-moz-binding|(?<![\w-])behaviou?r\s*:(?!\s*url\(["']?#default#vml["']?\))|(?:java|vb)script\s*:|data:text\/html/

/** Whether the style names an address from which something is loaded. */
export const isRemoteStyle = (css: string): boolean => isUnread(css) || looking(css)(isRemote)

const isRemote = (plain: string): boolean => REMOTE.test(plain)

/**
 * The arguments of functions that take addresses as strings are not read. `url()` may name a part of the mail. Here and
 * below, a pattern takes the spaces before an address as a whole, because backtracking over them takes quadratic time.
 */
const REMOTE =
  /@import|(?<![\w-])(?:-webkit-)?(?:image-set|cross-fade|image|src)\s*\(|url\((?=(\s*["']?\s*))\1(?!["'\s)#]|$|(?:data|cid|mid|about):)/

function withoutComments(css: string): string {
  const pieces: string[] = []
  for (let at = 0; at < css.length;) {
    const open = css.indexOf('/*', at)
    pieces.push(css.slice(at, open === -1 ? css.length : open))
    const close = open === -1 ? -1 : css.indexOf('*/', open + 2)
    at = close === -1 ? css.length : close + 2
  }
  return pieces.join('')
}

/**
 * The style without active content, or undefined if active content cannot be separated. The rest stays as it is, and is
 * checked again, whatever the patterns below have removed.
 */
export function cleanStyle(css: string, options: SanitizeOptions): string | undefined {
  if (isUnread(css)) return undefined
  const local = options.keepRemote === false
  let left = css
  let look = looking(left)
  const change = (next: string): void => {
    if (next !== left) look = looking(next)
    left = next
  }
  if (look(isActive)) change(left.replaceAll(IMPORT, ''))
  if (local && look(isRemote)) change(withoutAddresses(left))
  else if (look(drawsFromElsewhere)) change(withPaints(left, withoutAddresses))
  return look(isActive) || (local && look(isRemote)) || look(drawsFromElsewhere)
    ? undefined
    : left
}

const withoutAddresses = (css: string): string =>
  css.replaceAll(ADDRESS, (all, _spaces, address: string) =>
    /^(?:$|""|''|["']?\s*(?:#|(?:data|cid|mid|about):))/i.test(address) ? all : 'none',
  )

/** Rules written in the usual way, without another `@` in them. Each character is read once. */
const IMPORT =
  /@import(?![\w-])(?:[^@;"'(){}\\/]|"[^"\\\r\n]*"|'[^'\\\r\n]*'|\((?:[^"'()\\{}]|"[^"\\\r\n]*"|'[^'\\\r\n]*')*\)|\/(?!\*))*(?:;|$)/gi

const ADDRESS = /(?<![\w-])url\((?=(\s*))\1("[^"\\\r\n]*"|'[^'\\\r\n]*'|[^"'()\\\s]*)\s*\)/gi

// ---- what is drawn from another document

/** Properties that may name a document, which is loaded to draw from it. */
const PAINT =
  /(?<![\w-])(?:fill|stroke|filter|(?:-webkit-)?mask(?:-image)?|(?:-webkit-)?clip-path|marker(?:-start|-mid|-end)?)\s*:/gi

/** Whether a filter, a marker or the like is taken from another document. */
function drawsFromElsewhere(plain: string): boolean {
  let found = false
  withPaints(plain, (value) => {
    found ||= REMOTE.test(value)
    return value
  })
  return found
}

/** A style with other values of those properties. */
function withPaints(css: string, change: (value: string) => string): string {
  const pieces: string[] = []
  let from = 0
  PAINT.lastIndex = 0
  while (PAINT.test(css)) {
    const start = PAINT.lastIndex
    const end = endOfValue(css, start)
    pieces.push(css.slice(from, start), change(css.slice(start, end)))
    from = PAINT.lastIndex = end
  }
  return pieces.join('') + css.slice(from)
}

/** At a semicolon or a brace, outside quotes and parentheses; what never ends goes up to the end. */
function endOfValue(css: string, start: number): number {
  let quote = ''
  let depth = 0
  for (let at = start; at < css.length; at++) {
    const one = css[at]!
    if (quote !== '') quote = one === quote ? '' : quote
    else if (one === '"' || one === "'") quote = one
    else if (one === '(') depth++
    else if (one === ')') depth--
    else if (depth <= 0 && (one === ';' || one === '{' || one === '}')) return at
  }
  return css.length
}
