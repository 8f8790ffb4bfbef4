/**
 * Bare LF, as the protocol has it between the lines of a header field, becomes CRLF, as it is in a
 * message. A CR before it is a byte of the line, and stays.
 */
export function lfToCrlf(bytes: Buffer): Buffer {
  if (!bytes.includes(0x0a)) return bytes
  return Buffer.from(bytes.toString('latin1').replaceAll('\n', '\r\n'), 'latin1')
}
