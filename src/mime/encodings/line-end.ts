const LF = 0x0a
const CR = 0x0d

/** CRLF, or LF where that is what the lines end with. */
export function lineEndOf(bytes: Buffer): string {
  const feed = bytes.indexOf(LF)
  return feed === -1 || bytes[feed - 1] === CR ? '\r\n' : '\n'
}
