/**
 * How Sendmail changes MIME fields when it writes them, with its default MaxMimeHeaderLength, 2048 and 1024 (headers.c
 * putheader, fix_mime_header; mime.c shorten_rfc822_string, find_character). It cuts values, and closes open quotes and
 * comments in them, even if it cuts nothing.
 */
const HEADER_LIMIT = 2048
const FIELD_LIMIT = 1024

/** The classes checkMIMETextHeaders, checkMIMEHeaders and checkMIMEFieldHeaders. */
const TEXT: ReadonlySet<string> = new Set(['content-description'])
const WHOLE: ReadonlySet<string> = new Set([
  'content-disposition',
  'content-id',
  'content-transfer-encoding',
  'content-type',
  'mime-version',
])
const IN_PARTS: ReadonlySet<string> = new Set(['content-disposition', 'content-type'])

/** @param value as Latin-1 */
export function limitedMimeValue(key: string, value: string): string {
  if (!TEXT.has(key) && !WHOLE.has(key)) return value
  // In memory, some bytes have another byte before them, which counts (mime.c quote_internal_chars).
  const inside = value.replaceAll(/[\x80-\x9f\xff]/g, '\xff$&')
  const limited = TEXT.has(key)
    ? inside.slice(0, inside.length > HEADER_LIMIT ? HEADER_LIMIT - 1 : undefined)
    : shortened(IN_PARTS.has(key) ? limitedParts(inside) : inside, HEADER_LIMIT)
  return limited.replaceAll(/\xff([^]?)/g, '$1')
}

/** Each part between semicolons has its own limit. */
function limitedParts(value: string): string {
  let result = ''
  let rest = value
  for (;;) {
    const end = semicolon(rest)
    result += shortened(rest.slice(0, end), FIELD_LIMIT)
    if (end === rest.length) return result
    result += ';'
    rest = rest.slice(end + 1)
  }
}

/** Tracks open quotes and comments, character by character. */
class Nesting {
  escaped = false
  quoted = false
  comments = 0

  take(one: string): void {
    if (this.escaped) {
      this.escaped = false
      return
    }
    if (one === '\\') this.escaped = true
    else if (one === '(' && !this.quoted) this.comments++
    else if (one === ')') this.comments = Math.max(0, this.comments - 1)
    else if (one === '"' && this.comments === 0) this.quoted = !this.quoted
  }
}

/** The first semicolon outside quotes and comments, or the end. */
function semicolon(text: string): number {
  const open = new Nesting()
  for (let i = 0; i < text.length; i++) {
    const { escaped } = open
    open.take(text[i]!)
    if (!escaped && text[i] === ';' && !open.quoted && open.comments === 0) return i
  }
  return text.length
}

function shortened(text: string, maximum: number): string {
  const limit = Math.min(text.length, maximum)
  const open = new Nesting()
  let i = 0
  for (; i < text.length; i++) {
    const one = text[i]!
    open.take(one)
    const needed = (open.escaped ? 1 : 0) + open.comments + (open.quoted ? 1 : 0)
    if (limit - i > needed) continue
    // There is no room to close the open quotes and comments after this character, so it is left out.
    if (one === '\\') open.escaped = false
    else if (one === '(' && !open.quoted) open.comments--
    else if (one === '"' && open.comments === 0) open.quoted = false
    break
  }
  return text.slice(0, i) + ')'.repeat(open.comments) + (open.quoted ? '"' : '')
}
