const COLON = 0x3a
const SPACE = 0x20
const TAB = 0x09

/**
 * The start of the name of a field. Spaces at the start make a line part of the field above it. At the start of a
 * header there is no such field, and most readers ignore the spaces.
 */
export function fieldNameStart(bytes: Buffer, start: number, isFirst: boolean): number {
  let at = start
  if (isFirst) while (bytes[at] === SPACE || bytes[at] === TAB) at++
  return at
}

/**
 * The end of the name of a field, without spaces before the colon, or -1 if the line is not a field. The parser and the
 * header of a part both use this, because they must see the same fields.
 *
 * @param lineEnd the end of the first line: a name and its colon are on one line (RFC 5322, section 2.2)
 */
export function fieldNameEnd(bytes: Buffer, start: number, lineEnd: number): number {
  let at = start
  while (at < lineEnd && bytes[at] !== COLON) {
    if (bytes[at]! <= SPACE) {
      // All programs read `Subject :`, but none reads a name with a space in it.
      let space = at
      while (bytes[space] === SPACE || bytes[space] === TAB) space++
      return bytes[space] === COLON && at > start ? at : -1
    }
    at++
  }
  return at === lineEnd || at === start ? -1 : at
}
