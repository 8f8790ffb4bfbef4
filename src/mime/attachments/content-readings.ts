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

/** One thing some program takes for the content of a part. */
export interface ContentReading {
  /** its first bytes, as many as come at once */
  readonly start: Buffer
  /** all of it, decoded in turns with other work */
  readonly whole: (turns: Turns) => Promise<Buffer>
}

/** What a field says in place of what is known; nobody has agreed on a name (`x-uuencode`, `uue`). */
const UUENCODED = /^\W*(?:x-)?uu(?:e|encoded?)?\W*$/i

type Decoding = TransferEncoding | 'uuencode'

/** What a field may mean: of a name nobody knows, anything. `"base64"` is none by RFC 2045. */
function decodingsOf(field: string): readonly Decoding[] {
  const known = transferEncoding(field)
  // Of several words in one field programs take the first, the last, or one they know.
  const words = field.replaceAll(/\([^()]*\)/g, ' ').match(/[^\s;,]+/g) ?? []
  if (known !== undefined) {
    return [known, ...words.slice(1).flatMap((word) => transferEncoding(word) ?? [])]
  }
  if (UUENCODED.test(field)) return ['7bit', 'uuencode']
  return ['7bit', 'base64', 'quoted-printable', 'uuencode']
}

/** The content of a part; where several transfer encodings are said, or none for sure, as each has it. */
export function* contentReadings(part: MimePart): Generator<ContentReading> {
  const usual = part.isMultipart ? '7bit' : part.encoding
  yield readingOf(part, usual)
  const others = part
    .fields('Content-Transfer-Encoding')
    .flatMap((raw) => decodingsOf(readField('Content-Transfer-Encoding', decodeText(raw))))
    // What is no base64 at all, some programs show as it stands.
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
