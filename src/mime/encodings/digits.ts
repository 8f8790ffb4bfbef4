/** The digits of the encodings: the value of each byte that is one, -1 for others. */

const valuesOf = (digits: string): Int8Array =>
  Int8Array.from({ length: 256 }, (_none, byte) => digits.indexOf(String.fromCharCode(byte)))

/** Of base64 (RFC 4648, section 4), and of UTF-7, which has taken them from there. */
export const BASE64_VALUES: Readonly<Int8Array> = valuesOf(
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
)

/** Hexadecimal, in both cases. */
export const HEX_VALUES: Readonly<Int8Array> = valuesOf('0123456789ABCDEF').map(
  (value, byte) => (byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : value),
)
