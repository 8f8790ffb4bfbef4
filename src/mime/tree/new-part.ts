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
  leastEncoding,
  plainEncoding,
  type TransferEncoding,
} from '../encodings/transfer-encoding.ts'

/** A part that is to be made: its content, and what its header is to say. */
export interface NewPart {
  /** text, written as UTF-8; or bytes */
  readonly content: string | Uint8Array
  /** @default `text/plain` for text, `application/octet-stream` for bytes */
  readonly type?: string | undefined
  /** other parameters of the Content-Type */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  readonly filename?: string | undefined
  /** @default `attachment` where there is a file name, else none */
  readonly disposition?: 'inline' | 'attachment' | undefined
  /** @default the least that carries the content */
  readonly encoding?: TransferEncoding | undefined
  /** further fields */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

export interface BuiltPart {
  readonly headers: Buffer
  readonly body: Buffer
}

/** Header and body of a new part, in lines ended by `eol`. @throws UsageError */
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
  // Only in lines a line end is one; in other content it is a byte like others.
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
        `headers: ${name} would stand there twice; a new part gets it from the option ${option}`,
      )
    }
    headers.append(name, value)
  }
  return { headers: headers.toBytes(), body: encodeTransfer(bytes, encoding, eol, lines) }
}

/** Fields of a new part that are made of its options. */
const OPTIONS: ReadonlyMap<string, string> = new Map([
  ['content-type', 'type'],
  ['content-transfer-encoding', 'encoding'],
  ['content-disposition', 'disposition'],
])

/** @throws UsageError INVALID_OPTION for one that does not carry the content */
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
      `${asked} cannot carry this content: it takes ${asked === '7bit' ? 'ASCII in ' : ''}lines of 998 bytes at most, ended by ${eol === '\n' ? 'LF' : 'CRLF'}; without an encoding the least that carries it is taken`,
    )
  }
  if (asked !== undefined) return asked
  if (!plain) return leastEncoding(bytes, eol, hasLines(type))
  checkPlain(bytes, type)
  return plainEncoding(bytes)!
}

/** Bytes as they stand in a part of a type. */
export const contentBytes = (content: Uint8Array, type: string, eol: string): Buffer =>
  mustNotBeEncoded(type) ? withLines(content, eol) : Buffer.from(content)

/**
 * What must not be encoded, and is on its way in lines: a LF alone is none there (RFC 2045, section 2.7), and
 * a mail server makes CRLF of it.
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

/** A boundary that no line of the content can be mistaken for. */
export function newBoundary(...contents: readonly Buffer[]): string {
  // Most filters make none, and the module is large.
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
  /** what its Content-Type is, folded with LF */
  readonly field: string
  readonly encoding: TransferEncoding
  readonly bytes: Buffer
}

/** A multipart around a part, with no field but its Content-Type. */
export function wrapping(type: string, part: Wrapped, eol: string): Wrapping {
  // In a digest what has no type is a message; elsewhere it is text.
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
  // What is in it stays as it is labelled; a multipart has to say at least as much.
  const label = isIdentity(part.encoding) ? part.encoding : '7bit'
  return { field, encoding: label === '7bit' && !isAscii(inner) ? '8bit' : label, bytes }
}
