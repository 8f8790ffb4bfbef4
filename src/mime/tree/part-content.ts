import { decodeAnyCharset } from '../encodings/charset.ts'
import { charsetSaid } from '../html/html-charset.ts'
import { PartFacts } from './part-facts.ts'
import {
  decodeTransfer,
  decodeTransferInPieces,
  decodeTransferInTurns,
} from '../encodings/transfer-encoding.ts'
import { Turns } from '../turns.ts'

/** The content of a part, decoded as its header says. */
export abstract class PartContent extends PartFacts {
  /** The body as it is in the message. */
  abstract get raw(): Buffer

  /** The content without its transfer encoding. For a multipart, this is the body as it is. */
  bytes(): Buffer {
    return this.isMultipart ? this.raw : decodeTransfer(this.raw, this.encoding)
  }

  /** The content in pieces of at most 64 KiB. */
  *stream(): Generator<Buffer> {
    yield* decodeTransferInPieces(this.raw, this.isMultipart ? '7bit' : this.encoding)
  }

  /** The content as text. Text in an unknown charset is read as UTF-8, or as Latin-1 if it is not UTF-8. */
  async text(): Promise<string> {
    const encoding = this.isMultipart ? '7bit' : this.encoding
    const bytes = await decodeTransferInTurns(this.raw, encoding, new Turns())
    return await decodeAnyCharset(charsetSaid(this.type, this.charset, bytes) ?? '', bytes)
  }
}
