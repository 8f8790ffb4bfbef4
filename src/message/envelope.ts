import { UsageError } from '../errors.ts'
import {
  EnvelopeAddress,
  mailboxOf,
  type EnvelopeWords,
} from '../milter/envelope/envelope-address.ts'
import { envelopeAddress, type EsmtpParameters } from '../milter/envelope/parameters.ts'
import { Action } from '../protocol/constants.ts'
import type { EditGuard } from './edit-guard.ts'

/** @throws UsageError INVALID_ADDRESS */
function recipientOf(address: string, parameters?: EsmtpParameters): EnvelopeAddress {
  const recipient = EnvelopeAddress.of(address, parameters, 'recipient')
  if (recipient.address === '') {
    throw new UsageError(
      'INVALID_ADDRESS',
      'the recipient is empty; only a sender can be empty',
    )
  }
  return recipient
}

/** The sender of a mail, MAIL FROM: an address that can be replaced. */
export class MailSender extends EnvelopeAddress {
  /** @internal */
  declare words: EnvelopeWords
  readonly #guard: EditGuard
  #current: EnvelopeAddress

  constructor(sender: EnvelopeAddress, guard: EditGuard) {
    super(sender.words)
    this.#current = sender
    this.#guard = guard
  }

  /**
   * Replaces the sender. Give the address with or without brackets, '' for the null sender. If you give no
   * parameters, those of the client stay. Postfix takes RET and ENVID only.
   * @throws UsageError INVALID_ADDRESS, WRONG_STAGE
   */
  replace(address: string, parameters?: EsmtpParameters): void {
    const next = EnvelopeAddress.of(address, parameters)
    if (!this.#guard.permit('sender.replace', Action.CHGFROM)) return
    this.#current =
      next.words.length > 1 ? next : next.withParameters(this.#current.words.slice(1))
    this.words = this.#current.words
  }

  /** @internal */
  get current(): EnvelopeAddress {
    return this.#current
  }
}

/**
 * The recipients of a mail, in order, each mailbox once. Recipients that were refused are not in the list.
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
      // If several are the same mailbox, the first counts, as it does for mail servers.
      for (const one of this.#given) {
        if (!this.#byMailbox.has(one.mailbox)) this.#byMailbox.set(one.mailbox, one)
      }
    }
    return this.#byMailbox
  }

  /** How many recipients there are now. */
  get length(): number {
    return this.#all.size
  }

  /** Iterates over a copy of the list, so that you can edit it in the loop. */
  [Symbol.iterator](): IterableIterator<EnvelopeAddress> {
    return [...this.#all.values()].values()
  }

  /** The addresses, without brackets and parameters. */
  get addresses(): string[] {
    return Array.from(this.#all.values(), ({ address }) => address)
  }

  /** Whether an address is a recipient; mailboxes are compared, as by `EnvelopeAddress.is`. */
  has(address: string): boolean {
    return this.#all.has(mailboxOf(envelopeAddress(address)))
  }

  /**
   * Adds a recipient. The ESMTP parameters NOTIFY and ORCPT can be text, words or a map. A recipient that is in the
   * list already stays as it is, but gets the parameters if you give any.
   *
   *     mail.recipients.add('archive@example.org', 'NOTIFY=NEVER')
   *
   * @throws UsageError INVALID_ADDRESS, WRONG_STAGE
   */
  add(address: string, parameters?: EsmtpParameters): void {
    const added = recipientOf(address, parameters)
    const present = this.#all.get(added.mailbox)
    const plain = added.words.length === 1
    const adding = plain ? Action.ADDRCPT : Action.ADDRCPT_PAR
    const needed = present === undefined ? adding : plain ? 0 : adding | Action.DELRCPT
    if (!this.#guard.permit('recipients.add', needed) || needed === 0) return
    this.#edited = true
    this.#all.set(added.mailbox, present?.withParameters(added.words.slice(1)) ?? added)
  }

  /** Removes a recipient. Returns whether it was in the list. */
  remove(address: string | EnvelopeAddress): boolean {
    if (!this.#guard.permit('recipients.remove', Action.DELRCPT)) return false
    const bare = typeof address === 'string' ? envelopeAddress(address) : address.address
    const there = this.#all.delete(mailboxOf(bare))
    if (there) this.#edited = true
    return there
  }

  /**
   * Replaces all recipients. Those that were in the list before keep their parameters.
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

  /** @internal The list as it is; the given one, itself, if nothing was edited. */
  get current(): readonly EnvelopeAddress[] {
    return this.#edited ? [...this.#all.values()] : this.#given
  }
}
