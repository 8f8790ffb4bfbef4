/** Writes a part: the parsed bytes if nothing was edited, and the edits elsewhere. */
import { encodeTransfer } from '../encodings/transfer-encoding.ts'
import { multipartPieces } from './multipart-writer.ts'
import type { PartNode, TreePart } from './part-node.ts'

const LF = 0x0a

/** The part with its header. */
export function partBytes<Part extends TreePart>(node: PartNode<Part>): Buffer {
  return node.changed
    ? Buffer.concat([...partPieces(node)])
    : node.tree.bytes.subarray(node.span.start, node.span.end)
}

/** The same in pieces. Pieces without edits are views of the parsed bytes. */
export function partPieces<Part extends TreePart>(node: PartNode<Part>): Generator<Buffer> {
  return pieces(node, true)
}

/** The body as it is in the message. */
export function bodyBytes<Part extends TreePart>(node: PartNode<Part>): Buffer {
  if (node.body !== undefined) return node.body
  if (!node.changed) return node.tree.bytes.subarray(node.span.bodyStart, node.span.end)
  return Buffer.concat([...pieces(node, false)])
}

/**
 * The body of a part, after its header if that is wanted. One generator writes both, because nested parts are written
 * recursively: each generator for a part takes its share of the stack.
 */
function* pieces<Part extends TreePart>(
  node: PartNode<Part>,
  withHeader: boolean,
): Generator<Buffer> {
  const { start, bodyStart, end, delimiters, closing } = node.span
  const { bytes, eol } = node.tree
  if (!node.changed) {
    yield bytes.subarray(withHeader ? start : bodyStart, end)
    return
  }
  if (withHeader) yield* headerPieces(node)
  const inner = node.editedInner
  if (node.body !== undefined) yield node.body
  else if (inner !== undefined) {
    yield encodeTransfer(partBytes(inner), node.part.encoding, eol)
  } else if (!node.hasEntries || node.isBare) yield bytes.subarray(bodyStart, end)
  else if (delimiters === undefined) {
    for (const entry of node.entries) yield* pieces(entry.node, true)
  } else {
    const first = delimiters[0]?.start ?? closing?.start ?? end
    yield* multipartPieces({
      preamble: bytes.subarray(bodyStart, first),
      entries: node.entries.map((entry) => ({
        delimiter:
          entry.delimiter && bytes.subarray(entry.delimiter.start, entry.delimiter.end),
        pieces: () => pieces(entry.node, true),
        endsBare: () => endsBare(entry.node),
      })),
      closing: closing && bytes.subarray(closing.start, closing.end),
      epilogue: bytes.subarray(closing?.end ?? end, end),
      boundary: node.boundary,
      eol,
    })
  }
}

/** The header of an edited part, and the empty line after it. */
function* headerPieces<Part extends TreePart>(node: PartNode<Part>): Generator<Buffer> {
  const { start, headerEnd, bodyStart } = node.span
  const { bytes, eol } = node.tree
  const lines = node.headers?.toBytes() ?? bytes.subarray(start, headerEnd)
  yield lines
  // The message may have ended inside the last line of this header.
  if (lines.length > 0 && lines.at(-1) !== LF) yield Buffer.from(eol)
  const separator = bytes.subarray(headerEnd, bodyStart)
  yield separator
  if (separator.at(-1) !== LF) yield Buffer.from(eol)
}

/** Whether nothing follows the last empty line or delimiter of a part, so that no line end can be lost there. */
function endsBare<Part extends TreePart>(part: PartNode<Part>): boolean {
  // Down to the last part in it.
  for (let node = part; ;) {
    const { bodyStart, end, closing, delimiters } = node.span
    if (node.body !== undefined) return node.body.length === 0
    if (node.editedInner !== undefined) return false
    if (closing !== undefined) return closing.end === end
    const last = node.entries.at(-1)
    if (last === undefined) return !node.isBare || bodyStart === end
    // The writer puts a closing delimiter after a new part.
    if (delimiters !== undefined && last.delimiter === undefined) return true
    node = last.node
  }
}
