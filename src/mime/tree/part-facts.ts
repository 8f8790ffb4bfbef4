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
  /** the type if the header does not say it */
  protected abstract readonly defaultType: string
  /** which field counts if there are several */
  protected abstract readonly reading: Reading

  /** The media type in lower case. If it cannot be read, `text/plain`, or `message/rfc822` in a digest. */
  get type(): string {
    const value = this.#contentType?.value
    return value !== undefined && isMediaType(value) ? value : this.defaultType
  }

  /**
   * Every type that some program reads. Programs disagree on which of several Content-Type fields counts, and on
   * the meaning of one that is not valid.
   */
  get types(): string[] {
    const all = this.contentFields('Content-Type').map(
      ({ strict, lenient }) => (strict.sure ? strict : lenient).value,
    )
    return [...new Set([this.type, ...all.filter((type) => type !== '')])]
  }

  /** What could not be read for sure in the header. */
  get guesses(): readonly Guess[] {
    const guesses: Guess[] = []
    if (this.typeIsGuess) guesses.push('type')
    return guesses
  }

  /** @internal Whether the first of {@link guesses} is `type`. */
  get typeIsGuess(): boolean {
    const fields = this.contentFields('Content-Type')
    const value = fields[0]?.strict.value
    return fields.some(({ isCut, strict }) => isCut || !strict.sure || strict.value !== value)
  }

  /** The Content-Type that counts. If there are several, the reading decides. */
  get #contentType(): ParameterizedValue | undefined {
    const field = this.contentFields('Content-Type').at(
      this.reading.contentType === 'first' ? 0 : -1,
    )
    if (field === undefined) return undefined
    return field.strict.sure || this.reading.badType === 'default'
      ? field.strict
      : field.lenient
  }

  /** @internal Everything after the colon, of each field with that name. */
  fields(name: ContentFieldName): Buffer[] {
    return this.headers.raw(name)
  }

  /** The same fields, parsed. */
  protected contentFields(name: ContentFieldName): ContentField[] {
    return this.fields(name).map((raw) => new ContentField(raw))
  }

  /** @internal The Content-Type and Content-Disposition fields. */
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

  /** The charset in lower case, or undefined if the header names none. */
  get charset(): string | undefined {
    return this.parameter('charset')?.trim().toLowerCase() || undefined
  }

  /** @internal Every charset that the header names, each once. {@link charset} is one of them. */
  get charsets(): readonly string[] {
    const named = new Map<string, string>()
    for (const { strict, lenient } of this.contentFields('Content-Type')) {
      for (const value of valuesOf(strict.sure ? strict : lenient, 'charset')) {
        const label = value.trim().toLowerCase()
        // Some programs write `utf8` for `utf-8`.
        const key = label.replaceAll(/[-_]/g, '')
        if (key !== '' && !named.has(key)) named.set(key, label)
      }
    }
    return [...named.values()]
  }

  /**
   * `attachment`, `inline` or another word, in lower case. It is undefined if the header has none. Another word
   * counts as `attachment` (RFC 2183, section 2.8).
   */
  get disposition(): string | undefined {
    const value = this.#contentDisposition?.value ?? ''
    return /[^\s"'<>;,:=]+/.exec(value)?.[0]
  }

  /** The file name that most programs show, decoded. To block files, check {@link filenames}. */
  get filename(): string | undefined {
    const disposition = this.#contentDisposition
    const type = this.#contentType
    const name =
      (disposition && parameterOf(disposition, 'filename')) ||
      (type && parameterOf(type, 'name'))
    if (name) return name
    // Most parts have no name, and nothing that another reading could take for one.
    const bare =
      (disposition?.parameters.length ?? 0) === 0 &&
      (type?.parameters.length ?? 0) === 0 &&
      this.fields('Content-Disposition').length < 2 &&
      this.fields('Content-Type').length < 2
    return bare ? undefined : this.filenames[0]
  }

  /** Every file name that some program may read, the usual one first. */
  get filenames(): string[] {
    const names = [
      ...this.contentFields('Content-Disposition').map((field) => field.readingsOf('filename')),
      ...this.contentFields('Content-Type').map((field) => field.readingsOf('name')),
    ].flat()
    return [...new Set(names.filter((name) => name !== ''))]
  }

  /** The `Content-ID` without angle brackets. */
  get contentId(): string | undefined {
    return this.headers
      .get('Content-ID')
      ?.trim()
      .replace(/^<(.*)>$/s, '$1')
  }

  /** The transfer encoding. It is `7bit` if the header names none, or an unknown one. */
  get encoding(): TransferEncoding {
    const raw = this.fields('Content-Transfer-Encoding').at(
      this.reading.encoding === 'first' ? 0 : -1,
    )
    // Encoded words are not decoded; the parser does not decode them either.
    return transferEncoding(raw?.toString('latin1') ?? '') ?? '7bit'
  }

  get isMultipart(): boolean {
    return this.type.startsWith('multipart/')
  }

  /** Whether some programs show it as a file: it has a file name, is marked as one, or its type is not text. */
  get isAttachment(): boolean {
    if (this.isMultipart) return false
    const marked = this.contentFields('Content-Disposition').some(
      ({ isCut, strict: { value } }) => isCut || (value !== '' && value !== 'inline'),
    )
    if (marked || this.filename !== undefined) return true
    // The message itself is not a file, and neither is a message that is shown in another one.
    return this.types.some(
      (type) =>
        !type.startsWith('text/') &&
        !type.startsWith('multipart/') &&
        !(isMessageType(type) && this.disposition === 'inline'),
    )
  }
}
