import {
  parameterOf,
  parseParameters,
  readingsOf,
  type ParameterizedValue,
} from './parameters.ts'
import { isMessageType } from './media-type.ts'
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
    return value !== undefined && /^[^\s/]+\/[^\s/]+$/.test(value) ? value : this.defaultType
  }

  /** What each of several fields Content-Type says: programs disagree which counts. */
  get types(): string[] {
    const all = this.fields('Content-Type').map((raw) => parseParameters(raw).value)
    return [...new Set([this.type, ...all])]
  }

  /** The field that counts: of several the one that says what the type is. */
  get #contentType(): ParameterizedValue | undefined {
    return this.#value('Content-Type', this.reading.contentType)
  }

  /** Everything after the colon, of each field of a name that describes content. */
  protected fields(name: ContentFieldName): Buffer[] {
    return this.headers.raw(name)
  }

  #value(
    name: ContentFieldName,
    which: 'first' | 'last' = 'first',
  ): ParameterizedValue | undefined {
    const raw = this.fields(name).at(which === 'first' ? 0 : -1)
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

  /** `attachment`, `inline` or another word in lower case; undefined where none is said. */
  get disposition(): string | undefined {
    return this.#value('Content-Disposition')?.value || undefined
  }

  /** The name most programs show for it, decoded. For what is to be kept out, see {@link filenames}. */
  get filename(): string | undefined {
    const disposition = this.#value('Content-Disposition')
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
    const names = [
      ...this.fields('Content-Disposition').map((raw) => [raw, 'filename'] as const),
      ...this.fields('Content-Type').map((raw) => [raw, 'name'] as const),
    ].flatMap(([raw, name]) => readingsOf(parseParameters(raw), name))
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

  get isAttachment(): boolean {
    if (this.isMultipart) return false
    const { disposition } = this
    if (disposition === 'attachment' || this.filename !== undefined) return true
    // The message itself, and one in another, is no file.
    return (
      !this.type.startsWith('text/') && !(isMessageType(this.type) && disposition === 'inline')
    )
  }
}
