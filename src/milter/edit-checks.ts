import { UsageError } from '../errors.ts'
import { encodeText, type TextOrBytes } from '../protocol/text.ts'
import { checkPath } from './envelope/envelope-path.ts'

/**
 * Refuses bytes that would break the message: names are printable ASCII without a colon (RFC 5322). Bytes from 0x80
 * on are allowed, since they arrive in real mail and must go back.
 */
export function headerName(name: TextOrBytes): Buffer {
  const bytes = encodeText(name)
  const bad = positionOf(bytes, isBadInName)
  if (bytes.length === 0 || bad !== -1) {
    throw new UsageError(
      'INVALID_HEADER_NAME',
      bytes.length === 0
        ? 'a header needs a name'
        : `${show(bytes)} is not a header name: ${describeByte(bytes[bad]!)} at position ${bad}; give the name alone, without colon or spaces`,
    )
  }
  return bytes
}

/**
 * @param minimum 1 for a field of a name. libmilter takes 0 too, but mail servers differ: Postfix and Sendmail take
 * the first field, Stalwart none
 */
export function headerIndex(index: number, minimum: 0 | 1): number {
  if (!Number.isInteger(index) || index < minimum || index > 0x7fffffff) {
    throw new UsageError(
      'INVALID_INDEX',
      `${index} is not a header index; use a whole number from ${minimum} to 2147483647 (insert: 0 is the top; change and delete: 1 is the first of its name)`,
    )
  }
  return index
}

/** @throws UsageError INVALID_HEADER_VALUE */
export function foldWithLf(name: Buffer, value: Buffer): Buffer {
  if (positionOf(value, isNulOrLineEnd) === -1) return value
  const kept: number[] = []
  const end = value.length - (value.at(-1) === 0x0a ? (value.at(-2) === 0x0d ? 2 : 1) : 0)
  for (let i = 0; i < end; i++) {
    const byte = value[i]!
    if (byte === 0x0d && value[i + 1] === 0x0a) continue
    if (byte === 0 || byte === 0x0d)
      throw badValue(name, value, `${describeByte(byte)} at position ${i}`)
    const next = value[i + 1]
    if (byte === 0x0a && next !== 0x20 && next !== 0x09) {
      throw badValue(
        name,
        value,
        `the line break at position ${i} has no space or tab after it, so the rest would become another field`,
      )
    }
    kept.push(byte)
  }
  return Buffer.from(kept)
}

function badValue(name: Buffer, value: Buffer, why: string): UsageError {
  return new UsageError(
    'INVALID_HEADER_VALUE',
    `the value ${show(value)} of ${show(name)}: ${why}`,
  )
}

/** @throws UsageError INVALID_ADDRESS */
export function envelopeText(what: string, text: TextOrBytes): Buffer {
  const bytes = encodeText(text)
  const bad = positionOf(bytes, isControl)
  if (bytes.length === 0 || bad !== -1) {
    throw new UsageError(
      'INVALID_ADDRESS',
      bytes.length === 0
        ? `the ${what} is empty${what === 'sender' ? "; write '<>' for the null sender" : ''}`
        : `the ${what} ${show(bytes)} holds ${describeByte(bytes[bad]!)} at position ${bad}`,
    )
  }
  return bytes
}

/** One address, with brackets or without. @throws UsageError INVALID_ADDRESS */
export function envelopePath(what: 'sender' | 'recipient', address: TextOrBytes): Buffer {
  const bytes = envelopeText(what, address)
  checkPath(what, bytes)
  return bytes
}

const isControl = (byte: number): boolean => byte < 0x20 || byte === 0x7f
const isBadInName = (byte: number): boolean => byte <= 0x20 || byte === 0x7f || byte === 0x3a
const isNulOrLineEnd = (byte: number): boolean => byte === 0 || byte === 0x0d || byte === 0x0a

/** Not findIndex: with that, and includes for each of the bytes, an edit costs 1.2 instead of 0.5 µs. */
function positionOf(bytes: Buffer, wanted: (byte: number) => boolean): number {
  for (let i = 0; i < bytes.length; i++) if (wanted(bytes[i]!)) return i
  return -1
}

function show(bytes: Buffer): string {
  const text = bytes.toString('latin1')
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text)
}

function describeByte(byte: number): string {
  return `the byte 0x${byte.toString(16).padStart(2, '0')}`
}
