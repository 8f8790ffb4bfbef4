import { isIPv6 } from 'node:net'
import { UsageError } from '../errors.ts'
import type { Peer } from '../protocol/commands.ts'
import { bareMacroName } from '../protocol/macros.ts'
import { parseMessage, type ParsedMessage } from './message.ts'
import { envelopeAddress } from './models/envelope.ts'
import type { EnvelopeAddress, MailServerModel } from './models/model.ts'

/** One message on its way through a mail server. Whatever is left out has a sensible value. */
export interface Transaction {
  /** the client at CONNECT; null: its address is not known */
  readonly client?: Partial<ClientAddress> | null | undefined
  /** the argument of HELO; null: there was none. @default the client's host name */
  readonly helo?: string | null | undefined
  /** `alice@example.org`, with angle brackets or without; '' or '<>' for the null sender */
  readonly from?: string | undefined
  /** ESMTP parameters of MAIL, such as `BODY=8BITMIME` */
  readonly fromParameters?: readonly string[] | undefined
  /** @default bob@example.net */
  readonly to?: string | readonly (string | Recipient)[] | undefined
  /**
   * The message, with CRLF or LF line ends; a string is sent as UTF-8.
   * @default a short one
   */
  readonly message?: string | Uint8Array | undefined
  /** macros besides or instead of those the server has, with braces or without: `auth_authen` */
  readonly macros?: Readonly<Record<string, string>> | undefined
  /** commands the server does not know, sent before MAIL */
  readonly unknown?: readonly string[] | undefined
}

export interface ClientAddress {
  /** the verified host name. @default mail.example.org */
  readonly hostname: string
  /** IPv4 or IPv6. @default 192.0.2.10 */
  readonly address: string
  /** @default 40000 */
  readonly port: number
}

export interface Recipient {
  readonly address: string
  /** ESMTP parameters of RCPT */
  readonly parameters?: readonly string[] | undefined
  /** the server itself refuses the recipient, with this reply: `550 5.1.1 User unknown` */
  readonly refused?: string | undefined
}

/** A transaction with nothing left out. */
export interface CompleteTransaction {
  readonly peer: Peer
  readonly helo: string | null
  readonly sender: EnvelopeAddress
  readonly recipients: readonly (EnvelopeAddress & { readonly refused: string | undefined })[]
  readonly message: ParsedMessage
  readonly macros: ReadonlyMap<string, string>
  readonly unknown: readonly string[]
}

const MESSAGE = [
  'From: Alice <alice@example.org>',
  'To: Bob <bob@example.net>',
  'Subject: A message',
  'Date: Tue, 24 Nov 2026 10:00:00 +0000',
  'Message-ID: <1@example.org>',
  '',
  'Hello\r\n',
].join('\r\n')

/** @throws UsageError INVALID_OPTION */
export function completeTransaction(
  given: Transaction,
  model: MailServerModel,
): CompleteTransaction {
  const peer = peerOf(given.client, model)
  const to = given.to ?? 'bob@example.net'
  const recipients = (
    Array.isArray(to) ? (to as readonly (string | Recipient)[]) : [to as string]
  ).map((one) =>
    typeof one === 'string'
      ? { ...envelopeAddress([one]), refused: undefined }
      : {
          ...envelopeAddress([one.address, ...(one.parameters ?? [])]),
          refused: one.refused,
        },
  )
  if (recipients.length === 0) {
    throw new UsageError('INVALID_OPTION', 'to is empty; a message has at least one recipient')
  }
  return {
    peer,
    helo:
      given.helo === undefined ? (given.client?.hostname ?? 'mail.example.org') : given.helo,
    sender: envelopeAddress([
      given.from ?? 'alice@example.org',
      ...(given.fromParameters ?? []),
    ]),
    recipients,
    message: parseMessage(Buffer.from((given.message ?? MESSAGE) as string)),
    macros: new Map(
      Object.entries(given.macros ?? {}).map(([name, value]) => [bareMacroName(name), value]),
    ),
    unknown: given.unknown ?? [],
  }
}

function peerOf(client: Transaction['client'], model: MailServerModel): Peer {
  if (client === null) {
    return {
      hostname: 'localhost',
      family: 'unknown',
      address: undefined,
      port: undefined,
      rawAddress: '',
    }
  }
  const address = client?.address ?? '192.0.2.10'
  const six = isIPv6(address)
  return {
    hostname: client?.hostname ?? 'mail.example.org',
    family: six ? 'inet6' : 'inet',
    address,
    port: client?.port ?? 40_000,
    rawAddress: six ? model.ipv6(address) : address,
  }
}
