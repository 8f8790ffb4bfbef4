import { isIPv6 } from 'node:net'
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
 * One message on its way through a mail server. Whatever is left out has a sensible value, so that a
 * test writes down what it is about and nothing else.
 */
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
   * The message, whole or in parts; with CRLF or LF line ends; a string is sent as UTF-8.
   * @default a short one
   */
  readonly message?: string | Uint8Array | MessageParts | undefined
  /** who has logged in, and how; a name alone has used PLAIN */
  readonly authenticated?: string | Login | undefined
  /** the client's connection is encrypted; true: somehow */
  readonly tls?: boolean | Partial<Tls> | undefined
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

/** A message in parts. Only the fields that are given are in it. */
export interface MessageParts {
  /** `{ Subject: 'x', Received: ['a', 'b'] }`, or pairs where the order matters */
  readonly headers?:
    | Readonly<Record<string, HeaderText | readonly HeaderText[]>>
    | readonly (readonly [name: string, value: HeaderText])[]
    | undefined
  readonly body?: string | Uint8Array | undefined
}

/** Without the leading space; folded lines are parted by CRLF or LF. */
export type HeaderText = string | Uint8Array

/** Who has logged in; what is left out has a usual value. */
export type Login = Pick<Authentication, 'user'> & Partial<Authentication>

export interface Recipient {
  readonly address: string
  /** ESMTP parameters of RCPT */
  readonly parameters?: readonly string[] | undefined
  /** the server itself refuses the recipient, with this reply: `550 5.1.1 User unknown` */
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

/** A misspelt field would be a test of something else. @throws UsageError INVALID_OPTION */
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
    `${caller} has no field ${JSON.stringify(other)}${didYouMean(other, known) || '.'} There are: ${known.join(', ')}`,
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

/** Editors write it, and no mail server passes over it. @throws UsageError INVALID_OPTION */
function withoutMark(message: Uint8Array): Uint8Array {
  if (message[0] !== 0xef || message[1] !== 0xbb || message[2] !== 0xbf) return message
  throw new UsageError(
    'INVALID_OPTION',
    'message begins with a byte order mark: mail servers find no field there, and take all of it for the body; save the file without one',
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
