import { UsageError } from '../errors.ts'
import { MimeMessage, type MimeOptions } from '../mime/message.ts'
import { LineHeaders, type PartHeaders } from '../mime/fields/part-headers.ts'
import { Action } from '../protocol/constants.ts'
import { EMPTY_LINE, formatHeader, type FieldRecord } from './field-record.ts'
import type { MailBody } from './body.ts'
import type { BodyStore } from './body-store.ts'
import type { EditGuard } from './edit-guard.ts'
import type { MailHeaders } from './headers.ts'

interface TreeBody {
  readonly bytes: Buffer
  readonly store: BodyStore
}

/** The tree of a mail, and how edits of the tree become edits of the mail. */
export class MailTree {
  readonly message: MimeMessage
  readonly #header: Buffer
  readonly #bodyBytes: Buffer
  readonly #store: BodyStore

  private constructor(message: MimeMessage, header: Buffer, body: TreeBody) {
    this.message = message
    this.#header = header
    this.#bodyBytes = body.bytes
    this.#store = body.store
  }

  /** Read in turns with all else the process does. @throws UsageError INVALID_OPTION as `parseMime` */
  static async read(
    fields: readonly FieldRecord[],
    body: TreeBody,
    options: MimeOptions,
    guard: EditGuard,
  ): Promise<MailTree> {
    const header = formatHeader(fields)
    const bytes = Buffer.concat([header, EMPTY_LINE, body.bytes])
    const message = await MimeMessage.read(bytes, options, {
      // Edits that are not granted are left out as a whole when the handler is done. Half an edit of a tree, such as
      // a new Content-Type without the body it describes, would destroy the message.
      permit: (what) => void guard.permit(`mime ${what}`, Action.CHGBODY),
      headerEnd: header.length,
    })
    return new MailTree(message, header, body)
  }

  /**
   * Makes the edits of the tree edits of the mail: the fields with changed values, and the body.
   * @throws UsageError INVALID_OPTION if the filter has replaced the body as well
   */
  apply(headers: MailHeaders, body: MailBody, guard: EditGuard): void {
    if (!this.message.edited) return
    if (body.store !== this.#store) {
      throw new UsageError(
        'INVALID_OPTION',
        'the tree of mail.mime() was edited, and mail.body was replaced after the tree was made; only one of them can be the body',
      )
    }
    const { raw } = this.message
    const sameBody = raw.equals(this.#bodyBytes)
    if (!sameBody && !guard.permit('mime', Action.CHGBODY)) return
    const now = fieldsByName(this.message.headers)
    const before = fieldsByName(new LineHeaders(this.#header, '\r\n'))
    for (const key of new Set([...before.keys(), ...now.keys()])) {
      if (now.get(key) !== before.get(key)) this.#setField(headers, key)
    }
    if (!sameBody) body.replace(raw)
  }

  #setField(headers: MailHeaders, key: string): void {
    const tree = this.message.headers
    const values = tree.raw(key)
    const name = tree.names().find((one) => one.toLowerCase() === key) ?? key
    const [first] = values
    if (first !== undefined && values.length === 1) headers.set(name, first)
    else {
      headers.delete(name)
      for (const value of values) headers.append(name, value)
    }
  }
}

/** The values of each name, in order, as one string to compare. */
function fieldsByName(headers: PartHeaders): ReadonlyMap<string, string> {
  const names = new Set(headers.names().map((name) => name.toLowerCase()))
  const valuesOf = (name: string): string =>
    headers
      .raw(name)
      .map((raw) => raw.toString('latin1'))
      .join('\0')
  return new Map(Array.from(names, (name) => [name, valuesOf(name)]))
}
