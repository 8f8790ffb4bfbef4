/** The charsets in which programs can read HTML (HTML, section 13.2.3.2). */
import { isAscii } from 'node:buffer'
import { charsetReadings } from '../encodings/charset-readings.ts'
import { hasShifts, isOfJapan, ownCodeOf, textsOutsideShifts } from '../encodings/own-codes.ts'
import type { Turns } from '../turns.ts'

/** Number of bytes that are searched for a charset. Browsers search more than the 1,024 bytes of the standard. */
const LOOKED_THROUGH = 2048

/**
 * The charset that HTML itself names. Mail programs use it if the header names none. A text in which the name can be
 * read is not UTF-16 (HTML, section 13.2.3.2, step 15 of the prescan).
 */
export function charsetInHtml(type: string, bytes: Buffer): string | undefined {
  if (type !== 'text/html') return undefined
  return metaCharset(bytes.toString('latin1', 0, LOOKED_THROUGH))?.name
}

/** The charset of the byte order mark. It overrides all other names (Encoding, decode). */
export function charsetOfMark(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 'utf-8' : undefined
}

/** The charset of a text. In HTML, a byte order mark counts first, then the label, then what the HTML names. */
export function charsetSaid(
  type: string,
  label: string | undefined,
  bytes: Buffer,
): string | undefined {
  const mark = type === 'text/html' ? charsetOfMark(bytes) : undefined
  return mark ?? label ?? charsetInHtml(type, bytes)
}

/** Charsets that contain ASCII. Markup is the same in all of them. */
const ASCII =
  /^(?:(?:us-)?ascii|utf-?8|iso[-_]?8859[-_]?\d+(?:-[ei])?|windows-?(?:125\d|874)|cp(?:125\d|437|737|775|85\d|86\d|93[26]|949|950)|ibm(?:437|85\d|86\d)|latin-?\d|koi8-?[ru]|gb_?2312|gbk|gb18030|big5(?:-hkscs)?|euc-(?:jp|kr|cn|tw)|ks_c_5601-1987|shift[-_]?jis|sjis|macintosh|tis-620)$/

/**
 * The charsets in which some programs read HTML differently: if the labels contradict each other, the byte order mark
 * or the HTML itself, or if a label names a charset that does not contain ASCII.
 * @param labels the charsets of the header; if there are none, those of any meta element or XML declaration count
 */
export function otherCharsets(labels: readonly string[], bytes: Buffer): string[] {
  const said = labels.length > 0 ? labels : namesInside(bytes)
  const names = new Set(said.map((one) => one.trim().toLowerCase()).filter(Boolean))
  const mark = charsetOfMark(bytes)
  if (mark !== undefined) names.add(mark)
  // An XML declaration of UTF-16 needs no mark (XML 1.0, appendix F).
  const wide = mark === undefined && bytes.subarray(0, 8).includes(0)
  if (wide) names.add('utf-16')
  const all = [...names]
  const isAsciiText = mark === undefined && all.every((one) => ASCII.test(one))
  return isAsciiText && (all.length < 2 || isAscii(bytes)) ? [] : all.slice(0, MAX_CHARSETS)
}

/**
 * The texts that programs read in HTML, except for the usual one.
 * @param charsets the result of {@link otherCharsets}
 */
export async function otherTexts(
  labels: readonly string[],
  charsets: readonly string[],
  bytes: Buffer,
  usual: string,
  turns: Turns,
): Promise<Set<string>> {
  const texts = new Set<string>()
  const all = bytes.toString('latin1')
  // Escapes also count for programs that guess. A tilde and a brace can be in any text.
  if (hasEscapes(all) || (hasShifts(all) && labels.some((one) => ownCodeOf(one) === 'hz'))) {
    for (const text of textsOutsideShifts(all)) texts.add(text)
  }
  if (charsets.length === 0) return texts
  for (const name of charsets) {
    await turns.next()
    for (const text of charsetReadings(name, bytes)) texts.add(text)
  }
  texts.add(all)
  // UTF-32 without a label, in either byte order. Some programs skip characters that they do not know.
  if (all.includes('\0')) texts.add(all.replaceAll('\0', ''))
  texts.delete(usual)
  return texts
}

/** ESC, SO and SI. Text in other charsets does not have them. */
// oxlint-disable-next-line eslint/no-control-regex -- bytes
const hasEscapes = (text: string): boolean => /\x1b[$(-/]|[\x0e\x0f]/.test(text)

/**
 * Whether a label or the HTML itself names a charset whose support differs between programs. How they read it is not
 * known here.
 */
export function isInOwnCode(labels: readonly string[], bytes: Buffer): boolean {
  const text = bytes.toString('latin1')
  const names = new Set(labels)
  for (const [, name] of text.matchAll(SAID_INSIDE)) names.add(name!)
  const codes = new Set(Array.from(names, ownCodeOf))
  if (UNREADABLE.some((code) => codes.has(code))) return true
  if (!hasShifts(text)) return false
  if (codes.has('hz') || codes.has('iso-2022')) return true
  return codes.has('iso-2022-jp') && !isOfJapan(text)
}

const UNREADABLE = ['ebcdic', 'other', 'utf-32', 'utf-7'] as const

/** A charset in a meta element or an XML declaration, anywhere in the text. */
const SAID_INSIDE = /<(?:meta|\?xml)\s[^<>]*?(?:charset|encoding)\s*=[\s"']*([\w.:-]+)/gi

/** Maximum number of charsets that are tried. */
const MAX_CHARSETS = 8

/** Names that look like charsets, even where the standard does not search for them. */
function namesInside(bytes: Buffer): string[] {
  const names = new Set<string>()
  const text = bytes.toString('latin1')
  for (const [, name] of text.matchAll(NAMED)) {
    names.add(name!.toLowerCase())
    if (names.size === MAX_CHARSETS) break
  }
  return [...names]
}

const NAMED = /(?:charset|encoding)\s*=[\s"']*([\w.:-]+)/gi

// ---- the prescan

export interface MetaCharset {
  /** in lower case */
  readonly name: string
  /** where the name is in the text */
  readonly start: number
  readonly end: number
}

/**
 * The charset that a text names by the rules of HTML (section 13.2.3.2, prescan a byte stream): that of the first meta
 * element with a known charset. Comments and other elements do not count. If browsers know none of the names, this is
 * the first one.
 */
export function metaCharset(text: string): MetaCharset | undefined {
  let unknown: MetaCharset | undefined
  const take = (found: MetaCharset | undefined): MetaCharset | undefined => {
    if (found === undefined) return undefined
    const usual = usualName(found.name)
    if (usual !== undefined) return { ...found, name: usual }
    unknown ??= found
    return undefined
  }
  TOKEN.lastIndex = 0
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const name = match[1]?.toLowerCase()
    if (name === undefined) continue
    const attributes = attributesAt(text, TOKEN.lastIndex)
    TOKEN.lastIndex = attributes.end
    const found = name === 'meta' ? take(charsetOf(attributes.list)) : undefined
    if (found !== undefined) return found
  }
  // If no meta element names a charset, an XML declaration can (get an XML encoding).
  const declared = text.startsWith('<') ? declaredCharset(text) : undefined
  return take(declared) ?? unknown
}

/** The charset in an XML declaration. Spaces before it are an error that some programs ignore. */
export function declaredCharset(text: string): MetaCharset | undefined {
  const found = /^(\ufeff?\s*<\?xml[^>]*?\sencoding\s*=\s*["'])([\w.:-]+)/.exec(text)
  if (found === null) return undefined
  const start = found[1]!.length
  const name = found[2]!.toLowerCase()
  return { name, start, end: start + name.length }
}

/** A comment, a tag (its name is the first group), or text that is skipped up to a `>`. */
const TOKEN = /<!--(?:-?>|[^]*?-->|[^]*$)|<\/?([a-z][^\t\n\f\r />]*)|<[!/?][^>]*>?/gi

interface Attribute {
  readonly name: string
  readonly value: string
  /** where its value is in the text */
  readonly start: number
}

const ATTRIBUTE =
  /[\t\n\f\r /]*([^\t\n\f\r />][^\t\n\f\r />=]*)(?:[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"]*)(?:"|$)|'([^']*)(?:'|$)|([^\t\n\f\r >"'][^\t\n\f\r >]*)))?/y

function attributesAt(text: string, from: number): { list: Attribute[]; end: number } {
  const list: Attribute[] = []
  ATTRIBUTE.lastIndex = from
  let end = from
  for (let match = ATTRIBUTE.exec(text); match !== null; match = ATTRIBUTE.exec(text)) {
    end = ATTRIBUTE.lastIndex
    const value = match[2] ?? match[3] ?? match[4] ?? ''
    const name = match[1]!.toLowerCase()
    const start = match.index + match[0].lastIndexOf(value)
    if (!list.some((one) => one.name === name)) list.push({ name, value, start })
  }
  return { list, end }
}

/** The charset of a meta element. */
function charsetOf(attributes: readonly Attribute[]): MetaCharset | undefined {
  const pragma = attributes.some(
    ({ name, value }) => name === 'http-equiv' && value.toLowerCase() === 'content-type',
  )
  let found: MetaCharset | undefined
  for (const { name, value, start } of attributes) {
    if (name === 'charset') {
      const [, space, label] = /^(\s*)(.*?)\s*$/s.exec(value)!
      const at = start + space!.length
      return label === ''
        ? undefined
        : { name: label!.toLowerCase(), start: at, end: at + label!.length }
    }
    const named =
      name === 'content' && pragma
        ? /(^.*?charset\s*=\s*["']?\s*)([^\s"';]+)/is.exec(value)
        : null
    if (named !== null) {
      const at = start + named[1]!.length
      found = { name: named[2]!.toLowerCase(), start: at, end: at + named[2]!.length }
    }
  }
  return found
}

/** The charset that a browser uses for a name; undefined if it does not know the name. */
function usualName(name: string): string | undefined {
  if (/utf-?(?:16|32)|ucs|unicode/.test(name)) return 'utf-8'
  if (name === 'x-user-defined') return 'windows-1252'
  try {
    return new TextDecoder(name).encoding === 'utf-16le' ? 'utf-8' : name
  } catch {
    return undefined
  }
}
