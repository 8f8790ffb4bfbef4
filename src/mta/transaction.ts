import { isIPv4, isIPv6 } from 'node:net'
import { plainAddress } from '../net/network.ts'
import { UsageError } from '../errors.ts'
import type { SmtpClient } from '../protocol/commands.ts'
import type { Authentication, Tls } from '../message/mail-connection.ts'
import { didYouMean } from '../options/nearest.ts'
import { bareMacroName } from '../protocol/macros.ts'
import { encodeText } from '../protocol/text.ts'
import { parseMessage, type ParsedMessage } from './message.ts'
import { envelopeAddress } from './models/envelope.ts'
import type { QueuedAddress, MailServerModel } from './models/model.ts'

/**
 * One message on its way through a mail server. Anything you leave out has a sensible value, so that a test need only
 * give what it is about.
 */
export interface Transaction {
  /** the client at CONNECT; null if its address is not known */
  readonly client?: Partial<ClientAddress> | null | undefined
  /** the argument of HELO; null if there was no HELO. @default the client's host name */
  readonly helo?: string | null | undefined
  /** the sender, such as `alice@example.org`, with or without angle brackets; '' or '<>' for the null sender */
  readonly from?: string | undefined
  /** ESMTP parameters of MAIL, such as `BODY=8BITMIME` */
  readonly fromParameters?: readonly string[] | undefined
  /** one recipient or several. @default bob@example.net */
  readonly to?: string | readonly (string | Recipient)[] | undefined
  /**
   * The message, whole or in parts, with CRLF or LF line ends. A string is sent as UTF-8.
   * @default a short message
   */
  readonly message?: string | Uint8Array | MessageParts | undefined
  /** the client's login; a name alone means PLAIN */
  readonly authenticated?: string | Login | undefined
  /** the encryption of the client's connection; true for usual values */
  readonly tls?: boolean | Partial<Tls> | undefined
  /** macros that add to or replace those of the server, by name with or without braces: `auth_authen` */
  readonly macros?: Readonly<Record<string, string>> | undefined
  /** SMTP commands that the server does not know; they are sent before MAIL */
  readonly unknown?: readonly string[] | undefined
}

/** The SMTP client at CONNECT. */
export interface ClientAddress {
  /** the verified host name. @default mail.example.org */
  readonly hostname: string
  /** IPv4 or IPv6. @default 192.0.2.10 */
  readonly address: string
  /** @default 40000 */
  readonly port: number
}

/** A message in parts. It has only the fields that you give. */
export interface MessageParts {
  /** `{ Subject: 'x', Received: ['a', 'b'] }`, or pairs if the order matters */
  readonly headers?:
    | Readonly<Record<string, HeaderText | readonly HeaderText[]>>
    | readonly (readonly [name: string, value: HeaderText])[]
    | undefined
  readonly body?: string | Uint8Array | undefined
}

/** The value of a field, without the leading space. Folded lines have CRLF or LF between them. */
export type HeaderText = string | Uint8Array

/** The client's login. Anything you leave out has a usual value. */
export type Login = Pick<Authentication, 'user'> & Partial<Authentication>

/** A recipient with its ESMTP parameters, or one that the server refuses. */
export interface Recipient {
  readonly address: string
  /** ESMTP parameters of RCPT */
  readonly parameters?: readonly string[] | undefined
  /** the reply with which the server itself refuses the recipient: `550 5.1.1 User unknown` */
  readonly refused?: string | undefined
}

/** A transaction with nothing left out. */
export interface CompleteTransaction {
  readonly smtpClient: SmtpClient
  readonly helo: string | null
  readonly sender: QueuedAddress
  readonly recipients: readonly (QueuedAddress & { readonly refused: string | undefined })[]
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

export const TRANSACTION_FIELDS: readonly (keyof Transaction)[] = [
  'client',
  'helo',
  'from',
  'fromParameters',
  'to',
  'message',
  'authenticated',
  'tls',
  'macros',
  'unknown',
]

/** Throws for a misspelt field: the test would test something else. @throws UsageError INVALID_OPTION */
export function refuseOthers(caller: string, given: object, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null) {
    throw new UsageError(
      'INVALID_OPTION',
      `${caller} takes an object of fields such as { message }; it got ${given === null ? 'null' : typeof given}`,
    )
  }
  const other = Object.keys(given).find((name) => !known.includes(name))
  if (other === undefined) return
  throw new UsageError(
    'INVALID_OPTION',
    `${caller} has no field ${JSON.stringify(other)}${didYouMean(other, known) || '.'} The fields are: ${known.join(', ')}`,
  )
}

/** @throws UsageError INVALID_OPTION */
export function completeTransaction(
  given: Transaction,
  model: MailServerModel,
): CompleteTransaction {
  refuseOthers('a transaction', given, TRANSACTION_FIELDS)
  const smtpClient = smtpClientOf(given.client, model)
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
    smtpClient,
    helo:
      given.helo === undefined ? (given.client?.hostname ?? 'mail.example.org') : given.helo,
    sender: envelopeAddress([
      given.from ?? 'alice@example.org',
      ...(given.fromParameters ?? []),
    ]),
    recipients,
    message: parseMessage(withoutMark(messageBytes(given.message ?? MESSAGE))),
    macros: macrosOf(given),
    unknown: given.unknown ?? [],
  }
}

function smtpClientOf(client: Transaction['client'], model: MailServerModel): SmtpClient {
  if (client === null) {
    return {
      hostname: 'localhost',
      family: 'unknown',
      address: undefined,
      port: undefined,
      rawAddress: '',
    }
  }
  const given = client?.address ?? '192.0.2.10'
  // On a socket for both families, IPv4 comes as ::ffff:192.0.2.10. Both servers know it (Postfix's smtpd_peer.c,
  // Sendmail's milter_connect and anynet_ntop).
  const plain = isIPv6(given) ? plainAddress(given) : given
  const address = isIPv4(plain) ? plain : given
  const six = isIPv6(address)
  return {
    hostname: client?.hostname ?? 'mail.example.org',
    family: six ? 'inet6' : 'inet',
    address,
    port: client?.port ?? 40_000,
    rawAddress: six ? model.ipv6(address) : address,
  }
}

/** Editors write a byte order mark, and no mail server skips it. @throws UsageError INVALID_OPTION */
function withoutMark(message: Uint8Array): Uint8Array {
  if (message[0] !== 0xef || message[1] !== 0xbb || message[2] !== 0xbf) return message
  throw new UsageError(
    'INVALID_OPTION',
    'message begins with a byte order mark: mail servers find no field there, and take the whole message for the body; save the file without it',
  )
}

function messageBytes(message: string | Uint8Array | MessageParts): Uint8Array {
  if (typeof message === 'string') return Buffer.from(message)
  if (message instanceof Uint8Array) return message
  const { headers = [], body = '' } = message
  const pairs = Array.isArray(headers)
    ? (headers as readonly (readonly [string, HeaderText])[])
    : Object.entries(headers as Record<string, HeaderText | readonly HeaderText[]>).flatMap(
        ([name, value]) =>
          (Array.isArray(value) ? (value as HeaderText[]) : [value as HeaderText]).map(
            (one) => [name, one] as const,
          ),
      )
  return Buffer.concat([
    ...pairs.flatMap(([name, value]) => [encodeText(`${name}: `), encodeText(value), CRLF]),
    CRLF,
    encodeText(body),
  ])
}

const CRLF = Buffer.from('\r\n')

function macrosOf({ authenticated, tls, macros = {} }: Transaction): Map<string, string> {
  const all = new Map<string, string>()
  const set = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) all.set(bareMacroName(name), String(value))
  }
  if (authenticated !== undefined) {
    const login: Login =
      typeof authenticated === 'string' ? { user: authenticated } : authenticated
    set('auth_type', login.mechanism ?? 'PLAIN')
    set('auth_authen', login.user)
    set('auth_author', login.author)
  }
  if (tls !== undefined && tls !== false) {
    const session: Partial<Tls> = tls === true ? {} : tls
    set('tls_version', session.version ?? 'TLSv1.3')
    set('cipher', session.cipher ?? 'TLS_AES_256_GCM_SHA384')
    set('cipher_bits', session.bits ?? 256)
    set('cert_subject', session.subject)
    set('cert_issuer', session.issuer)
  }
  for (const [name, value] of Object.entries(macros)) set(name, value)
  return all
}
