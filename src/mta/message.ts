import { lfToCrlf } from '../protocol/line-ends.ts'

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
/** `>` */
const QUOTE = 0x3e
const CRLF = Buffer.from('\r\n')

/** A header field, exactly as it is in a message. */
export class Field {
  /** name, colon and value; folded lines are joined by a bare LF, as the protocol has them */
  readonly raw: Buffer

  constructor(raw: Buffer) {
    this.raw = raw
  }

  /** @param value with its leading space */
  static of(name: Uint8Array | string, value: Uint8Array | string): Field {
    return new Field(Buffer.concat([Buffer.from(name), Buffer.from(':'), Buffer.from(value)]))
  }

  get #colon(): number {
    const colon = this.raw.indexOf(COLON)
    return colon === -1 ? this.raw.length : colon
  }

  /** without white space before the colon */
  get name(): Buffer {
    let end = this.#colon
    while (end > 0 && isSpace(this.raw[end - 1])) end--
    return this.raw.subarray(0, end)
  }

  /** everything after the colon, with the leading space; folds are bare LF and white space */
  get value(): Buffer {
    return this.raw.subarray(this.#colon + 1)
  }

  /** The name for comparisons, which ignore case. */
  get key(): string {
    return this.name.toString('latin1').toLowerCase()
  }
}

/** A message, split into its header fields and its body. */
export interface ParsedMessage {
  readonly fields: readonly Field[]
  /** after the empty line; CRLF line ends */
  readonly body: Buffer
}

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09

/**
 * Splits a message. Lines may end with CRLF or LF. If the first line ends with a bare LF, all line ends become CRLF,
 * as programs that send such a file by SMTP do. As for mail servers, the header ends at the first line that is neither
 * a field nor a continuation line, empty or not.
 *
 * A `From ` line at the start, as in an mbox, is left out, quoted (`>From `) or not. It is not part of the message
 * (RFC 4155), and programs that send such a file do not send it. If one does, Postfix makes a field X-Mailbox-Line of
 * it (smtpd.c, data_command).
 */
export function parseMessage(message: Uint8Array): ParsedMessage {
  const bytes = withCrlf(Buffer.from(message.buffer, message.byteOffset, message.byteLength))
  const fields: Field[] = []
  let start = envelopeLine(bytes)
  while (start < bytes.length) {
    const end = endOfField(bytes, start)
    const text = bytes.subarray(start, trimEnd(bytes, start, end))
    if (text.length === 0) return { fields, body: bytes.subarray(end) }
    if (!isField(text)) return { fields, body: bytes.subarray(start) }
    fields.push(new Field(withBareLf(text)))
    start = end
  }
  return { fields, body: Buffer.alloc(0) }
}

/** Past the `From ` lines at the start, if there are some. */
function envelopeLine(bytes: Buffer): number {
  let start = 0
  for (;;) {
    let at = start
    while (bytes[at] === QUOTE) at++
    if (bytes.toString('latin1', at, at + 5) !== 'From ') return start
    const feed = bytes.indexOf(LF, at)
    if (feed === -1) return bytes.length
    start = feed + 1
  }
}

/** A name of printable ASCII, perhaps with white space before its colon (Postfix `is_header`). */
export function isField(text: Buffer): boolean {
  const colon = text.indexOf(COLON)
  return colon > 0 && /^[!-9;-~]+[ \t]*$/.test(text.toString('latin1', 0, colon))
}

/** Past the line end of a field, its continuation lines included. */
function endOfField(bytes: Buffer, start: number): number {
  let end = start
  for (;;) {
    const feed = bytes.indexOf(LF, end)
    if (feed === -1) return bytes.length
    const empty = feed === start || (feed === start + 1 && bytes[start] === CR)
    end = feed + 1
    if (empty || !isSpace(bytes[end])) return end
  }
}

function trimEnd(bytes: Buffer, start: number, end: number): number {
  if (end > start && bytes[end - 1] === LF) end--
  if (end > start && bytes[end - 1] === CR) end--
  return end
}

/** Header fields with CRLF line ends, each with its last. */
export function formatFields(fields: Iterable<Field>): Buffer {
  const parts: Buffer[] = []
  for (const { raw } of fields) parts.push(lfToCrlf(raw), CRLF)
  return Buffer.concat(parts)
}

function withCrlf(message: Buffer): Buffer {
  const feed = message.indexOf(LF)
  return feed === -1 || message[feed - 1] === CR ? message : lfToCrlf(message)
}

function withBareLf(text: Buffer): Buffer {
  if (!text.includes(LF)) return text
  return Buffer.from(text.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
}
