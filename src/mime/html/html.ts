/** Changes HTML. All bytes that a change does not touch stay as they are. */
import { UsageError } from '../../errors.ts'
import { decodeByTable, encodeText } from '../../protocol/text.ts'
import { encodeCharset } from '../encodings/charset.ts'
import { charsetInHtml } from './html-charset.ts'
import { readingOfPart } from '../tree/content-guesses.ts'
import { srcsetUrls } from './html-rules.ts'
import {
  applyEdits,
  escapeHtml,
  readHtml,
  TEXT_ELEMENTS,
  type HtmlAttribute,
  type HtmlEdit,
  type HtmlStartTag,
} from './html-tokens.ts'
import type { MimePart } from '../tree/part.ts'
import { guessedPart } from '../tree/text-edit.ts'
import { Turns } from '../turns.ts'

export { sanitizeHtml, type SanitizedHtml } from './html-sanitize.ts'
export type { SanitizeOptions } from './sanitize-options.ts'

// ---- links

/** The place of a link. */
export interface HtmlLink {
  /** in lower case */
  readonly element: string
  /** in lower case */
  readonly attribute: string
}

/** Returns another address, or `undefined` to leave it. */
export type RewriteLink = (url: string, link: HtmlLink) => string | undefined

const LINKS: ReadonlySet<string> = new Set([
  'action',
  'background',
  'formaction',
  'href',
  'poster',
  'src',
  'srcset',
  'xlink:href',
])

const isLink = (element: string, { name }: HtmlAttribute): boolean =>
  (LINKS.has(name) && element !== 'base') || (name === 'data' && element === 'object')

/** The maximum of comments and `noscript` in which links are rewritten. Each is read by itself. */
const MAX_INNER = 1_000

/**
 * Calls a function for each address in HTML, and writes the address that it returns. These are the addresses in
 * `href`, `src`, `srcset` (each of them), `action`, `formaction`, `background`, `poster` and `xlink:href` of every
 * element except `base`, and in `data` of `object`. It also reads `noscript`, and comments with a condition
 * (`<!--[if mso]>`), which mail programs show. It does not read style sheets. The function gets the address with its
 * character references decoded. The address that it returns is encoded.
 *
 * Only attributes that change are written again. Without a change, the result is the same string. The time grows with
 * the length. Links in more than 1,000 such comments, or after 5,000 `svg`, stay as they are.
 *
 * @throws UsageError INVALID_OPTION if the function returns something else; and everything that it throws itself
 */
export async function rewriteLinks(html: string, rewrite: RewriteLink): Promise<string> {
  if (typeof rewrite !== 'function') {
    throw new UsageError(
      'INVALID_OPTION',
      'rewriteLinks takes a function as its second argument',
    )
  }
  const outer = await linkEdits(html, 0, rewrite)
  const edits = outer.edits
  for (const { start, end } of outer.inner.slice(0, MAX_INNER)) {
    const inner = await linkEdits(html.slice(start, end), start, rewrite)
    for (const edit of inner.edits) edits.push(edit)
  }
  edits.sort((a, b) => a.start - b.start)
  return applyEdits(html, edits)
}

interface LinkEdits {
  readonly edits: HtmlEdit[]
  /** texts that some programs read as HTML */
  readonly inner: { readonly start: number; readonly end: number }[]
}

async function linkEdits(
  html: string,
  offset: number,
  rewrite: RewriteLink,
): Promise<LinkEdits> {
  const edits: HtmlEdit[] = []
  const inner: { start: number; end: number }[] = []
  let noscript: number | undefined
  await readHtml(html, {
    startTag(tag) {
      for (const attribute of tag.attributes) {
        if (!isLink(tag.name, attribute)) continue
        const value = newValue(tag, attribute, rewrite)
        if (value === attribute.value) continue
        const { start, end, name } = attribute
        const written = `${html.slice(start, start + name.length)}="${escapeHtml(value)}"`
        edits.push({ start: offset + start, end: offset + end, text: written })
      }
      // In a drawing it is an ordinary element, and its tags are reported one by one.
      noscript = tag.name === 'noscript' ? tag.end : undefined
    },
    endTag({ name, start }) {
      if (name !== 'noscript') return
      if (noscript !== undefined) inner.push({ start: noscript, end: start })
      noscript = undefined
    },
    comment(start, end) {
      noscript = undefined
      const condition = /^<!--\[if[^\]]*\]>/i.exec(
        html.slice(start, Math.min(end, start + 200)),
      )
      if (condition !== null) inner.push({ start: start + condition[0].length, end })
    },
  })
  return { edits, inner }
}

function newValue(tag: HtmlStartTag, attribute: HtmlAttribute, rewrite: RewriteLink): string {
  const { name, value } = attribute
  const link = { element: tag.name, attribute: name }
  const ask = (url: string): string => {
    const answer: unknown = rewrite(url, link)
    if (answer === undefined || typeof answer === 'string') return answer ?? url
    throw new UsageError(
      'INVALID_OPTION',
      `the callback of rewriteLinks must return a string or undefined, not ${typeof answer}`,
    )
  }
  if (name !== 'srcset') return ask(value)
  const pieces: string[] = []
  let at = 0
  for (const { url, start, end } of srcsetUrls(value)) {
    // A space or a comma in the address would end it.
    const answer = ask(url)
    pieces.push(value.slice(at, start), answer === url ? url : answer.replaceAll(/\s/g, '%20'))
    at = end
  }
  return pieces.join('') + value.slice(at)
}

// ---- banners and footers

/** Elements of the head. A body without a tag begins with the first other element. */
const HEAD: ReadonlySet<string> = new Set(
  'base basefont bgsound head html link meta noframes noscript script style title'.split(' '),
)

/**
 * Puts a piece of HTML at the top or the bottom of the page, and changes nothing else. The top is after the first
 * `<body>`, or before the first element that begins the body without that tag. The bottom is before the last
 * `</body>`, otherwise before the last `</html>`, otherwise at the end. It is never inside a comment, a tag, a drawing
 * or an element such as `style` or `textarea` that is still open there.
 *
 * The piece is written as it is. The time grows with the length. Tags after 5,000 `svg` are not read.
 *
 * @throws UsageError INVALID_OPTION for another place
 */
export async function insertHtml(
  html: string,
  fragment: string,
  place: 'top' | 'bottom',
): Promise<string> {
  if (place !== 'top' && place !== 'bottom') {
    throw new UsageError(
      'INVALID_OPTION',
      `the place is 'top' or 'bottom', not ${String(place)}`,
    )
  }
  const at = await placeIn(html, place)
  return html.slice(0, at) + fragment + html.slice(at)
}

/** The offset for a banner or a footer. */
export async function placeIn(html: string, place: 'top' | 'bottom'): Promise<number> {
  return place === 'top' ? await topOf(html) : await bottomOf(html)
}

async function topOf(html: string): Promise<number> {
  let at = 0
  /** whether an element of text in the head is open */
  let open = false
  await readHtml(html, {
    doctype(_start, end) {
      at = html[end - 1] === '>' ? end : at
    },
    startTag({ name, start, end }) {
      if (name === 'body') at = end
      if (!HEAD.has(name)) {
        // Spaces and comments above the body stay above it.
        if (name !== 'body' && name !== 'frameset') at = start
        return false
      }
      open = TEXT_ELEMENTS.has(name)
      if (!open) at = end
      return true
    },
    endTag({ name, end }) {
      if (HEAD.has(name)) at = end
      open = false
    },
    text(start, _end, text) {
      if (open || /^\s*$/.test(text)) return
      at = start
      return false
    },
  })
  return at
}

async function bottomOf(html: string): Promise<number> {
  let body: number | undefined
  let page: number | undefined
  let text: { readonly name: string; readonly start: number } | undefined
  let foreign: { readonly name: string; readonly start: number } | undefined
  let depth = 0
  /** of a comment that never ends */
  let comment: number | undefined
  const last = await readHtml(html, {
    startTag({ name, start, selfClosing }) {
      if (name === 'svg' || name === 'math') {
        foreign ??= selfClosing ? undefined : { name, start }
        if (foreign?.name === name && !selfClosing) depth++
      } else if (foreign === undefined && TEXT_ELEMENTS.has(name)) text = { name, start }
    },
    endTag({ name, start }) {
      text = undefined
      if (name === foreign?.name && --depth === 0) foreign = undefined
      if (name === 'body') body = start
      if (name === 'html') page = start
      if (name === 'body' || name === 'html') {
        foreign = undefined
        depth = 0
      }
    },
    comment(start, end) {
      if (!isClosed(html.slice(start, end))) comment = start
    },
    doctype(start, end) {
      if (html[end - 1] !== '>') comment = start
    },
  })
  const marked = body ?? page
  if (marked !== undefined) return marked
  return Math.min(text?.start ?? last, foreign?.start ?? last, comment ?? last)
}

/** Whether a comment ends before the text does (HTML, section 13.2.5.43). */
const isClosed = (raw: string): boolean =>
  raw.startsWith('<!--')
    ? raw === '<!-->' || raw === '<!--->' || (raw.length > 6 && /--!?>$/.test(raw.slice(-4)))
    : raw.endsWith('>')

// ---- parts

/**
 * Changes the HTML of a part. It is decoded from the charset of the part, and written back only if the function changed
 * it. The result says whether it did. Charset, transfer encoding and line ends stay if possible.
 *
 * If the charset is a guess, bytes that are not ASCII are lone surrogates (as in `decodeText`) and are written back
 * unchanged. Other new characters are written as references.
 *
 * @throws UsageError SEALED_PART, WRONG_STAGE; INVALID_OPTION if the function does not return a string;
 * GUESSED_PART if it changes HTML that cannot be read without a guess and whose bytes cannot be kept
 */
export async function rewriteHtmlPart(
  part: MimePart,
  rewrite: (html: string) => Promise<string> | string,
): Promise<boolean> {
  const { html, write } = await writableHtml(part)
  const changed: unknown = await rewrite(html)
  if (typeof changed !== 'string') {
    throw new UsageError('INVALID_OPTION', 'the function must return the new HTML as a string')
  }
  if (changed === html) return false
  await write(changed)
  return true
}

interface WritableHtml {
  readonly html: string
  readonly write: (changed: string) => Promise<void> | void
}

/** The HTML of a part, and a function that writes changed HTML. All bytes that the change keeps stay the same. */
async function writableHtml(part: MimePart): Promise<WritableHtml> {
  const turns = new Turns()
  const bytes = part.bytes()
  const html = await part.text()
  await turns.next()
  const { guesses } = part
  await turns.next()
  const reading = readingOfPart(part, bytes)
  await turns.next()
  const name = part.charset ?? charsetInHtml(part.type, bytes) ?? 'us-ascii'
  if (guesses.every((guess) => guess === 'charset')) {
    // In charsets with shifts, the text before new text would be encoded in another way.
    const shifts = /utf-?7|^hz|2022/.test(name)
    const isText = reading.sure || (!reading.ascii && !shifts)
    const same = isText && (await encodeCharset(name, html))?.equals(bytes) === true
    await turns.next()
    if (same) {
      const write = async (changed: string): Promise<void> => {
        const next = await encodeCharset(name, changed)
        // A text that was ASCII, and no longer is, needs a charset in the header.
        const said = part.charset !== undefined || isAscii(changed) || !isAscii(html)
        if (next !== undefined && said) part.setContent(next)
        else if (reading.sure) await part.setText(changed)
        else throw guessedHtml(part)
      }
      return { html, write }
    }
    if (reading.ascii) {
      return {
        html: escapedBytes(bytes),
        write: (changed) => part.setContent(encodeText(withReferences(changed))),
      }
    }
    if (reading.sure) return { html, write: (changed) => part.setText(changed) }
  }
  return {
    html,
    write() {
      throw guessedHtml(part)
    },
  }
}

const guessedHtml = ({ guesses }: MimePart): UsageError =>
  guessedPart(
    'rewriteHtmlPart',
    guesses.length > 0 ? guesses : ['charset'],
    'leave it alone, or replace it as a whole',
  )

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text)

/** One character for each byte. A byte that is not ASCII becomes a lone surrogate. */
const escapedBytes = (bytes: Buffer): string => decodeByTable(bytes, ESCAPED)

const ESCAPED = Uint16Array.from({ length: 256 }, (_none, byte) =>
  byte < 0x80 ? byte : 0xdc00 + byte,
)

/** Writes characters that are not ASCII as references. Surrogates that stand for bytes stay. */
export const withReferences = (html: string): string =>
  html.replaceAll(/[^\0-\x7f\udc80-\udcff]/gu, (one) => `&#${one.codePointAt(0)!};`)
