/**
 * Replaces the bare LF that the protocol has between the lines of a header field with the CRLF of a message. A CR
 * before it is a byte of the line, and stays.
 */
export function lfToCrlf(bytes: Buffer): Buffer {
  if (!bytes.includes(0x0a)) return bytes
  return Buffer.from(bytes.toString('latin1').replaceAll('\n', '\r\n'), 'latin1')
}

/**
 * A value without lines of white space only. Such lines must not be written (RFC 5322, section 3.2.2), because some
 * programs end the header there. They mean nothing, as folds are white space. A received message may have them.
 */
export function withoutBlankLines(value: string): string {
  return value.includes('\n') ? value.replaceAll(/\r?\n[ \t]+(?=\r?\n|$)/g, '') : value
}
