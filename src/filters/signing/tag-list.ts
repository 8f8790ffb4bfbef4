/**
 * Lists of tags: `v=1; a=rsa-sha256; ...` (RFC 6376, section 3.2). They are written in lines of at most 78 columns, so
 * that no server has a reason to fold them anew.
 */

const WIDTH = 78
/** A tab takes up to eight columns where somebody looks at it. */
const INDENT = 8

/**
 * Tags with `; ` between them, with the space after the colon and CRLF in folds. Lists (h=) may be folded at their
 * colons.
 *
 * @param name of the field
 */
export function writeTags(name: string, tags: readonly (readonly [string, string])[]): string {
  let text = ' '
  let column = `${name}: `.length
  const put = (piece: string, space: string): void => {
    if (column + space.length + piece.length > WIDTH && column > INDENT) {
      text += '\r\n\t'
      column = INDENT
    } else {
      text += space
      column += space.length
    }
    text += piece
    column += piece.length
  }
  for (const [i, [tag, value]] of tags.entries()) {
    const pieces = tag === 'h' ? value.split(/(?<=:)/) : [value]
    pieces[0] = `${tag}=${pieces[0]!}`
    pieces[pieces.length - 1] += ';'
    for (const [n, piece] of pieces.entries()) put(piece, i > 0 && n === 0 ? ' ' : '')
  }
  return text
}

/** Base64 in lines, the first of which begins with `b=`. */
export function writeBase64(text: string): string {
  const first = WIDTH - INDENT - 'b='.length
  const pieces = [text.slice(0, first)]
  for (let at = first; at < text.length; at += WIDTH - INDENT) {
    pieces.push(text.slice(at, at + WIDTH - INDENT))
  }
  return pieces.join('\r\n\t')
}

/**
 * The tags of a list, in order; undefined if it is not one, or has a tag twice (section 3.2). Spaces and folds around
 * names and values are left out.
 */
export function readTags(text: string): ReadonlyMap<string, string> | undefined {
  const tags = new Map<string, string>()
  const pieces = text.split(';')
  if (trimmed(pieces.at(-1)!) === '') pieces.pop()
  for (const piece of pieces) {
    const equals = piece.indexOf('=')
    const name = trimmed(piece.slice(0, Math.max(equals, 0)))
    if (!/^[a-z][a-z0-9_]*$/i.test(name) || tags.has(name)) return undefined
    tags.set(name, trimmed(piece.slice(equals + 1)))
  }
  return tags
}

/** `trim` would take more than FWS, and a regular expression may look at each space many times. */
function trimmed(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text[start]!)) start++
  while (end > start && isSpace(text[end - 1]!)) end--
  return text.slice(start, end)
}

const isSpace = (character: string): boolean => ' \t\r\n'.includes(character)

/** Section 2.11: dkim-quoted-printable. */
export const quotedPrintable = (text: string): string =>
  Buffer.from(text)
    .toString('latin1')
    .replaceAll(
      /[^!-:<>-~]/g,
      (character) => `=${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    )
