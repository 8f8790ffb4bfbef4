/** What multiparts and messages say of what is in them as it stands (RFC 2045, section 6.4). */
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

/** Which of the parts around one have to say more, the next one first. */
export function tooNarrow<Part extends Labelled>(
  around: readonly Part[],
  encoding: TransferEncoding,
): Part[] {
  const parts: Part[] = []
  for (const part of around) {
    // In what is encoded all is ASCII.
    if (!isIdentity(part.encoding)) break
    const fields = part.headers.raw('Content-Transfer-Encoding')
    const clear = fields.length < 2 && fields.every(isKnownEncoding)
    if (clear && isWider(encoding, part.encoding)) parts.push(part)
  }
  return parts
}

interface Holder {
  readonly encoding: TransferEncoding
  readonly raw: Buffer
}

/**
 * What must not be encoded has to go through as it stands.
 * @param holder what held other content before: if that went through all the same, so does this
 * @throws UsageError INVALID_OPTION
 */
export function checkPlain(bytes: Buffer, type: string, holder?: Holder): void {
  if (!mustNotBeEncoded(type) || plainEncoding(bytes) !== undefined) return
  if (holder?.encoding === 'binary' || (holder !== undefined && !isText(holder.raw))) return
  throw new UsageError(
    'INVALID_OPTION',
    `content of type ${type} must not be encoded, and neither 7bit nor 8bit carries this: they take lines of 998 bytes at most, without NUL and without a CR alone`,
  )
}
