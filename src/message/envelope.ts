import { UsageError } from '../errors.ts'
import { envelopeParameters, envelopePath } from '../milter/edit-checks.ts'
import { envelopeAddress, esmtpParameters } from '../milter/parameters.ts'
import { Action } from '../protocol/constants.ts'
import { decodeText } from '../protocol/text.ts'
import type { EditGuard } from './edit-guard.ts'

/** An address of the envelope as it travels: `<a@example.org>`, then ESMTP parameters. */
export type EnvelopeWords = readonly [raw: string, ...parameters: string[]]

/** Bytes that the objects of an address take, about. */
const OBJECTS = 256
/** Bytes of a word beside its characters. */
const WORD = 32

/** An address of the envelope. Immutable: another address is another object. */
export class EnvelopeAddress {
  /** For the library. */
  readonly words: EnvelopeWords
  /** without brackets and source route; empty for the null sender */
  readonly address: string

  constructor(words: EnvelopeWords) {
    this.words = words
    this.address = envelopeAddress(words[0])
  }

  /** @param what for the message of an error @throws UsageError INVALID_ADDRESS */
  static of(
    address: string,
    parameters?: string,
    what: 'sender' | 'recipient' = 'sender',
  ): EnvelopeAddress {
    // Before the route is taken out, which may be wrong too.
    if (address !== '') envelopePath(what, address)
    const raw = `<${envelopeAddress(address)}>`
    const words =
      parameters === undefined || parameters.trim() === ''
        ? []
        : decodeText(envelopeParameters(parameters.trim())).split(/ +/)
    return new EnvelopeAddress([raw, ...words])
  }

  /** For the library. */
  withParameters(parameters: readonly string[]): EnvelopeAddress {
    return new EnvelopeAddress([this.raw, ...parameters])
  }

  /** as the client wrote it, with brackets */
  get raw(): string {
    return this.words[0]
  }

  /** ESMTP parameters, names in upper case, null for those without a value */
  get parameters(): ReadonlyMap<string, string | null> {
    return esmtpParameters(this.words.slice(1))
  }

  /** For the library: bytes of memory, about; a character takes one or two. */
  get held(): number {
    let held = OBJECTS
    for (const word of this.words) held += WORD + 2 * word.length
    return held
  }

  /** the part before the last @, without quotes; all of an address without one */
  get local(): string {
    const at = domainStart(this.address)
    return unquoted(at === -1 ? this.address : this.address.slice(0, at))
  }

  /** the part after the last @, in lower case; empty if there is none */
  get domain(): string {
    const at = domainStart(this.address)
    return at === -1 ? '' : this.address.slice(at + 1).toLowerCase()
  }

  /**
   * The same for each way to write a mailbox: domains have no case (RFC 5321, section 2.4), and quotes
   * are none of its local part (section 4.1.2).
   */
  get mailbox(): string {
    return mailboxOf(this.address)
  }

  /** Whether it is that mailbox. */
  is(address: string): boolean {
    return this.mailbox === mailboxOf(envelopeAddress(address))
  }

  toString(): string {
    return this.address
  }
}

/** Where the @ before the domain is; one in quotes at the end belongs to a local part alone. */
const domainStart = (address: string): number =>
  address.endsWith('"') ? -1 : address.lastIndexOf('@')

function mailboxOf(address: string): string {
  const at = domainStart(address)
  return at === -1 ? address : unquoted(address.slice(0, at)) + address.slice(at).toLowerCase()
}

const unquoted = (local: string): string =>
  /^".*"$/s.test(local) ? local.slice(1, -1).replaceAll(/\\([^])/g, '$1') : local

/** @throws UsageError INVALID_ADDRESS */
function recipientOf(address: string, parameters?: string): EnvelopeAddress {
  const recipient = EnvelopeAddress.of(address, parameters, 'recipient')
  if (recipient.address === '') {
    throw new UsageError('INVALID_ADDRESS', 'the recipient is empty; only a sender can be that')
  }
  return recipient
}

/** The sender of a mail, MAIL FROM. */
export class MailSender {
  readonly #guard: EditGuard
  #current: EnvelopeAddress

  constructor(sender: EnvelopeAddress, guard: EditGuard) {
    this.#current = sender
    this.#guard = guard
  }

  /** without brackets; empty for the null sender */
  get address(): string {
    return this.#current.address
  }

  get raw(): string {
    return this.#current.raw
  }

  get local(): string {
    return this.#current.local
  }

  get domain(): string {
    return this.#current.domain
  }

  get parameters(): ReadonlyMap<string, string | null> {
    return this.#current.parameters
  }

  is(address: string): boolean {
    return this.#current.is(address)
  }

  /**
   * Another sender: with brackets or without, '' for the null sender. Without parameters those of the
   * client stay; Postfix takes RET and ENVID only.
   * @throws UsageError INVALID_ADDRESS, WRONG_STAGE
   */
  replace(address: string, parameters?: string): void {
    const next = EnvelopeAddress.of(address, parameters)
    if (!this.#guard.permit('sender.replace', Action.CHGFROM)) return
    this.#current =
      next.words.length > 1 ? next : next.withParameters(this.#current.words.slice(1))
  }

  /** For the library. */
  get current(): EnvelopeAddress {
    return this.#current
  }

  toString(): string {
    return this.address
  }
}

/**
 * The recipients of a mail, in order, each mailbox once; those that were refused are not among them.
 */
export class Recipients implements Iterable<EnvelopeAddress> {
  readonly #guard: EditGuard
  readonly #given: readonly EnvelopeAddress[]
  #byMailbox: Map<string, EnvelopeAddress> | undefined
  #edited = false

  constructor(given: readonly EnvelopeAddress[], guard: EditGuard) {
    this.#given = given
    this.#guard = guard
  }

  get #all(): Map<string, EnvelopeAddress> {
    if (this.#byMailbox === undefined) {
      this.#byMailbox = new Map()
      // Of several that are one mailbox the first counts, as it does for mail servers.
      for (const one of this.#given) {
        if (!this.#byMailbox.has(one.mailbox)) this.#byMailbox.set(one.mailbox, one)
      }
    }
    return this.#byMailbox
  }

  get length(): number {
    return this.#all.size
  }

  /** The recipients as they are now; they may be edited meanwhile. */
  [Symbol.iterator](): IterableIterator<EnvelopeAddress> {
    return [...this.#all.values()].values()
  }

  /** The addresses alone. */
  get addresses(): string[] {
    return Array.from(this.#all.values(), ({ address }) => address)
  }

  has(address: string): boolean {
    return this.#all.has(mailboxOf(envelopeAddress(address)))
  }

  /**
   * One more, with ESMTP parameters such as `NOTIFY=NEVER`. One that is there already stays as it is,
   * or gets the parameters if there are any.
   * @throws UsageError INVALID_ADDRESS, WRONG_STAGE
   */
  add(address: string, parameters?: string): void {
    const added = recipientOf(address, parameters)
    const present = this.#all.get(added.mailbox)
    const plain = added.words.length === 1
    const adding = plain ? Action.ADDRCPT : Action.ADDRCPT_PAR
    const needed = present === undefined ? adding : plain ? 0 : adding | Action.DELRCPT
    if (!this.#guard.permit('recipients.add', needed) || needed === 0) return
    this.#edited = true
    this.#all.set(added.mailbox, present?.withParameters(added.words.slice(1)) ?? added)
  }

  /** Takes an address out; tells whether it was there. */
  remove(address: string | EnvelopeAddress): boolean {
    if (!this.#guard.permit('recipients.remove', Action.DELRCPT)) return false
    const bare = typeof address === 'string' ? envelopeAddress(address) : address.address
    const there = this.#all.delete(mailboxOf(bare))
    if (there) this.#edited = true
    return there
  }

  /**
   * These and no others. Those that were there keep their parameters.
   * @throws UsageError INVALID_ADDRESS, WRONG_STAGE
   */
  replace(addresses: Iterable<string>): void {
    const permitted = this.#guard.permit('recipients.replace', Action.DELRCPT | Action.ADDRCPT)
    const next = new Map<string, EnvelopeAddress>()
    // A string is a list of characters too; one address is meant.
    for (const address of typeof addresses === 'string' ? [addresses] : addresses) {
      const mailbox = mailboxOf(envelopeAddress(address))
      if (next.has(mailbox)) continue
      next.set(mailbox, this.#all.get(mailbox) ?? recipientOf(address))
    }
    if (!permitted) return
    this.#edited = true
    this.#byMailbox = next
  }

  /** For the library: the list as it is; the given one, itself, if nothing was edited. */
  get current(): readonly EnvelopeAddress[] {
    return this.#edited ? [...this.#all.values()] : this.#given
  }
}
