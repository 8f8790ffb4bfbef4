/** The replies, from the filter to the mail server: verdicts, edits, progress, negotiation. */
import { ProtocolError } from '../errors.ts'
import { CHUNK_SIZE, letter, Reply } from './constants.ts'
import { EDITS, editOf, isEdit, type EditFacts, type EditMessage } from './edit-table.ts'
import { encodeFrame, type Payload } from './frame.ts'
import { decodeChoice, encodeChoice, type Choice } from './negotiation.ts'
import { decodeSmtpReply, encodeSmtpReply, type SmtpReply } from './smtp-reply.ts'
import { endOfString, malformed, NUL } from './strings.ts'
import { decodeText, encodeText } from './text.ts'

/** A reply as data. */
export type ReplyMessage =
  | {
      readonly type: Single
    }
  | { readonly type: 'replycode'; readonly reply: SmtpReply }
  | { readonly type: 'optneg'; readonly choice: Choice }
  | EditMessage

const SINGLE: Readonly<Record<Single, Reply>> = {
  continue: Reply.CONTINUE,
  accept: Reply.ACCEPT,
  reject: Reply.REJECT,
  tempfail: Reply.TEMPFAIL,
  discard: Reply.DISCARD,
  skip: Reply.SKIP,
  progress: Reply.PROGRESS,
  shutdown: Reply.SHUTDOWN,
  conn_fail: Reply.CONN_FAIL,
}
type Single =
  | 'continue'
  | 'accept'
  | 'reject'
  | 'tempfail'
  | 'discard'
  | 'skip'
  | 'progress'
  | 'shutdown'
  | 'conn_fail'
const SINGLE_BY_CODE: ReadonlyMap<number, Single> = new Map(
  Object.entries(SINGLE).map(([name, code]) => [code, name as Single]),
)

/**
 * The frame of a reply. Strings must not contain NUL, which would end them early.
 *
 * Do not answer end of message with `shutdown`. Postfix before 3.11.5 then tells the client that the message is queued,
 * but drops it. Sendmail does not know this answer. To end a session, reply with 421.
 */
export function encodeReply(message: ReplyMessage): Buffer {
  switch (message.type) {
    case 'replycode':
      return encodeFrame(Reply.REPLYCODE, encodeSmtpReply(message.reply))
    case 'optneg':
      return encodeChoice(message.choice)
    default:
      return isEdit(message) ? encodeEdit(message) : encodeFrame(SINGLE[message.type])
  }
}

/**
 * An optional string is left out if there is none: Sendmail resets the message's MAIL parameters even for an empty one
 * (sendmail/milter.c milter_chgfrom).
 */
function encodeEdit(message: EditMessage): Buffer {
  const { code, payload } = EDITS[message.type]
  const values = message as unknown as Readonly<Record<string, unknown>>
  const parts: Uint8Array[] = []
  for (const { name, form } of payload) {
    const value = values[name]
    if (form === 'uint32') {
      const number = Buffer.allocUnsafe(4)
      number.writeUInt32BE(value as number)
      parts.push(number)
    } else if (form === 'bytes') parts.push(value as Uint8Array)
    else if (value !== undefined || form !== 'optional string')
      parts.push(encodeText(value as string | Uint8Array), NUL)
  }
  return encodeFrame(code, ...parts)
}

/**
 * A body as REPLBODY frames, each of at most 65,535 bytes, without a copy of its bytes: header and data
 * are separate buffers, to be written one after the other. An empty body is one empty frame.
 */
export function* encodeBody(body: Buffer): Generator<Buffer> {
  let offset = 0
  do {
    const chunk = body.subarray(offset, offset + CHUNK_SIZE)
    const header = Buffer.allocUnsafe(5)
    header.writeUInt32BE(chunk.length + 1)
    header[4] = Reply.REPLBODY
    yield header
    if (chunk.length > 0) yield chunk
    offset += chunk.length
  } while (offset < body.length)
}

/**
 * Reads a reply, leniently: a missing last NUL and bytes after a verdict are forgiven.
 * @throws ProtocolError UNKNOWN_REPLY, MALFORMED_PAYLOAD
 */
export function decodeReply(code: number, payload: Payload): ReplyMessage {
  const { bytes, start, end } = payload
  const single = SINGLE_BY_CODE.get(code)
  if (single !== undefined) return { type: single }
  if (code === Reply.OPTNEG) return { type: 'optneg', choice: decodeChoice(payload) }
  if (code === Reply.REPLYCODE) {
    const reply = decodeSmtpReply(bytes.subarray(start, end))
    if (reply === undefined) throw malformed('REPLYCODE', 'not an SMTP reply of class 4 or 5')
    return { type: 'replycode', reply }
  }
  const edit = editOf(code)
  if (edit !== undefined) return decodeEdit(edit, payload)
  throw new ProtocolError(
    'UNKNOWN_REPLY',
    `${letter(code)} is not a reply of the milter protocol`,
  )
}

/** Strings after the last field are forgiven. */
function decodeEdit({ type, payload: fields }: EditFacts, payload: Payload): EditMessage {
  const { bytes, end } = payload
  let { start } = payload
  const values: Record<string, unknown> = { type }
  for (const { name, form } of fields) {
    const missing = start >= end
    if (form === 'uint32') {
      if (end - start < 4) throw malformed(type.toUpperCase(), `the ${name} is cut off`)
      values[name] = bytes.readUInt32BE(start)
      start += 4
    } else if (form === 'bytes') {
      values[name] = bytes.subarray(start, end)
    } else if (missing && form === 'optional string') {
      values[name] = undefined
    } else {
      if (missing && form === 'string')
        throw malformed(type.toUpperCase(), `the ${name} is missing`)
      const stop = endOfString(bytes, start, end)
      values[name] = decodeText(bytes, start, stop)
      start = stop + 1
    }
  }
  return values as unknown as EditMessage
}

/** Constant frames of the replies that carry nothing, made once. */
export const FRAMES: Readonly<Record<Single, Buffer>> = Object.fromEntries(
  Object.entries(SINGLE).map(([name, code]) => [name, encodeFrame(code)]),
) as Record<Single, Buffer>
