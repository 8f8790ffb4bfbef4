import { decodeText } from '../../protocol/text.ts'
import { readField } from '../fields/field-text.ts'
import type { MimePart } from '../tree/part.ts'
import {
  decodeTransferInPieces,
  decodeTransferInTurns,
  isIdentity,
  transferEncoding,
  type TransferEncoding,
} from '../encodings/transfer-encoding.ts'
import type { Turns } from '../turns.ts'
import { decodeUuencoded } from '../encodings/uuencode.ts'

/** One content that some program reads in a part. */
export interface ContentReading {
  /** the first bytes, as many as decoding gives at once */
  readonly start: Buffer
  /** all of it, decoded in turns with other work */
  readonly whole: (turns: Turns) => Promise<Buffer>
}

/** Names of uuencode in a field. There is no standard name (`x-uuencode`, `uue`). */
const UUENCODED = /^\W*(?:x-)?uu(?:e|encoded?)?\W*$/i

type Decoding = TransferEncoding | 'uuencode'

/** What a field may mean. An unknown name can mean anything. `"base64"` is not valid by RFC 2045. */
function decodingsOf(field: string): readonly Decoding[] {
  const known = transferEncoding(field)
  // If a field has several words, programs take the first, the last, or one they know.
  const words = field.replaceAll(/\([^()]*\)/g, ' ').match(/[^\s;,]+/g) ?? []
  if (known !== undefined) {
    return [known, ...words.slice(1).flatMap((word) => transferEncoding(word) ?? [])]
  }
  if (UUENCODED.test(field)) return ['7bit', 'uuencode']
  return ['7bit', 'base64', 'quoted-printable', 'uuencode']
}

/** The content of a part. If the transfer encoding is not sure, or there are several, the content in each of them. */
export function* contentReadings(part: MimePart): Generator<ContentReading> {
  const usual = part.isMultipart ? '7bit' : part.encoding
  yield readingOf(part, usual)
  const others = part
    .fields('Content-Transfer-Encoding')
    .flatMap((raw) => decodingsOf(readField('Content-Transfer-Encoding', decodeText(raw))))
    // Some programs show invalid base64 unchanged.
    .concat(usual === 'base64' && part.raw.includes('<') ? ['7bit'] : [])
    .filter(
      (one) => one !== usual && !(one !== 'uuencode' && isIdentity(one) && isIdentity(usual)),
    )
  for (const one of new Set(others)) yield readingOf(part, one)
}

function readingOf(part: MimePart, decoding: Decoding): ContentReading {
  if (decoding === 'uuencode') {
    const bytes = decodeUuencoded(part.raw)
    return { start: bytes, whole: () => Promise.resolve(bytes) }
  }
  if (isIdentity(decoding)) {
    const { raw } = part
    return { start: raw, whole: () => Promise.resolve(raw) }
  }
  const { raw } = part
  const start = (decodeTransferInPieces(raw, decoding).next().value ??
    Buffer.alloc(0)) as Buffer
  let whole: Promise<Buffer> | undefined
  return { start, whole: (turns) => (whole ??= decodeTransferInTurns(raw, decoding, turns)) }
}
