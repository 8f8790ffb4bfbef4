import { ContentField } from '../fields/content-field.ts'
import type { Guess } from './guesses.ts'
import { parameterOf, valuesOf, type ParameterizedValue } from '../fields/parameters.ts'
import { isMediaType, isMessageType } from '../fields/media-type.ts'
import type { Reading } from './parser.ts'
import type { PartHeaders } from '../fields/part-headers.ts'
import type { ContentFields, Span } from './span.ts'
import { transferEncoding, type TransferEncoding } from '../encodings/transfer-encoding.ts'

export type ContentFieldName =
  'Content-Type' | 'Content-Transfer-Encoding' | 'Content-Disposition'

export function fieldSpans(fields: ContentFields, name: ContentFieldName): readonly Span[] {
  if (name === 'Content-Type') return fields.types
  return name === 'Content-Disposition' ? fields.dispositions : fields.encodings
}

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
    const all = this.contentFields('Content-Type').map(
      ({ strict, lenient }) => (strict.sure ? strict : lenient).value,
    )
    return [...new Set([this.type, ...all.filter((type) => type !== '')])]
  }

  /** What of its header could not be read for sure. */
  get guesses(): readonly Guess[] {
    const guesses: Guess[] = []
    if (this.typeIsGuess) guesses.push('type')
    return guesses
  }

  /** For the library: whether the first of {@link guesses} is `type`. */
  get typeIsGuess(): boolean {
    const fields = this.contentFields('Content-Type')
    const value = fields[0]?.strict.value
    return fields.some(({ isCut, strict }) => isCut || !strict.sure || strict.value !== value)
  }

  /** The field that counts: of several the one that says what the type is. */
  get #contentType(): ParameterizedValue | undefined {
    const field = this.contentFields('Content-Type').at(
      this.reading.contentType === 'first' ? 0 : -1,
    )
    if (field === undefined) return undefined
    return field.strict.sure || this.reading.badType === 'default'
      ? field.strict
      : field.lenient
  }

  /** For the library: everything after the colon, of each field of a name that describes content. */
  fields(name: ContentFieldName): Buffer[] {
    return this.headers.raw(name)
  }

  /** Likewise, as they are read. */
  protected contentFields(name: ContentFieldName): ContentField[] {
    return this.fields(name).map((raw) => new ContentField(raw))
  }

  /** For the library: its fields Content-Type and Content-Disposition. */
  describing(): readonly ContentField[] {
    return [...this.contentFields('Content-Type'), ...this.contentFields('Content-Disposition')]
  }

  get #contentDisposition(): ParameterizedValue | undefined {
    return this.contentFields('Content-Disposition')[0]?.strict
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

  /** For the library: every charset that it names, each once; {@link charset} is one of them. */
  get charsets(): readonly string[] {
    const named = new Map<string, string>()
    for (const { strict, lenient } of this.contentFields('Content-Type')) {
      for (const value of valuesOf(strict.sure ? strict : lenient, 'charset')) {
        const label = value.trim().toLowerCase()
        // `utf8` is said for `utf-8`.
        const key = label.replaceAll(/[-_]/g, '')
        if (key !== '' && !named.has(key)) named.set(key, label)
      }
    }
    return [...named.values()]
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
    const names = [
      ...this.contentFields('Content-Disposition').map((field) => field.readingsOf('filename')),
      ...this.contentFields('Content-Type').map((field) => field.readingsOf('name')),
    ].flat()
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
    const marked = this.contentFields('Content-Disposition').some(
      ({ isCut, strict: { value } }) => isCut || (value !== '' && value !== 'inline'),
    )
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
