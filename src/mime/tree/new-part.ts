import { isAscii } from 'node:buffer'
import { UsageError } from '../../errors.ts'
import { encodeText } from '../../protocol/text.ts'
import { formatParameters } from '../fields/content-type.ts'
import { checkPlain } from '../encodings/encoding-labels.ts'
import { hasLines, mustNotBeEncoded } from '../fields/media-type.ts'
import { LineHeaders, type PartHeaders } from '../fields/part-headers.ts'
import {
  encodeTransfer,
  fits,
  isIdentity,
  simplestEncoding,
  plainEncoding,
  type TransferEncoding,
} from '../encodings/transfer-encoding.ts'

/** The content of a new part, and what its header says. */
export interface NewPart {
  /** text, which is written as UTF-8, or bytes */
  readonly content: string | Uint8Array
  /** @default `text/plain` for text, `application/octet-stream` for bytes */
  readonly type?: string | undefined
  /** other parameters of the Content-Type */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  readonly filename?: string | undefined
  /** @default `attachment` if there is a file name, otherwise none */
  readonly disposition?: 'inline' | 'attachment' | undefined
  /** @default the simplest that can carry the content */
  readonly encoding?: TransferEncoding | undefined
  /** more fields */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

export interface BuiltPart {
  readonly headers: Buffer
  readonly body: Buffer
}

/** The header and the body of a new part, with `eol` at the end of each line. @throws UsageError */
export function buildPart(part: NewPart, eol: string): BuiltPart {
  const { content } = part
  const text = typeof content === 'string'
  const type = (part.type ?? (text ? 'text/plain' : 'application/octet-stream')).toLowerCase()
  if (!/^[!#$&^_.+\-0-9a-z]+\/[!#$&^_.+\-0-9a-z]+$/.test(type)) {
    throw new UsageError(
      'INVALID_OPTION',
      `${JSON.stringify(part.type)} is not a media type such as text/plain`,
    )
  }
  // Only content with lines has line ends. In other content these are ordinary bytes.
  const lines = hasLines(type)
  const given = encodeText(text && lines ? content.replaceAll(/\r?\n/g, eol) : content)
  const bytes = contentBytes(given, type, eol)
  const encoding = encodingOf(bytes, type, part.encoding, eol)
  const headers = new LineHeaders(Buffer.alloc(0), eol)
  const charset = text && type.startsWith('text/') ? 'utf-8' : undefined
  const named = part.filename === undefined ? undefined : safeName(part.filename)
  headers.set(
    'Content-Type',
    encodeText(formatParameters(type, { charset, ...part.parameters, name: named })),
  )
  if (encoding !== '7bit') headers.set('Content-Transfer-Encoding', encoding)
  const disposition = part.disposition ?? (named === undefined ? undefined : 'attachment')
  if (disposition !== undefined) {
    const field = formatParameters(disposition, { filename: named })
    headers.set('Content-Disposition', encodeText(field))
  }
  for (const [name, value] of Object.entries(part.headers ?? {})) {
    const option = OPTIONS.get(name.toLowerCase())
    if (option !== undefined && (option !== 'disposition' || disposition !== undefined)) {
      throw new UsageError(
        'INVALID_OPTION',
        `headers: ${name} would be there twice; set it with the option ${option}`,
      )
    }
    headers.append(name, value)
  }
  return { headers: headers.toBytes(), body: encodeTransfer(bytes, encoding, eol, lines) }
}

/** Fields of a new part that come from its options. */
const OPTIONS: ReadonlyMap<string, string> = new Map([
  ['content-type', 'type'],
  ['content-transfer-encoding', 'encoding'],
  ['content-disposition', 'disposition'],
])

/** @throws UsageError INVALID_OPTION for an encoding that cannot carry the content */
function encodingOf(
  bytes: Buffer,
  type: string,
  asked: TransferEncoding | undefined,
  eol: string,
): TransferEncoding {
  const plain = mustNotBeEncoded(type)
  if (plain && asked !== undefined && !isIdentity(asked)) {
    throw new UsageError(
      'INVALID_OPTION',
      `a part of type ${type} cannot be encoded as ${asked}`,
    )
  }
  if ((asked === '7bit' || asked === '8bit') && !fits(bytes, asked, eol)) {
    throw new UsageError(
      'INVALID_OPTION',
      `${asked} cannot carry this content: it takes ${asked === '7bit' ? 'ASCII in ' : ''}lines of at most 998 bytes that end with ${eol === '\n' ? 'LF' : 'CRLF'}; leave out the encoding, and the simplest one that can carry it is used`,
    )
  }
  if (asked !== undefined) return asked
  if (!plain) return simplestEncoding(bytes, eol, hasLines(type))
  checkPlain(bytes, type)
  return plainEncoding(bytes)!
}

/** The bytes as they are in a part of that type. */
export const contentBytes = (content: Uint8Array, type: string, eol: string): Buffer =>
  mustNotBeEncoded(type) ? withLines(content, eol) : Buffer.from(content)

/**
 * Content that must not be encoded travels in lines. A bare LF is not a line end there (RFC 2045, section 2.7), and a
 * mail server makes CRLF of it.
 */
function withLines(content: Uint8Array, eol: string): Buffer {
  const bytes = Buffer.from(content)
  if (eol === '\n' || !bytes.includes(0x0a)) return bytes
  return Buffer.from(bytes.toString('latin1').replaceAll(/\r?\n/g, eol), 'latin1')
}

/** No control characters and no directories. */
const safeName = (name: string): string =>
  // oxlint-disable-next-line eslint/no-control-regex -- they are what is taken out
  name.replaceAll(/[\0-\x1f\x7f]+/g, ' ').replaceAll(/[/\\]+/g, '_')

/** A boundary that does not occur in the content. */
export function newBoundary(...contents: readonly Buffer[]): string {
  // Most filters need no boundary, and the module is large.
  const { randomBytes } = process.getBuiltinModule('node:crypto')
  for (;;) {
    const boundary = `----=_${randomBytes(18).toString('hex')}`
    if (!contents.some((bytes) => bytes.includes(boundary))) return boundary
  }
}

/** @throws UsageError INVALID_OPTION */
export function checkMultipart(type: string): void {
  if (/^multipart\/[!#$&^_.+\-0-9a-z]+$/i.test(type)) return
  throw new UsageError(
    'INVALID_OPTION',
    `${JSON.stringify(type)} is not a type of multipart such as multipart/mixed`,
  )
}

export const isContentField = (name: string): boolean => /^content-/i.test(name)

interface Wrapped {
  readonly headers: PartHeaders
  readonly type: string
  readonly encoding: TransferEncoding
  readonly raw: Buffer
}

export interface Wrapping {
  /** the Content-Type of the multipart, folded with LF */
  readonly field: string
  readonly encoding: TransferEncoding
  readonly bytes: Buffer
}

/** A multipart around a part, with no field but its Content-Type. */
export function wrapping(type: string, part: Wrapped, eol: string): Wrapping {
  // A part without a type is a message in a digest, and text elsewhere.
  const untyped = type.toLowerCase() === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
  const moved =
    part.headers.has('Content-Type') || part.type === untyped
      ? ''
      : `Content-Type: ${part.type}${eol}`
  const lines = part.headers.lines(isContentField, eol)
  const inner = Buffer.concat([Buffer.from(moved), lines, Buffer.from(eol), part.raw])
  const boundary = newBoundary(inner)
  const field = formatParameters(type, { boundary })
  const bytes = Buffer.concat([
    Buffer.from(`Content-Type:${field.replaceAll('\n', eol)}${eol}${eol}--${boundary}${eol}`),
    inner,
    Buffer.from(`${inner.at(-1) === 0x0d ? '\r\n' : eol}--${boundary}--${eol}`),
  ])
  // The part keeps its label. The label of the multipart must be at least as wide.
  const label = isIdentity(part.encoding) ? part.encoding : '7bit'
  return { field, encoding: label === '7bit' && !isAscii(inner) ? '8bit' : label, bytes }
}
