/**
 * The bytes of a message as they go out after DATA (RFC 5321, section 4.5.2). A dot at the start of a line is doubled, and
 * nothing else changes: bare CR, bare LF, NUL, 8-bit bytes and long lines stay as they are.
 */

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e
const DOT_BYTES = Buffer.from('.')
const END = Buffer.from('.\r\n')
const CRLF_END = Buffer.from('\r\n.\r\n')

/** Bytes that are written at once. */
const PIECE = 65_536

/** Pieces of about 64 KiB, without the end of the message. Only CRLF is a line end: a receiver removes a dot after it. */
export function* dotStuffed(message: Buffer): Generator<Buffer> {
  let list: Buffer[] = []
  let size = 0
  for (const piece of stuffedPieces(message)) {
    list.push(piece)
    size += piece.length
    if (size < PIECE) continue
    yield Buffer.concat(list)
    list = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(list)
}

/** What ends a message: with a CRLF before it, if there is none. */
export const endOf = (message: Buffer): Buffer =>
  afterCrlf(message, message.length) ? END : CRLF_END

function* stuffedPieces(message: Buffer): Generator<Buffer> {
  let start = 0
  for (let at = message.indexOf(DOT); at !== -1; at = message.indexOf(DOT, at + 1)) {
    if (!afterCrlf(message, at)) continue
    yield* inPieces(message.subarray(start, at))
    yield DOT_BYTES
    start = at
  }
  yield* inPieces(message.subarray(start))
}

const afterCrlf = (bytes: Buffer, at: number): boolean =>
  at === 0 || (bytes[at - 1] === LF && bytes[at - 2] === CR)

function* inPieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE)
}

/**
 * Whether a server that takes a bare CR or LF for a line end would see the end of the message in the middle of it. What
 * follows would be commands, which the author of the message has chosen (SMTP smuggling, CVE-2023-51764 and others).
 */
export function hasAmbiguousEnd(message: Buffer): boolean {
  for (let at = message.indexOf(DOT); at !== -1; at = message.indexOf(DOT, at + 1)) {
    const before = message[at - 1]
    const after = message[at + 1]
    if (before !== LF && before !== CR) continue
    if (after !== LF && after !== CR) continue
    // After CRLF the dot is doubled, so that no server takes it for the end.
    if (!afterCrlf(message, at)) return true
  }
  return false
}
