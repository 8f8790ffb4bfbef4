/**
 * Bare LF, as the protocol has it between the lines of a header field, becomes CRLF, as it is in a
 * message. A CR before it is a byte of the line, and stays.
 */
export function lfToCrlf(bytes: Buffer): Buffer {
  if (!bytes.includes(0x0a)) return bytes
  return Buffer.from(bytes.toString('latin1').replaceAll('\n', '\r\n'), 'latin1')
}

/**
 * A value without lines of blanks only, which must not be written (RFC 5322, section 3.2.2): some programs end
 * the header there. They say nothing, as folds are white space; a message that was received may have them.
 */
export function withoutBlankLines(value: string): string {
  return value.includes('\n') ? value.replaceAll(/\r?\n[ \t]+(?=\r?\n|$)/g, '') : value
}
