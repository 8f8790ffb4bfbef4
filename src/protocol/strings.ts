/** Strings on the wire: bytes ended by one NUL, one after the other, without a length. */
import { ProtocolError } from '../errors.ts'
import { decodeText, encodeText } from './text.ts'
import type { Payload } from './frame.ts'

export const NUL: Buffer = Buffer.of(0)

/** The position of the next NUL in a payload, or its end: a missing last NUL is forgiven. */
export function endOfString(bytes: Buffer, start: number, end: number): number {
  const nul = bytes.indexOf(0, start)
  return nul === -1 || nul > end ? end : nul
}

/** All strings of a payload. Bytes after the last NUL count as a string when there are any. */
export function decodeStrings(payload: Payload): string[] {
  const strings: string[] = []
  const { bytes, end } = payload
  let start = payload.start
  while (start < end) {
    const stop = endOfString(bytes, start, end)
    strings.push(decodeText(bytes, start, stop))
    start = stop + 1
  }
  return strings
}

/** A string with its NUL, as parts of a frame. A NUL inside would end it early: callers check. */
export function stringParts(...strings: readonly (string | Uint8Array)[]): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (const string of strings) parts.push(encodeText(string), NUL)
  return parts
}

export function malformed(what: string, why: string): ProtocolError {
  return new ProtocolError('MALFORMED_PAYLOAD', `malformed ${what}: ${why}`)
}
