import { isIdentity } from '../encodings/transfer-encoding.ts'
import { fieldAt, type ContentField } from '../fields/content-field.ts'
import { withoutEol, type PartHeaders } from '../fields/part-headers.ts'
import { contentGuesses } from './content-guesses.ts'
import type { Guess } from './guesses.ts'
import type { NewPart } from './new-part.ts'
import type { Reading } from './parser.ts'
import { PartContent } from './part-content.ts'
import * as edits from './part-edits.ts'
import { fieldSpans, type ContentFieldName } from './part-facts.ts'
import { PartNode } from './part-node.ts'
import { bodyBytes, partBytes, partPieces } from './part-writer.ts'
import { protectionOf, type Protection } from './protection.ts'
import type { PartSpan } from './span.ts'
import type { EditOptions } from './text-edit.ts'
import { textPartsOf } from './text-parts.ts'
import type { TreeContext } from './tree-context.ts'
import type { Turns } from '../turns.ts'

/**
 * A part of a message, or the message itself. It is a view of the bytes that were parsed. Parts that you do not
 * edit keep every byte, and an edit changes only its own part.
 */
export class MimePart extends PartContent {
  readonly #node: PartNode<MimePart>

  /** @internal Parts come from `parseMime`. */
  constructor(tree: TreeContext, span: PartSpan, parent?: MimePart) {
    super()
    const above = parent === undefined ? undefined : parent.#node
    this.#node = new PartNode<MimePart>(this, tree, span, above, MimePart.#make)
  }

  static #make(
    this: void,
    tree: TreeContext,
    span: PartSpan,
    parent: PartNode<MimePart>,
  ): PartNode<MimePart> {
    return new MimePart(tree, span, parent.part).#node
  }

  // ---- where it is

  /** The part that holds this one. It is undefined for the message, and for a part that was removed. */
  get parent(): MimePart | undefined {
    return this.#node.parent?.part
  }

  /** The parts of a multipart, or the message that is attached. */
  get children(): readonly MimePart[] {
    return this.#node.children
  }

  /** @internal Parses an encoded message in turns, before {@link children} does it at once. */
  readInTurns(turns: Turns): Promise<void> {
    return this.#node.readInTurns(turns)
  }

  /** 0 for the message. */
  get depth(): number {
    return this.#node.depth
  }

  /** This part and all parts below it, from the top down. It may miss parts if you edit the tree meanwhile. */
  *walk(): Generator<MimePart> {
    const waiting: MimePart[] = [this]
    for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
      yield part
      // One by one, because a part can have more children than a call can take arguments.
      for (const child of part.children.toReversed()) waiting.push(child)
    }
  }

  /** All parts that programs show as files. See {@link isAttachment}. */
  get attachments(): MimePart[] {
    return [...this.walk()].filter((part) => part.isAttachment)
  }

  /** The plain and HTML text of this message, without the text of attached messages. */
  get textParts(): MimePart[] {
    return textPartsOf<MimePart>(this)
  }

  // ---- what its header says

  get headers(): PartHeaders {
    this.#node.headers ??= edits.editableHeaders(this.#node)
    return this.#node.headers
  }

  /** The media type in lower case. If it cannot be read, `text/plain`, or `message/rfc822` in a digest. */
  override get type(): string {
    // If there are several fields, the parser has chosen the one that counts.
    return this.#hasOtherHeader ? super.type : this.#node.span.facts.type
  }

  override fields(name: ContentFieldName): Buffer[] {
    if (this.#hasOtherHeader) return super.fields(name)
    const { span, tree } = this.#node
    return fieldSpans(span.fields, name).map(({ start, end }) =>
      withoutEol(tree.bytes.subarray(start, end)),
    )
  }

  protected override contentFields(name: ContentFieldName): ContentField[] {
    if (this.#hasOtherHeader) return super.contentFields(name)
    const { span, tree } = this.#node
    return fieldSpans(span.fields, name).map((field) => fieldAt(tree.bytes, field))
  }

  /** Whether the header is not as it was parsed. */
  get #hasOtherHeader(): boolean {
    return this.#node.headers?.edited === true
  }

  override get typeIsGuess(): boolean {
    const isAsParsed = this.#node.body === undefined && !this.#hasOtherHeader
    return super.typeIsGuess || (isAsParsed && this.#node.span.facts.divided === true)
  }

  override get guesses(): readonly Guess[] {
    return [...super.guesses, ...contentGuesses(this)]
  }

  protected get defaultType(): string {
    return this.parent?.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
  }

  protected get reading(): Reading {
    return this.#node.tree.reading
  }

  /** Whether this part is signed or encrypted. */
  get protection(): Protection | undefined {
    return protectionOf(this, () => (isIdentity(this.encoding) ? this.raw : this.bytes()))
  }

  /** The outermost part that seals this one. It can be this part, or one around it. */
  get sealedBy(): MimePart | undefined {
    return this.#node.sealedBy?.part
  }

  // ---- its content

  /** The body as it is in the message. */
  override get raw(): Buffer {
    return bodyBytes(this.#node)
  }

  // ---- edits

  /**
   * Replaces the text. Charset and transfer encoding stay if they can carry the new text. Otherwise the charset
   * becomes UTF-8, and the transfer encoding one that can carry it. Line ends become those of the message.
   * The same text changes nothing.
   * @throws UsageError GUESSED_PART, SEALED_PART, WRONG_STAGE; INVALID_OPTION for a message or a multipart
   * with lines that 8bit cannot carry
   */
  setText(text: string, options: EditOptions = {}): Promise<void> {
    return edits.setText(this.#node, text, options)
  }

  /**
   * Replaces the content. The type stays unless you give another one. The transfer encoding stays if it can
   * carry the new content.
   * @throws UsageError GUESSED_PART, SEALED_PART, WRONG_STAGE; INVALID_OPTION for a multipart or a message
   * with the boundary of a multipart around it, or with lines that 8bit cannot carry
   */
  setContent(content: Uint8Array, type?: string, options: EditOptions = {}): void {
    edits.setContent(this.#node, content, type, options)
  }

  /**
   * Puts another part in the place of this one, and returns it. In a message, this replaces the fields that
   * describe the content. All other fields stay.
   * @throws UsageError SEALED_PART, WRONG_STAGE, INVALID_OPTION
   */
  replaceWith(part: NewPart): MimePart {
    return edits.replaceWith(this.#node, part).part
  }

  /**
   * Takes this part out of its multipart. A multipart that loses its last part gets an empty one.
   * @throws UsageError SEALED_PART, WRONG_STAGE; INVALID_OPTION for a message, which can only be replaced
   */
  remove(): void {
    edits.remove(this.#node)
  }

  /** Adds a new part at the end of a multipart. @throws UsageError as {@link insert} */
  append(part: NewPart): MimePart {
    return this.insert(this.#node.entries.length, part)
  }

  /**
   * Adds a new part to a multipart, before the part with that index.
   * @throws UsageError SEALED_PART, WRONG_STAGE, INVALID_OPTION
   */
  insert(index: number, part: NewPart): MimePart {
    return edits.insert(this.#node, index, part).part
  }

  /**
   * Makes this part a multipart. Its old content becomes the first part of that multipart, which is returned.
   * The fields that describe the content move with it. Parts that you looked up in it before no longer belong
   * to the tree.
   * @throws UsageError SEALED_PART, WRONG_STAGE; INVALID_OPTION for a type that is no multipart
   */
  wrap(type = 'multipart/mixed'): MimePart {
    edits.wrap(this.#node, type)
    return this.children[0]!
  }

  /**
   * Allows edits inside a signed or encrypted part. Such an edit breaks the signature or makes the part
   * unreadable.
   */
  unseal(): void {
    edits.unseal(this.#node)
  }

  // ---- as bytes

  /** Whether this part, or one in it, is not as it was parsed. */
  get edited(): boolean {
    return this.#node.changed
  }

  /** The part with its header. Without edits, these are the bytes that were parsed. */
  toBytes(): Buffer {
    return partBytes(this.#node)
  }

  /** The same in pieces. Pieces without edits are views of the parsed bytes. */
  chunks(): Generator<Buffer> {
    return partPieces(this.#node)
  }
}
