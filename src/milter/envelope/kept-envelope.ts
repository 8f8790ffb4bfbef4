import { MilterError } from '../../errors.ts'
import type { MemoryBudget } from '../../session/memory-budget.ts'
import { NOBODY, type EnvelopeAddress } from './envelope-address.ts'

/** The sender and the recipients of one message so far, for later handlers. */
export class KeptEnvelope {
  readonly #memory: MemoryBudget
  readonly #limit: number
  #sender: EnvelopeAddress = NOBODY
  readonly #recipients: EnvelopeAddress[] = []
  /** there were more than may be kept */
  #incomplete = false
  /** bytes that are counted */
  #held = 0
  #over = false

  /** @param limit recipients that are kept */
  constructor(memory: MemoryBudget, limit: number) {
    this.#memory = memory
    this.#limit = limit
  }

  get sender(): EnvelopeAddress {
    return this.#sender
  }

  set sender(sender: EnvelopeAddress) {
    this.#sender = sender
    this.#hold(sender.held)
  }

  /** @throws MilterError MESSAGE_TOO_LARGE if not all of them were kept */
  get recipients(): readonly EnvelopeAddress[] {
    if (!this.#incomplete) return this.#recipients
    throw new MilterError(
      'MESSAGE_TOO_LARGE',
      `the message has more than ${this.#limit} recipients (limits.recipients), so they were not kept`,
    )
  }

  /** Adds a recipient that was not refused. */
  add(recipient: EnvelopeAddress): void {
    if (this.#incomplete) return
    if (this.#recipients.length >= this.#limit) {
      this.#incomplete = true
      this.#recipients.length = 0
      return
    }
    this.#recipients.push(recipient)
    this.#hold(recipient.held)
  }

  #hold(bytes: number): void {
    if (this.#over) return
    this.#held += bytes
    this.#memory.pass(bytes)
  }

  /** The message is over. If a handler keeps its context, the addresses no longer count. */
  letGo(): void {
    this.#over = true
    this.#memory.pass(-this.#held)
    this.#held = 0
  }
}
