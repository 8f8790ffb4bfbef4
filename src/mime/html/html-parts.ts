/** Decides which parts are HTML, and which of those can be cleaned. */
import { decodeCharset } from '../encodings/charset.ts'
import { extensionOf } from '../attachments/file-names.ts'
import { readingOfPart } from '../tree/content-guesses.ts'
import { charsetOfMark, isInOwnCode, otherCharsets, otherTexts } from './html-charset.ts'
import type { SanitizeOptions } from './sanitize-options.ts'
import { sanitizeHtml } from './html-sanitize.ts'
import { htmlStart } from './html-start.ts'
import { htmlInCalendar, isCalendar, isRtfOfHtml } from './html-within.ts'
import { isActiveXml, mayBeShown } from './html-xml.ts'
import { isXmlType } from '../fields/media-type.ts'
import type { MimePart } from '../tree/part.ts'
import { Turns } from '../turns.ts'

/**
 * Whether the function `html` of a policy gets the part. The type decides, or the name if the type says nothing. XHTML
 * does not count: the rules of XML apply to it, and any name may be an element of HTML there.
 */
export const isHtmlPart = (part: MimePart): boolean =>
  part.children.length === 0 &&
  (part.type === 'text/html' ||
    (part.type === 'application/octet-stream' &&
      part.filenames.some((name) => /^html?$/.test(extensionOf(name)))))

const isHtmlName = (name: string): boolean => /^(?:[sx]?html?|xht|svg)$/.test(extensionOf(name))

/** Types of HTML with other names, and of texts with tags from which programs make HTML. */
const SHOWN_AS_HTML: ReadonlySet<string> = new Set([
  'text/html',
  'text/x-html',
  'text/x-amp-html',
  'text/enriched',
  'text/richtext',
])

/** Whether some program may show it as HTML: by a type, a name or its first bytes (MIME Sniffing, 7.1). */
export function seemsHtml(part: MimePart, names: readonly string[], start: Buffer): boolean {
  if (part.types.some((type) => SHOWN_AS_HTML.has(type) || isXmlType(type))) return true
  if (names.some(isHtmlName)) return true
  if (/^(?:image|audio|video)\//.test(part.type)) return false
  // Text that programs show as text may begin with a tag.
  if (part.type === 'text/plain' && !part.isAttachment) return false
  return beginsAsMarkup(start)
}

/** Maximum amount of white space before the first tag. */
const LOOKED_AT = 65_536

const TAG = htmlStart('(?!)')
const COMMENT = /^\s*<!--/
const XML = /^\s*<\?xml/i

const beginsAsMarkup = (start: Buffer): boolean => {
  const text = startOf(start)
  return TAG.test(text) || COMMENT.test(text) || XML.test(text)
}

/** The first characters after a byte order mark, which shows that the text is UTF-16. */
function startOf(bytes: Buffer): string {
  const start = bytes.subarray(0, LOOKED_AT)
  const mark = charsetOfMark(start)
  const text = decodeCharset(mark ?? 'latin1', start)!
  return mark === undefined ? text : text.replace(/^\ufeff/, '')
}

/** HTML above this size that is not cleaned is reported unread, because reading it would take long. */
const LARGEST_READ = 1_048_576

/**
 * Whether active HTML is left.
 * @param cleaned whether its usual text is cleaned, so that only its other texts count
 */
export async function isLeftActive(
  part: MimePart,
  bytes: Buffer,
  cleaned: boolean,
  options: SanitizeOptions,
): Promise<boolean> {
  const labels = part.describing().flatMap((field) => field.readingsOf('charset'))
  const charsets = otherCharsets(labels, bytes)
  // Content that only begins like XML is XML for programs that decide by the first bytes.
  const isXml =
    part.types.some(isXmlType) || (!part.filenames.some(isHtmlName) && XML.test(startOf(bytes)))
  const isShown = !isXml || part.types.some((type) => SHOWN.has(type))
  if (isShown && charsets.length > 0 && bytes.length > LARGEST_READ) return true
  const isOpaque = isInOwnCode(labels, bytes)
  if (isShown && isOpaque) return true
  const turns = new Turns()
  const usual = await part.text()
  const texts = await otherTexts(labels, charsets, bytes, usual, turns)
  // A text that was read by a guess is not written back (GUESSED_PART).
  const { sure, ascii } = readingOfPart(part, bytes)
  const guessed = !(sure || ascii) || part.guesses.some((guess) => guess !== 'charset')
  if (!cleaned || guessed) {
    texts.add(usual)
    texts.add(bytes.toString('latin1'))
  }
  if (isFlowed(part)) {
    for (const text of [usual, ...texts]) {
      await turns.next()
      for (const one of unflowed(text)) texts.add(one)
    }
  }
  if (texts.size === 0) return isOpaque
  if (!isShown && ![...texts].some(mayBeShown)) return false
  if (isOpaque || bytes.length > LARGEST_READ) return true
  for (const text of texts) {
    await turns.next()
    if (!cleaned && isActiveXml(text, options)) return true
    if (await isActiveHtml(text, options)) return true
  }
  return false
}

/** Whether a calendar contains active HTML, or the part is RTF made from HTML, which is not read. */
export async function holdsActiveHtml(
  part: MimePart,
  names: readonly string[],
  bytes: Buffer,
  options: SanitizeOptions,
  turns: Turns,
): Promise<boolean> {
  if (isRtfOfHtml(bytes)) return true
  const extensions = names.map((name) => extensionOf(name))
  if (!isCalendar(part.types, extensions)) return false
  for (const text of new Set([bytes.toString('latin1'), await part.text()])) {
    for (const html of htmlInCalendar(text)) {
      await turns.next()
      if (await isActiveHtml(html, options)) return true
    }
  }
  return false
}

export const isActiveHtml = async (text: string, options: SanitizeOptions): Promise<boolean> =>
  (await sanitizeHtml(text, options)).removed.length > 0

/** Types that mail programs show or give to a browser. Other XML can turn out to be one of them. */
const SHOWN: ReadonlySet<string> = new Set([
  'text/html',
  'application/xhtml+xml',
  'image/svg',
  'image/svg+xml',
])

/** Some programs also join the lines of HTML (postal-mime). RFC 3676 allows it only for text/plain. */
const isFlowed = (part: MimePart): boolean =>
  part
    .describing()
    .some((field) => field.readingsOf('format').some((one) => /flowed/i.test(one)))

function unflowed(text: string): string[] {
  const lines = text.replaceAll(/^ /gm, '')
  return [lines.replaceAll(/ \r?\n/g, ''), lines.replaceAll(/ \r?\n/g, ' ')]
}
