import { UsageError } from '../errors.ts'
import { encodeCharset, decodeAnyCharset } from './charset.ts'
import { placeIn } from './html.ts'
import { escapeHtml, readHtml, TEXT_ELEMENTS } from './html-tokens.ts'
import type { MimeMessage } from './message.ts'
import { lineEndOf } from './line-end.ts'
import type { MimePart } from './part.ts'

export interface Footer {
  /** for plain text, in lines */
  readonly text: string
  /** for HTML, written as it is. @default the text, with `<br>` for its line ends */
  readonly html?: string | undefined
  /** @default 'bottom' */
  readonly position?: 'bottom' | 'top' | undefined
  /**
   * A word that is put around the HTML version, as `data-footer`; where it is found, the footer is there
   * already. Letters, digits, `.`, `_` and `-`, 4 of them at least.
   */
  readonly mark?: string | undefined
  /**
   * What to do if the text is signed or encrypted: leave the message alone, or put the footer beside it
   * as a part of its own.
   * @default 'skip'
   */
  readonly sealed?: 'skip' | 'wrap' | undefined
}

/** `present`: it was there before. `sealed`: the text is signed or encrypted. */
export type FooterResult = 'added' | 'present' | 'sealed'

/**
 * Adds a footer, or a banner, to the text of a message: to the plain version and to the HTML one. Of a
 * multipart/mixed only its first text is meant, of a multipart/related its root; attachments and
 * attached messages are not touched. A message without a text (an attachment alone, a calendar entry)
 * becomes a multipart/mixed with the footer as its first part.
 *
 * Where a version has it already, as one that is a reply may, nothing is done: neither blanks, line
 * breaks nor `>` count in that. What is signed or encrypted is never changed.
 *
 * Text with format=flowed (RFC 3676) stays so. Charset and transfer encoding stay where they can carry
 * the footer; the bytes of the text are kept. Every change breaks signatures of DKIM that came
 * with the message.
 *
 * @throws UsageError INVALID_OPTION; WRONG_STAGE
 */
export async function addFooter(message: MimeMessage, footer: Footer): Promise<FooterResult> {
  check(footer)
  const { versions, sealed } = textOf(message)
  const seen = sealed ? message.textParts : versions
  for (const part of seen) if (await isPresent(part, footer)) return 'present'
  if (sealed && footer.sealed !== 'wrap') return 'sealed'
  if (sealed || versions.length === 0) {
    // Beside what is sealed it has its place; an attachment comes behind what can be read.
    addPart(message, footer, sealed && footer.position !== 'top')
    return 'added'
  }
  for (const part of versions) {
    if (part.type === 'text/html') await addHtml(part, footer)
    else await addText(part, footer)
  }
  return 'added'
}

function check({ text, html, mark, position, sealed }: Footer): void {
  const fault =
    typeof text !== 'string' || folded(text) === ''
      ? 'text: a footer has a text, which is how it is found again'
      : html !== undefined && typeof html !== 'string'
        ? 'html: takes a string'
        : mark !== undefined && !/^[\w.-]{4,100}$/.test(mark)
          ? 'mark: takes 4 to 100 letters, digits, dots, underscores and hyphens'
          : ![undefined, 'bottom', 'top'].includes(position)
            ? "position: is 'bottom' or 'top'"
            : ![undefined, 'skip', 'wrap'].includes(sealed)
              ? "sealed: is 'skip' or 'wrap'"
              : undefined
  if (fault !== undefined) throw new UsageError('INVALID_OPTION', `footer.${fault}`)
}

// ---- which parts

interface Text {
  readonly versions: readonly MimePart[]
  /** what a reader takes for the text is signed or encrypted, one version of it at least */
  readonly sealed: boolean
}

const NONE: Text = { versions: [], sealed: false }

/** The versions of the text of a message. The depth of the tree is bounded by the parser. */
function textOf(part: MimePart): Text {
  if (part.protection !== undefined) return { versions: [], sealed: true }
  const { type } = part
  if (!part.isMultipart) {
    const isText = (type === 'text/plain' || type === 'text/html') && !part.isAttachment
    return isText ? { versions: [part], sealed: false } : NONE
  }
  if (type === 'multipart/related') {
    // RFC 2387, section 3.2: the root is the first part where none is named.
    const start = part.parameter('start')?.replace(/^\s*<(.*)>\s*$/s, '$1')
    const named = part.children.find(
      ({ contentId }) => contentId !== undefined && contentId === start,
    )
    const root = named ?? part.children[0]
    return root === undefined ? NONE : textOf(root)
  }
  if (type === 'multipart/alternative') {
    const all = part.children.map(textOf)
    return {
      versions: all.flatMap(({ versions }) => versions),
      sealed: all.some(({ sealed }) => sealed),
    }
  }
  for (const child of part.children) {
    const text = textOf(child)
    if (text.sealed || text.versions.length > 0) return text
  }
  return NONE
}

/** The footer as a part beside the others. */
function addPart(message: MimeMessage, footer: Footer, last: boolean): void {
  const beside = message.type === 'multipart/mixed' && message.children.length > 0
  if (!beside) message.wrap()
  const content = `${footer.text.replace(/[\r\n]+$/, '')}\n`
  message.insert(last ? message.children.length : 0, {
    content,
    type: 'text/plain',
    disposition: 'inline',
  })
}

// ---- whether it is there

/** Without blanks, and without the marks of a quotation. */
const folded = (text: string): string =>
  text.replaceAll(/^[>\s]+/gm, '').replaceAll(/[\s\u00ad\u200b\ufeff]+/g, '')

async function isPresent(part: MimePart, footer: Footer): Promise<boolean> {
  const text = await part.text()
  const wanted = folded(footer.text)
  if (part.type !== 'text/html') return folded(text).includes(wanted)
  if (footer.mark !== undefined && text.includes(footer.mark)) return true
  const shown = folded(await shownText(text))
  if (shown.includes(wanted)) return true
  const html = htmlOf(footer)
  const own = folded(await shownText(html))
  if (own !== '' && shown.includes(own)) return true
  // A footer may be a picture.
  const source = folded(text)
  return source.includes(folded(html)) || source.includes(folded(withReferences(html)))
}

/** The text of HTML, without what belongs to no text. */
async function shownText(html: string): Promise<string> {
  const pieces: string[] = []
  let hidden = false
  await readHtml(html, {
    startTag({ name }) {
      hidden = TEXT_ELEMENTS.has(name)
    },
    endTag() {
      hidden = false
    },
    text(_start, _end, text) {
      if (!hidden) pieces.push(text)
    },
  })
  return pieces.join('')
}

// ---- plain text

async function addText(part: MimePart, footer: Footer): Promise<void> {
  const text = await part.text()
  const flowed = part.parameter('format')?.toLowerCase() === 'flowed'
  const lines = footer.text.replace(/[\r\n]+$/, '').split(/\r\n|\r|\n/)
  const block = (flowed ? lines.map(fixedLine) : lines).join('\n')
  if (footer.position === 'top') {
    await insertText(part, text, 0, text === '' ? block : `${block}\n\n`)
    return
  }
  await insertText(part, text, text.length, spaceBelow(text, flowed) + block + endLike(text))
}

/**
 * A line that does not flow into the next one, and is no quotation (RFC 3676, section 4.2 and 4.4). The
 * separator of signatures keeps its blank (section 4.3).
 */
function fixedLine(line: string): string {
  const fixed = line === '-- ' ? line : line.replace(/ +$/, '')
  return /^(?: |>|From )/.test(fixed) ? ` ${fixed}` : fixed
}

/** What is to stand between a text and a footer below it: an empty line. */
function spaceBelow(text: string, flowed: boolean): string {
  if (text === '') return ''
  const end = /(?:\r\n|\r|\n)?(?:\r\n|\r|\n)?$/.exec(text.slice(-4))![0]
  const ends = end.match(/\r\n|\r|\n/g)?.length ?? 0
  const above = text.slice(0, text.length - end.length)
  const line = above.slice(Math.max(above.lastIndexOf('\n'), above.lastIndexOf('\r')) + 1)
  // A line that flows takes the next one to itself, be it empty (RFC 3676, section 4.2).
  const flows = flowed && line.endsWith(' ') && line !== '-- '
  return '\n'.repeat(Math.max(0, (flows ? 3 : 2) - ends))
}

/** The body of a part ends before the line end of its delimiter; that of a message has its own. */
const endLike = (text: string): string => (/[\r\n]$/.test(text) ? '\n' : '')

// ---- HTML

async function addHtml(part: MimePart, footer: Footer): Promise<void> {
  const html = await part.text()
  const { charset } = part
  // Any charset carries references: the text keeps its own.
  const utf8 = charset === 'utf-8' || charset === 'utf8'
  const block = utf8 ? htmlOf(footer) : withReferences(htmlOf(footer))
  const at = await placeIn(html, footer.position ?? 'bottom')
  await insertText(part, html, at, `\n${block}\n`)
}

function htmlOf({ text, html, mark }: Footer): string {
  const own =
    html ?? escapeHtml(text.replace(/[\r\n]+$/, '')).replaceAll(/\r\n|\r|\n/g, '<br>\n')
  if (mark !== undefined) return `<div data-footer="${mark}">${own}</div>`
  return html ?? `<div>${own}</div>`
}

const withReferences = (html: string): string =>
  html.replaceAll(/[^\0-\x7f]/gu, (one) => `&#${one.codePointAt(0)!};`)

// ---- bytes

/**
 * Inserts in the bytes of a part, so that those that are no text in its charset stay; where its text does
 * not show where to, the whole is written anew.
 */
async function insertText(
  part: MimePart,
  text: string,
  at: number,
  addition: string,
): Promise<void> {
  const bytes = part.bytes()
  const lines = addition.replaceAll('\n', lineEndIn(text, part))
  const added = await encodeCharset(part.charset ?? 'us-ascii', lines)
  const above = text.slice(0, at)
  const before =
    at === text.length ? bytes : await encodeCharset(part.charset ?? 'utf-8', above)
  if (added !== undefined && before?.equals(bytes.subarray(0, before.length)) === true) {
    const joined = Buffer.concat([before, added, bytes.subarray(before.length)])
    // Charsets with states, or with a mark at their start, are told by what is read then.
    const read = await decodeAnyCharset(part.charset ?? '', joined)
    if (read === above + lines + text.slice(at)) {
      part.setContent(joined)
      return
    }
  }
  await part.setText(above + addition + text.slice(at))
}

/** The line ends of the text; of a text without any those of the message. */
function lineEndIn(text: string, part: MimePart): string {
  const feed = text.indexOf('\n')
  if (feed !== -1) return text[feed - 1] === '\r' ? '\r\n' : '\n'
  let top = part
  while (top.parent !== undefined) top = top.parent
  return lineEndOf(top.toBytes())
}
