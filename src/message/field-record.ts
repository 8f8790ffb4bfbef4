import type { HeaderView } from '../protocol/commands.ts'
import { lfToCrlf } from '../protocol/line-ends.ts'

const COLON = 0x3a
const SPACE = 0x20
const CRLF = Buffer.from('\r\n')
/** The line that ends a header. */
export const EMPTY_LINE: Buffer = CRLF

/** Roughly the bytes that the object of a field takes. */
const OBJECT = 128

/**
 * A header field as bytes that do not change: `name:value`, with everything after the colon as it stands in the
 * message. Folds have a bare LF, as in the protocol.
 *
 * A changed field is another record. `origin` is the one it came from, across filters.
 */
export class FieldRecord {
  readonly origin: FieldRecord | undefined
  /**
   * The place of a new field: at the top, above the mail server's own Received; or next to a field of the client, and
   * so never above it.
   */
  side: 'above' | 'below' | undefined
  readonly #bytes: Buffer
  readonly #start: number
  readonly #colon: number
  readonly #end: number
  #key: string | undefined

  constructor(bytes: Buffer, start: number, colon: number, end: number, origin?: FieldRecord) {
    this.#bytes = bytes
    this.#start = start
    this.#colon = colon
    this.#end = end
    this.origin = origin
  }

  static of(name: Uint8Array, value: Uint8Array, origin?: FieldRecord): FieldRecord {
    const bytes = Buffer.allocUnsafe(name.length + 1 + value.length)
    bytes.set(name, 0)
    bytes[name.length] = COLON
    bytes.set(value, name.length + 1)
    const record = new FieldRecord(
      bytes,
      0,
      name.length,
      bytes.length,
      origin?.origin ?? origin,
    )
    record.side = origin?.side
    return record
  }

  get name(): Buffer {
    return this.#bytes.subarray(this.#start, this.#colon)
  }

  /** everything after the colon */
  get value(): Buffer {
    return this.#bytes.subarray(this.#colon + 1, this.#end)
  }

  /** The name for comparisons, which ignore case. */
  get key(): string {
    this.#key ??= fieldKey(this.name)
    return this.#key
  }

  /** Byte for byte. */
  equals(other: FieldRecord): boolean {
    return (
      this === other ||
      (this.#end - this.#start === other.#end - other.#start &&
        this.#colon - this.#start === other.#colon - other.#start &&
        this.#bytes.compare(other.#bytes, other.#start, other.#end, this.#start, this.#end) ===
          0)
    )
  }

  sameName(other: FieldRecord): boolean {
    return this.name.equals(other.name)
  }

  /**
   * Bytes of memory that this field keeps from being freed, in addition to those of the field before it. Fields of
   * several messages may share one piece, which is held as a whole for each of them.
   */
  heldAfter(before: FieldRecord | undefined): number {
    const shared = before !== undefined && before.#bytes === this.#bytes
    return shared ? OBJECT : OBJECT + this.#bytes.length
  }

  /** The minimum bytes it takes in a message. */
  get size(): number {
    return this.#end - this.#start + 2
  }

  /** As in a message, with CRLF. */
  toBytes(): Buffer {
    const lines = lfToCrlf(this.#bytes.subarray(this.#start, this.#end))
    return Buffer.concat([lines, CRLF])
  }
}

/** Stands for all fields of a header that no filter reads: new fields can be above and below it. */
export const UNREAD: FieldRecord = FieldRecord.of(Buffer.alloc(0), Buffer.alloc(0))
export const UNREAD_HEADER: readonly FieldRecord[] = [UNREAD]

/** ASCII letters are compared without case, as in mail servers. Other bytes do not change. */
export function fieldKey(name: Buffer): string {
  const text = name.toString('latin1')
  // Latin-1 has capitals outside ASCII, which a plain toLowerCase would change.
  return /^[ -~]*$/.test(text)
    ? text.toLowerCase()
    : text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** A header as in a message, without the empty line that ends it. */
export function formatHeader(fields: readonly FieldRecord[]): Buffer {
  return Buffer.concat(fields.map((field) => field.toBytes()))
}

/**
 * The size of a piece of memory for fields. All connections share it, and it is written only once. It is freed when its
 * last field is freed. A message that lasts long holds all of it, so it is no larger than a few usual headers.
 */
const SLAB = 16_384
let slab = Buffer.alloc(0)
let used = 0

/** A copy of a field off the wire. `space`: the mail server has cut off one before the value. */
export function recordOf(field: HeaderView, space: boolean): FieldRecord {
  const size = field.size + (space ? 1 : 0)
  if (slab.length - used < size) {
    slab = Buffer.allocUnsafeSlow(Math.max(SLAB, size))
    used = 0
  }
  const start = used
  const end = start + size
  const colon = start + field.copy(slab, start)
  slab[colon] = COLON
  if (space) {
    slab.copyWithin(colon + 2, colon + 1, end - 1)
    slab[colon + 1] = SPACE
  }
  used = end
  return new FieldRecord(slab, start, colon, end)
}
