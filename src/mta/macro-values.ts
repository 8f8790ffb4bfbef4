import { EVENTS } from '../protocol/event-table.ts'
import type { CompleteTransaction } from './transaction.ts'
import {
  CONTENT_COMMANDS,
  OWN_NAME,
  type AddedFields,
  type MacroCommand,
  type MailServerModel,
} from './models/model.ts'

const HOST = OWN_NAME
const HOST_ADDRESS = '198.51.100.1'

let messages = 0

/** The values a mail server has for macros, at each point of a message. */
export class MacroValues {
  /** the recipient that RCPT is about */
  recipient: CompleteTransaction['recipients'][number] | undefined
  /** recipients that were accepted so far */
  accepted = 0
  readonly #model: MailServerModel
  readonly #transaction: CompleteTransaction
  readonly #queueId: string
  readonly #date = new Date()

  constructor(model: MailServerModel, transaction: CompleteTransaction) {
    this.#model = model
    this.#transaction = transaction
    const number = ++messages
    this.#queueId =
      transaction.macros.get('i') ??
      (model.name === 'postfix'
        ? (0x4c1_0000_0000 + number).toString(16).toUpperCase()
        : `6AOA00${String(number).padStart(8, '0')}`)
  }

  /** The names that were asked for and have a value, in that order. */
  pairs(command: MacroCommand, names: readonly string[]): [name: string, value: string][] {
    const pairs: [string, string][] = []
    for (const name of names) {
      const value = this.#value(command, name)
      if (value !== undefined) pairs.push([name, value])
    }
    return pairs
  }

  /** What the server tells the client when it takes the message. */
  get acceptance(): string {
    return this.#model.name === 'postfix'
      ? `250 2.0.0 Ok: queued as ${this.#queueId}`
      : `250 2.0.0 ${this.#queueId} Message accepted for delivery`
  }

  /** What the server puts into fields the client has not sent. */
  get added(): AddedFields {
    return {
      host: HOST,
      date: this.#date.toUTCString(),
      messageId: `<${this.#queueId}@${HOST}>`,
    }
  }

  #value(command: MacroCommand, name: string): string | undefined {
    const { contentMacros } = this.#model
    if (
      contentMacros !== undefined &&
      CONTENT_COMMANDS.has(command) &&
      !contentMacros.has(name)
    ) {
      return undefined
    }
    if (name === 'i') return this.#hasQueueId(command) ? this.#queueId : undefined
    const given = this.#transaction.macros.get(name)
    if (given !== undefined) return given
    const known = KNOWN_FROM.find(([prefix]) => name.startsWith(prefix))?.[1]
    if (known !== undefined && EVENTS[command].order < EVENTS[known].order) return undefined
    // Sendmail forgets the recipient after RCPT; Postfix knows the last one until the content comes.
    if (known === 'rcpt' && command !== 'rcpt' && this.#model.name === 'sendmail')
      return undefined
    return this.#ownValue(name)
  }

  #hasQueueId(command: MacroCommand): boolean {
    if (this.#model.queueIdFrom === 'connect') return true
    if (command === 'connect' || command === 'helo') return false
    if (command !== 'mail' && command !== 'rcpt') return true
    return this.accepted > 0
  }

  #ownValue(name: string): string | undefined {
    const { smtpClient, sender } = this.#transaction
    const postfix = this.#model.name === 'postfix'
    switch (name) {
      case 'j':
        return HOST
      case 'if_name':
        return postfix ? undefined : HOST
      case 'v':
        return this.#model.version
      case '_':
        return `${smtpClient.hostname} [${smtpClient.address ?? 'unknown'}]`
      case 'daemon_name':
        return postfix ? HOST : 'MTA'
      case 'daemon_addr':
        return HOST_ADDRESS
      case 'if_addr':
        // Sendmail leaves the loopback interface out, Postfix does not know it.
        return postfix || smtpClient.address === '127.0.0.1' ? undefined : HOST_ADDRESS
      case 'daemon_port':
        return '25'
      case 'client_addr':
        return smtpClient.address
      case 'client_name':
      case 'client_ptr':
        return smtpClient.hostname
      case 'client_port':
        return smtpClient.port === undefined ? undefined : String(smtpClient.port)
      case 'mail_addr':
        return sender.address
      case 'mail_host':
        return domainOf(sender.address, postfix)
      case 'mail_mailer':
        return postfix ? 'smtp' : 'esmtp'
      case 'rcpt_addr':
        return this.recipient?.refused === undefined
          ? this.recipient?.address
          : refusalText(this.recipient.refused, postfix)
      case 'rcpt_host':
        return this.recipient?.refused === undefined
          ? domainOf(this.recipient?.address ?? '', postfix)
          : (/[45]\.\d{1,3}\.\d{1,3}/.exec(this.recipient.refused)?.[0] ?? '5.1.1')
      case 'rcpt_mailer':
        return this.recipient?.refused === undefined ? (postfix ? 'smtp' : 'esmtp') : 'error'
      case 'msg_id':
        return postfix ? undefined : this.#messageId()
      default:
        return undefined
    }
  }

  #messageId(): string {
    const field = this.#transaction.message.fields.find(({ key }) => key === 'message-id')
    return field?.value.toString('latin1').trim() ?? this.added.messageId!
  }
}

/** Macros of the message, and the command that brings them. */
const KNOWN_FROM: readonly (readonly [prefix: string, from: MacroCommand])[] = [
  ['mail_', 'mail'],
  ['rcpt_', 'rcpt'],
  ['msg_id', 'eoh'],
]

/** Sendmail writes a complete name with a dot at its end. */
function domainOf(address: string, postfix: boolean): string {
  const domain = address.slice(address.lastIndexOf('@') + 1)
  return postfix || domain === '' ? domain : `${domain}.`
}

/** Postfix gives the text alone, Sendmail the whole reply. */
const refusalText = (reply: string, postfix: boolean): string =>
  postfix ? reply.replace(/^\d{3}[ -](?:\d\.\d{1,3}\.\d{1,3} )?/, '') : reply
