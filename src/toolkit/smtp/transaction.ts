/** One message on a connection: MAIL, RCPT, DATA, and what the answers mean for each recipient. */
import { is2yz, type Conversation } from './conversation.ts'
import { dotStuffed, endOf } from './dot-stuffing.ts'
import { givenParameters, type CheckedAddress, type CheckedMail } from './outgoing-mail.ts'
import type { RecipientResult, SmtpStep } from './send-result.ts'
import { SmtpFailure, type SmtpFailureReason } from './smtp-failure.ts'
import type { SmtpSettings } from './smtp-options.ts'
import type { ServerReply } from './server-reply.ts'

/** The extension that a parameter needs, if its name is another one. */
const EXTENSION_OF: ReadonlyMap<string, string> = new Map([
  ['RET', 'DSN'],
  ['ENVID', 'DSN'],
  ['NOTIFY', 'DSN'],
  ['ORCPT', 'DSN'],
  ['MT-PRIORITY', 'MT-PRIORITY'],
  ['BY', 'DELIVERBY'],
  ['HOLDFOR', 'FUTURERELEASE'],
  ['HOLDUNTIL', 'FUTURERELEASE'],
])

/** Failures after which the connection is as good as before. */
const OF_MESSAGE: ReadonlySet<SmtpFailureReason> = new Set([
  'too-large',
  'needs-8bitmime',
  'needs-smtputf8',
] as const)

/**
 * One message. It never rejects for what the server does, only for an abort.
 */
export class Transaction {
  readonly leftOut: Set<string> = new Set()
  /** whether nothing more can be said on the connection */
  broken: boolean = false
  readonly #conversation: Conversation
  readonly #settings: SmtpSettings
  readonly #mail: CheckedMail
  readonly #host: string
  readonly #results = new Map<CheckedAddress, RecipientResult>()

  constructor(
    conversation: Conversation,
    settings: SmtpSettings,
    mail: CheckedMail,
    host: string,
  ) {
    this.#conversation = conversation
    this.#settings = settings
    this.#mail = mail
    this.#host = host
  }

  /**
   * @param fallback a sender for servers that refuse the given one
   * @throws the reason of the signal
   */
  async run(fallback?: CheckedAddress): Promise<RecipientResult[]> {
    const { recipients } = this.#mail
    let sent = false
    try {
      const willing = await this.#envelope(fallback)
      if (willing.length > 0) {
        const replies = await this.#message(willing, () => {
          sent = true
        })
        if (replies) await this.#answers(willing)
      }
    } catch (error) {
      if (!(error instanceof SmtpFailure)) throw error
      this.broken = !OF_MESSAGE.has(error.reason)
      for (const one of recipients) {
        if (!this.#results.has(one)) {
          this.#results.set(one, failedResult(one, error, this.#host, sent))
        }
      }
    }
    return recipients.map((one) => this.#results.get(one)!)
  }

  #refused(recipients: readonly CheckedAddress[], step: SmtpStep, reply: ServerReply): void {
    for (const one of recipients) {
      this.#results.set(one, {
        outcome: 'refused',
        recipient: one.text,
        step,
        reply,
        host: this.#host,
      })
    }
  }

  /** @returns the recipients that the server takes */
  async #envelope(fallback?: CheckedAddress): Promise<CheckedAddress[]> {
    const { recipients, sender } = this.#mail
    const parameters = this.#ownParameters()
    let reply = await this.#mailFrom(sender, parameters)
    if (!is2yz(reply) && fallback !== undefined) {
      await this.#conversation.command('RSET', 'RSET')
      reply = await this.#mailFrom(fallback, parameters)
    }
    if (!is2yz(reply)) {
      this.#refused(recipients, 'mail', sensible(reply, 'MAIL'))
      return []
    }
    const willing: CheckedAddress[] = []
    for (const one of recipients) {
      const bytes = this.#path(one)
      if (bytes === undefined) {
        const failure = new SmtpFailure(
          'needs-smtputf8',
          'the address is not ASCII, and the server does not offer SMTPUTF8',
        )
        this.#results.set(one, failedResult(one, failure, this.#host, false))
        continue
      }
      const answer = await this.#conversation.command(
        Buffer.concat([Buffer.from('RCPT TO:'), bytes, this.#parameters(one)]),
        'RCPT',
      )
      if (is2yz(answer)) willing.push(one)
      else this.#refused([one], 'rcpt', sensible(answer, 'RCPT'))
    }
    return willing
  }

  async #mailFrom(sender: CheckedAddress, parameters: string): Promise<ServerReply> {
    const bytes = this.#path(sender)
    if (bytes === undefined) {
      throw new SmtpFailure(
        'needs-smtputf8',
        'the sender is not ASCII, and the server does not offer SMTPUTF8',
      )
    }
    const words = [Buffer.from(parameters), this.#parameters(sender)]
    return await this.#conversation.command(
      Buffer.concat([Buffer.from('MAIL FROM:'), bytes, ...words]),
      'MAIL',
    )
  }

  /** SIZE, BODY and SMTPUTF8, by the message. @throws SmtpFailure if the server cannot take it */
  #ownParameters(): string {
    const { message, eightBit, sender, recipients } = this.#mail
    let words = ''
    const size = this.#conversation.extension('SIZE')
    if (size !== undefined) {
      // 0, or no number, is no limit (RFC 1870, section 4).
      const limit = /^\d+$/.test(size) ? Number(size) : 0
      if (limit > 0 && message.length > limit) {
        throw new SmtpFailure(
          'too-large',
          `the message has ${message.length} bytes, and the server takes ${limit}`,
        )
      }
      words += ` SIZE=${message.length}`
    }
    if (eightBit) {
      if (this.#conversation.extension('8BITMIME') !== undefined) words += ' BODY=8BITMIME'
      else if (!this.#settings.send8Bit) {
        throw new SmtpFailure(
          'needs-8bitmime',
          'the message has 8-bit bytes, and the server does not offer 8BITMIME',
        )
      }
    }
    const offered = this.#conversation.extension('SMTPUTF8') !== undefined
    if (this.#mail.smtpUtf8 && !offered) {
      throw new SmtpFailure(
        'needs-smtputf8',
        'the message needs SMTPUTF8, which the server does not offer',
      )
    }
    const needed = this.#mail.smtpUtf8 || ![sender, ...recipients].every((one) => one.isAscii)
    return needed && offered ? `${words} SMTPUTF8` : words
  }

  /** An address in brackets, undefined if the server cannot take it. */
  #path(address: CheckedAddress): Buffer | undefined {
    const utf8 = this.#conversation.extension('SMTPUTF8') !== undefined
    const bytes = utf8 ? address.bytes : address.ascii
    return bytes === undefined ? undefined : Buffer.concat([LESS, bytes, GREATER])
  }

  #parameters(address: CheckedAddress): Buffer {
    const words: Buffer[] = []
    for (const [name, word] of givenParameters(address)) {
      if (this.#conversation.extension(EXTENSION_OF.get(name) ?? name) === undefined) {
        this.leftOut.add(name)
      } else words.push(SPACE, word)
    }
    return Buffer.concat(words)
  }

  /** @returns whether the message went out */
  async #message(willing: readonly CheckedAddress[], sent: () => void): Promise<boolean> {
    const reply = await this.#conversation.command('DATA', 'DATA')
    if (reply.code !== 354) {
      this.#refused(willing, 'data', sensible(reply, 'DATA'))
      return false
    }
    await this.#conversation.data(dotStuffed(this.#mail.message))
    sent()
    await this.#conversation.data([endOf(this.#mail.message)])
    return true
  }

  async #answers(willing: readonly CheckedAddress[]): Promise<void> {
    const each = this.#settings.protocol === 'lmtp'
    let reply: ServerReply | undefined
    for (const one of willing) {
      if (each || reply === undefined) reply = await this.#conversation.dataReply()
      if (is2yz(reply)) {
        this.#results.set(one, {
          outcome: 'accepted',
          recipient: one.text,
          reply,
          host: this.#host,
        })
      } else this.#refused([one], 'message', sensible(reply, 'the message'))
    }
  }
}

const LESS = Buffer.from('<')
const GREATER = Buffer.from('>')
const SPACE = Buffer.from(' ')

/** A refusal. 2yz and 3yz make no sense where they come here. @throws SmtpFailure `bad-reply` */
function sensible(reply: ServerReply, what: string): ServerReply {
  if (reply.code >= 400) return reply
  throw new SmtpFailure(
    'bad-reply',
    `${reply.code} ${reply.text} is no reply to ${what}`,
    reply,
  )
}

export const failedResult = (
  { text: recipient }: CheckedAddress,
  { reason, message: text, reply }: SmtpFailure,
  host: string | undefined,
  mayHaveArrived: boolean,
): RecipientResult => ({
  outcome: 'failed',
  recipient,
  reason,
  text,
  reply,
  host,
  mayHaveArrived,
})
