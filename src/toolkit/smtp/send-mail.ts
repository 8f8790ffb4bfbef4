/**
 * Sends mail as exact bytes, to a server that you name or to the servers of the recipients' domains. What the other side
 * does is never thrown: it is the result of each recipient.
 */
import { isIP } from 'node:net'
import { UsageError } from '../../errors.ts'
import { wholeNumber } from '../../options/validate.ts'
import { Networks } from '../../server/networks.ts'
import { Conversation, type NameCheck, type SmtpServerFacts } from './conversation.ts'
import { hasAmbiguousEnd } from './dot-stuffing.ts'
import type { MxResolver } from './mx-resolver.ts'
import { MxWalk, type MxLimits, type MxTarget } from './mx-walk.ts'
import {
  checkMail,
  type CheckedAddress,
  type CheckedMail,
  type OutgoingMail,
} from './outgoing-mail.ts'
import { localAddresses } from './own-addresses.ts'
import type { RecipientResult, SendResult } from './send-result.ts'
import { SmtpFailure } from './smtp-failure.ts'
import { smtpSettings, type SmtpOptions, type SmtpSettings } from './smtp-options.ts'
import { failedResult, Transaction } from './transaction.ts'
import { Waits } from './waits.ts'

/**
 * A server: an IP address with a port (25 by default), or the path of a unix socket. `name` is what its certificate has
 * to be for, if TLS is required.
 */
export type SmtpServer =
  | {
      readonly host: string
      readonly port?: number | undefined
      readonly name?: string | undefined
    }
  | { readonly path: string; readonly name?: string | undefined }

/**
 * Sends a message to one server, such as your own. All bytes stay as they are. Only dots at the start of a line are
 * doubled on the wire, as SMTP wants it.
 *
 *     const { recipients } = await sendMail(
 *       { host: '127.0.0.1', port: 10025 },
 *       { sender: 'a@example.org', recipients: ['b@example.org'], message },
 *     )
 *     recipients[0].outcome // 'accepted', 'refused' or 'failed'
 *
 * @throws UsageError INVALID_OPTION, INVALID_ADDRESS: what you gave, not what the server did
 * @throws the reason of `signal`
 */
export async function sendMail(
  server: SmtpServer,
  mail: OutgoingMail,
  options: SmtpOptions = {},
): Promise<SendResult> {
  const settings = smtpSettings(options, { sendAmbiguousEnd: true })
  const checked = checkMail(mail)
  const delivery = new Delivery(checked, settings)
  const endpoint = endpointOf(server)
  const shown =
    'path' in endpoint
      ? endpoint.path
      : endpoint.port === 25
        ? endpoint.host
        : `${endpoint.host}:${endpoint.port}`
  const name = server.name ?? ('path' in endpoint ? 'localhost' : endpoint.host)
  const waits = new Waits(settings.timeouts.total, settings.signal)
  await delivery.to(shown, () => Conversation.open(endpoint, name, settings, waits))
  return delivery.result()
}

function endpointOf(
  server: SmtpServer,
): { readonly path: string } | { readonly host: string; readonly port: number } {
  if ('path' in server) return { path: server.path }
  const port = wholeNumber('port', server.port ?? 25, 1, 65_535)
  const host = server.host === 'localhost' ? '127.0.0.1' : server.host
  if (isIP(host) === 0) {
    throw new UsageError(
      'INVALID_OPTION',
      `host has to be an IP address; it got ${JSON.stringify(server.host)}. Look the name up first, for example with a DnsSession`,
    )
  }
  return { host, port }
}

/** How mail is sent to the servers of domains. */
export interface MxOptions extends SmtpOptions {
  /** asks for the servers, such as a `DnsSession` */
  readonly dns: MxResolver
  /** maximum number of hosts of a domain; 5 by default */
  readonly maxHosts?: number | undefined
  /** maximum number of addresses of a domain that are tried; 10 by default */
  readonly maxAddresses?: number | undefined
  /** names of this machine beside `name` */
  readonly ownNames?: readonly string[] | undefined
  /**
   * addresses and networks to which no connection is made; `localAddresses()` by default. A stranger decides where the
   * MX of their domain leads, so name the networks here that strangers must not reach through you
   */
  readonly ownAddresses?: readonly string[] | undefined
  /** for tests: 25 by default */
  readonly port?: number | undefined
}

/**
 * Sends a message to the servers of each recipient's domain, one domain after the other. There is no queue: for a recipient
 * who was refused with a code below 500, or for whom no server could be asked, try again later, or give the message to
 * your mail server with {@link sendMail}.
 *
 * A message that some servers would take for two (`ambiguous-end`) is not sent unless you say so.
 *
 * @throws UsageError INVALID_OPTION, INVALID_ADDRESS
 * @throws the reason of `signal`
 */
export async function sendToMx(mail: OutgoingMail, options: MxOptions): Promise<SendResult> {
  return await deliverToMx(mail, new MxSettings(options))
}

/** Checked options of a walk. */
export class MxSettings {
  readonly smtp: SmtpSettings
  readonly dns: MxResolver
  readonly limits: MxLimits
  readonly port: number

  /** @throws UsageError INVALID_OPTION */
  constructor(options: MxOptions) {
    this.smtp = smtpSettings(options, { sendAmbiguousEnd: false })
    this.dns = options.dns
    this.port = wholeNumber('port', options.port ?? 25, 1, 65_535)
    this.limits = {
      maxHosts: wholeNumber('maxHosts', options.maxHosts ?? 5, 1),
      maxAddresses: wholeNumber('maxAddresses', options.maxAddresses ?? 10, 1),
      ownNames: new Set([this.smtp.name, ...(options.ownNames ?? [])].map(plainName)),
      ownAddresses: new Networks('ownAddresses', options.ownAddresses ?? localAddresses()),
    }
  }

  waits(): Waits {
    return new Waits(this.smtp.timeouts.total, this.smtp.signal)
  }

  /**
   * The connections to the hosts of a domain, one after the other.
   *
   * @throws SmtpFailure if there is no address to try, or the time is over
   */
  async *hosts(
    domain: string,
    waits: Waits,
  ): AsyncGenerator<{ target: MxTarget; open: () => Promise<Conversation> }> {
    const walk = new MxWalk(domain, this.dns, this.limits, waits)
    for await (const target of walk.targets()) {
      const endpoint = { host: target.address, port: this.port }
      yield {
        target,
        open: () =>
          Conversation.open(endpoint, target.name, this.smtp, waits, this.#checkName(target)),
      }
    }
  }

  /** As pymilter: a server without a name, or with ours, is none that one would talk to. */
  #checkName({ name: host }: MxTarget): NameCheck {
    return (name) => {
      if (name === '') throw new SmtpFailure('no-name', `${host} greets without a name`)
      if (this.limits.ownNames.has(plainName(name))) {
        throw new SmtpFailure('loop', `${host} greets with our name, ${name}`)
      }
    }
  }
}

const plainName = (name: string): string => name.toLowerCase().replace(/\.$/, '')

/** Failures that are the same at each other host of the domain. */
export const endsWalk = ({ reason }: SmtpFailure): boolean =>
  reason === 'time-over' || reason === 'loop' || reason === 'no-name'

/** @param fallback a sender for servers that refuse the given one */
export async function deliverToMx(
  mail: OutgoingMail,
  settings: MxSettings,
  fallback?: CheckedAddress,
): Promise<SendResult> {
  const checked = checkMail(mail)
  const delivery = new Delivery(checked, settings.smtp, fallback)
  const waits = settings.waits()
  for (const domain of new Set(checked.recipients.map(domainOf))) {
    const group = checked.recipients.filter((one) => domainOf(one) === domain)
    try {
      for await (const { target, open } of settings.hosts(domain, waits)) {
        const failure = await delivery.to(target.address, open, group)
        if (delivery.open(group).length === 0) break
        if (failure !== undefined && endsWalk(failure)) break
      }
    } catch (error) {
      if (!(error instanceof SmtpFailure)) throw error
      delivery.fail(delivery.open(group), error, undefined)
    }
  }
  return delivery.result()
}

/** The domain of an address; `''` for a local name. */
export const domainOf = ({ text }: CheckedAddress): string =>
  text.endsWith('"') ? '' : text.slice(text.lastIndexOf('@') + 1 || text.length).toLowerCase()

/** A message on its way, perhaps over several hosts: the last word of each recipient. */
class Delivery {
  readonly #mail: CheckedMail
  readonly #settings: SmtpSettings
  readonly #fallback: CheckedAddress | undefined
  readonly #results = new Map<CheckedAddress, RecipientResult>()
  readonly #leftOut = new Set<string>()
  #server: SmtpServerFacts | undefined

  constructor(mail: CheckedMail, settings: SmtpSettings, fallback?: CheckedAddress) {
    this.#mail = mail
    this.#settings = settings
    this.#fallback = fallback
    if (!settings.sendAmbiguousEnd && hasAmbiguousEnd(mail.message)) {
      const text = 'the message has a dot on a line of its own after a bare CR or LF'
      this.fail(mail.recipients, new SmtpFailure('ambiguous-end', text), undefined)
    }
  }

  /** The recipients for whom another host may still be asked. */
  open(group: readonly CheckedAddress[] = this.#mail.recipients): CheckedAddress[] {
    return group.filter((one) => {
      const result = this.#results.get(one)
      return (
        result === undefined ||
        (result.outcome === 'failed' &&
          !result.mayHaveArrived &&
          result.reason !== 'ambiguous-end')
      )
    })
  }

  fail(
    recipients: readonly CheckedAddress[],
    failure: SmtpFailure,
    host: string | undefined,
  ): void {
    for (const one of recipients) {
      this.#results.set(one, failedResult(one, failure, host, false))
    }
  }

  /**
   * Asks one host for all who are open.
   *
   * @returns why there was no connection
   * @throws the reason of the signal
   */
  async to(
    host: string,
    connect: () => Promise<Conversation>,
    group?: readonly CheckedAddress[],
  ): Promise<SmtpFailure | undefined> {
    const recipients = this.open(group)
    if (recipients.length === 0) return undefined
    let conversation: Conversation
    try {
      conversation = await connect()
    } catch (error) {
      if (!(error instanceof SmtpFailure)) throw error
      this.fail(recipients, error, host)
      return error
    }
    this.#server = conversation.facts
    let broken = true
    try {
      const mail = { ...this.#mail, recipients }
      const transaction = new Transaction(conversation, this.#settings, mail, host)
      const results = await transaction.run(this.#fallback)
      recipients.forEach((one, i) => this.#results.set(one, results[i]!))
      for (const name of transaction.leftOut) this.#leftOut.add(name)
      broken = transaction.broken
    } finally {
      if (broken) conversation.destroy()
      else conversation.quit()
    }
    return undefined
  }

  result(): SendResult {
    return {
      recipients: this.#mail.recipients.map((one) => this.#results.get(one)!),
      server: this.#server,
      leftOut: [...this.#leftOut],
    }
  }
}
