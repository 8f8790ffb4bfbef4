import { UsageError } from '../../errors.ts'
import { encodeText } from '../../protocol/text.ts'
import { fieldAt, type ContentField } from '../fields/content-field.ts'
import { contentGuesses } from './content-guesses.ts'
import { withParameter } from '../fields/content-type.ts'
import { checkPlain, tooNarrow } from '../encodings/encoding-labels.ts'
import { readEncoded, readEncodedInTurns, type EncodedMessage } from './encoded-message.ts'
import type { Guess } from './guesses.ts'
import { lineEndOf } from '../encodings/line-end.ts'
import { hasLines, isMessageType, mustNotBeEncoded } from '../fields/media-type.ts'
import {
  buildPart,
  checkMultipart,
  isContentField,
  contentBytes,
  wrapping,
  type NewPart,
} from './new-part.ts'
import { parseStructure, type Reading } from './parser.ts'
import { multipartPieces } from './multipart-writer.ts'
import { parseParameters } from '../fields/parameters.ts'
import { PartContent } from './part-content.ts'
import { fieldSpans, type ContentFieldName } from './part-facts.ts'
import { LineHeaders, withoutEol, type PartHeaders } from '../fields/part-headers.ts'
import { textPartsOf } from './text-parts.ts'
import { protectionOf, type Protection } from './protection.ts'
import type { PartSpan, Span } from './span.ts'
import { checkContent, checkText, newText, type EditOptions } from './text-edit.ts'
import {
  encodeTransfer,
  isIdentity,
  isKnownEncoding,
  nextEncoding,
  type TransferEncoding,
} from '../encodings/transfer-encoding.ts'
import type { TreeContext } from './tree-context.ts'
import type { Turns } from '../turns.ts'

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
export class MimePart extends PartContent {
  #tree: TreeContext
  #span: PartSpan
  #parent: MimePart | undefined
  #headers: LineHeaders | undefined
  #entries: Entry[] | undefined
  /** the parts of `#entries`, as they are asked for again and again */
  #children: readonly MimePart[] | undefined
  /** the body as it stands, where it is another one */
  #body: Buffer | undefined
  /** the message in an encoded part */
  #inner: MimePart | undefined
  #changed = false
  #unsealed = false
  /** an edit that was allowed is under way: what is half done may look sealed */
  #editing = false

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
    this.#children ??= this.#list.map(({ part }) => part)
    return this.#children
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
    if (this.#holdsEncoded) this.#setInner(readEncoded(this, this.#tree))
    return this.#inner
  }

  /** Whether it holds an encoded message that was not looked into yet. */
  get #holdsEncoded(): boolean {
    if (this.#inner !== undefined || this.#span.children.length > 0) return false
    const encoded = isMessageType(this.type) && !isIdentity(this.encoding)
    return encoded && this.depth + 2 <= this.#tree.limits.depth
  }

  #setInner({ bytes, root }: EncodedMessage): void {
    this.#inner = new MimePart({ ...this.#tree, bytes, eol: lineEndOf(bytes) }, root, this)
  }

  /** For the library: an encoded message in it is read in turns, before {@link children} does. */
  async readInTurns(turns: Turns): Promise<void> {
    if (this.#body !== undefined || !this.#holdsEncoded) return
    const message = await readEncodedInTurns(this, this.#tree, turns)
    if (this.#holdsEncoded) this.#setInner(message)
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
      // One by one: there may be more than a call takes arguments.
      for (const child of part.children.toReversed()) waiting.push(child)
    }
  }

  /** All parts that programs show as files: with a file name, marked so, or of no type of text. */
  get attachments(): MimePart[] {
    return [...this.walk()].filter((part) => part.isAttachment)
  }

  /** The parts that are the text of this message, plain and HTML; not those of attached messages. */
  get textParts(): MimePart[] {
    return textPartsOf<MimePart>(this)
  }

  // ---- what its header says

  get headers(): PartHeaders {
    this.#headers ??= new LineHeaders(
      this.#tree.bytes.subarray(this.#span.start, this.#span.headerEnd),
      this.#tree.eol,
      {
        before: () => this.#edit('headers'),
        written: (name) => {
          if (isContentField(name)) this.#setVersion()
        },
      },
    )
    return this.#headers
  }

  /** In lower case. `text/plain`, or in a digest `message/rfc822`, where nothing can be read. */
  override get type(): string {
    // As the structure was read, where one of several fields counts.
    return this.#headers?.edited === true ? super.type : this.#span.facts.type
  }

  override fields(name: ContentFieldName): Buffer[] {
    if (this.#headers?.edited === true) return super.fields(name)
    return fieldSpans(this.#span.fields, name).map(({ start, end }) =>
      withoutEol(this.#tree.bytes.subarray(start, end)),
    )
  }

  protected override contentFields(name: ContentFieldName): ContentField[] {
    if (this.#headers?.edited === true) return super.contentFields(name)
    return fieldSpans(this.#span.fields, name).map((span) => fieldAt(this.#tree.bytes, span))
  }

  override get typeIsGuess(): boolean {
    const isAsParsed = this.#body === undefined && this.#headers?.edited !== true
    return super.typeIsGuess || (isAsParsed && this.#span.facts.divided === true)
  }

  override get guesses(): readonly Guess[] {
    return [...super.guesses, ...contentGuesses(this)]
  }

  protected get defaultType(): string {
    return this.#parent?.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
  }

  protected get reading(): Reading {
    return this.#tree.reading
  }

  /** Whether it holds what others have signed or encrypted. */
  get protection(): Protection | undefined {
    return protectionOf(this, () => (isIdentity(this.encoding) ? this.raw : this.bytes()))
  }

  /** The part that seals this one: itself, or one around it. */
  get sealedBy(): MimePart | undefined {
    let sealed: MimePart | undefined
    for (const part of this.#path) if (part.protection !== undefined) sealed = part
    return sealed
  }

  // ---- its content

  /** The body as it stands in the message. */
  override get raw(): Buffer {
    if (this.#body !== undefined) return this.#body
    if (!this.#changed) return this.#tree.bytes.subarray(this.#span.bodyStart, this.#span.end)
    return Buffer.concat([...this.#bodyPieces()])
  }

  // ---- edits

  /**
   * Another text. Charset and transfer encoding stay where they can carry it; else it is UTF-8, and what
   * is needed. Line ends become those of the message. The same text changes nothing.
   * @throws UsageError GUESSED_PART, SEALED_PART, WRONG_STAGE; INVALID_OPTION for a message or a multipart
   * with lines that 8bit does not carry
   */
  async setText(text: string, options: EditOptions = {}): Promise<void> {
    this.#allow('setText')
    const before = await this.text()
    if (!checkText(this, before, text, options)) return
    const next = await newText(this, text, this.#tree.eol)
    checkPlain(next.bytes, this.type, this)
    this.#edit('setText', () => {
      if (next.charset !== undefined) this.#setParameter('charset', next.charset)
      this.#setBytes(next.bytes)
    })
  }

  /**
   * Other content, of the same type unless another is given. The transfer encoding stays where it can
   * carry it.
   * @throws UsageError GUESSED_PART, SEALED_PART, WRONG_STAGE; INVALID_OPTION for a multipart or a message
   * with the boundary of one around it, or with lines that 8bit does not carry
   */
  setContent(content: Uint8Array, type?: string, options: EditOptions = {}): void {
    const next = type === undefined ? this.type : parseParameters(encodeText(type)).value
    const bytes = contentBytes(content, next, this.#tree.eol)
    checkContent(this, bytes, options)
    checkPlain(bytes, next, this)
    if (mustNotBeEncoded(next) && this.#collides(bytes)) {
      throw new UsageError(
        'INVALID_OPTION',
        `the content holds the boundary of a multipart around it, and ${next} must not be encoded`,
      )
    }
    this.#edit('setContent', () => {
      if (type !== undefined) this.headers.set('Content-Type', type)
      this.#setBytes(bytes)
    })
  }

  #setBytes(bytes: Buffer): void {
    const { encoding } = this
    const fields = this.headers.raw('Content-Transfer-Encoding')
    const clear = fields.length < 2 && fields.every(isKnownEncoding)
    const next = nextEncoding(bytes, this, this.#tree.eol)
    if (next !== encoding || !clear) this.headers.set('Content-Transfer-Encoding', next)
    const body = encodeTransfer(bytes, next, this.#tree.eol, hasLines(this.type))
    this.#setBody(this.#guarded(body, bytes))
    if (this.encoding !== encoding) this.#tellAround()
  }

  /** A line that would end a multipart around it cannot stay as it is, nor a CR that ends the body. */
  #guarded(body: Buffer, bytes: Buffer): Buffer {
    const cut = body.at(-1) === CR && this.#parent !== undefined
    if ((!cut && !this.#collides(body)) || mustNotBeEncoded(this.type)) return body
    this.headers.set('Content-Transfer-Encoding', 'base64')
    return encodeTransfer(bytes, 'base64', this.#tree.eol)
  }

  /** A message with fields of MIME has to say so, and those around it too (RFC 2045, section 4). */
  #setVersion(): void {
    for (const part of this.#path) {
      if (part.#isInMultipart || part.headers.has('MIME-Version')) continue
      part.#also(() => part.headers.append('MIME-Version', '1.0'))
    }
  }

  /** What is around it says at least as much as its own header does. */
  #tellAround(): void {
    const { encoding } = this
    for (const part of tooNarrow(this.#path.slice(1), encoding)) {
      part.#also(() => part.headers.set('Content-Transfer-Encoding', encoding))
    }
    this.#setVersion()
  }

  /** What belongs to an edit that was allowed. */
  #also(steps: () => void): void {
    const editing = this.#editing
    this.#editing = true
    steps()
    this.#editing = editing
  }

  /** Whether it is one of the parts of a multipart, and no message. */
  get #isInMultipart(): boolean {
    return this.#parent !== undefined && this.#parent.#span.delimiters !== undefined
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
    this.#children = undefined
    this.#inner = undefined
  }

  #setParameter(name: string, text: string): void {
    // To a field that is none a parameter would be no parameter.
    const isSure = this.contentFields('Content-Type')[0]?.strict.sure === true
    const raw = isSure
      ? this.headers.raw('Content-Type')[0]!
      : Buffer.from(` ${this.type}`, 'latin1')
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
    if (parent === undefined || !this.#isInMultipart) {
      return this.#become(part)
    }
    const made = parent.#made(part)
    parent.#edit('replaceWith')
    const { at, delimiter } = parent.#entryOf(this)
    parent.#list[at] = { delimiter, part: made }
    this.#parent = undefined
    made.#tellAround()
    return made
  }

  /** The message itself, or one that is attached, gets other content. */
  #become(part: NewPart): this {
    let { headers, body } = buildPart(part, this.#tree.eol)
    if (this.#collides(body)) {
      ;({ headers, body } = buildPart({ ...part, encoding: 'base64' }, this.#tree.eol))
    }
    const fields = new LineHeaders(headers, this.#tree.eol)
    this.#edit('replaceWith', () => {
      for (const name of this.headers.names()) {
        if (isContentField(name)) this.headers.delete(name)
      }
      for (const name of fields.names()) this.headers.set(name, fields.raw(name)[0]!)
      this.#setBody(body)
      this.#tellAround()
    })
    return this
  }

  /**
   * Takes it out of its multipart. A multipart keeps one empty part at least.
   * @throws UsageError SEALED_PART, WRONG_STAGE; INVALID_OPTION for a message, which can only be replaced
   */
  remove(): void {
    const parent = this.#parent
    if (parent === undefined || !this.#isInMultipart) {
      throw new UsageError(
        'INVALID_OPTION',
        'a message cannot be removed from itself: use replaceWith, or remove the part that holds it',
      )
    }
    parent.#edit('remove')
    parent.#list.splice(parent.#entryOf(this).at, 1)
    this.#parent = undefined
  }

  /** Where a part of it stands in the list, which is about to be changed. */
  #entryOf(part: MimePart): { readonly at: number; readonly delimiter: Span | undefined } {
    this.#children = undefined
    const at = this.#list.findIndex((entry) => entry.part === part)
    return { at, delimiter: this.#list[at]!.delimiter }
  }

  /** A new part at the end of a multipart. @throws UsageError as {@link insert} */
  append(part: NewPart): MimePart {
    return this.insert(this.#list.length, part)
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
    const made = this.#made(part)
    this.#edit('insert')
    this.#list.splice(index, 0, { part: made, delimiter: undefined })
    this.#children = undefined
    made.#tellAround()
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
    return new MimePart({ ...this.#tree, bytes }, root, this)
  }

  /**
   * Makes it a multipart that holds what it was as its first part; gives that part. The fields that
   * describe the content go with it. Parts of it that were looked up before are no longer part of the
   * tree.
   * @throws UsageError SEALED_PART, WRONG_STAGE; INVALID_OPTION for a type that is no multipart
   */
  wrap(type = 'multipart/mixed'): MimePart {
    checkMultipart(type)
    const parent = this.#parent
    if (parent === undefined) this.#tree.permit('wrap')
    else parent.#edit('wrap')
    const { eol } = this.#tree
    const { field, encoding, bytes } = wrapping(type, this, eol)
    // What it holds stays sealed as it was: only the fields move.
    const { headers } = this
    this.#editing = true
    for (const name of headers.names().filter(isContentField)) headers.delete(name)
    headers.set('Content-Type', encodeText(field))
    if (encoding !== '7bit') headers.set('Content-Transfer-Encoding', encoding)
    this.#editing = false
    this.#changed = true
    this.#tree = { ...this.#tree, bytes }
    this.#span = parseStructure(bytes, this.#tree.limits).root
    this.#body = undefined
    this.#entries = undefined
    this.#children = undefined
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

  #edit(what: string, steps?: () => void): void {
    if (this.#editing) return
    this.#allow(what)
    for (const part of this.#path) part.#changed = true
    this.#editing = true
    try {
      steps?.()
    } finally {
      this.#editing = false
    }
  }

  #allow(what: string): void {
    this.#tree.permit(what)
    const sealed = this.sealedBy
    if (sealed !== undefined && !sealed.#unsealed) {
      throw new UsageError(
        'SEALED_PART',
        `${what} would change a part that is ${sealed.protection} (${sealed.type}); unseal() allows it all the same`,
      )
    }
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
    const lines = this.#headers?.toBytes() ?? bytes.subarray(start, headerEnd)
    yield lines
    // A header that was cut off in its last line.
    if (lines.length > 0 && lines.at(-1) !== LF) yield Buffer.from(eol)
    const separator = bytes.subarray(headerEnd, bodyStart)
    yield separator
    if (separator.at(-1) !== LF) yield Buffer.from(eol)
    yield* this.#bodyPieces()
  }

  /** Nothing is in it, and nothing was. */
  get #isBare(): boolean {
    return this.#span.children.length === 0 && this.#list.length === 0
  }

  /** Whether nothing stands behind its last empty line or delimiter: no line end can be lost there. */
  get #endsBare(): boolean {
    // oxlint-disable-next-line typescript/no-this-alias -- down to the last part in it
    let part: MimePart = this
    for (;;) {
      const { bodyStart, end, closing } = part.#span
      if (part.#body !== undefined) return part.#body.length === 0
      if (part.#inner?.edited === true) return false
      if (closing !== undefined) return closing.end === end
      const last = part.#list.at(-1)
      if (last === undefined) return !part.#isBare || bodyStart === end
      // A closing delimiter is written behind a new part.
      if (part.#span.delimiters !== undefined && last.delimiter === undefined) return true
      part = last.part
    }
  }

  *#bodyPieces(): Generator<Buffer> {
    const { bodyStart, end, delimiters, closing } = this.#span
    const { bytes, eol } = this.#tree
    if (this.#body !== undefined) yield this.#body
    else if (this.#inner?.edited === true) {
      yield encodeTransfer(this.#inner.toBytes(), this.encoding, eol)
    } else if (!this.#changed || this.#entries === undefined || this.#isBare)
      yield bytes.subarray(bodyStart, end)
    else if (delimiters === undefined) {
      for (const { part } of this.#entries) yield* part.chunks()
    } else {
      const first = delimiters[0]?.start ?? closing?.start ?? end
      yield* multipartPieces({
        preamble: bytes.subarray(bodyStart, first),
        entries: this.#entries.map(({ part, delimiter }) => ({
          delimiter: delimiter && bytes.subarray(delimiter.start, delimiter.end),
          pieces: () => part.chunks(),
          endsBare: () => part.#endsBare,
        })),
        closing: closing && bytes.subarray(closing.start, closing.end),
        epilogue: bytes.subarray(closing?.end ?? end, end),
        boundary: this.#boundary,
        eol,
      })
    }
  }
}

const NO_PARTS: readonly MimePart[] = []
