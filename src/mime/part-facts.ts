import type { Guess } from './guesses.ts'
import {
  parameterOf,
  parseLeniently,
  parseParameters,
  parseTypeField,
  readingsOf,
  type ParameterizedValue,
} from './parameters.ts'
import { isMediaType, isMessageType } from './media-type.ts'
import type { Reading } from './parser.ts'
import type { PartHeaders } from './part-headers.ts'
import { transferEncoding, type TransferEncoding } from './transfer-encoding.ts'

export type ContentFieldName =
  'Content-Type' | 'Content-Transfer-Encoding' | 'Content-Disposition'

/** What the header of a part says about its content. */
export abstract class PartFacts {
  abstract readonly headers: PartHeaders
  /** where the header does not tell */
  protected abstract readonly defaultType: string
  /** which of several fields count */
  protected abstract readonly reading: Reading

  /** In lower case. `text/plain`, or in a digest `message/rfc822`, where nothing can be read. */
  get type(): string {
    const value = this.#contentType?.value
    return value !== undefined && isMediaType(value) ? value : this.defaultType
  }

  /**
   * All that some program takes for the type: programs disagree which of several fields Content-Type
   * counts, and what one says that is none.
   */
  get types(): string[] {
    const all = this.fields('Content-Type').map(
      (raw) => (parseTypeField(raw).sure ? parseParameters(raw) : parseLeniently(raw)).value,
    )
    return [...new Set([this.type, ...all.filter((type) => type !== '')])]
  }

  /** What of its header could not be read for sure. */
  get guesses(): readonly Guess[] {
    const guesses: Guess[] = []
    if (this.#typeIsGuess) guesses.push('type')
    return guesses
  }

  get #typeIsGuess(): boolean {
    const fields = this.fields('Content-Type')
    const [first, ...others] = fields.map(parseTypeField)
    if (first === undefined) return false
    return [first, ...others].some(({ sure, value }) => !sure || value !== first.value)
  }

  /** The field that counts: of several the one that says what the type is. */
  get #contentType(): ParameterizedValue | undefined {
    const raw = this.fields('Content-Type').at(this.reading.contentType === 'first' ? 0 : -1)
    if (raw === undefined) return undefined
    const field = parseTypeField(raw)
    return field.sure || this.reading.badType === 'default' ? field : parseLeniently(raw)
  }

  /** Everything after the colon, of each field of a name that describes content. */
  protected fields(name: ContentFieldName): Buffer[] {
    return this.headers.raw(name)
  }

  get #contentDisposition(): ParameterizedValue | undefined {
    const [raw] = this.fields('Content-Disposition')
    return raw === undefined ? undefined : parseParameters(raw)
  }

  /** A parameter of the Content-Type, decoded (RFC 2231). */
  parameter(name: string): string | undefined {
    const value = this.#contentType
    return value === undefined ? undefined : parameterOf(value, name.toLowerCase())
  }

  /** In lower case; undefined where none is named. */
  get charset(): string | undefined {
    return this.parameter('charset')?.trim().toLowerCase() || undefined
  }

  /**
   * `attachment`, `inline` or another word in lower case; undefined where none is said. What is neither
   * counts as `attachment` (RFC 2183, section 2.8).
   */
  get disposition(): string | undefined {
    const value = this.#contentDisposition?.value ?? ''
    return /[^\s"'<>;,:=]+/.exec(value)?.[0]
  }

  /** The name most programs show for it, decoded. For what is to be kept out, see {@link filenames}. */
  get filename(): string | undefined {
    const disposition = this.#contentDisposition
    const type = this.#contentType
    const name =
      (disposition && parameterOf(disposition, 'filename')) ||
      (type && parameterOf(type, 'name'))
    if (name) return name
    // Most parts have none, and nothing that could be one in another reading.
    const bare =
      (disposition?.parameters.length ?? 0) === 0 &&
      (type?.parameters.length ?? 0) === 0 &&
      this.fields('Content-Disposition').length < 2 &&
      this.fields('Content-Type').length < 2
    return bare ? undefined : this.filenames[0]
  }

  /** Every file name some program may read, the usual one first. */
  get filenames(): string[] {
    const fields = [
      ...this.fields('Content-Disposition').map((raw) => [raw, 'filename'] as const),
      ...this.fields('Content-Type').map((raw) => [raw, 'name'] as const),
    ]
    const names = [parseParameters, parseLeniently].flatMap((parse) =>
      fields.flatMap(([raw, name]) => readingsOf(parse(raw), name)),
    )
    return [...new Set(names.filter((name) => name !== ''))]
  }

  /** `Content-ID` without brackets. */
  get contentId(): string | undefined {
    return this.headers
      .get('Content-ID')
      ?.trim()
      .replace(/^<(.*)>$/s, '$1')
  }

  /** `7bit` where nothing is said, or something nobody knows. */
  get encoding(): TransferEncoding {
    const raw = this.fields('Content-Transfer-Encoding').at(
      this.reading.encoding === 'first' ? 0 : -1,
    )
    // As the parser reads it: no encoded words.
    return transferEncoding(raw?.toString('latin1') ?? '') ?? '7bit'
  }

  get isMultipart(): boolean {
    return this.type.startsWith('multipart/')
  }

  /** Programs show it as a file, or some do: it has a name, is marked so, or is of no type of text. */
  get isAttachment(): boolean {
    if (this.isMultipart) return false
    const marked = this.fields('Content-Disposition').some((raw) => {
      const { value } = parseParameters(raw)
      return value !== '' && value !== 'inline'
    })
    if (marked || this.filename !== undefined) return true
    // The message itself, and one in another, is no file.
    return this.types.some(
      (type) =>
        !type.startsWith('text/') &&
        !type.startsWith('multipart/') &&
        !(isMessageType(type) && this.disposition === 'inline'),
    )
  }
}
