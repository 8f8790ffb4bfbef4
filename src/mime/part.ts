import { UsageError } from '../errors.ts'
import { encodeText } from '../protocol/text.ts'
import { decodeAnyCharset, encodeCharset } from './charset.ts'
import { formatParameters, withParameter } from './content-type.ts'
import { buildPart, newBoundary, type NewPart } from './new-part.ts'
import { isMessageType, parseStructure } from './parser.ts'
import { MultipartWriter } from './multipart-writer.ts'
import { PartFacts, type ContentFieldName } from './part-facts.ts'
import { LineHeaders, withoutEol, type PartHeaders } from './part-headers.ts'
import type { MimeLimits } from './problems.ts'
import { protectionOf, type Protection } from './protection.ts'
import type { PartSpan, Span } from './span.ts'
import {
  decodeTransfer,
  decodeTransferInPieces,
  encodeTransfer,
  isIdentity,
  isText,
  leastEncoding,
  type TransferEncoding,
} from './transfer-encoding.ts'

/** What the parts of one tree share. */
export interface TreeContext {
  readonly bytes: Buffer
  readonly eol: string
  readonly limits: MimeLimits
  /** is asked before each edit, and may throw */
  readonly permit: (what: string) => void
}

/** A part in a multipart, and the delimiter above it; none for one that is new. */
interface Entry {
  readonly part: MimePart
  readonly delimiter: Span | undefined
}

const LF = 0x0a
const CR = 0x0d

/**
 * A part of a message, or the message itself: a view of the bytes that were parsed. What is not edited
 * stays as it is to the byte; an edit touches its own part.
 */
export class MimePart extends PartFacts {
  #tree: TreeContext
  #span: PartSpan
  #parent: MimePart | undefined
  #headers: LineHeaders | undefined
  #entries: Entry[] | undefined
  /** the body as it stands, where it is another one */
  #body: Buffer | undefined
  /** the message in an encoded part */
  #inner: MimePart | undefined
  #changed = false
  #unsealed = false
  /** fields are being moved to another part */
  #moving = false

  /** For the library: parts come from `parseMime`. */
  constructor(tree: TreeContext, span: PartSpan, parent?: MimePart) {
    super()
    this.#tree = tree
    this.#span = span
    this.#parent = parent
  }

  // ---- where it is

  /** The part that holds it; undefined for the message, and for one that was removed. */
  get parent(): MimePart | undefined {
    return this.#parent
  }

  /** The parts of a multipart; of an attached message the message. */
  get children(): readonly MimePart[] {
    if (this.#body !== undefined) return NO_PARTS
    const inner = this.#encodedMessage
    if (inner !== undefined) return [inner]
    return this.#list.map(({ part }) => part)
  }

  get #list(): Entry[] {
    this.#entries ??= this.#span.children.map((span, i) => ({
      part: new MimePart(this.#tree, span, this),
      delimiter: this.#span.delimiters?.[i],
    }))
    return this.#entries
  }

  /** A message is not to be encoded, and is all the same; it is looked into like others. */
  get #encodedMessage(): MimePart | undefined {
    if (this.#inner !== undefined) return this.#inner
    if (this.#span.children.length > 0 || !isMessageType(this.type)) return undefined
    if (isIdentity(this.encoding) || this.depth + 2 > this.#tree.limits.depth) return undefined
    const bytes = decodeTransfer(this.raw, this.encoding)
    const limits = { ...this.#tree.limits, depth: this.#tree.limits.depth - this.depth - 1 }
    const { root } = parseStructure(bytes, limits)
    const tree = { ...this.#tree, bytes, eol: lineEndOf(bytes) }
    this.#inner = new MimePart(tree, root, this)
    return this.#inner
  }

  /** 0 for the message. */
  get depth(): number {
    return this.#path.length - 1
  }

  /** From this part up to the message. */
  get #path(): MimePart[] {
    const path: MimePart[] = [this]
    for (let part = this.#parent; part !== undefined; part = part.#parent) path.push(part)
    return path
  }

  /** This part and all below it, from the top down. Edits of the tree meanwhile are not seen in full. */
  *walk(): Generator<MimePart> {
    const waiting: MimePart[] = [this]
    for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
      yield part
      waiting.push(...part.children.toReversed())
    }
  }

  /** All parts that programs show as files: with a file name, marked so, or of no type of text. */
  get attachments(): MimePart[] {
    return [...this.walk()].filter((part) => part.isAttachment)
  }

  /** The parts that are the text of this message, plain and HTML; not those of attached messages. */
  get textParts(): MimePart[] {
    const parts: MimePart[] = []
    const waiting: MimePart[] = [this]
    for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
      if (part.isMultipart) waiting.push(...part.children.toReversed())
      else if (
        (part.type === 'text/plain' || part.type === 'text/html') &&
        !part.isAttachment
      ) {
        parts.push(part)
      }
    }
    return parts
  }

  // ---- what its header says

  get headers(): PartHeaders {
    this.#headers ??= new LineHeaders(
      this.#tree.bytes.subarray(this.#span.start, this.#span.headerEnd),
      this.#tree.eol,
      () => this.#edit('headers'),
    )
    return this.#headers
  }

  /** In lower case. `text/plain`, or in a digest `message/rfc822`, where nothing can be read. */
  override get type(): string {
    // As the structure was read, where one of several fields counts.
    return this.#headers?.edited === true ? super.type : this.#span.facts.type
  }

  protected override fields(name: ContentFieldName): Buffer[] {
    if (this.#headers?.edited === true) return super.fields(name)
    const { types, encodings, dispositions } = this.#span.fields
    const spans =
      name === 'Content-Type'
        ? types
        : name === 'Content-Disposition'
          ? dispositions
          : encodings
    return spans.map(({ start, end }) => withoutEol(this.#tree.bytes.subarray(start, end)))
  }

  protected get defaultType(): string {
    return this.#parent?.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
  }

  /** Whether it holds what others have signed or encrypted. */
  get protection(): Protection | undefined {
    return protectionOf(
      this.type,
      (name) => this.parameter(name),
      () => (isIdentity(this.encoding) ? this.raw : this.bytes()),
    )
  }

  /** The part that seals this one: itself, or one around it. */
  get sealedBy(): MimePart | undefined {
    let sealed: MimePart | undefined
    for (const part of this.#path) if (part.protection !== undefined) sealed = part
    return sealed
  }

  // ---- its content

  /** The body as it stands in the message. */
  get raw(): Buffer {
    if (this.#body !== undefined) return this.#body
    if (!this.#changed) return this.#tree.bytes.subarray(this.#span.bodyStart, this.#span.end)
    return Buffer.concat([...this.#bodyPieces()])
  }

  /** The content, its transfer encoding undone. Of a multipart the body as it stands. */
  bytes(): Buffer {
    return this.isMultipart ? this.raw : decodeTransfer(this.raw, this.encoding)
  }

  /** The content in pieces of 64 KiB at most. */
  *stream(): Generator<Buffer> {
    yield* decodeTransferInPieces(this.raw, this.isMultipart ? '7bit' : this.encoding)
  }

  /** The content as text. A charset nobody knows is read as UTF-8, or as Latin-1 where it is none. */
  async text(): Promise<string> {
    const bytes = this.bytes()
    return await decodeAnyCharset(this.charset ?? charsetInHtml(this.type, bytes) ?? '', bytes)
  }

  // ---- edits

  /**
   * Another text. Charset and transfer encoding stay where they can carry it; else it is UTF-8, and what
   * is needed. Line ends become those of the message.
   * @throws UsageError SEALED_PART, WRONG_STAGE
   */
  async setText(text: string): Promise<void> {
    this.#edit('setText')
    const lines = text.replaceAll(/\r\n|\r|\n/g, this.#tree.eol)
    const declared = this.charset
    const charset = declared ?? charsetInHtml(this.type, this.bytes()) ?? 'us-ascii'
    let bytes = await encodeCharset(charset, lines)
    if (bytes === undefined) {
      bytes = encodeText(lines)
      this.#setParameter('charset', 'utf-8')
    }
    this.#setBytes(bytes)
  }

  /**
   * Other content, of the same type unless another is given. The transfer encoding stays where it can
   * carry it.
   * @throws UsageError SEALED_PART, WRONG_STAGE, INVALID_OPTION
   */
  setContent(content: Uint8Array, type?: string): void {
    this.#edit('setContent')
    if (type !== undefined) this.headers.set('Content-Type', type)
    this.#setBytes(Buffer.from(content))
  }

  #setBytes(bytes: Buffer): void {
    const { encoding } = this
    const carries = encoding === 'binary' || carriesAsItIs(bytes, encoding)
    const next = carries && !this.isMultipart ? encoding : leastEncoding(bytes)
    if (next !== encoding) this.headers.set('Content-Transfer-Encoding', next)
    this.#setBody(this.#guarded(encodeTransfer(bytes, next, this.#tree.eol), bytes))
  }

  /** A line of the body that would end a multipart around it cannot stay as it is. */
  #guarded(body: Buffer, bytes: Buffer): Buffer {
    if (!this.#collides(body)) return body
    this.headers.set('Content-Transfer-Encoding', 'base64')
    return encodeTransfer(bytes, 'base64', this.#tree.eol)
  }

  #collides(body: Buffer): boolean {
    if (!body.includes('--')) return false
    for (let part = this.#parent; part !== undefined; part = part.#parent) {
      const boundary = part.#boundary
      if (boundary !== '' && body.includes(Buffer.from(`--${boundary}`, 'latin1'))) return true
    }
    return false
  }

  get #boundary(): string {
    return this.#span.delimiters === undefined ? '' : this.#span.facts.boundary
  }

  #setBody(body: Buffer): void {
    this.#body = body
    this.#entries = undefined
    this.#inner = undefined
  }

  #setParameter(name: string, text: string): void {
    const raw = this.headers.raw('Content-Type')[0] ?? Buffer.from(` ${this.type}`, 'latin1')
    this.headers.set('Content-Type', withParameter(raw, name, text))
  }

  /**
   * Another part in its place. Of the message itself the fields that describe its content are replaced;
   * all others stay.
   * @throws UsageError SEALED_PART, WRONG_STAGE, INVALID_OPTION
   */
  replaceWith(part: NewPart): MimePart {
    const parent = this.#parent
    // Of an attached message too the fields beside those of its content stay.
    if (parent === undefined || parent.#span.delimiters === undefined) {
      return this.#become(part)
    }
    parent.#edit('replaceWith')
    const made = parent.#made(part)
    parent.#entries = parent.#list.map((entry) =>
      entry.part === this ? { ...entry, part: made } : entry,
    )
    this.#parent = undefined
    return made
  }

  /** The message itself, or one that is attached, gets other content. */
  #become(part: NewPart): this {
    this.#edit('replaceWith')
    const { headers, body } = buildPart(part, this.#tree.eol)
    const fields = new LineHeaders(headers, this.#tree.eol, () => {})
    for (const name of this.headers.names()) {
      if (isContentField(name)) this.headers.delete(name)
    }
    for (const name of fields.names()) this.headers.set(name, fields.raw(name)[0]!)
    if (!this.headers.has('MIME-Version')) this.headers.append('MIME-Version', '1.0')
    this.#setBody(body)
    return this
  }

  /**
   * Takes it out of its multipart. A multipart keeps one empty part at least.
   * @throws UsageError SEALED_PART, WRONG_STAGE; INVALID_OPTION for a message, which can only be replaced
   */
  remove(): void {
    const parent = this.#parent
    if (parent === undefined || parent.#span.delimiters === undefined) {
      throw new UsageError(
        'INVALID_OPTION',
        'a message cannot be removed from itself: use replaceWith, or remove the part that holds it',
      )
    }
    parent.#edit('remove')
    parent.#entries = parent.#list.filter(({ part }) => part !== this)
    this.#parent = undefined
  }

  /** A new part at the end of a multipart. @throws UsageError as {@link insert} */
  append(part: NewPart): MimePart {
    return this.insert(this.children.length, part)
  }

  /**
   * A new part in a multipart, before the one of that number.
   * @throws UsageError SEALED_PART, WRONG_STAGE, INVALID_OPTION
   */
  insert(index: number, part: NewPart): MimePart {
    if (this.#span.delimiters === undefined || this.#body !== undefined) {
      throw new UsageError(
        'INVALID_OPTION',
        `a part of type ${this.type} holds no others; wrap() makes a multipart of it`,
      )
    }
    this.#edit('insert')
    const made = this.#made(part)
    this.#entries = this.#list.toSpliced(index, 0, { part: made, delimiter: undefined })
    return made
  }

  #made(part: NewPart): MimePart {
    const { eol } = this.#tree
    const build = (encoding?: TransferEncoding): Buffer => {
      const { headers, body } = buildPart(
        encoding === undefined ? part : { ...part, encoding },
        eol,
      )
      return Buffer.concat([headers, Buffer.from(eol), body])
    }
    let bytes = build()
    const collides = (): boolean =>
      bytes.includes(Buffer.from(`--${this.#boundary}`, 'latin1')) || this.#collides(bytes)
    if (collides()) bytes = build('base64')
    if (collides()) {
      throw new UsageError(
        'INVALID_OPTION',
        'the header of the new part holds the boundary of the multipart it is for',
      )
    }
    const { root } = parseStructure(bytes, this.#tree.limits)
    const made = new MimePart({ ...this.#tree, bytes }, root, this)
    return made
  }

  /**
   * Makes it a multipart that holds what it was as its first part; gives that part. The fields that
   * describe the content go with it. Parts of it that were looked up before are no longer part of the
   * tree.
   * @throws UsageError SEALED_PART, WRONG_STAGE
   */
  wrap(type = 'multipart/mixed'): MimePart {
    const parent = this.#parent
    if (parent === undefined) this.#tree.permit('wrap')
    else parent.#edit('wrap')
    const { eol } = this.#tree
    const inner = Buffer.concat([
      this.headers.lines(isContentField, eol),
      Buffer.from(eol),
      this.raw,
    ])
    const boundary = newBoundary(inner)
    const field = formatParameters(type, { boundary })
    const head = Buffer.from(`Content-Type:${field.replaceAll('\n', eol)}${eol}${eol}`)
    const bytes = Buffer.concat([
      head,
      Buffer.from(`--${boundary}${eol}`),
      inner,
      Buffer.from(`${eol}--${boundary}--${eol}`),
    ])
    // What it holds stays sealed as it was: only the fields move.
    const { headers } = this
    this.#moving = true
    for (const name of headers.names().filter(isContentField)) headers.delete(name)
    headers.set('Content-Type', encodeText(field))
    if (parent === undefined && !headers.has('MIME-Version'))
      headers.append('MIME-Version', '1.0')
    this.#moving = false
    this.#changed = true
    this.#tree = { ...this.#tree, bytes }
    this.#span = parseStructure(bytes, this.#tree.limits).root
    this.#body = undefined
    this.#entries = undefined
    this.#inner = undefined
    return this.children[0]!
  }

  /**
   * Allows edits inside a part that was signed or encrypted, which breaks the signature or makes the
   * part unreadable.
   */
  unseal(): void {
    const sealed = this.sealedBy
    if (sealed !== undefined) sealed.#unsealed = true
  }

  #edit(what: string): void {
    this.#tree.permit(what)
    const sealed = this.#moving ? undefined : this.sealedBy
    if (sealed !== undefined && !sealed.#unsealed) {
      throw new UsageError(
        'SEALED_PART',
        `${what} would change a part that is ${sealed.protection} (${sealed.type}); unseal() allows it all the same`,
      )
    }
    for (const part of this.#path) part.#changed = true
  }

  // ---- as bytes

  /** Whether it, or something in it, is not as it was parsed. */
  get edited(): boolean {
    return this.#changed
  }

  /** The part with its header. Unedited, what was parsed. */
  toBytes(): Buffer {
    return this.#changed
      ? Buffer.concat([...this.chunks()])
      : this.#tree.bytes.subarray(this.#span.start, this.#span.end)
  }

  /** The same in pieces; unedited ones are views of what was parsed. */
  *chunks(): Generator<Buffer> {
    const { start, headerEnd, bodyStart, end } = this.#span
    const { bytes, eol } = this.#tree
    if (!this.#changed) {
      yield bytes.subarray(start, end)
      return
    }
    yield this.#headers?.toBytes() ?? bytes.subarray(start, headerEnd)
    const separator = bytes.subarray(headerEnd, bodyStart)
    yield separator.length === 0 ? Buffer.from(eol) : separator
    yield* this.#bodyPieces()
  }

  *#bodyPieces(): Generator<Buffer> {
    const { bodyStart, end, delimiters, closing } = this.#span
    const { bytes, eol } = this.#tree
    if (this.#body !== undefined) yield this.#body
    else if (this.#inner?.edited === true) {
      yield encodeTransfer(this.#inner.toBytes(), this.encoding, eol)
    } else if (!this.#changed || this.#entries === undefined)
      yield bytes.subarray(bodyStart, end)
    else if (delimiters === undefined) {
      for (const { part } of this.#entries) yield* part.chunks()
    } else {
      const writer = new MultipartWriter(eol, this.#boundary)
      const first = delimiters[0]?.start ?? closing?.start ?? end
      yield* writer.text(bytes.subarray(bodyStart, first))
      for (const { part, delimiter } of this.#entries) {
        yield* writer.delimiter(delimiter && bytes.subarray(delimiter.start, delimiter.end))
        for (const piece of part.chunks()) yield* writer.text(piece)
      }
      if (this.#entries.length === 0) {
        yield* writer.delimiter(undefined)
        yield* writer.text(Buffer.from(`Content-Type: text/plain${eol}${eol}`))
      }
      if (closing !== undefined) {
        yield* writer.delimiter(bytes.subarray(closing.start, closing.end))
        yield bytes.subarray(closing.end, end)
      } else if (this.#entries.at(-1)?.delimiter === undefined) {
        // A new part at the end would have no end.
        yield Buffer.from(`${eol}--${this.#boundary}--${eol}`)
      }
    }
  }
}

const NO_PARTS: readonly MimePart[] = []

const isContentField = (name: string): boolean => /^content-/i.test(name)

/**
 * Whether an encoding can carry bytes. Line ends of quoted-printable are those of the message, which the
 * bytes of UTF-16 would not survive: what has a NUL is no text of lines (RFC 2045, section 2.7).
 */
function carriesAsItIs(bytes: Buffer, encoding: TransferEncoding): boolean {
  if (encoding === 'base64') return true
  if (encoding === 'quoted-printable') return !bytes.includes(0)
  return encoding === '7bit' ? leastEncoding(bytes) === '7bit' : isText(bytes)
}

/** Where HTML says its charset itself; mail programs read it there if the header does not tell. */
function charsetInHtml(type: string, bytes: Buffer): string | undefined {
  if (type !== 'text/html') return undefined
  const start = bytes.toString('latin1', 0, 2048)
  return /<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)/i.exec(start)?.[1]?.toLowerCase()
}

/** CRLF, or LF where that is what the lines end with. */
export function lineEndOf(bytes: Buffer): string {
  const feed = bytes.indexOf(LF)
  return feed === -1 || bytes[feed - 1] === CR ? '\r\n' : '\n'
}
