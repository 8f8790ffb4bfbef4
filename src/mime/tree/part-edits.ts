/** The edits of a part. Each is checked first, then marks the part and all around it as changed. */
import { UsageError } from '../../errors.ts'
import { encodeText } from '../../protocol/text.ts'
import { checkPlain, tooNarrow } from '../encodings/encoding-labels.ts'
import {
  encodeTransfer,
  isKnownEncoding,
  nextEncoding,
  type TransferEncoding,
} from '../encodings/transfer-encoding.ts'
import { withParameter } from '../fields/content-type.ts'
import { hasLines, mustNotBeEncoded } from '../fields/media-type.ts'
import { parseParameters } from '../fields/parameters.ts'
import { LineHeaders } from '../fields/part-headers.ts'
import {
  buildPart,
  checkMultipart,
  contentBytes,
  isContentField,
  wrapping,
  type NewPart,
} from './new-part.ts'
import { parseStructure } from './parser.ts'
import type { PartNode, TreePart } from './part-node.ts'
import { checkContent, checkText, newText, type EditOptions } from './text-edit.ts'

const CR = 0x0d

/** Checks an edit, marks what it changes, and makes it. Steps of an edit that is under way need no check. */
function edit<Part extends TreePart>(
  node: PartNode<Part>,
  what: string,
  steps?: () => void,
): void {
  if (node.editing) return
  allow(node, what)
  for (const one of node.path) one.changed = true
  node.editing = true
  try {
    steps?.()
  } finally {
    node.editing = false
  }
}

function allow<Part extends TreePart>(node: PartNode<Part>, what: string): void {
  node.tree.permit(what)
  const sealed = node.sealedBy
  if (sealed !== undefined && !sealed.unsealed) {
    const { protection, type } = sealed.part
    throw new UsageError(
      'SEALED_PART',
      `${what} would change a part that is ${protection} (${type}); unseal() allows it all the same`,
    )
  }
}

/** Steps in another node that belong to an edit that was allowed. */
function also<Part extends TreePart>(node: PartNode<Part>, steps: () => void): void {
  const { editing } = node
  node.editing = true
  steps()
  node.editing = editing
}

// ---- the header

/** The header of a part. Its edits are edits of the part. */
export function editableHeaders<Part extends TreePart>(node: PartNode<Part>): LineHeaders {
  const { bytes, eol } = node.tree
  return new LineHeaders(bytes.subarray(node.span.start, node.span.headerEnd), eol, {
    before: () => edit(node, 'headers'),
    written: (name) => {
      if (isContentField(name)) setVersion(node)
    },
  })
}

/** A message with fields of MIME needs MIME-Version, and so do the messages around it (RFC 2045, section 4). */
function setVersion<Part extends TreePart>(node: PartNode<Part>): void {
  for (const one of node.path) {
    const { headers } = one.part
    if (one.isInMultipart || headers.has('MIME-Version')) continue
    also(one, () => headers.append('MIME-Version', '1.0'))
  }
}

/** The parts around this one need a transfer encoding at least as wide as its own. */
function labelAround<Part extends TreePart>(node: PartNode<Part>): void {
  const { encoding } = node.part
  for (const one of tooNarrow(node.path.slice(1), encoding)) {
    also(one, () => one.part.headers.set('Content-Transfer-Encoding', encoding))
  }
  setVersion(node)
}

function setParameter(part: TreePart, name: string, text: string): void {
  const [field] = part.fields('Content-Type')
  // A parameter added to a field that cannot be read would be no parameter.
  const isSure = field !== undefined && part.describing()[0]?.strict.sure === true
  const raw = isSure
    ? part.headers.raw('Content-Type')[0]!
    : Buffer.from(` ${part.type}`, 'latin1')
  part.headers.set('Content-Type', withParameter(raw, name, text))
}

// ---- the content

export async function setText<Part extends TreePart>(
  node: PartNode<Part>,
  text: string,
  options: EditOptions,
): Promise<void> {
  const { part } = node
  allow(node, 'setText')
  const before = await part.text()
  if (!checkText(part, before, text, options)) return
  const next = await newText(part, text, node.tree.eol)
  checkPlain(next.bytes, part.type, part)
  edit(node, 'setText', () => {
    if (next.charset !== undefined) setParameter(part, 'charset', next.charset)
    setBytes(node, next.bytes)
  })
}

export function setContent<Part extends TreePart>(
  node: PartNode<Part>,
  content: Uint8Array,
  type: string | undefined,
  options: EditOptions,
): void {
  const { part } = node
  const next = type === undefined ? part.type : parseParameters(encodeText(type)).value
  const bytes = contentBytes(content, next, node.tree.eol)
  checkContent(part, bytes, options)
  checkPlain(bytes, next, part)
  if (mustNotBeEncoded(next) && node.collides(bytes)) {
    throw new UsageError(
      'INVALID_OPTION',
      `the content holds the boundary of a multipart around it, and ${next} must not be encoded`,
    )
  }
  edit(node, 'setContent', () => {
    if (type !== undefined) part.headers.set('Content-Type', type)
    setBytes(node, bytes)
  })
}

function setBytes<Part extends TreePart>(node: PartNode<Part>, bytes: Buffer): void {
  const { part } = node
  const { eol } = node.tree
  const { encoding, headers } = part
  const fields = headers.raw('Content-Transfer-Encoding')
  const clear = fields.length < 2 && fields.every(isKnownEncoding)
  const next = nextEncoding(bytes, part, eol)
  if (next !== encoding || !clear) headers.set('Content-Transfer-Encoding', next)
  const body = encodeTransfer(bytes, next, eol, hasLines(part.type))
  node.setBody(guarded(node, body, bytes))
  if (part.encoding !== encoding) labelAround(node)
}

/** A body in base64 if it holds a line that would end a multipart around it, or ends with a CR. */
function guarded<Part extends TreePart>(
  node: PartNode<Part>,
  body: Buffer,
  bytes: Buffer,
): Buffer {
  const cut = body.at(-1) === CR && node.parent !== undefined
  if ((!cut && !node.collides(body)) || mustNotBeEncoded(node.part.type)) return body
  node.part.headers.set('Content-Transfer-Encoding', 'base64')
  return encodeTransfer(bytes, 'base64', node.tree.eol)
}

// ---- the tree

/** Gives the node that stands there now: the same one for a message, a new one for a part of a multipart. */
export function replaceWith<Part extends TreePart>(
  node: PartNode<Part>,
  part: NewPart,
): PartNode<Part> {
  const { parent } = node
  if (parent === undefined || !node.isInMultipart) {
    become(node, part)
    return node
  }
  const made = makePart(parent, part)
  edit(parent, 'replaceWith')
  parent.replace(node, made)
  labelAround(made)
  return made
}

/** A message gets other content. The fields that do not describe content stay, also in an attached message. */
function become<Part extends TreePart>(node: PartNode<Part>, part: NewPart): void {
  const { eol } = node.tree
  let { headers: lines, body } = buildPart(part, eol)
  if (node.collides(body)) {
    ;({ headers: lines, body } = buildPart({ ...part, encoding: 'base64' }, eol))
  }
  const fields = new LineHeaders(lines, eol)
  edit(node, 'replaceWith', () => {
    const { headers } = node.part
    for (const name of headers.names()) {
      if (isContentField(name)) headers.delete(name)
    }
    for (const name of fields.names()) headers.set(name, fields.raw(name)[0]!)
    node.setBody(body)
    labelAround(node)
  })
}

export function remove<Part extends TreePart>(node: PartNode<Part>): void {
  const { parent } = node
  if (parent === undefined || !node.isInMultipart) {
    throw new UsageError(
      'INVALID_OPTION',
      'a message cannot be removed from itself: use replaceWith, or remove the part that holds it',
    )
  }
  edit(parent, 'remove')
  parent.remove(node)
}

export function insert<Part extends TreePart>(
  node: PartNode<Part>,
  index: number,
  part: NewPart,
): PartNode<Part> {
  if (node.span.delimiters === undefined || node.body !== undefined) {
    throw new UsageError(
      'INVALID_OPTION',
      `a part of type ${node.part.type} holds no others; wrap() makes a multipart of it`,
    )
  }
  const made = makePart(node, part)
  edit(node, 'insert')
  node.insert(index, made)
  labelAround(made)
  return made
}

/** A new part for a multipart, which does not hold it yet. */
function makePart<Part extends TreePart>(
  parent: PartNode<Part>,
  part: NewPart,
): PartNode<Part> {
  const { tree, boundary } = parent
  const build = (encoding?: TransferEncoding): Buffer => {
    const given = encoding === undefined ? part : { ...part, encoding }
    const { headers, body } = buildPart(given, tree.eol)
    return Buffer.concat([headers, Buffer.from(tree.eol), body])
  }
  let bytes = build()
  const collides = (): boolean =>
    bytes.includes(Buffer.from(`--${boundary}`, 'latin1')) || parent.collides(bytes)
  if (collides()) bytes = build('base64')
  if (collides()) {
    throw new UsageError(
      'INVALID_OPTION',
      'the header of the new part holds the boundary of the multipart it is for',
    )
  }
  const { root } = parseStructure(bytes, tree.limits)
  return parent.make({ ...tree, bytes }, root)
}

export function wrap<Part extends TreePart>(node: PartNode<Part>, type: string): void {
  checkMultipart(type)
  if (node.parent === undefined) node.tree.permit('wrap')
  else edit(node.parent, 'wrap')
  const { field, encoding, bytes } = wrapping(type, node.part, node.tree.eol)
  // Content that is sealed stays sealed as it was, because only the fields move.
  const { headers } = node.part
  node.editing = true
  for (const name of headers.names().filter(isContentField)) headers.delete(name)
  headers.set('Content-Type', encodeText(field))
  if (encoding !== '7bit') headers.set('Content-Transfer-Encoding', encoding)
  node.editing = false
  node.changed = true
  node.setSource({ ...node.tree, bytes }, parseStructure(bytes, node.tree.limits).root)
}

/** Allows edits in what seals this part. */
export function unseal<Part extends TreePart>(node: PartNode<Part>): void {
  const sealed = node.sealedBy
  if (sealed !== undefined) sealed.unsealed = true
}
