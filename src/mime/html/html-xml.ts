/**
 * Finds active content in XHTML and SVG by the rules of XML. With a namespace, any name may be an element of HTML
 * there. So names count without their prefixes, and in any namespace. This cleans nothing.
 */
import { activeAttribute, isActiveTag, REMOVED_WHOLE } from './html-rules.ts'
import type { SanitizeOptions } from './sanitize-options.ts'
import { cleanStyle } from './html-style.ts'
import type { HtmlAttribute } from './html-tokens.ts'

/** Of XML that is neither XHTML nor SVG by its type: whether it may be either. */
export function mayBeShown(xml: string): boolean {
  const text = withReferences(xml)
  return /www\.w3\.org\/(?:1999\/xhtml|2000\/svg|1998\/math)/i.test(text) || declares(text)
}

/** A document type can define elements and attributes too, and a style sheet can turn anything into HTML. */
function declares(xml: string): boolean {
  if (/<!(?:entity|attlist)|<\?xml-stylesheet/i.test(xml)) return true
  // Continues after each declaration, so that many without an end are not searched again and again.
  for (const { 0: start, index } of xml.matchAll(/<!doctype[^>[]*/gi)) {
    if (xml[index + start.length] === '[') return true
  }
  return false
}

/** Whether XML has something active, or with `keepRemote: false` something that is loaded. */
export function isActiveXml(xml: string, options: SanitizeOptions): boolean {
  if (declares(xml)) return true
  let hasStyle = false
  for (const [, prefixed, text] of xml.matchAll(TAG)) {
    const name = localName(prefixed!)
    const attributes = attributesOf(text!)
    if (REMOVED_WHOLE.has(name) || ACTIVE.has(name)) return true
    if (isActiveTag({ name, attributes, start: 0, end: 0, selfClosing: false }, options))
      return true
    if (attributes.some((one) => activeAttribute(name, one, options) !== undefined)) return true
    hasStyle ||= name === 'style'
  }
  if (!hasStyle) return false
  // Once for all of them: where one ends is not looked for.
  const css = withReferences(xml.replaceAll(/<!\[CDATA\[|\]\]>|<!--|-->/g, ''))
  return cleanStyle(css, options) !== css
}

/** A start tag: its name, and its attributes. A `<` in a value is an error there. */
const TAG = /<([^\s<>/!?='"]+)((?:[^<>"']+|"[^"]*"|'[^']*')*)/g

/** They set an address after it was checked, run code, or load something. */
const ACTIVE: ReadonlySet<string> = new Set(['animate', 'feimage', 'handler', 'set'])

const localName = (name: string): string => name.slice(name.indexOf(':') + 1).toLowerCase()

/** From its first letter on: a name is read once, however long it is. */
const ATTRIBUTE = /(?<![^\s=<>"'/])([^\s=<>"'/]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g

function attributesOf(text: string): HtmlAttribute[] {
  return [...text.matchAll(ATTRIBUTE)].map(([, name, one, other]) => ({
    name: localName(name!),
    value: withReferences(one ?? other ?? ''),
    start: 0,
    end: 0,
  }))
}

/** Character references undone; those to entities need a document type. */
const withReferences = (text: string): string =>
  text.replaceAll(/&#(?:x([0-9a-f]+)|(\d+));/gi, (all, hex?: string, decimal?: string) => {
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : all
  })
