/** The transfer encodings of multiparts and messages, which label what is in them (RFC 2045, section 6.4). */
import { UsageError } from '../../errors.ts'
import { mustNotBeEncoded } from '../fields/media-type.ts'
import type { PartHeaders } from '../fields/part-headers.ts'
import {
  isIdentity,
  isKnownEncoding,
  isText,
  isWider,
  plainEncoding,
  type TransferEncoding,
} from './transfer-encoding.ts'

interface Labelled {
  readonly encoding: TransferEncoding
  readonly headers: PartHeaders
}

/** Those around a part whose transfer encoding is too narrow for it, the innermost one first. */
export function tooNarrow<Node extends { readonly part: Labelled }>(
  around: readonly Node[],
  encoding: TransferEncoding,
): Node[] {
  const narrow: Node[] = []
  for (const node of around) {
    const { part } = node
    // Encoded content is ASCII.
    if (!isIdentity(part.encoding)) break
    const fields = part.headers.raw('Content-Transfer-Encoding')
    const clear = fields.length < 2 && fields.every(isKnownEncoding)
    if (clear && isWider(encoding, part.encoding)) narrow.push(node)
  }
  return narrow
}

interface Holder {
  readonly encoding: TransferEncoding
  readonly raw: Buffer
}

/**
 * Content that must not be encoded must travel unchanged.
 * @param holder the part with its old content: if that travelled all the same, so does the new one
 * @throws UsageError INVALID_OPTION
 */
export function checkPlain(bytes: Buffer, type: string, holder?: Holder): void {
  if (!mustNotBeEncoded(type) || plainEncoding(bytes) !== undefined) return
  if (holder?.encoding === 'binary' || (holder !== undefined && !isText(holder.raw))) return
  throw new UsageError(
    'INVALID_OPTION',
    `content of type ${type} must not be encoded, and neither 7bit nor 8bit can carry it: they take lines of at most 998 bytes, without NUL and without a CR alone`,
  )
}
