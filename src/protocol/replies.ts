import { ProtocolError } from '../errors.ts'
import { CHUNK_SIZE, letter, Reply } from './constants.ts'
import { encodeFrame, type Payload } from './frame.ts'
import { decodeChoice, encodeChoice, type Choice } from './negotiation.ts'
import { decodeSmtpReply, encodeSmtpReply, type SmtpReply } from './smtp-reply.ts'
import { decodeStrings, endOfString, malformed, stringParts } from './strings.ts'
import { decodeText } from './text.ts'

/** The replies, from the filter to the mail server: verdicts, edits, progress, negotiation. */

type Text = string | Uint8Array

/** A change to the message; legal only in the answer to end of message. */
export type EditMessage =
  | { readonly type: 'addheader'; readonly name: Text; readonly value: Text }
  | {
      readonly type: 'insheader' | 'chgheader'
      readonly index: number
      readonly name: Text
      readonly value: Text
    }
  | { readonly type: 'addrcpt' | 'delrcpt'; readonly address: Text }
  | {
      readonly type: 'addrcpt_par' | 'chgfrom'
      readonly address: Text
      readonly parameters?: Text | undefined
    }
  | { readonly type: 'replbody'; readonly chunk: Uint8Array }
  | { readonly type: 'quarantine'; readonly reason: Text }

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
 * The frame of a reply. Strings must hold no NUL: it would end them early.
 *
 * Do not answer end of message with `shutdown`: Postfix before 3.11.5 tells the client that the message is queued, and
 * drops it; Sendmail takes it for an answer that does not exist. To end a session, reply with 421.
 */
export function encodeReply(message: ReplyMessage): Buffer {
  switch (message.type) {
    case 'replycode':
      return encodeFrame(Reply.REPLYCODE, encodeSmtpReply(message.reply))
    case 'optneg':
      return encodeChoice(message.choice)
    case 'addheader':
      return encodeFrame(Reply.ADDHEADER, ...stringParts(message.name, message.value))
    case 'insheader':
    case 'chgheader': {
      const index = Buffer.allocUnsafe(4)
      index.writeUInt32BE(message.index)
      const code = message.type === 'insheader' ? Reply.INSHEADER : Reply.CHGHEADER
      return encodeFrame(code, index, ...stringParts(message.name, message.value))
    }
    case 'addrcpt':
      return encodeFrame(Reply.ADDRCPT, ...stringParts(message.address))
    case 'delrcpt':
      return encodeFrame(Reply.DELRCPT, ...stringParts(message.address))
    case 'addrcpt_par':
    case 'chgfrom': {
      // Without parameters the second string is left out: Sendmail resets the message's MAIL
      // parameters even for an empty one (sendmail/milter.c milter_chgfrom).
      const code = message.type === 'chgfrom' ? Reply.CHGFROM : Reply.ADDRCPT_PAR
      const { address, parameters } = message
      return parameters === undefined
        ? encodeFrame(code, ...stringParts(address))
        : encodeFrame(code, ...stringParts(address, parameters))
    }
    case 'replbody':
      return encodeFrame(Reply.REPLBODY, message.chunk)
    case 'quarantine':
      return encodeFrame(Reply.QUARANTINE, ...stringParts(message.reason))
    default:
      return encodeFrame(SINGLE[message.type])
  }
}

/**
 * A body as REPLBODY frames of at most 65,535 bytes, without a copy of its bytes: header and data
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
  switch (code) {
    case Reply.OPTNEG:
      return { type: 'optneg', choice: decodeChoice(payload) }
    case Reply.REPLYCODE: {
      const reply = decodeSmtpReply(bytes.subarray(start, end))
      if (reply === undefined) throw malformed('REPLYCODE', 'not an SMTP reply of class 4 or 5')
      return { type: 'replycode', reply }
    }
    case Reply.ADDHEADER: {
      const [name, value] = strings('ADDHEADER', payload, 2)
      return { type: 'addheader', name, value }
    }
    case Reply.INSHEADER:
    case Reply.CHGHEADER: {
      const type = code === Reply.INSHEADER ? 'insheader' : 'chgheader'
      if (end - start < 4) throw malformed(type.toUpperCase(), 'the index is cut off')
      const [name, value] = strings(type.toUpperCase(), { bytes, start: start + 4, end }, 2)
      return { type, index: bytes.readUInt32BE(start), name, value }
    }
    case Reply.ADDRCPT:
      return { type: 'addrcpt', address: strings('ADDRCPT', payload, 1)[0] }
    case Reply.DELRCPT:
      return { type: 'delrcpt', address: strings('DELRCPT', payload, 1)[0] }
    case Reply.ADDRCPT_PAR:
    case Reply.CHGFROM: {
      const type = code === Reply.CHGFROM ? 'chgfrom' : 'addrcpt_par'
      const [address, parameters] = decodeStrings(payload)
      if (address === undefined) throw malformed(type.toUpperCase(), 'the address is missing')
      return { type, address, parameters }
    }
    case Reply.REPLBODY:
      return { type: 'replbody', chunk: bytes.subarray(start, end) }
    case Reply.QUARANTINE:
      return {
        type: 'quarantine',
        reason: decodeText(bytes, start, endOfString(bytes, start, end)),
      }
    default:
      throw new ProtocolError(
        'UNKNOWN_REPLY',
        `${letter(code)} is not a reply of the milter protocol`,
      )
  }
}

/** Exactly `count` strings, the last of which may be empty and without a NUL. */
function strings(what: string, payload: Payload, count: 1): [string]
function strings(what: string, payload: Payload, count: 2): [string, string]
function strings(what: string, payload: Payload, count: number): string[] {
  const found = decodeStrings(payload)
  if (found.length < count) {
    throw malformed(what, `${found.length} strings, ${count} are needed`)
  }
  return found.slice(0, count)
}

/** Constant frames of the replies that carry nothing, made once. */
export const FRAMES: Readonly<Record<Single, Buffer>> = Object.fromEntries(
  Object.entries(SINGLE).map(([name, code]) => [name, encodeFrame(code)]),
) as Record<Single, Buffer>
