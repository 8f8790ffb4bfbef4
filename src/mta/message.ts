/** A message as lines of header fields and a body, without losing a byte. */
export interface Field {
  /** as written, without the colon */
  readonly name: Buffer
  /** everything after the colon, with its leading space, folds as in the message, no final line end */
  readonly value: Buffer
}

export interface ParsedMessage {
  readonly fields: readonly Field[]
  /** after the empty line */
  readonly body: Buffer
}

const LF = 0x0a
const CR = 0x0d

/**
 * Splits a message with CRLF or LF line ends. Where a line is neither a field nor a continuation the
 * body begins, as mail servers do.
 */
export function parseMessage(message: Buffer): ParsedMessage {
  const fields: Field[] = []
  let start = 0
  while (start < message.length) {
    const end = endOfField(message, start)
    const line = message.subarray(start, trimEnd(message, start, end))
    if (line.length === 0) return { fields, body: message.subarray(end) }
    const colon = line.indexOf(0x3a)
    const name = line.subarray(0, Math.max(colon, 0)).toString('latin1').trimEnd()
    if (colon <= 0 || !/^[!-9;-~\x80-\xff]+$/.test(name)) {
      return { fields, body: message.subarray(start) }
    }
    fields.push({ name: line.subarray(0, name.length), value: line.subarray(colon + 1) })
    start = end
  }
  return { fields, body: Buffer.alloc(0) }
}

/** Past the line end of a field, its continuation lines included. */
function endOfField(message: Buffer, start: number): number {
  let end = start
  for (;;) {
    const feed = message.indexOf(LF, end)
    if (feed === -1) return message.length
    const empty = feed === start || (feed === start + 1 && message[start] === CR)
    end = feed + 1
    if (empty || (message[end] !== 0x20 && message[end] !== 0x09)) return end
  }
}

function trimEnd(message: Buffer, start: number, end: number): number {
  if (end > start && message[end - 1] === LF) end--
  if (end > start && message[end - 1] === CR) end--
  return end
}

/** The message again, with CRLF line ends in its header. */
export function formatMessage({ fields, body }: ParsedMessage): Buffer {
  const parts: Buffer[] = []
  for (const { name, value } of fields) parts.push(name, COLON, withCrlf(value), CRLF)
  return Buffer.concat([...parts, CRLF, body])
}

const COLON = Buffer.from(':')
const CRLF = Buffer.from('\r\n')

function withCrlf(value: Buffer): Buffer {
  return value.includes(LF)
    ? Buffer.from(value.toString('latin1').replaceAll(/\r?\n/g, '\r\n'), 'latin1')
    : value
}
