import { Command, letter } from '../protocol/constants.ts'
import type { FrameDecoder } from '../protocol/frame.ts'
import { malformed } from '../protocol/strings.ts'

/** How large what is kept of a frame may be, and in how many pieces: far more than mail servers send. */

/**
 * Bytes of a command whose strings are kept as long as the connection or the message. A line of SMTP has 2,048
 * at most (Postfix line_length_limit, Sendmail MAXLINE), unless an administrator has raised it.
 */
const MAX_LINE = 16_384
/** Words of MAIL and RCPT: an address and its ESMTP parameters. */
const MAX_WORDS = 256
/** Macros of one frame; mail servers send some twenty. */
const MAX_PAIRS = 1_000

/** @throws ProtocolError MALFORMED_PAYLOAD */
export function boundLine(frame: FrameDecoder): void {
  const { size, command } = frame
  if (size <= MAX_WORDS) return
  switch (command) {
    case Command.CONNECT:
    case Command.HELO:
    case Command.MAIL:
    case Command.RCPT:
    case Command.UNKNOWN:
      if (size > MAX_LINE) {
        throw malformed(
          letter(command),
          `it has ${size} bytes, and no line of SMTP has more than ${MAX_LINE}`,
        )
      }
      if (countNuls(frame) > MAX_WORDS) {
        throw malformed(letter(command), `it has more than ${MAX_WORDS} words`)
      }
  }
}

/** @throws ProtocolError MALFORMED_PAYLOAD */
export function boundMacros(frame: FrameDecoder): void {
  if (frame.size > MAX_PAIRS && countNuls(frame) > 2 * MAX_PAIRS) {
    throw malformed('MACRO', `there are more than ${MAX_PAIRS} of them`)
  }
}

function countNuls({ bytes, start, end }: FrameDecoder): number {
  let count = 0
  for (let at = bytes.indexOf(0, start); at !== -1 && at < end; at = bytes.indexOf(0, at + 1)) {
    count++
  }
  return count
}
