/** Bounds for the strings that are kept of a frame: their size and number. Mail servers send far less. */
import { Command, letter } from '../protocol/constants.ts'
import type { FrameDecoder } from '../protocol/frame.ts'
import { malformed } from '../protocol/strings.ts'

/**
 * The maximum size of a command whose strings are kept as long as the connection or the message. A line of SMTP has at
 * most 2,048 bytes (Postfix line_length_limit, Sendmail MAXLINE), unless an administrator has raised the limit.
 */
const MAX_LINE = 16_384
/** Words of MAIL and RCPT: an address and its ESMTP parameters. */
const MAX_WORDS = 256
/** Macros of one frame; mail servers send some twenty. */
const MAX_PAIRS = 1_000
/** Bytes of a command whose strings are too small to be counted. */
const USUAL_LINE = 256
/** The maximum bytes for a character of a string, and the bytes of a string in addition to its characters. */
const CHARACTER = 2
const STRING = 32

/**
 * The strings of commands: how large they may be, and how many bytes those take that are kept. Those of CONNECT and
 * HELO are as long as the SMTP session, those of MAIL and of the latest RCPT until the next one.
 */
export class CommandLines {
  /** by command, of those that are larger than usual; nearly always there is none */
  #kept: Map<number, number> | undefined
  #held = 0

  /** Bytes of memory, about. */
  get held(): number {
    return this.#held
  }

  /** @throws ProtocolError MALFORMED_PAYLOAD */
  take(frame: FrameDecoder): void {
    const { size, command } = frame
    if (size <= USUAL_LINE && this.#held === 0) return
    switch (command) {
      case Command.CONNECT:
      case Command.HELO:
      case Command.MAIL:
      case Command.RCPT:
        this.#keep(command, size <= USUAL_LINE ? 0 : heldOf(frame))
        return
      case Command.UNKNOWN:
        if (size > USUAL_LINE) heldOf(frame)
    }
  }

  #keep(command: number, bytes: number): void {
    this.#kept ??= new Map()
    this.#held += bytes - (this.#kept.get(command) ?? 0)
    this.#kept.set(command, bytes)
  }

  clear(): void {
    this.#kept = undefined
    this.#held = 0
  }
}

/** Bytes that the strings of a command take. @throws ProtocolError MALFORMED_PAYLOAD */
function heldOf(frame: FrameDecoder): number {
  const { size, command } = frame
  if (size > MAX_LINE) {
    throw malformed(
      letter(command),
      `it has ${size} bytes, and no line of SMTP has more than ${MAX_LINE}`,
    )
  }
  const words = countNuls(frame)
  if (words > MAX_WORDS) {
    throw malformed(letter(command), `it has more than ${MAX_WORDS} words`)
  }
  return CHARACTER * size + STRING * (words + 1)
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
