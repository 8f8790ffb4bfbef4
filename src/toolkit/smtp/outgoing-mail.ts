/** A message with its envelope, as a program gives it to be sent, and checked. */
import { isAscii } from 'node:buffer'
import { UsageError } from '../../errors.ts'
import { nameAndValue } from '../../milter/envelope/edit-parameters.ts'
import { checkParameter, checkPath } from '../../milter/envelope/envelope-path.ts'
import { envelopeAddress, type EsmtpParameters } from '../../milter/envelope/parameters.ts'
import { encodeText } from '../../protocol/text.ts'
import { domainName } from '../dns/domain-name.ts'

/** An address with its ESMTP parameters, in which `ctx.sender` and `ctx.recipient` of a filter fit. */
export interface OutgoingAddress {
  /** with brackets or without; `''` is the null sender */
  readonly address: string
  /**
   * as they are on the wire, with xtext values. Those of an extension that the server does not offer are left out, and
   * the result names them. SIZE and BODY are not needed: they come from the message
   */
  readonly parameters?: EsmtpParameters | undefined
}

/** What is sent. */
export interface OutgoingMail {
  readonly sender: string | OutgoingAddress
  /** at least one */
  readonly recipients: readonly (string | OutgoingAddress)[]
  /**
   * header and body. These bytes are sent, whatever they are; only a CRLF is added if there is none at the end, because
   * SMTP has no message without one
   */
  readonly message: Uint8Array
  /** whether the header has UTF-8 that only SMTPUTF8 allows; the parameter SMTPUTF8 of the sender says the same */
  readonly smtpUtf8?: boolean | undefined
}

/** An address that can be sent. */
export interface CheckedAddress {
  /** without brackets and source route, as in results */
  readonly text: string
  readonly bytes: Buffer
  /** in ASCII: the domain has A-labels. Undefined if the local part, or a domain that IDNA does not know, is not ASCII. */
  readonly ascii: Buffer | undefined
  readonly isAscii: boolean
  readonly parameters: readonly (readonly [name: string, word: Buffer])[]
}

export interface CheckedMail {
  readonly sender: CheckedAddress
  readonly recipients: readonly CheckedAddress[]
  readonly message: Buffer
  readonly eightBit: boolean
  readonly smtpUtf8: boolean
}

/** RFC 5321, 4.5.3.1.3, has 256; senders with signatures are longer. */
const MAX_ADDRESS = 900

/** Of these the message decides. */
const OWN = new Set(['SIZE', 'BODY', 'SMTPUTF8'])

/** @throws UsageError INVALID_ADDRESS, INVALID_OPTION */
export function checkMail(mail: OutgoingMail): CheckedMail {
  const { message, recipients } = mail
  if (!(message instanceof Uint8Array)) {
    throw new UsageError('INVALID_OPTION', 'message has to be bytes; encode a text first')
  }
  if (!Array.isArray(recipients) || recipients.length === 0) {
    throw new UsageError(
      'INVALID_OPTION',
      'recipients has to be a list of at least one address',
    )
  }
  const sender = checkAddress('sender', mail.sender)
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  return {
    sender,
    recipients: recipients.map((one: string | OutgoingAddress) =>
      checkAddress('recipient', one),
    ),
    message: bytes,
    eightBit: !isAscii(bytes),
    smtpUtf8: mail.smtpUtf8 === true || sender.parameters.some(([name]) => name === 'SMTPUTF8'),
  }
}

/** @throws UsageError INVALID_ADDRESS */
export function checkAddress(
  what: 'sender' | 'recipient',
  given: string | OutgoingAddress,
): CheckedAddress {
  const { address, parameters } = typeof given === 'string' ? { address: given } : given
  const bytes = encodeText(address)
  checkPath(what, bytes)
  const text = envelopeAddress(address)
  const path = encodeText(text)
  // A quoted string may have spaces, but a line break in it would be another command.
  if (path.length > MAX_ADDRESS || path.some((byte) => byte < 0x20 || byte === 0x7f)) {
    throw new UsageError(
      'INVALID_ADDRESS',
      `the ${what} has a control character or is above ${MAX_ADDRESS} bytes`,
    )
  }
  return {
    text,
    bytes: path,
    ascii: isAscii(path) ? path : asciiAddress(text),
    isAscii: isAscii(path),
    parameters: words(parameters),
  }
}

function words(given: EsmtpParameters | undefined): [name: string, word: Buffer][] {
  if (given === undefined) return []
  const list =
    typeof given === 'string' || given instanceof Uint8Array
      ? Buffer.from(given).toString('latin1').split(/ +/).filter(Boolean)
      : Array.from(given, (one) =>
          typeof one === 'string' ? one : one[1] === null ? one[0] : `${one[0]}=${one[1]}`,
        )
  return list.map((word) => {
    const bytes = encodeText(word)
    checkParameter(bytes)
    return [nameAndValue(word)[0], bytes]
  })
}

/** The parameters that are sent if the server offers what they need, and those that the message decides. */
export const givenParameters = (address: CheckedAddress): CheckedAddress['parameters'] =>
  address.parameters.filter(([name]) => !OWN.has(name))

function asciiAddress(text: string): Buffer | undefined {
  const at = text.lastIndexOf('@')
  const local = text.slice(0, at)
  const domain = domainName(text.slice(at + 1))
  return at === -1 || domain === undefined || !isAscii(encodeText(local))
    ? undefined
    : Buffer.from(`${local}@${domain}`)
}

/** A text as xtext (RFC 3461, section 4), for values of ENVID and ORCPT. */
export const xtext = (text: string): string =>
  encodeText(text)
    .toString('latin1')
    .replaceAll(
      /[^!-~]|[+=]/g,
      (character) => `+${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    )
