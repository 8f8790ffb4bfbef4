/** Bytes written as two hexadecimal digits: `%41` of RFC 2231, `=41` of RFC 2047. */
import { encodeText } from '../../protocol/text.ts'
import { HEX_VALUES } from './digits.ts'

const PERCENT = 0x25
const EQUALS = 0x3d

/** Decodes in place. Names are read in a dozen ways, and most of the time was spent in a call for each escape. */
function decode(bytes: Buffer, mark: number): Buffer {
  const first = bytes.indexOf(mark)
  if (first === -1) return bytes
  let size = first
  for (let at = first; at < bytes.length; at++) {
    const byte = bytes[at]!
    const high = byte === mark ? HEX_VALUES[bytes[at + 1] ?? 0]! : -1
    const low = high === -1 ? -1 : HEX_VALUES[bytes[at + 2] ?? 0]!
    bytes[size++] = low === -1 ? byte : high * 16 + low
    if (low !== -1) at += 2
  }
  return bytes.subarray(0, size)
}

/** All other text stays as it is. */
export const percentDecoded = (text: string): Buffer => decode(encodeText(text), PERCENT)

/** @param bytes overwritten with the result */
export const equalsDecoded = (bytes: Buffer): Buffer => decode(bytes, EQUALS)
