/**
 * Reads replies of an SMTP server (RFC 5321, section 4.2). As Postfix's `smtp_chat_resp`, it takes lines that end with a
 * bare LF, and the code of the last line. What a reply may take is bounded.
 */
import { decodeText } from '../../protocol/text.ts'
import type { ServerReply } from './server-reply.ts'
import { SmtpFailure } from './smtp-failure.ts'

/** Bytes of a line, lines of a reply, and bytes of a reply. RFC 5321, 4.5.3.1.5, allows 512 bytes for a line. */
const MAX_LINE = 4_096
const MAX_LINES = 128
const MAX_BYTES = 65_536

const LF = 0x0a
const CR = 0x0d

/** Makes replies of the bytes of a connection. */
export class ReplyReader {
  #bytes: Buffer = Buffer.alloc(0)
  #lines: string[] = []
  #size = 0

  /** Whether bytes wait that belong to no complete reply, or to one that was not taken. */
  get pending(): boolean {
    return this.#bytes.length > 0 || this.#lines.length > 0
  }

  /** Whether more bytes wait than a reply may have. */
  get full(): boolean {
    return this.#bytes.length > MAX_BYTES
  }

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
  }

  /**
   * The next reply; undefined if it is not complete.
   *
   * @throws SmtpFailure `bad-reply`
   */
  take(): ServerReply | undefined {
    for (;;) {
      const end = this.#bytes.indexOf(LF)
      if ((end === -1 ? this.#bytes.length : end) > MAX_LINE) {
        throw new SmtpFailure('bad-reply', `a line of a reply is above ${MAX_LINE} bytes`)
      }
      if (end === -1) return undefined
      const line = this.#bytes.subarray(0, this.#bytes[end - 1] === CR ? end - 1 : end)
      this.#bytes = this.#bytes.subarray(end + 1)
      this.#size += line.length
      const text = harmless(decodeText(Buffer.from(line)))
      const match = /^([2-5]\d\d)(?:([ -])(.*))?$/s.exec(text)
      if (match === null) {
        throw new SmtpFailure('bad-reply', `this is no reply: ${JSON.stringify(short(text))}`)
      }
      this.#lines.push(match[3] ?? '')
      if (match[2] !== '-') return this.#reply(Number(match[1]))
      if (this.#lines.length >= MAX_LINES || this.#size > MAX_BYTES) {
        throw new SmtpFailure(
          'bad-reply',
          `a reply is above ${MAX_LINES} lines or ${MAX_BYTES} bytes`,
        )
      }
    }
  }

  #reply(code: number): ServerReply {
    const lines = this.#lines
    this.#lines = []
    this.#size = 0
    return replyOf(code, lines)
  }
}

/** @param lines without codes and control characters */
function replyOf(code: number, lines: readonly string[]): ServerReply {
  const cut = lines.map((line) => ENHANCED.exec(line))
  const enhanced = cut[0]?.[1]
  if (enhanced?.[0] !== String(code)[0]) {
    return { code, enhanced: undefined, text: lines.join(' ').trim(), lines }
  }
  const text = lines.map((line, i) => (cut[i] === null ? line : line.slice(cut[i]![0].length)))
  return { code, enhanced, text: text.join(' ').trim(), lines }
}

/** RFC 3463, section 2. */
const ENHANCED = /^([245]\.\d{1,3}\.\d{1,3})(?: +|$)/

/** A server's text goes into replies, logs and messages, where a control character could do harm. */
const harmless = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  text.replaceAll('\t', ' ').replaceAll(/[\0-\x1f\x7f\u0080-\u009f]/g, '?')

const short = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}...` : text)
