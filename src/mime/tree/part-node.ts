import { readEncoded, readEncodedInTurns, type EncodedMessage } from './encoded-message.ts'
import { lineEndOf } from '../encodings/line-end.ts'
import { isIdentity } from '../encodings/transfer-encoding.ts'
import { isMessageType } from '../fields/media-type.ts'
import type { LineHeaders } from '../fields/part-headers.ts'
import type { PartContent } from './part-content.ts'
import type { Protection } from './protection.ts'
import type { PartSpan, Span } from './span.ts'
import type { TreeContext } from './tree-context.ts'
import type { Turns } from '../turns.ts'

/** What a node reads from its part: the facts of the header and the content. */
export interface TreePart extends PartContent {
  readonly depth: number
  readonly protection: Protection | undefined
}

/** A part in a multipart, with the delimiter above it. A new part has no delimiter yet. */
export interface Entry<Part extends TreePart> {
  readonly node: PartNode<Part>
  readonly delimiter: Span | undefined
}

/** Makes a part, and gives its node. */
export type MakeNode<Part extends TreePart> = (
  tree: TreeContext,
  span: PartSpan,
  parent: PartNode<Part>,
) => PartNode<Part>

/**
 * The state of one part, and its place in the tree. `part-edits.ts` changes it, `part-writer.ts` writes it, and
 * the part is its public face.
 */
export class PartNode<Part extends TreePart> {
  readonly part: Part
  tree: TreeContext
  span: PartSpan
  parent: PartNode<Part> | undefined
  /** undefined until the header is needed */
  headers: LineHeaders | undefined
  /** whether this part, or one in it, is not as it was parsed */
  changed = false
  /** whether `unseal()` has allowed edits */
  unsealed = false
  /** whether a permitted edit is under way: a part that is half edited may look sealed */
  editing = false
  readonly #make: MakeNode<Part>
  #body: Buffer | undefined
  #entries: Entry<Part>[] | undefined
  /** the parts of `#entries`, kept because callers read them often */
  #children: readonly Part[] | undefined
  /** the message in an encoded part */
  #inner: PartNode<Part> | undefined

  constructor(
    part: Part,
    tree: TreeContext,
    span: PartSpan,
    parent: PartNode<Part> | undefined,
    make: MakeNode<Part>,
  ) {
    this.part = part
    this.tree = tree
    this.span = span
    this.parent = parent
    this.#make = make
  }

  /** The node of a new part in this one, or below it. */
  make(tree: TreeContext, span: PartSpan): PartNode<Part> {
    return this.#make(tree, span, this)
  }

  // ---- where it is

  /** From this node up to the message. */
  get path(): PartNode<Part>[] {
    const path: PartNode<Part>[] = [this]
    for (let node = this.parent; node !== undefined; node = node.parent) path.push(node)
    return path
  }

  /** 0 for the message. */
  get depth(): number {
    return this.path.length - 1
  }

  /** Whether it is a part of a multipart. The message in a `message/rfc822` part is not. */
  get isInMultipart(): boolean {
    return this.parent?.span.delimiters !== undefined
  }

  /** The outermost node that is sealed: this one, or one around it. */
  get sealedBy(): PartNode<Part> | undefined {
    return this.path.findLast(({ part }) => part.protection !== undefined)
  }

  // ---- what is in it

  /** The parts of a multipart, or the attached message. */
  get children(): readonly Part[] {
    if (this.#body !== undefined) return NO_PARTS
    const inner = this.#encodedMessage
    if (inner !== undefined) return [inner.part]
    this.#children ??= this.entries.map(({ node }) => node.part)
    return this.#children
  }

  /** To be changed only with {@link insert}, {@link remove} and {@link replace}. */
  get entries(): readonly Entry<Part>[] {
    return this.#list
  }

  get #list(): Entry<Part>[] {
    this.#entries ??= this.span.children.map((span, i) => ({
      node: this.make(this.tree, span),
      delimiter: this.span.delimiters?.[i],
    }))
    return this.#entries
  }

  /** Whether the entries were read. Without that none of them can have been edited. */
  get hasEntries(): boolean {
    return this.#entries !== undefined
  }

  /** A message should not be encoded (RFC 2046, section 5.2.1), but some are. It is parsed like any other. */
  get #encodedMessage(): PartNode<Part> | undefined {
    if (this.#holdsEncoded) this.#setInner(readEncoded(this.part, this.tree))
    return this.#inner
  }

  /** Whether it holds an encoded message that was not parsed yet. */
  get #holdsEncoded(): boolean {
    if (this.#inner !== undefined || this.span.children.length > 0) return false
    const encoded = isMessageType(this.part.type) && !isIdentity(this.part.encoding)
    return encoded && this.depth + 2 <= this.tree.limits.depth
  }

  #setInner({ bytes, root }: EncodedMessage): void {
    this.#inner = this.make({ ...this.tree, bytes, eol: lineEndOf(bytes) }, root)
  }

  /** Parses an encoded message in turns, before {@link children} does it at once. */
  async readInTurns(turns: Turns): Promise<void> {
    if (this.#body !== undefined || !this.#holdsEncoded) return
    const message = await readEncodedInTurns(this.part, this.tree, turns)
    if (this.#holdsEncoded) this.#setInner(message)
  }

  /** The message in an encoded part, if it was edited. */
  get editedInner(): PartNode<Part> | undefined {
    return this.#inner?.changed === true ? this.#inner : undefined
  }

  /** Whether it has no parts now, and had none when it was parsed. */
  get isBare(): boolean {
    return this.span.children.length === 0 && this.entries.length === 0
  }

  // ---- its body and its boundary

  /** The body that an edit has set; undefined while the parsed one counts. */
  get body(): Buffer | undefined {
    return this.#body
  }

  /** Empty for a part that is no multipart. */
  get boundary(): string {
    return this.span.delimiters === undefined ? '' : this.span.facts.boundary
  }

  /** Whether the boundary of a multipart around it is in these bytes. */
  collides(bytes: Buffer): boolean {
    if (!bytes.includes('--')) return false
    for (let node = this.parent; node !== undefined; node = node.parent) {
      const { boundary } = node
      if (boundary !== '' && bytes.includes(Buffer.from(`--${boundary}`, 'latin1'))) return true
    }
    return false
  }

  // ---- changes of the state, without a check

  /** Another body takes the place of the parsed one and of all parts in it. */
  setBody(body: Buffer): void {
    this.#forget()
    this.#body = body
  }

  /** Other bytes take the place of the parsed ones. */
  setSource(tree: TreeContext, span: PartSpan): void {
    this.#forget()
    this.tree = tree
    this.span = span
  }

  #forget(): void {
    this.#body = undefined
    this.#entries = undefined
    this.#children = undefined
    this.#inner = undefined
  }

  insert(index: number, node: PartNode<Part>): void {
    this.#list.splice(index, 0, { node, delimiter: undefined })
    this.#children = undefined
  }

  remove(node: PartNode<Part>): void {
    this.#list.splice(this.#indexOf(node), 1)
    this.#children = undefined
    node.parent = undefined
  }

  /** The new node gets the delimiter of the old one. */
  replace(node: PartNode<Part>, next: PartNode<Part>): void {
    const index = this.#indexOf(node)
    this.#list[index] = { node: next, delimiter: this.#list[index]!.delimiter }
    this.#children = undefined
    node.parent = undefined
  }

  #indexOf(node: PartNode<Part>): number {
    return this.#list.findIndex((entry) => entry.node === node)
  }
}

const NO_PARTS: readonly never[] = []
