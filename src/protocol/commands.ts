/** The commands, from the mail server to the filter: payloads in both directions. */
import { isIPv6, SocketAddress } from 'node:net'
import { ProtocolError } from '../errors.ts'
import { copyBytes } from './bytes.ts'
import { Command, letter } from './constants.ts'
import { decodeFieldName } from './field-names.ts'
import { encodeFrame, type Payload } from './frame.ts'
import { decodeMacros, encodeMacros, type Macros } from './macros.ts'
import { decodeOffer, encodeOffer, type Offer } from './negotiation.ts'
import { decodeStrings, endOfString, malformed, stringParts } from './strings.ts'
import { decodeText, encodeText } from './text.ts'

/** The family of a client's address. */
export type AddressFamily = 'inet' | 'inet6' | 'unix' | 'unknown'

/** The SMTP client, as the mail server sends it at CONNECT. */
export interface SmtpClient {
  /** the verified host name, or `[address]`, or `unknown` */
  readonly hostname: string
  readonly family: AddressFamily
  /** the IP address in its usual short form, or the path; undefined if the family is unknown */
  readonly address: string | undefined
  /** 0 if the mail server does not know it; undefined for `unix` and `unknown` */
  readonly port: number | undefined
  /** the address as it stood on the wire: Sendmail writes `IPv6:0:0:0:0:0:0:0:1` */
  readonly rawAddress: string
}

const FAMILIES: ReadonlyMap<number, AddressFamily> = new Map([
  [0x34, 'inet'], // 4
  [0x36, 'inet6'], // 6
  [0x4c, 'unix'], // L
  [0x55, 'unknown'], // U
])
const FAMILY_LETTERS: Readonly<Record<AddressFamily, number>> = {
  inet: 0x34,
  inet6: 0x36,
  unix: 0x4c,
  unknown: 0x55,
}

/**
 * Accepts two things that real servers send and libmilter refuses: brackets around an address, and a word instead of
 * an address (Postfix writes `unknown` there).
 * @throws ProtocolError MALFORMED_PAYLOAD
 */
export function decodeConnect(payload: Payload): SmtpClient {
  const { bytes, start, end } = payload
  const nul = bytes.indexOf(0, start)
  if (nul === -1 || nul >= end) throw malformed('CONNECT', 'the host name has no end')
  const hostname = decodeText(bytes, start, nul)
  if (nul + 1 >= end) throw malformed('CONNECT', 'the address family is missing')
  const family = FAMILIES.get(bytes[nul + 1]!)
  if (family === undefined) {
    throw malformed(
      'CONNECT',
      `${letter(bytes[nul + 1]!)} is not an address family (4, 6, L or U)`,
    )
  }
  if (family === 'unknown') {
    return { hostname, family, address: undefined, port: undefined, rawAddress: '' }
  }
  if (nul + 4 > end) throw malformed('CONNECT', 'the port is cut off')
  const port = bytes.readUInt16BE(nul + 2)
  const rawAddress = decodeText(bytes, nul + 4, endOfString(bytes, nul + 4, end))
  return {
    hostname,
    family,
    address: family === 'unix' ? rawAddress : plainAddress(rawAddress),
    port: family === 'unix' ? undefined : port,
    rawAddress,
  }
}

const IPV4 = /^[0-9.]+$/

/** `IPv6:0:0:0:0:0:0:0:1` and `[::1]` are `::1`. */
function plainAddress(raw: string): string {
  if (IPV4.test(raw)) return raw
  const address = raw.replace(/^\[(.*)\]$/s, '$1').replace(/^ipv6:/i, '')
  if (!isIPv6(address)) return address
  // Node writes an address in its shortest form (RFC 5952).
  return new SocketAddress({ address, family: 'ipv6' }).address
}

/** The frame of CONNECT. */
export function encodeConnect(client: {
  readonly hostname: string | Uint8Array
  readonly family: AddressFamily
  readonly address?: string | Uint8Array | undefined
  readonly port?: number | undefined
}): Buffer {
  const parts = [...stringParts(client.hostname), Buffer.of(FAMILY_LETTERS[client.family])]
  if (client.family !== 'unknown') {
    const port = Buffer.allocUnsafe(2)
    port.writeUInt16BE(client.port ?? 0)
    parts.push(port, ...stringParts(client.address ?? ''))
  }
  return encodeFrame(Command.CONNECT, ...parts)
}

/** HELO and UNKNOWN: one string. */
export function decodeLine(payload: Payload): string {
  const { bytes, start, end } = payload
  return decodeText(bytes, start, endOfString(bytes, start, end))
}

/**
 * MAIL and RCPT: the address as the client wrote it, then a string for each ESMTP parameter.
 * @throws ProtocolError MALFORMED_PAYLOAD
 */
export function decodeEnvelope(payload: Payload): string[] {
  const strings = decodeStrings(payload)
  if (strings.length === 0) throw malformed('MAIL or RCPT', 'the address is missing')
  return strings
}

const EMPTY = Buffer.alloc(0)
const SPACE = 0x20

/**
 * A header field, in place. It points at one payload after the other, so that reading a header makes no objects. You
 * can get its bytes and text until the next field is read.
 */
export class HeaderView {
  #bytes: Buffer = EMPTY
  #nameStart = 0
  #nameEnd = 0
  #valueStart = 0
  #valueEnd = 0

  /**
   * A missing NUL after the value is forgiven; a missing value is not.
   * @throws ProtocolError MALFORMED_PAYLOAD
   */
  read(payload: Payload): this {
    const { bytes, start, end } = payload
    let nul = start
    while (nul < end && bytes[nul] !== 0) nul++
    if (nul === end) throw malformed('HEADER', 'the name has no end')
    if (nul + 1 >= end) throw malformed('HEADER', 'there is a name and no value')
    this.#bytes = bytes
    this.#nameStart = start
    this.#nameEnd = nul
    this.#valueStart = nul + 1
    this.#valueEnd = endOfString(bytes, nul + 1, end)
    return this
  }

  /** Copies the field, for readers that outlive the memory it came in. */
  keep(): void {
    const start = this.#nameStart
    this.#bytes = Buffer.from(this.#bytes.subarray(start, this.#valueEnd))
    this.#nameStart = 0
    this.#nameEnd -= start
    this.#valueStart -= start
    this.#valueEnd -= start
  }

  get name(): string {
    return decodeFieldName(this.#bytes, this.#nameStart, this.#nameEnd)
  }

  /** Everything after the colon as it was sent: with its leading space where that was negotiated. */
  get value(): string {
    return decodeText(this.#bytes, this.#valueStart, this.#valueEnd)
  }

  /** The value without the one space that is part of its writing. */
  get valueAfterSpace(): string {
    const start = this.#valueStart
    const spaces = this.#bytes[start] === SPACE && start < this.#valueEnd ? 1 : 0
    return decodeText(this.#bytes, start + spaces, this.#valueEnd)
  }

  /** Bytes of name and value, and one between them. */
  get size(): number {
    return this.#nameEnd - this.#nameStart + 1 + this.#valueEnd - this.#valueStart
  }

  /** Copies name, NUL and value to a position, and gives the length of the name. */
  copy(target: Buffer, at: number): number {
    copyBytes(this.#bytes, this.#nameStart, this.#valueEnd, target, at)
    return this.#nameEnd - this.#nameStart
  }

  /** A copy of the name's bytes. */
  get nameBytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#nameStart, this.#nameEnd))
  }

  /** A copy of the value's bytes. */
  get valueBytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#valueStart, this.#valueEnd))
  }
}

/** A command as data. The session reads payloads in place; this is for tools and tests. */
export type CommandMessage =
  | { readonly type: 'optneg'; readonly offer: Offer }
  | ({ readonly type: 'macro' } & Macros)
  | { readonly type: 'connect'; readonly client: SmtpClient }
  | { readonly type: 'helo'; readonly name: string }
  | { readonly type: 'mail'; readonly words: readonly string[] }
  | { readonly type: 'rcpt'; readonly words: readonly string[] }
  | { readonly type: 'header'; readonly name: string; readonly value: string }
  | { readonly type: 'body'; readonly chunk: Buffer }
  | { readonly type: 'eom'; readonly chunk: Buffer }
  | { readonly type: 'unknown'; readonly line: string }
  | { readonly type: 'data' | 'eoh' | 'abort' | 'quit' | 'quit_nc' }

/** @throws ProtocolError UNKNOWN_COMMAND, MALFORMED_PAYLOAD */
export function decodeCommand(command: number, payload: Payload): CommandMessage {
  switch (command) {
    case Command.OPTNEG:
      return { type: 'optneg', offer: decodeOffer(payload) }
    case Command.MACRO:
      return { type: 'macro', ...decodeMacros(payload) }
    case Command.CONNECT:
      return { type: 'connect', client: decodeConnect(payload) }
    case Command.HELO:
      return { type: 'helo', name: decodeLine(payload) }
    case Command.MAIL:
      return { type: 'mail', words: decodeEnvelope(payload) }
    case Command.RCPT:
      return { type: 'rcpt', words: decodeEnvelope(payload) }
    case Command.DATA:
      return { type: 'data' }
    case Command.HEADER: {
      const { name, value } = new HeaderView().read(payload)
      return { type: 'header', name, value }
    }
    case Command.EOH:
      return { type: 'eoh' }
    case Command.BODY:
      return { type: 'body', chunk: payload.bytes.subarray(payload.start, payload.end) }
    case Command.EOM:
      return { type: 'eom', chunk: payload.bytes.subarray(payload.start, payload.end) }
    case Command.UNKNOWN:
      return { type: 'unknown', line: decodeLine(payload) }
    case Command.ABORT:
      return { type: 'abort' }
    case Command.QUIT:
      return { type: 'quit' }
    case Command.QUIT_NC:
      return { type: 'quit_nc' }
    default:
      throw unknownCommand(command)
  }
}

export function unknownCommand(command: number): ProtocolError {
  return new ProtocolError(
    'UNKNOWN_COMMAND',
    `${letter(command)} is not a command of the milter protocol`,
  )
}

/** The frame of a command, as a mail server would write it. */
export function encodeCommand(message: CommandMessage): Buffer {
  switch (message.type) {
    case 'optneg':
      return encodeOffer(message.offer)
    case 'macro':
      return encodeMacros(message.command as Command, message.pairs)
    case 'connect':
      return encodeConnect({ ...message.client, address: message.client.rawAddress })
    case 'helo':
      return encodeFrame(Command.HELO, ...stringParts(message.name))
    case 'mail':
      return encodeFrame(Command.MAIL, ...stringParts(...message.words))
    case 'rcpt':
      return encodeFrame(Command.RCPT, ...stringParts(...message.words))
    case 'header':
      return encodeFrame(Command.HEADER, ...stringParts(message.name, message.value))
    case 'body':
      return encodeFrame(Command.BODY, encodeText(message.chunk))
    case 'eom':
      return encodeFrame(Command.EOM, encodeText(message.chunk))
    case 'unknown':
      return encodeFrame(Command.UNKNOWN, ...stringParts(message.line))
    case 'data':
      return encodeFrame(Command.DATA)
    case 'eoh':
      return encodeFrame(Command.EOH)
    case 'abort':
      return encodeFrame(Command.ABORT)
    case 'quit':
      return encodeFrame(Command.QUIT)
    case 'quit_nc':
      return encodeFrame(Command.QUIT_NC)
  }
}
