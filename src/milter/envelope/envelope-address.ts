import { decodeText } from '../../protocol/text.ts'
import { envelopePath } from '../edit-checks.ts'
import {
  envelopeAddress,
  envelopeParameters,
  esmtpParameters,
  type EsmtpParameters,
} from './parameters.ts'

/** An address of the envelope as it travels: `<a@example.org>`, then ESMTP parameters. */
export type EnvelopeWords = readonly [raw: string, ...parameters: string[]]

/** Roughly the bytes that the objects of an address take. */
const OBJECTS = 256
/** Bytes of a word in addition to its characters. */
const WORD = 32

/**
 * An address of the envelope: the sender or a recipient, in events, in `Base` and in whole messages. It does not
 * change.
 */
export class EnvelopeAddress {
  /** @internal */
  readonly words: EnvelopeWords

  constructor(words: EnvelopeWords) {
    this.words = words
  }

  /**
   * @internal An address that a filter gives.
   * @param what decides which parameters are allowed
   * @throws UsageError INVALID_ADDRESS
   */
  static of(
    address: string,
    parameters?: EsmtpParameters,
    what: 'sender' | 'recipient' = 'sender',
  ): EnvelopeAddress {
    // Checked before the source route is removed, since the route may be wrong too.
    if (address !== '') envelopePath(what, address)
    const raw = `<${envelopeAddress(address)}>`
    const given = envelopeParameters(what, parameters)
    const words = given === undefined ? [] : decodeText(given).split(/ +/)
    return new EnvelopeAddress([raw, ...words])
  }

  /** @internal */
  withParameters(parameters: readonly string[]): EnvelopeAddress {
    return new EnvelopeAddress([this.raw, ...parameters])
  }

  /** @internal Roughly the bytes of memory it takes; a character takes one or two. */
  get held(): number {
    let held = OBJECTS
    for (const word of this.words) held += WORD + 2 * word.length
    return held
  }

  /** the address without brackets and source route; empty for the null sender */
  get address(): string {
    return envelopeAddress(this.raw)
  }

  /** the address as the client wrote it, with brackets */
  get raw(): string {
    return this.words[0]
  }

  /** the part before the last @, without quotes; the whole address if it has no @ */
  get local(): string {
    const { address } = this
    const at = domainStart(address)
    return unquoted(at === -1 ? address : address.slice(0, at))
  }

  /** the part after the last @, in lower case; empty if there is none */
  get domain(): string {
    const { address } = this
    const at = domainStart(address)
    return at === -1 ? '' : address.slice(at + 1).toLowerCase()
  }

  /** ESMTP parameters, names in upper case, null for those without a value */
  get parameters(): ReadonlyMap<string, string | null> {
    return esmtpParameters(this.words.slice(1))
  }

  /**
   * The address in a form that is the same for each way to write the mailbox: domains have no case (RFC 5321, section
   * 2.4), and quotes are not part of the local part (section 4.1.2).
   */
  get mailbox(): string {
    return mailboxOf(this.address)
  }

  /** Whether an address is the same mailbox. */
  is(address: string): boolean {
    return this.mailbox === mailboxOf(envelopeAddress(address))
  }

  toString(): string {
    return this.address
  }
}

/** The null sender. */
export const NOBODY: EnvelopeAddress = new EnvelopeAddress(['<>'])

/** The index of the @ before the domain, or -1. An address that ends with a quote has only a local part. */
const domainStart = (address: string): number =>
  address.endsWith('"') ? -1 : address.lastIndexOf('@')

/** @param address without brackets and source route */
export function mailboxOf(address: string): string {
  const at = domainStart(address)
  return at === -1 ? address : unquoted(address.slice(0, at)) + address.slice(at).toLowerCase()
}

const unquoted = (local: string): string =>
  /^".*"$/s.test(local) ? local.slice(1, -1).replaceAll(/\\([^])/g, '$1') : local
