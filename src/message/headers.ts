import { UsageError } from '../errors.ts'
import { foldWithLf, headerName } from '../milter/edit-checks.ts'
import { Action, DataSize } from '../protocol/constants.ts'
import { lfToCrlf, withoutBlankLines } from '../protocol/line-ends.ts'
import { decodeText, encodeText } from '../protocol/text.ts'
import { extendWords, trimSpaces } from '../mime/fields/encoded-words.ts'
import {
  grammarOf,
  isAsciiField,
  isField,
  newWord,
  readField,
  styleOf,
  writeField,
} from '../mime/fields/field-text.ts'
import {
  formatAddresses,
  mailboxesOf,
  parseAddresses,
  type Address,
  type Mailbox,
  type NewAddress,
} from '../mime/fields/mailboxes.ts'
import type { EditGuard } from './edit-guard.ts'
import { fieldKey, FieldRecord } from './field-record.ts'

/** A field of the header: the object, or a name for the first field of that name. */
export type FieldReference = HeaderField | string

/**
 * The header of a mail, in order. Fields are objects, so you need not count duplicates and positions. The edits for
 * the mail server are worked out when the handler is done.
 *
 * Names are compared without regard to case. Text is decoded, in both directions (RFC 2047, folds removed). `raw` of a
 * field has its bytes.
 */
export class MailHeaders implements Iterable<HeaderField> {
  readonly #guard: EditGuard
  /** removed fields stay in it until it is next read */
  #list: HeaderField[]
  #gone = 0
  readonly #look: () => void
  readonly #utf8: () => boolean
  /** those that came with the message */
  readonly #given: readonly FieldRecord[]
  readonly #inEnvelope: (word: string) => boolean

  /**
   * @param look called before the given fields are read; throws if they may not be
   * @param utf8 whether the message is sent with SMTPUTF8
   * @param inEnvelope whether an address of the envelope, as it was given, has a word
   */
  constructor(
    records: readonly FieldRecord[],
    guard: EditGuard,
    look: () => void = nothing,
    utf8: () => boolean = () => false,
    inEnvelope: (word: string) => boolean = () => false,
  ) {
    this.#utf8 = utf8
    this.#given = records
    this.#inEnvelope = inEnvelope
    this.#guard = guard
    this.#look = look
    this.#list = records.map((record) => new HeaderField(record, this))
  }

  get #fields(): HeaderField[] {
    this.#look()
    return this.#present()
  }

  #present(): HeaderField[] {
    if (this.#gone > 0) {
      this.#list = this.#list.filter(({ gone }) => !gone)
      this.#gone = 0
    }
    return this.#list
  }

  /** How many fields there are now. */
  get length(): number {
    this.#look()
    return this.#list.length - this.#gone
  }

  /** Iterates over a copy of the list, so that you can edit the header in the loop. */
  [Symbol.iterator](): IterableIterator<HeaderField> {
    return this.#fields.slice().values()
  }

  /** The text of the first field of that name; undefined if there is none. */
  get(name: string): string | undefined {
    return this.field(name)?.value
  }

  /** The texts of all fields of that name. */
  getAll(name: string): string[] {
    return this.fields(name).map(({ value }) => value)
  }

  /** Whether there is a field of that name. */
  has(name: string): boolean {
    return this.field(name) !== undefined
  }

  /** The mailboxes of all fields of that name, including those in groups. */
  mailboxes(name: string): Mailbox[] {
    return this.fields(name).flatMap(({ addresses }) => mailboxesOf(addresses))
  }

  /** The first field of that name; undefined if there is none. */
  field(name: string): HeaderField | undefined {
    const key = keyOf(name)
    return this.#fields.find((field) => field.record.key === key)
  }

  /** All fields, or all fields of that name. */
  fields(name?: string): HeaderField[] {
    if (name === undefined) return this.#fields.slice()
    const key = keyOf(name)
    return this.#fields.filter((field) => field.record.key === key)
  }

  /** Adds a field at the end. @throws UsageError as {@link insertBefore} */
  append(name: string, value: string | Uint8Array): HeaderField {
    return this.#insert(undefined, 'append', name, value)
  }

  /** Adds a field at the top, above the mail server's own Received. @throws UsageError as {@link insertBefore} */
  prepend(name: string, value: string | Uint8Array): HeaderField {
    return this.#insert(() => 0, 'prepend', name, value, 'above')
  }

  /**
   * Adds a field directly below the mail server's own Received, which is not in the list. It stands above the fields
   * that came, and below those that `prepend` has added. @throws UsageError as {@link insertBefore}
   */
  insertFirst(name: string, value: string | Uint8Array): HeaderField {
    return this.#insert(() => this.#top(), 'insertFirst', name, value, 'below')
  }

  /** How many fields stand above the mail server's own Received. */
  #top(): number {
    const fields = this.#present()
    const first = fields.findIndex(({ record }) => record.side !== 'above')
    return first === -1 ? fields.length : first
  }

  /**
   * Adds a field before another. Before the first field that came, it stands directly below the mail server's own
   * Received. Text is encoded and folded as necessary. Bytes are written as they are; give everything after the colon.
   *
   * @throws UsageError INVALID_HEADER_NAME, INVALID_HEADER_VALUE (a line break without a space or tab after it, NUL,
   *   text that is not ASCII where the field cannot have it, such as a new address), INVALID_ADDRESS (text that is
   *   not a list of addresses, in a field of addresses), TOO_LONG, WRONG_STAGE, INVALID_OPTION if there is no such
   *   field
   */
  insertBefore(place: FieldReference, name: string, value: string | Uint8Array): HeaderField {
    return this.#insert(() => this.#indexOf(place), 'insertBefore', name, value, 'below')
  }

  /** Adds a field after another. @throws UsageError as {@link insertBefore} */
  insertAfter(place: FieldReference, name: string, value: string | Uint8Array): HeaderField {
    return this.#insert(() => this.#indexOf(place) + 1, 'insertAfter', name, value, 'below')
  }

  /** Sets a field: the first of that name is changed and others are removed. If there is none, one is appended. */
  set(name: string, value: string | Uint8Array): HeaderField {
    const [first, ...others] = this.fields(name)
    if (first === undefined) return this.append(name, value)
    if (typeof value === 'string') first.value = value
    else first.raw = value
    if (others.length > 0) this.#remove(others)
    return first
  }

  /** Removes a field, or all fields of a name. Returns how many were removed. */
  delete(what: FieldReference): number {
    return this.#remove(typeof what === 'string' ? this.fields(what) : [what])
  }

  #remove(fields: Iterable<HeaderField>): number {
    if (!this.#guard.permit('headers.delete', Action.CHGHDRS)) return 0
    let removed = 0
    for (const field of fields) {
      if (field.gone || !field.isOf(this)) continue
      field.gone = true
      removed++
    }
    this.#gone += removed
    return removed
  }

  /**
   * @param index called only if the edit is permitted, since the place may be a field that was left out; undefined
   *   for the end
   */
  #insert(
    index: (() => number) | undefined,
    what: string,
    name: string,
    value: string | Uint8Array,
    side?: 'above' | 'below',
  ): HeaderField {
    const permitted = this.#guard.permit(`headers.${what}`, Action.ADDHDRS)
    const bytes = headerName(name)
    const field = new HeaderField(
      checkedSize(
        FieldRecord.of(
          bytes,
          typeof value === 'string' ? this.written(bytes, value) : rawValue(bytes, value),
        ),
      ),
      this,
    )
    field.record.side = side
    if (!permitted) field.gone = true
    else if (index === undefined) this.#list.push(field)
    else this.#present().splice(index(), 0, field)
    return field
  }

  #indexOf(place: FieldReference): number {
    const field = typeof place === 'string' ? this.field(place) : place
    const index = field === undefined ? -1 : this.#fields.indexOf(field)
    if (index === -1) {
      throw new UsageError(
        'INVALID_OPTION',
        typeof place === 'string'
          ? `there is no field ${JSON.stringify(place)} to insert at; call headers.has() first`
          : `the field ${JSON.stringify(place.name)} to insert at is not in the header any more`,
      )
    }
    return index
  }

  /** For fields: a text as it is written after the colon. */
  written(name: Buffer, text: string, old?: Buffer): Buffer {
    return textValue(name, text, old, this.#utf8, (word) => this.#came(word))
  }

  /** The next server must take the words that came with the message, so they may be in another field too. */
  #came(word: string): boolean {
    if (this.#utf8() || this.#inEnvelope(word)) return true
    const bytes = encodeText(word)
    return this.#given.some(({ value }) => value.includes(bytes))
  }

  /** For fields: whether one of them may become another record. */
  mayChange(what: string): boolean {
    return this.#guard.permit(what, Action.CHGHDRS)
  }

  /** @internal The current fields; the same array that was given if nothing was edited. */
  records(given: readonly FieldRecord[]): readonly FieldRecord[] {
    const fields = this.#present()
    const same =
      fields.length === given.length && fields.every(({ record }, i) => record === given[i])
    return same ? given : fields.map(({ record }) => record)
  }
}

/** One field of a header. */
export class HeaderField {
  /** @internal It is not in the header any more, or never was. */
  gone = false
  #record: FieldRecord
  readonly #headers: MailHeaders

  constructor(record: FieldRecord, headers: MailHeaders) {
    this.#record = record
    this.#headers = headers
  }

  /** @internal */
  isOf(headers: MailHeaders): boolean {
    return headers === this.#headers
  }

  /** @internal Its bytes. */
  get record(): FieldRecord {
    return this.#record
  }

  /** The name, as it is in the message. */
  get name(): string {
    return decodeText(this.#record.name)
  }

  /**
   * The text, unfolded and without white space around it. Encoded words are decoded if the field can have them. In
   * fields of addresses, names have quotes if they need them, so that the text parses to the same mailboxes.
   *
   * When you set it, text that is not ASCII is encoded by the grammar of the field, and only lines that are too long
   * are folded. If the new text contains the old text, the bytes of that part stay as they are.
   *
   * @throws UsageError when you set it, as {@link MailHeaders.insertBefore}
   */
  get value(): string {
    return textOf(this.#record.name, this.#record.value)
  }

  set value(text: string) {
    const { name, value } = this.#record
    this.#change(
      'value',
      extended(name, value, text) ?? this.#headers.written(name, text, value),
    )
  }

  /** The addresses in it, including groups. Text that is not an address becomes the name of an empty address. */
  get addresses(): Address[] {
    return [...parseAddresses(this.value, false).addresses]
  }

  /** @throws UsageError INVALID_ADDRESS, INVALID_HEADER_VALUE, TOO_LONG, WRONG_STAGE */
  set addresses(addresses: readonly NewAddress[]) {
    this.value = formatAddresses(addresses)
  }

  /** Everything after the colon, with its leading space. Lines end with CRLF. */
  get raw(): Buffer {
    return Buffer.from(lfToCrlf(this.#record.value))
  }

  /** @throws UsageError INVALID_HEADER_VALUE, TOO_LONG, WRONG_STAGE */
  set raw(value: Uint8Array) {
    this.#change('raw', rawValue(this.#record.name, value))
  }

  /** Removes the field from the header. */
  remove(): void {
    this.#headers.delete(this)
  }

  toString(): string {
    return `${this.name}: ${this.value}`
  }

  #change(what: string, value: Buffer): void {
    const record = checkedSize(FieldRecord.of(this.#record.name, value, this.#record))
    const permitted = this.#headers.mayChange(`field.${what}`)
    if (permitted && !record.equals(this.#record)) this.#record = record
  }
}

const keyOf = (name: string): string => fieldKey(encodeText(name))

const textOf = (name: Buffer, value: Buffer): string =>
  readField(decodeText(name), decodeText(value))

/** A text as it is written after the colon. */
function textValue(
  name: Buffer,
  text: string,
  old: Buffer | undefined,
  utf8: () => boolean,
  came: (word: string) => boolean,
): Buffer {
  // Checked before the work of encoding: encoded text is hardly ever shorter.
  if (text.length > DataSize.K64) throw tooLong(name, text.length)
  // Nearly every text: nothing to encode, nothing to fold.
  const label = decodeText(name)
  const simple = name.length + text.length < SHORT_LINE && PLAIN.test(text)
  if (simple && grammarOf(label) === 'unstructured') return encodeText(` ${text}`)
  // As Postfix does with them in what it receives (cleanup_replace_stray_cr_lf): a subject that came
  // with one can be tagged. Bytes (`raw`) are never changed.
  const clean = withoutBlankLines(text.replaceAll(/\r(?!\n)/g, ' '))
  // Before anything is encoded: a line break must not vanish in an encoded word.
  foldWithLf(name, encodeText(clean))
  const options = {
    old: old === undefined ? undefined : decodeText(old),
    utf8: isAsciiField(label) && utf8(),
    came,
  }
  return foldWithLf(name, encodeText(writeField(label, clean, options)))
}

/** A line may have 998 bytes (RFC 5322, section 2.1.1). */
const SHORT_LINE = 996
/** Printable ASCII that cannot be taken for an encoded word. */
const PLAIN = /^(?!.*=\?)[ -~]+$/

/** Bytes as they are. An empty value would mean a deletion, so one space is sent instead. */
function rawValue(name: Buffer, value: Uint8Array): Buffer {
  const bytes = foldWithLf(name, encodeText(value))
  return bytes.length === 0 ? Buffer.from(' ') : Buffer.from(bytes)
}

/**
 * The old value with text before or after it, such as a tag before a subject: its own bytes are kept,
 * whatever they are encoded in. Undefined if the new text is not that.
 */
function extended(name: Buffer, value: Buffer, text: string): Buffer | undefined {
  const old = textOf(name, value)
  const label = decodeText(name)
  if (text === old) return value
  const at = old === '' ? -1 : placeOf(old, text)
  if (at === -1 || text.length > DataSize.K64) return undefined
  const before = text.slice(0, at)
  const after = text.slice(at + old.length)
  // Only the new parts: an encoded word may hold a line break, which does no harm there.
  if (/[\r\n\0]/.test(before + after)) return undefined
  // The field may not allow it.
  if (/[^\0-\x7f]/.test(before + after) && isAsciiField(label)) return undefined
  const given = decodeText(value)
  const core = trimSpaces(given, ' \t\n')
  const start = given.indexOf(core)
  const written = extendWords(
    before,
    { lead: given.slice(0, start), text: core, trail: given.slice(start + core.length) },
    after,
    styleOf(label),
  )
  if (written === undefined || STRAY_CR.test(written)) return undefined
  // A new address is checked when the whole field is written.
  if (grammarOf(label) === 'addresses' && newWord(written, (word) => given.includes(word)))
    return undefined
  return isField(label, written, text) ? foldWithLf(name, encodeText(written)) : undefined
}

/** A tag may contain the old text too, so the end and the start are tried before other places. */
function placeOf(old: string, text: string): number {
  const last = text.length - old.length
  if (text.endsWith(old) && !insideCharacter(text, last)) return last
  let at = text.indexOf(old)
  while (at !== -1 && insideCharacter(text, at)) at = text.indexOf(old, at + 1)
  return at
}

/** A byte that is not UTF-8 is half of a pair (see decodeText). Some whole characters end with the same half. */
const insideCharacter = (text: string, at: number): boolean =>
  at > 0 && text.codePointAt(at - 1)! > 0xffff

/** A CR that is not part of a line end. Mail has them, and as text they mean nothing. */
const STRAY_CR = /\r(?!\n)/

const nothing = (): void => {}

function checkedSize(record: FieldRecord): FieldRecord {
  // Name and value with a NUL each, behind an index.
  const size = record.name.length + record.value.length + 6
  if (size > DataSize.K64) throw tooLong(record.name, size)
  return record
}

const tooLong = (name: Buffer, size: number): UsageError =>
  new UsageError(
    'TOO_LONG',
    `the field ${JSON.stringify(decodeText(name))} needs a frame of ${size} bytes; mail servers take ${DataSize.K64}`,
  )
