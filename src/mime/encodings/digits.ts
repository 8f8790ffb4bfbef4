/** The digits of the encodings: the value of each byte that is a digit, and -1 for all others. */

const valuesOf = (digits: string): Int8Array =>
  Int8Array.from({ length: 256 }, (_none, byte) => digits.indexOf(String.fromCharCode(byte)))

/** The digits of base64 (RFC 4648, section 4). UTF-7 uses the same. */
export const BASE64_VALUES: Readonly<Int8Array> = valuesOf(
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
)

/** Hexadecimal digits in both cases. */
export const HEX_VALUES: Readonly<Int8Array> = valuesOf('0123456789ABCDEF').map(
  (value, byte) => (byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : value),
)
