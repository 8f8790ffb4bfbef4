import type { CommandMessage } from '../protocol/commands.ts'
import { letter } from '../protocol/constants.ts'
import { EDITS, isEdit, type EditMessage } from '../protocol/edit-table.ts'
import type { ReplyMessage } from '../protocol/replies.ts'
import { formatSmtpReply } from '../protocol/smtp-reply.ts'
import { decodeText, encodeText } from '../protocol/text.ts'

/** One frame of a conversation, in the order in which the mail server's side sent or read it. */
export interface TraceEntry {
  readonly from: 'mta' | 'filter'
  /** the command or reply; undefined for raw bytes that were sent, and for bytes that could not be read */
  readonly message: CommandMessage | ReplyMessage | undefined
  /** the whole frame, length and letter included */
  readonly bytes: Buffer
}

/** The frames of a conversation, in order. As text it has one line for each. */
export class Trace {
  readonly entries: TraceEntry[] = []

  add(from: TraceEntry['from'], bytes: Buffer, message?: TraceEntry['message']): void {
    this.entries.push({ from, message, bytes })
  }

  toString(): string {
    return this.entries
      .map(({ from, message, bytes }) => {
        const text = message === undefined ? rawText(bytes) : describeMessage(message)
        return `${from === 'mta' ? '>' : '<'} ${text}`
      })
      .join('\n')
  }
}

function rawText(bytes: Buffer): string {
  const code = bytes[4]
  const what = code === undefined ? 'bytes' : letter(code)
  return `${what} ${bytes.toString('hex', 0, 40)}${bytes.length > 40 ? '...' : ''}`
}

/** A command or reply in one line: its type, then its content. */
export function describeMessage(message: CommandMessage | ReplyMessage): string {
  const details = contentOf(message)
  return details === '' ? message.type : `${message.type} ${details}`
}

function contentOf(message: CommandMessage | ReplyMessage): string {
  switch (message.type) {
    case 'optneg': {
      const { version, actions, steps } = 'offer' in message ? message.offer : message.choice
      return `version ${version}, actions 0x${actions.toString(16)}, steps 0x${steps.toString(16)}`
    }
    case 'macro':
      return [
        `for ${letter(message.command)}`,
        ...message.pairs.map(([name, value]) => `${name}=${quoted(value)}`),
      ].join(' ')
    case 'connect':
      return `${message.client.hostname} ${message.client.rawAddress}`.trimEnd()
    case 'helo':
      return message.name
    case 'mail':
    case 'rcpt':
      return message.words.join(' ')
    case 'header':
      return `${decodeText(encodeText(message.name))}: ${quoted(message.value)}`
    case 'unknown':
      return message.line
    case 'body':
      return `${message.chunk.length} bytes`
    case 'eom':
      return message.chunk.length === 0 ? '' : `${message.chunk.length} bytes`
    case 'replycode':
      return formatSmtpReply(message.reply).replaceAll('\r\n', ' | ')
    default:
      return isEdit(message) ? contentOfEdit(message) : ''
  }
}

function contentOfEdit(edit: EditMessage): string {
  const values = edit as unknown as Readonly<Record<string, string | Uint8Array | undefined>>
  const words = EDITS[edit.type].payload.map(({ name, form }) => {
    const value = values[name]
    if (value === undefined) return ''
    if (form === 'uint32') return String(value)
    if (form === 'bytes') return `${value.length} bytes`
    return PLAIN.has(name) ? decodeText(encodeText(value)) : quoted(value)
  })
  return words.join(' ').trimEnd()
}

/** Fields that need no quotes: they have no spaces, or their spaces separate words. */
const PLAIN: ReadonlySet<string> = new Set(['address', 'parameters'])

const quoted = (text: string | Uint8Array): string =>
  JSON.stringify(decodeText(encodeText(text)))
