import { ProtocolError, type ErrorCode } from '../errors.ts'
import { Reply } from '../protocol/constants.ts'
import { EDITS, isEdit } from '../protocol/edit-table.ts'
import type { Payload } from '../protocol/frame.ts'
import { decodeReply, type ReplyMessage } from '../protocol/replies.ts'
import { decodeText } from '../protocol/text.ts'
import type { MailServerModel } from './models/model.ts'

/** Reads the replies of a filter as the modelled mail server does. */
export class ReplyReader {
  readonly #model: MailServerModel
  readonly #violation: (code: ErrorCode, what: string) => void
  /** the latest reply for which the filter wrote the text, as the server reads it: `%%` is `%` */
  text = ''

  /** @param violation called for each violation of the protocol after which the server goes on */
  constructor(model: MailServerModel, violation: (code: ErrorCode, what: string) => void) {
    this.#model = model
    this.#violation = violation
  }

  /** @throws ProtocolError for an error that makes the connection unusable */
  read(code: number, payload: Buffer): ReplyMessage {
    const where = { bytes: payload, start: 0, end: payload.length }
    if (code === Reply.REPLYCODE) {
      const text = payload.toString('latin1').replace(/\0$/, '')
      const flaw = this.#model.replyFlaw(text)
      if (flaw !== undefined) {
        const what = `the reply ${JSON.stringify(text)}: ${flaw}`
        if (this.#model.name === 'postfix') throw new ProtocolError('INVALID_REPLY', what)
        this.#violation('INVALID_REPLY', what)
        return { type: 'reject' }
      }
    }
    if (code === Reply.OPTNEG)
      return { type: 'optneg', choice: this.#model.negotiation.read(where) }
    const reply = code === Reply.REPLYCODE ? this.#ownReply(where) : decodeReply(code, where)
    if (payload.length > 0 && isVerdict(reply)) {
      const what = `${reply.type} with ${payload.length} bytes after it`
      if (this.#model.refusesPayloadOfVerdicts)
        throw new ProtocolError('MALFORMED_PAYLOAD', what)
      this.#violation('MALFORMED_PAYLOAD', what)
    }
    if (endsWithNul(reply) && payload.at(-1) !== 0) {
      this.#violation('MALFORMED_PAYLOAD', `${reply.type} without a NUL at its end`)
    }
    return reply
  }

  /** A reply with a text, which this server takes; another one need not. */
  #ownReply(payload: Payload): ReplyMessage {
    const { bytes } = payload
    const nul = bytes.indexOf(0)
    const text = decodeText(bytes, 0, nul === -1 ? bytes.length : nul)
    this.text = text
      .replaceAll(/%(%?)/g, '$1')
      .replace(/\r?\n$/, '')
      .replaceAll(/\r?\n/g, '\r\n')
    try {
      return decodeReply(Reply.REPLYCODE, payload)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#violation('INVALID_REPLY', `the reply ${JSON.stringify(text)}: ${error.message}`)
      const code = Number(text.slice(0, 3))
      const lines = text.split(/\r?\n/)
      return { type: 'replycode', reply: { code, enhanced: undefined, lines } }
    }
  }
}

const VERDICTS: ReadonlySet<ReplyMessage['type']> = new Set([
  'continue',
  'accept',
  'reject',
  'tempfail',
  'discard',
  'skip',
  'progress',
  'shutdown',
])
const isVerdict = (reply: ReplyMessage): boolean => VERDICTS.has(reply.type)

const endsWithNul = (reply: ReplyMessage): boolean =>
  reply.type === 'replycode' ||
  (isEdit(reply) && EDITS[reply.type].payload.at(-1)!.form.includes('string'))
