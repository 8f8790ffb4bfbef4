const LF = 0x0a
const CR = 0x0d

/** CRLF, or LF if the lines end with that. */
export function lineEndOf(bytes: Buffer): string {
  const feed = bytes.indexOf(LF)
  return feed === -1 || bytes[feed - 1] === CR ? '\r\n' : '\n'
}
