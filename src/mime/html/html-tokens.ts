/**
 * Reads HTML as tokens with their offsets, with the tokenizer of parse5. Changes are edits of the source. Text that no
 * edit covers stays as it is.
 */
import { Turns } from '../turns.ts'

export interface HtmlAttribute {
  /** in lower case, with its prefix: `xlink:href` */
  readonly name: string
  /** with its character references decoded */
  readonly value: string
  /** the place of its name and value */
  readonly start: number
  readonly end: number
}

export interface HtmlTag {
  readonly name: string
  readonly start: number
  readonly end: number
}

export interface HtmlStartTag extends HtmlTag {
  /** The first of each name: the one that counts. */
  readonly attributes: readonly HtmlAttribute[]
  readonly selfClosing: boolean
}

/** Functions that are called for each token, in order. `false` ends the reading. */
export interface HtmlVisitor {
  startTag?(tag: HtmlStartTag): boolean | void
  endTag?(tag: HtmlTag): boolean | void
  /** `<!-- -->`, and all that is read as one: `<![if]>`, `<?xml?>` */
  comment?(start: number, end: number): boolean | void
  /** a piece of a text, decoded */
  text?(start: number, end: number, text: string): boolean | void
  doctype?(start: number, end: number): boolean | void
}

/**
 * More elements `svg` and `math` are not read: the tokenizer keeps a list of open ones, and each costs
 * time that grows with it. The text ends there for the visitor.
 */
const MAX_FOREIGN = 5_000

/** Attributes of one tag. A tag with more is not read, and the text ends there for the visitor. */
const MAX_ATTRIBUTES = 10_000

// oxlint-disable-next-line typescript/consistent-type-imports -- loaded when it is needed
type Parse5 = typeof import('parse5-html-rewriting-stream')
let parse5: Promise<Parse5> | undefined

/** The number of characters that are read before other work has a turn. */
const PIECE = 32_768

/**
 * The parser keeps an unfinished token as one string. Each piece makes it longer, and copies it. So pieces grow with
 * the token, up to this size.
 */
const LARGEST_PIECE = 131_072

/**
 * Reads a text in turns with other work, and returns the end of the last token. Rejects with what the visitor throws.
 */
export async function readHtml(html: string, visitor: HtmlVisitor): Promise<number> {
  const { RewritingStream } = await (parse5 ??= import('parse5-html-rewriting-stream'))
  const stream = new RewritingStream()
  let last = 0
  let foreign = 0
  let stopped = false
  const read = new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      stopped = true
      stream.stop()
    }
    /** Tokens at the very end come from a callback of the stream: nothing may be thrown there. */
    const see = (location: Location, call: (span: Span) => boolean | void): void => {
      if (stopped) return
      const span = { start: location!.startOffset, end: location!.endOffset }
      last = span.end
      try {
        if (call(span) === false) stop()
      } catch (error) {
        stop()
        reject(error)
      }
    }
    stream.on('startTag', (token) => {
      if (token.tagName === 'svg' || token.tagName === 'math') foreign++
      if (foreign > MAX_FOREIGN || token.attrs.length > MAX_ATTRIBUTES) {
        stop()
        return
      }
      see(token.sourceCodeLocation, (span) =>
        visitor.startTag?.({
          name: token.tagName,
          selfClosing: token.selfClosing,
          attributes: attributesOf(token),
          ...span,
        }),
      )
    })
    stream.on('endTag', (token) => {
      see(token.sourceCodeLocation, (span) =>
        visitor.endTag?.({ name: token.tagName, ...span }),
      )
    })
    stream.on('comment', ({ sourceCodeLocation }) => {
      see(sourceCodeLocation, ({ start, end }) => visitor.comment?.(start, end))
    })
    stream.on('text', ({ sourceCodeLocation, text }) => {
      see(sourceCodeLocation, ({ start, end }) => visitor.text?.(start, end, text))
    })
    stream.on('doctype', ({ sourceCodeLocation }) => {
      see(sourceCodeLocation, ({ start, end }) => visitor.doctype?.(start, end))
    })
    stream.on('finish', resolve)
    stream.on('error', reject)
  })
  await Promise.all([read, feed()])
  return last

  async function feed(): Promise<void> {
    const turns = new Turns()
    for (let at = 0; at < html.length;) {
      if (stopped) break
      let end = at + Math.min(LARGEST_PIECE, Math.max(PIECE, (at - last) >> 2))
      // A line end stays whole.
      if (html[end] === '\n' && html[end - 1] === '\r') end++
      stream.write(html.slice(at, end))
      at = end
      await turns.next()
    }
    stream.end()
  }
}

interface Span {
  readonly start: number
  readonly end: number
}

type Location =
  | {
      readonly startOffset: number
      readonly endOffset: number
      readonly attrs?: Record<
        string,
        { readonly startOffset: number; readonly endOffset: number }
      >
    }
  | null
  | undefined

function attributesOf(token: {
  readonly attrs: readonly {
    readonly name: string
    readonly value: string
    readonly prefix?: string
  }[]
  readonly sourceCodeLocation?: Location
}): HtmlAttribute[] {
  const places = token.sourceCodeLocation?.attrs ?? {}
  return token.attrs.map(({ name, value, prefix }) => {
    // Names of SVG are spelt as it has them (`viewBox`), and kept as they are in HTML.
    const full = (prefix ? `${prefix}:${name}` : name).replaceAll(/[A-Z]/g, (one) =>
      one.toLowerCase(),
    )
    const place = places[full]
    return { name: full, value, start: place?.startOffset ?? 0, end: place?.endOffset ?? 0 }
  })
}

// ---- edits

export interface HtmlEdit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** Applies edits that are in order and do not overlap. Without edits, the result is the same string. */
export function applyEdits(html: string, edits: readonly HtmlEdit[]): string {
  if (edits.length === 0) return html
  const pieces: string[] = []
  let at = 0
  for (const { start, end, text } of edits) {
    pieces.push(html.slice(at, start))
    // A `<` that was text must not become a tag with what follows.
    pieces.push(text === '' && html[start - 1] === '<' ? '<!---->' : text)
    at = end
  }
  pieces.push(html.slice(at))
  return pieces.join('')
}

/** For text and for values in quotes; inside a comment it does not end it. */
export const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"]/g, (one) => ENTITIES[one as keyof typeof ENTITIES])

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' } as const

/** A start tag, written again. */
export function writeTag(
  name: string,
  attributes: readonly HtmlAttribute[],
  closed: boolean,
): string {
  const written = attributes.map((one) => ` ${one.name}="${escapeHtml(one.value)}"`)
  return `<${name}${written.join('')}${closed ? ' />' : '>'}`
}

/** Elements whose content is text up to their end tag (HTML, section 13.2.5). */
export const TEXT_ELEMENTS: ReadonlySet<string> = new Set([
  'iframe',
  'noembed',
  'noframes',
  'noscript',
  'plaintext',
  'script',
  'style',
  'textarea',
  'title',
  'xmp',
])
