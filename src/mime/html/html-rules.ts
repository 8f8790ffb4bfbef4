/** Finds active content in HTML: it runs code, loads a page into this one, or leads away from it. */
import { cleanStyle, isActiveStyle, isRemoteStyle } from './html-style.ts'
import type { HtmlAttribute, HtmlStartTag } from './html-tokens.ts'
import type { SanitizeOptions } from './sanitize-options.ts'

/** Elements that are removed with their content. Programs without scripts read `noscript` in another way. */
export const REMOVED_WHOLE: ReadonlySet<string> = new Set([
  'iframe',
  'noembed',
  'noframes',
  'noscript',
  'plaintext',
  'script',
  'xmp',
])

/** Elements whose tags are removed. Their content stays; programs that do not know the element show it. */
const REMOVED_TAGS: ReadonlySet<string> = new Set([
  'applet',
  'base',
  'embed',
  'fencedframe',
  'frame',
  'frameset',
  'object',
  'portal',
  'track',
])

/** Whether a tag is removed without its content. */
export function isActiveTag(
  { name, attributes }: HtmlStartTag,
  options: SanitizeOptions,
): boolean {
  if (REMOVED_TAGS.has(name)) return true
  // Internet Explorer made `isindex` a form of its own.
  if (name === 'form' || name === 'isindex') return options.keepForms !== true
  if (name === 'meta') return isActiveMeta(attributes)
  if (name !== 'link') return false
  const words = valueOf(attributes, 'rel').toLowerCase().split(/\s+/)
  const remote = options.keepRemote !== false
  const styles = options.keepStylesheets === true && remote
  const files = remote || isLocal('href', valueOf(attributes, 'href'))
  return words.some(
    (word) =>
      !KEPT_LINKS.has(word) &&
      !(files && WORD_FILES.has(word)) &&
      !(styles && word === 'stylesheet'),
  )
}

/**
 * Fields of a server's answer that a page can have too, and that lead away or load something: Firefox
 * followed `Link` (nsContentSink::ProcessHeaderData), and with `X-DNS-Prefetch-Control` Chromium looks up the
 * names of all links, which are known to the sender.
 */
function isActiveMeta(attributes: readonly HtmlAttribute[]): boolean {
  const field = valueOf(attributes, 'http-equiv').trim().toLowerCase()
  if (field !== 'x-dns-prefetch-control') return field === 'refresh' || field === 'link'
  return !/^\s*off\s*$/i.test(valueOf(attributes, 'content'))
}

/**
 * Links that browsers follow only if the user asks for it (HTML, section 4.6.7). For all others, browsers load the
 * address or connect to it, or may do so: Firefox for `next` (Link::TrySpeculativeLoadFeature), Chromium for `search`
 * (SearchEngineTabHelper).
 */
const KEPT_LINKS: ReadonlySet<string> = new Set([
  '',
  ...'alternate author bookmark canonical help license nofollow noopener noreferrer tag'.split(
    ' ',
  ),
])

/** Files that Word keeps beside a page. */
const WORD_FILES: ReadonlySet<string> = new Set(
  'colorschememapping edit-time-data file-list oleobjectdata original-file preview themedata'.split(
    ' ',
  ),
)

const valueOf = (attributes: readonly HtmlAttribute[], name: string): string =>
  attributes.find((one) => one.name === name)?.value ?? ''

/** Attributes whose value is an address. Mail programs know more of them than browsers. */
const ADDRESSES: ReadonlySet<string> = new Set([
  'action',
  'background',
  'cite',
  'classid',
  'codebase',
  'data',
  'dynsrc',
  'formaction',
  'href',
  'icon',
  'longdesc',
  'lowsrc',
  'manifest',
  'ping',
  'poster',
  'profile',
  'src',
  'usemap',
  'xlink:href',
])

/** What is wrong with an attribute, in words, and its new value. An attribute without a new value is removed. */
export interface ActiveAttribute {
  readonly what: string
  readonly value?: string | undefined
}

/** What is active in an attribute, or undefined if nothing is. */
export function activeAttribute(
  element: string,
  { name, value }: HtmlAttribute,
  options: SanitizeOptions,
): ActiveAttribute | undefined {
  const itself = { what: `attribute ${name}` }
  if (name.startsWith('on') || ALWAYS_OUT.has(name)) return itself
  if (name === 'formaction' && options.keepForms !== true) return itself
  // What is drawn from another document, which is loaded for it; one's own stays.
  if (DRAWN_FROM.has(element.toLowerCase()) && name.endsWith('href') && !/^\s*#/.test(value))
    return itself
  if (PAINTS.test(name) && isRemoteStyle(value)) return itself
  if (name === 'style') {
    const left = cleanStyle(value, options)
    if (left === value) return undefined
    return { what: isActiveStyle(value) ? 'code' : 'address from elsewhere', value: left }
  }
  const local = options.keepRemote === false
  if (local && isLoaded(element, name) && !isLocal(name, value)) {
    return { what: 'address from elsewhere' }
  }
  if (name === 'srcset') {
    const active = srcsetUrls(value).some(({ url }) => isActiveUrl(url, true))
    return active ? CODE : undefined
  }
  if (!ADDRESSES.has(name)) return undefined
  const image = element === 'img' && name === 'src'
  return isActiveUrl(value, image) ? CODE : undefined
}

/**
 * A page in a page, addresses that get a report of a click or of a shown picture (Attribution Reporting), and a base
 * for addresses, with which old browsers resolved even `#name`.
 */
const ALWAYS_OUT: ReadonlySet<string> = new Set([
  'attributionsrc',
  'manifest',
  'ping',
  'srcdoc',
  'xml:base',
])

const CODE: ActiveAttribute = { what: 'address that runs code' }

const DRAWN_FROM: ReadonlySet<string> = new Set([
  'lineargradient',
  'pattern',
  'radialgradient',
  'textpath',
  'use',
])

/** Attributes of SVG that are styles, and may name a document. */
const PAINTS = /^(?:fill|stroke|filter|mask|clip-path|marker(?:-start|-mid|-end)?|cursor)$/

/** `althref` is of VML, `environmentmap` of `model`, `datasrc` of Internet Explorer. */
const LOADED =
  /^(?:[\w-]+:)?(?:src|srcset|imagesrcset|poster|background|lowsrc|dynsrc|datasrc|icon|althref|environmentmap)$/

/** Whether programs load what an attribute names as soon as they show it; Office has names of its own (`o:href`). */
const isLoaded = (element: string, name: string): boolean =>
  LOADED.test(name) ||
  (/^(?:[\w-]+:)?href$/.test(name) &&
    !['a', 'area', 'link'].includes(element) &&
    !(name === 'href' && SHAPE.test(element)))

/** A shape of VML is a link where it has a `href` (Office VML Reference, href). */
const SHAPE = /^v:(?:arc|curve|group|image|line|oval|polyline|rect|roundrect|shape)$/

function isLocal(name: string, value: string): boolean {
  const urls = name.endsWith('srcset') ? srcsetUrls(value).map(({ url }) => url) : [value]
  return urls.every((url) => /^\s*(?:$|#|(?:cid|mid|data|about):)/i.test(url))
}

/**
 * White space and control characters do not count, wherever they are: browsers ignore line ends and tabs in a scheme
 * (URL Standard, section 4.4), and other programs ignore more. An SVG in an `img` runs no scripts.
 */
function isActiveUrl(url: string, image: boolean): boolean {
  // oxlint-disable-next-line eslint/no-control-regex -- they are what is taken out
  const bare = url.replaceAll(/[\0- \x7f-\xa0\xad\u200b-\u200f\u2028\u2029\ufeff\ufffd]+/g, '')
  const start = bare.slice(0, 64).toLowerCase()
  if (/^(?:javascript|vbscript|livescript|jscript):/.test(start)) return true
  if (!image && start.startsWith('data:image/svg')) return true
  return /^data:(?:text\/(?:html|xml)|application\/(?:xhtml\+xml|xml))/.test(start)
}

/**
 * Whether hidden text, such as a comment, would be active if a program read it. Some programs do
 * (`<!--[if mso]>`). This does not need proof.
 */
export const isActiveSource = (source: string): boolean =>
  source.includes('<') && ACTIVE_SOURCE.test(source)

const ACTIVE_SOURCE =
  /<(?:script|iframe|frame|frameset|object|embed|applet|portal|base|svg|math|noscript|plaintext|xmp)(?![\w:-])|[\s"'/]on[a-z]+\s*=|srcdoc|http-equiv\s*=[\s"']*refresh|(?:java|vb)script\s*(?::|&colon|&#)|data:text\/html|j&#|&tab;|&newline;|expression\s*\(|-moz-binding/i

/**
 * Elements of SVG and MathML that are kept, each closed in its turn. Among others, or out of order,
 * browsers leave the foreign content at places that only building the whole tree could tell.
 */
export const PLAIN_FOREIGN: ReadonlySet<string> = new Set(
  (
    'a circle clippath defs desc ellipse g image line lineargradient path polygon polyline ' +
    'radialgradient rect stop symbol text title tspan use ' +
    'mfrac mi mn mo mrow msqrt msub msup'
  ).split(' '),
)

/** Elements in which HTML is read again (HTML, section 13.2.6). Only text is kept in them. */
export const INTEGRATION_POINTS: ReadonlySet<string> = new Set([
  'desc',
  'title',
  'mi',
  'mn',
  'mo',
])

/** The addresses of a `srcset` (HTML, section 4.8.4.2.2), and where they are in it. */
export function srcsetUrls(value: string): { url: string; start: number; end: number }[] {
  const urls: { url: string; start: number; end: number }[] = []
  const candidate = /[^\s,]\S*/g
  for (let match = candidate.exec(value); match !== null; match = candidate.exec(value)) {
    const url = match[0].replace(/(?<!,),+$/, '')
    urls.push({ url, start: match.index, end: match.index + url.length })
    if (url.length < match[0].length) continue
    // Descriptors follow, up to a comma.
    const comma = value.indexOf(',', candidate.lastIndex)
    if (comma === -1) break
    candidate.lastIndex = comma + 1
  }
  return urls
}
