import {
  activeAttribute,
  INTEGRATION_POINTS,
  isActiveSource,
  isActiveTag,
  PLAIN_FOREIGN,
  REMOVED_WHOLE,
} from './html-rules.ts'
import type { SanitizeOptions } from './sanitize-options.ts'
import { cleanStyle } from './html-style.ts'
import {
  applyEdits,
  readHtml,
  TEXT_ELEMENTS,
  writeTag,
  type HtmlEdit,
  type HtmlStartTag,
  type HtmlTag,
} from './html-tokens.ts'

export interface SanitizedHtml {
  /** The cleaned HTML. If nothing was removed, it is the same string. */
  readonly html: string
  /** What was removed, in words, each once: `element script`, `attribute onclick of a`. */
  readonly removed: readonly string[]
}

/** The maximum length of the list of removals. */
const MAX_TOLD = 100
/** Maximum number of drawings that are cut out. Then the rest is removed, because each one starts a new reading. */
const MAX_CUTS = 500

/**
 * Removes active content from HTML: scripts, event handlers, addresses that run code, frames, plug-ins, forms, `base`,
 * refreshing, and style sheets from elsewhere. A tag with such attributes is written again. All other bytes stay as
 * they are.
 *
 * The text is read as a list of tags, without a tree. So content that programs could read in another way is removed,
 * too: `noscript`, `xmp`, `noembed`, `noframes` and `plaintext` with their content, `svg` and `math` unless they are
 * simple drawings, comments with hidden active content, and styles with tags in them. Pictures from the network and
 * links stay.
 *
 * It accepts any text. The time grows with the length. After 500 drawings that had to be cut out, or 5,000 `svg`, the
 * rest is removed.
 *
 * If you show the result in a page of your own, still put it in a sandboxed frame.
 */
export async function sanitizeHtml(
  html: string,
  options: SanitizeOptions = {},
): Promise<SanitizedHtml> {
  const sanitizer = await sanitized(html, options, 0)
  return { html: applyEdits(html, sanitizer.edits), removed: [...sanitizer.removed] }
}

async function sanitized(
  html: string,
  options: SanitizeOptions,
  depth: number,
): Promise<Sanitizer> {
  const sanitizer = new Sanitizer(html, options)
  for (let cuts = 0; ; cuts++) {
    if (!(await sanitizer.read(cuts >= MAX_CUTS))) break
  }
  await sanitizer.readComments(depth)
  return sanitizer
}

/** Maximum number of conditional comments that are read, each on its own, and maximum depth of nesting. */
const MAX_COMMENTS = 1_000
const MAX_DEPTH = 2

const CONDITION = /^<!--\s*\[\s*if\b/i

/** An open element whose content decides whether it stays. */
interface Open {
  readonly name: string
  readonly start: number
  readonly contentStart: number
}

/** Maximum number of characters of an element of text whose tags become text. */
const MAX_TEXT = 262_144

class Sanitizer {
  readonly edits: HtmlEdit[] = []
  readonly removed = new Set<string>()
  /** whether a tag or an element of text is open at the end */
  isOpen: boolean = false
  /** comments whose content some programs read */
  readonly #comments: HtmlEdit[] = []
  readonly #html: string
  readonly #options: SanitizeOptions
  /** the offset where reading begins; the tokenizer is in its first state there */
  #at = 0
  /** an element of text */
  #text: Open | undefined
  /** the outermost `svg` or `math` */
  #foreign: Open | undefined
  /** the elements open in it */
  #inner: string[] = []
  /** the end of the drawing that is cut out */
  #cut: number | undefined
  /** elements without an end tag in the rest of the text */
  readonly #endless = new Set<string>()
  /** elements whose start tag was removed; their end tags go, too */
  readonly #tags = new Set<string>()

  constructor(html: string, options: SanitizeOptions) {
    this.#html = html
    this.#options = options
  }

  /** Reads on, and returns whether it has to be called again. */
  async read(rest: boolean): Promise<boolean> {
    const from = this.#at
    if (rest) {
      this.#remove(from, this.#html.length, 'the rest, behind too many drawings')
      return false
    }
    this.#cut = undefined
    let seen = from
    const goesOn = (end: number): boolean => {
      seen = from + end
      return this.#cut === undefined
    }
    const here = <Tag extends HtmlTag>(tag: Tag): Tag => ({
      ...tag,
      start: from + tag.start,
      end: from + tag.end,
    })
    const last = await readHtml(from === 0 ? this.#html : this.#html.slice(from), {
      startTag: (tag) => {
        this.#startTag(here(tag))
        return goesOn(tag.end)
      },
      endTag: (tag) => {
        this.#endTag(here(tag))
        return goesOn(tag.end)
      },
      comment: (start, end) => {
        this.#comment(from + start, from + end)
        return goesOn(end)
      },
      text: (start, end) => {
        // CDATA is read in foreign content only, and programs disagree on where that ends.
        const odd =
          this.#foreign !== undefined &&
          this.#html.slice(from + start, from + end).includes('<![')
        if (odd) this.#cutForeign()
        return goesOn(end)
      },
      doctype: (_start, end) => goesOn(end),
    })
    if (this.#cut === undefined) this.#ended(from + last, seen)
    if (this.#cut === undefined) return false
    this.#at = this.#cut
    return true
  }

  /** What is open at the end. */
  #ended(last: number, seen: number): void {
    const end = this.#html.length
    this.isOpen = this.#text !== undefined || Math.max(last, seen) < end
    if (this.#text !== undefined) this.#endText(this.#text, end, end)
    else if (this.#foreign !== undefined) this.#cutForeign()
    // Reading stopped at the limit, or the last tag is not complete: a program might complete it.
    else if (Math.max(last, seen) < end) {
      const rest = Math.max(last, seen)
      const open = this.#html.slice(rest)
      if (isActiveSource(open) || /<(?:svg|math)/i.test(open)) {
        this.#remove(rest, end, 'an active tag that does not end')
      }
    }
  }

  #tell(what: string): void {
    if (this.removed.size < MAX_TOLD) this.removed.add(what)
  }

  #remove(start: number, end: number, what: string): void {
    if (start >= end) return
    this.edits.push({ start, end, text: '' })
    this.#tell(what)
  }

  // ---- tokens

  #startTag(tag: HtmlStartTag): void {
    const { name, selfClosing, start, end } = tag
    if (this.#foreign !== undefined) {
      const point = INTEGRATION_POINTS.has(this.#inner.at(-1) ?? '')
      if (point || !PLAIN_FOREIGN.has(name.toLowerCase())) {
        this.#cutForeign()
        return
      }
      if (!selfClosing) this.#inner.push(name.toLowerCase())
    } else if (name === 'svg' || name === 'math') {
      this.#foreign = { name, start, contentStart: end }
      this.#inner = []
      // It is empty for some programs, and open for others.
      if (selfClosing) this.#cutForeign()
    } else if (TEXT_ELEMENTS.has(name)) {
      this.#text = { name, start, contentStart: end }
      if (REMOVED_WHOLE.has(name)) return
    }
    if (isActiveTag(tag, this.#options)) {
      this.#tags.add(name)
      this.#remove(start, end, `element ${shown(name)}`)
      return
    }
    const { attributes } = tag
    const kept = attributes.flatMap((attribute) => {
      const active = activeAttribute(name, attribute, this.#options)
      if (active === undefined) return [attribute]
      const { what, value } = active
      const where = what.startsWith('attribute')
        ? `of ${shown(name)}`
        : `in ${shown(attribute.name)} of ${shown(name)}`
      this.#tell(`${shown(what)} ${where}`)
      return value === undefined ? [] : [{ ...attribute, value }]
    })
    // Only the first attribute of a name counts. If it were removed, the next one would count.
    if (kept.some((one, i) => one !== attributes[i]) || kept.length < attributes.length) {
      this.edits.push({ start, end, text: writeTag(name, kept, selfClosing) })
    }
  }

  #endTag({ name, start, end }: HtmlTag): void {
    if (this.#text !== undefined) {
      this.#endText(this.#text, start, end)
    } else if (this.#foreign !== undefined) {
      const open = this.#inner.pop()
      if (open === undefined && name === this.#foreign.name) this.#foreign = undefined
      else if (open !== name.toLowerCase()) this.#cutForeign()
    } else if (this.#tags.has(name)) this.edits.push({ start, end, text: '' })
  }

  #comment(start: number, end: number): void {
    if (this.#foreign !== undefined) this.#cutForeign()
    else if (isActiveSource(this.#html.slice(start + 1, end))) {
      this.#remove(start, end, 'comment with active content')
    } else if (CONDITION.test(this.#html.slice(start, start + 20))) {
      this.#comments.push({ start, end, text: '' })
    }
  }

  /** Text under a condition is removed as a whole if a part of it would be. It may end in the next condition. */
  async readComments(depth: number): Promise<void> {
    for (const [i, { start, end }] of this.#comments.entries()) {
      const inner = this.#html.slice(start + 4, end).replace(/(?:<!)?-->$/, '')
      if (!/<[a-z!?]/i.test(inner)) continue
      const isRead = i < MAX_COMMENTS && depth < MAX_DEPTH
      const read = isRead ? await sanitized(inner, this.#options, depth + 1) : undefined
      if (read !== undefined && read.removed.size === 0 && !read.isOpen) continue
      this.#remove(start, end, 'comment with active content')
    }
    this.edits.sort((one, other) => one.start - other.start)
  }

  /** Ends an element of text, which may have been edited in its start tag. */
  #endText({ name, start, contentStart }: Open, contentEnd: number, end: number): void {
    this.#text = undefined
    const content = this.#html.slice(contentStart, contentEnd)
    if (REMOVED_WHOLE.has(name)) this.#remove(start, end, `element ${name}`)
    else if (name === 'style') {
      // Style sheets are put in a comment for programs that do not know them.
      const css = content.replace(/^\s*<!--/, '')
      const left = /<[a-z/!?]/i.test(css) ? undefined : cleanStyle(content, this.#options)
      if (left === content) return
      if (left === undefined || /<[a-z/!?]/i.test(left.replace(/^\s*<!--/, ''))) {
        this.#dropEdits(start)
        this.#remove(start, end, 'element style with active content')
      } else {
        this.edits.push({ start: contentStart, end: contentEnd, text: left })
        this.#tell('rules in style')
      }
    } else if (/<[a-z/!?]/i.test(content)) {
      this.#tell(`tags in ${name}`)
      // No title is that long.
      if (content.length > MAX_TEXT)
        return this.#remove(contentStart, contentEnd, `text of ${name}`)
      // Shown as it is here, and read as tags where the element is not known.
      const text = content.replaceAll('<', '&lt;')
      this.edits.push({ start: contentStart, end: contentEnd, text })
    }
  }

  /**
   * Removes the open drawing up to the first end tag that may be its own, or only its start tag if there is no end tag.
   * The text after it is read again, in its new form.
   */
  #cutForeign(): void {
    const { name, start, contentStart } = this.#foreign!
    const selfClosing = this.#html.endsWith('/>', contentStart)
    const end = selfClosing ? contentStart : this.#endOf(name, contentStart)
    this.#foreign = undefined
    this.#text = undefined
    this.#dropEdits(start)
    this.#remove(start, end, `element ${name}`)
    this.#cut = end
  }

  #endOf(name: string, from: number): number {
    if (this.#endless.has(name)) return from
    const endTag = name === 'svg' ? /<\/svg/gi : /<\/math/gi
    endTag.lastIndex = from
    const found = endTag.exec(this.#html) !== null
    const close = found ? this.#html.indexOf('>', endTag.lastIndex) : -1
    if (close !== -1) return close + 1
    this.#endless.add(name)
    return from
  }

  #dropEdits(start: number): void {
    while (this.edits.length > 0 && this.edits.at(-1)!.start >= start) this.edits.pop()
  }
}

/** Names are of any length. */
const shown = (name: string): string => (name.length > 60 ? `${name.slice(0, 60)}…` : name)
