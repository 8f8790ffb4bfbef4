import { UsageError } from '../errors.ts'
import { foldWithLf, headerName } from '../milter/edits.ts'
import { Action, DataSize } from '../protocol/constants.ts'
import { lfToCrlf } from '../protocol/line-ends.ts'
import { decodeText, encodeText } from '../protocol/text.ts'
import {
  decodeEncodedWords,
  encodeWhole,
  encodeWords,
  withoutEncodedQuotes,
} from './encoded-words.ts'
import type { EditGuard } from './edit-guard.ts'
import { FieldRecord } from './field-record.ts'

/** Where a field is, or is to be: the object, or a name for the first of that name. */
export type FieldReference = HeaderField | string

/**
 * The header of a mail, in order. Fields are objects, so duplicates and positions need no counting;
 * the edits that make the mail server's message like this are worked out when the handler is done.
 *
 * Names are compared without regard to case. Text is given and taken decoded (RFC 2047, folds
 * removed); `raw` of a field has its bytes.
 */
export class Headers implements Iterable<HeaderField> {
  readonly #guard: EditGuard
  #fields: HeaderField[]
  #changed = false

  constructor(records: readonly FieldRecord[], guard: EditGuard) {
    this.#guard = guard
    this.#fields = records.map((record) => new HeaderField(record, this))
  }

  get length(): number {
    return this.#fields.length
  }

  /** The fields as they are now; they may be edited meanwhile. */
  [Symbol.iterator](): IterableIterator<HeaderField> {
    return this.#fields.slice().values()
  }

  /** The text of the first field of a name; undefined if there is none. */
  get(name: string): string | undefined {
    return this.field(name)?.value
  }

  getAll(name: string): string[] {
    return this.fields(name).map(({ value }) => value)
  }

  has(name: string): boolean {
    return this.field(name) !== undefined
  }

  /** The first field of a name. */
  field(name: string): HeaderField | undefined {
    const key = keyOf(name)
    return this.#fields.find((field) => field.record.key === key)
  }

  /** All fields, or all of a name. */
  fields(name?: string): HeaderField[] {
    if (name === undefined) return this.#fields.slice()
    const key = keyOf(name)
    return this.#fields.filter((field) => field.record.key === key)
  }

  /** A new field at the end. @throws UsageError as {@link insertBefore} */
  append(name: string, value: string | Uint8Array): HeaderField {
    return this.#insert(this.#fields.length, 'append', name, value)
  }

  /** A new field at the top, above everything. @throws UsageError as {@link insertBefore} */
  prepend(name: string, value: string | Uint8Array): HeaderField {
    return this.#insert(0, 'prepend', name, value)
  }

  /**
   * A new field before another. Text is encoded and folded as it must be; bytes are everything after
   * the colon, as they are to stand there.
   *
   * @throws UsageError INVALID_HEADER_NAME, INVALID_HEADER_VALUE (a line break without a blank after
   *   it, NUL), TOO_LONG, WRONG_STAGE, INVALID_OPTION if there is no such field
   */
  insertBefore(place: FieldReference, name: string, value: string | Uint8Array): HeaderField {
    return this.#insert(this.#indexOf(place), 'insertBefore', name, value)
  }

  insertAfter(place: FieldReference, name: string, value: string | Uint8Array): HeaderField {
    return this.#insert(this.#indexOf(place) + 1, 'insertAfter', name, value)
  }

  /** One field of that name, with that value: the first is changed, others go; appended if none is there. */
  set(name: string, value: string | Uint8Array): HeaderField {
    const [first, ...others] = this.fields(name)
    if (first === undefined) return this.append(name, value)
    if (typeof value === 'string') first.value = value
    else first.raw = value
    for (const other of others) other.remove()
    return first
  }

  /** Removes a field, or all of a name; tells how many were there. */
  delete(what: FieldReference): number {
    const before = this.#fields.length
    const key = typeof what === 'string' ? keyOf(what) : undefined
    const kept = this.#fields.filter((field) =>
      key === undefined ? field !== what : field.record.key !== key,
    )
    if (!this.#guard.permit('headers.delete', Action.CHGHDRS)) return 0
    if (kept.length < before) this.#changed = true
    this.#fields = kept
    return before - kept.length
  }

  #insert(index: number, what: string, name: string, value: string | Uint8Array): HeaderField {
    const permitted = this.#guard.permit(`headers.${what}`, Action.ADDHDRS)
    const bytes = headerName(name)
    const field = new HeaderField(
      checkedSize(
        FieldRecord.of(
          bytes,
          typeof value === 'string' ? textValue(bytes, value) : rawValue(bytes, value),
        ),
      ),
      this,
    )
    if (!permitted) return field
    this.#fields.splice(index, 0, field)
    this.#changed = true
    return field
  }

  #indexOf(place: FieldReference): number {
    const field = typeof place === 'string' ? this.field(place) : place
    const index = field === undefined ? -1 : this.#fields.indexOf(field)
    if (index === -1) {
      throw new UsageError(
        'INVALID_OPTION',
        typeof place === 'string'
          ? `there is no field ${JSON.stringify(place)} to insert at; ask headers.has() first`
          : `the field ${JSON.stringify(place.name)} to insert at is not in the header any more`,
      )
    }
    return index
  }

  /** For fields: whether one of them may become another record. */
  mayChange(what: string): boolean {
    const permitted = this.#guard.permit(what, Action.CHGHDRS)
    if (permitted) this.#changed = true
    return permitted
  }

  /** For the library: the fields as they are; the given ones, themselves, if nothing was edited. */
  records(given: readonly FieldRecord[]): readonly FieldRecord[] {
    return this.#changed ? this.#fields.map(({ record }) => record) : given
  }
}

/** One field of a header. */
export class HeaderField {
  #record: FieldRecord
  readonly #headers: Headers

  constructor(record: FieldRecord, headers: Headers) {
    this.#record = record
    this.#headers = headers
  }

  /** For the library: its bytes. */
  get record(): FieldRecord {
    return this.#record
  }

  get name(): string {
    return decodeText(this.#record.name)
  }

  /**
   * The text: unfolded, without blanks around it, encoded words decoded. Setting it encodes what is
   * not ASCII and folds only what must be folded; where the new text has the old one in it, the bytes
   * of that stay as they are.
   *
   * @throws UsageError on setting, as {@link Headers.insertBefore}
   */
  get value(): string {
    return textOf(this.#record.value)
  }

  set value(text: string) {
    const { name, value } = this.#record
    this.#change('value', extended(name, value, text) ?? textValue(name, text))
  }

  /** Everything after the colon, with its leading space; lines are parted by CRLF. */
  get raw(): Buffer {
    return Buffer.from(lfToCrlf(this.#record.value))
  }

  /** @throws UsageError INVALID_HEADER_VALUE, TOO_LONG, WRONG_STAGE */
  set raw(value: Uint8Array) {
    this.#change('raw', rawValue(this.#record.name, value))
  }

  /** Takes it out of the header. */
  remove(): void {
    this.#headers.delete(this)
  }

  toString(): string {
    return `${this.name}: ${this.value}`
  }

  #change(what: string, value: Buffer): void {
    const record = checkedSize(FieldRecord.of(this.#record.name, value, this.#record))
    if (this.#headers.mayChange(`field.${what}`)) this.#record = record
  }
}

const keyOf = (name: string): string => encodeText(name).toString('latin1').toLowerCase()

const ADDRESS_FIELDS = /^(?:resent-)?(?:from|sender|reply-to|to|cc|bcc)$/i

function textOf(value: Buffer): string {
  const unfolded = decodeText(value).replaceAll(/\r?\n(?=[ \t])/g, '')
  return decodeEncodedWords(unfolded.replaceAll(/^[ \t]+|[ \t]+$/g, ''))
}

/** A text as it is written after the colon. */
function textValue(name: Buffer, text: string): Buffer {
  // Before anything is encoded: a line break must not vanish in an encoded word.
  foldWithLf(name, encodeText(text))
  const plain = ADDRESS_FIELDS.test(name.toString('latin1')) ? withoutEncodedQuotes(text) : text
  return foldWithLf(name, encodeText(` ${encodeWords(plain, name.length + 2)}`))
}

/** Bytes as they are; nothing at all would be taken for a deletion, so that is one space. */
function rawValue(name: Buffer, value: Uint8Array): Buffer {
  const bytes = foldWithLf(name, encodeText(value))
  return bytes.length === 0 ? Buffer.from(' ') : Buffer.from(bytes)
}

/**
 * The old value with text before or after it, such as a tag before a subject: its own bytes are kept,
 * whatever they are encoded in. Undefined if the new text is not that.
 */
function extended(name: Buffer, value: Buffer, text: string): Buffer | undefined {
  const old = textOf(value)
  const at = old === '' ? -1 : text.indexOf(old)
  if (at === -1) return undefined
  const before = text.slice(0, at)
  const after = text.slice(at + old.length)
  // Without a blank between them, two words would become one.
  if ((before !== '' && !before.endsWith(' ')) || (after !== '' && !after.startsWith(' '))) {
    return undefined
  }
  foldWithLf(name, encodeText(text))
  const core = decodeText(value).replaceAll(/^[ \t\n]+|[ \t\n]+$/g, '')
  const head = before === '' ? '' : ahead(before.slice(0, -1), core, name.length + 2)
  const tail =
    after === '' ? '' : behind(core, after.slice(1), lastColumn(head + core, name.length + 2))
  const bytes = foldWithLf(name, encodeText(` ${head}${core}${tail}`))
  return textOf(bytes) === text ? bytes : undefined
}

/** Text before bytes that stay. Blanks between two encoded words vanish, so they go into the first. */
function ahead(text: string, core: string, column: number): string {
  const plain = encodeWords(text, column)
  const head =
    /^=\?[^?\s]+\?[bq]\?/i.test(core) && plain.endsWith('?=')
      ? encodeWhole(`${text} `, column)
      : plain
  const first = Buffer.byteLength(core.split('\n', 1)[0]!)
  // The first line of what stays is not made longer than lines should be.
  return lastColumn(head, column) + 1 + first > 76 ? `${head}\n ` : `${head} `
}

/** Text after bytes that stay. */
function behind(core: string, text: string, column: number): string {
  const plain = encodeWords(text, column + 1)
  const tail =
    core.endsWith('?=') && plain.startsWith('=?') ? encodeWhole(` ${text}`, column + 1) : plain
  const first = Buffer.byteLength(tail.split('\n', 1)[0]!)
  return column + 1 + first > 76 ? `\n ${tail}` : ` ${tail}`
}

/** Where a text that begins in a column ends. */
function lastColumn(text: string, column: number): number {
  const feed = text.lastIndexOf('\n')
  const line = Buffer.byteLength(text.slice(feed + 1))
  return feed === -1 ? column + line : line
}

function checkedSize(record: FieldRecord): FieldRecord {
  // Name and value with a NUL each, behind an index.
  const size = record.name.length + record.value.length + 6
  if (size > DataSize.K64) {
    throw new UsageError(
      'TOO_LONG',
      `the field ${JSON.stringify(decodeText(record.name))} needs a frame of ${size} bytes; mail servers take ${DataSize.K64}`,
    )
  }
  return record
}
