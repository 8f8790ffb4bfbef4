import { decodeAnyCharset } from '../encodings/charset.ts'
import { charsetSaid } from '../html/html-charset.ts'
import { PartFacts } from './part-facts.ts'
import {
  decodeTransfer,
  decodeTransferInPieces,
  decodeTransferInTurns,
} from '../encodings/transfer-encoding.ts'
import { Turns } from '../turns.ts'

/** What a part holds, as its header says. */
export abstract class PartContent extends PartFacts {
  /** The body as it stands in the message. */
  abstract get raw(): Buffer

  /** The content, its transfer encoding undone. Of a multipart the body as it stands. */
  bytes(): Buffer {
    return this.isMultipart ? this.raw : decodeTransfer(this.raw, this.encoding)
  }

  /** The content in pieces of 64 KiB at most. */
  *stream(): Generator<Buffer> {
    yield* decodeTransferInPieces(this.raw, this.isMultipart ? '7bit' : this.encoding)
  }

  /** The content as text. A charset nobody knows is read as UTF-8, or as Latin-1 where it is none. */
  async text(): Promise<string> {
    const encoding = this.isMultipart ? '7bit' : this.encoding
    const bytes = await decodeTransferInTurns(this.raw, encoding, new Turns())
    return await decodeAnyCharset(charsetSaid(this.type, this.charset, bytes) ?? '', bytes)
  }
}
