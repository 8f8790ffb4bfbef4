import { MilterError } from '../../errors.ts'
import type { MemoryBudget } from '../../session/memory-budget.ts'
import { NOBODY, type EnvelopeAddress } from './envelope-address.ts'

/** The sender and the recipients of one message so far, for later handlers. */
export class KeptEnvelope {
  readonly #memory: MemoryBudget
  readonly #limit: number
  /** undefined if there was no memory for it */
  #sender: EnvelopeAddress | undefined = NOBODY
  #recipients: EnvelopeAddress[] = []
  /** A list that handlers have does not change. */
  #shown: readonly EnvelopeAddress[] | undefined
  /** why the recipients are not kept */
  #missing: 'MESSAGE_TOO_LARGE' | 'MEMORY_EXHAUSTED' | undefined
  /** bytes that are reserved */
  #held = 0
  #over = false

  /** @param limit recipients that are kept */
  constructor(memory: MemoryBudget, limit: number) {
    this.#memory = memory
    this.#limit = limit
  }

  /** @throws MilterError MEMORY_EXHAUSTED */
  get sender(): EnvelopeAddress {
    if (this.#sender === undefined) throw exhausted('sender')
    return this.#sender
  }

  set sender(sender: EnvelopeAddress) {
    this.#sender = this.#reserve(sender.held) ? sender : undefined
  }

  /** @throws MilterError MESSAGE_TOO_LARGE, MEMORY_EXHAUSTED if not all of them were kept */
  get recipients(): readonly EnvelopeAddress[] {
    if (this.#missing === undefined) {
      return (this.#shown ??= Object.freeze([...this.#recipients]))
    }
    if (this.#missing === 'MEMORY_EXHAUSTED') throw exhausted('recipients')
    throw new MilterError(
      'MESSAGE_TOO_LARGE',
      `the message has more than ${this.#limit} recipients (limits.recipients), so they were not kept`,
    )
  }

  /** Adds a recipient that was not refused. */
  add(recipient: EnvelopeAddress): void {
    if (this.#missing !== undefined || this.#over) return
    if (this.#recipients.length >= this.#limit) this.#drop('MESSAGE_TOO_LARGE')
    else if (!this.#reserve(recipient.held)) this.#drop('MEMORY_EXHAUSTED')
    else {
      this.#recipients.push(recipient)
      this.#shown = undefined
    }
  }

  #drop(why: 'MESSAGE_TOO_LARGE' | 'MEMORY_EXHAUSTED'): void {
    this.#missing = why
    for (const { held } of this.#recipients) this.#release(held)
    this.#recipients = []
    this.#shown = undefined
  }

  #reserve(bytes: number): boolean {
    if (!this.#memory.reserve(bytes)) return false
    this.#held += bytes
    return true
  }

  #release(bytes: number): void {
    this.#memory.release(bytes)
    this.#held -= bytes
  }

  /** The message is over. If a handler keeps its context, the addresses no longer count. */
  letGo(): void {
    this.#over = true
    this.#release(this.#held)
  }
}

const exhausted = (what: string): MilterError =>
  new MilterError(
    'MEMORY_EXHAUSTED',
    `there was no memory left for the ${what} of the message (maxMemory)`,
  )
