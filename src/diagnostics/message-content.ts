import type { MemoryBudget } from '../session/memory-budget.ts'
import { bounded, copied } from './bounded-text.ts'
import { CONTENT_FORM, CONTENT_NAME, RECIPIENTS } from '../options/kinds.ts'
import { invalidOption } from '../options/invalid-option.ts'

/**
 * The content of a message in the event of its end: its recipients, and the values of header fields as received. The
 * names of header fields are in lower case.
 */
export type MessageContent = Readonly<Record<string, readonly string[]>>

/** Maximum number of values of one name. */
const MAX_VALUES = 20
/** Bytes of memory for a value, and the maximum for each of its characters. */
const STRING = 32
const CHARACTER = 2

/** How many callers have asked for each name. */
const asked = new Map<string, number>()

/**
 * Adds content to the event of each message: recipients, or header fields by name. By default no content is collected.
 * It applies to messages that start after the call. Returns a function that stops it.
 *
 *     const stop = askForContent(['recipients', 'Subject'])
 *
 * @throws UsageError INVALID_OPTION
 */
export function askForContent(names: readonly string[]): () => void {
  for (const name of names) {
    if (typeof name !== 'string' || !CONTENT_NAME.test(name))
      throw invalidOption('content', name, CONTENT_FORM)
  }
  const own = new Set(names.map((name) => name.toLowerCase()))
  for (const name of own) asked.set(name, (asked.get(name) ?? 0) + 1)
  return () => {
    for (const name of own) {
      const others = asked.get(name)! - 1
      if (others > 0) asked.set(name, others)
      else asked.delete(name)
    }
    own.clear()
  }
}

/** The collected content of one message, while the message lasts. */
export class ContentRecord {
  readonly told: Record<string, string[]> = Object.create(null) as Record<string, string[]>

  readonly #memory: MemoryBudget
  #held = 0

  private constructor(memory: MemoryBudget) {
    this.#memory = memory
    for (const name of asked.keys()) this.told[name] = []
  }

  /** Undefined if no content was asked for. */
  static ifAsked(memory: MemoryBudget): ContentRecord | undefined {
    return asked.size === 0 ? undefined : new ContentRecord(memory)
  }

  /** The event was published, so the memory is free. */
  end(): void {
    this.#memory.release(this.#held)
    this.#held = 0
  }

  addRecipient(address: string): void {
    this.#add(RECIPIENTS, address)
  }

  /** A header field named `recipients` is left out, because that name stands for the recipients. */
  addField(name: string, value: string): void {
    const key = name.toLowerCase()
    if (key !== RECIPIENTS) this.#add(key, value)
  }

  #add(key: string, value: string): void {
    const values = this.told[key]
    if (values === undefined || values.length >= MAX_VALUES) return
    // An address may be part of a long RCPT. Without a copy, all of it would stay in memory.
    const kept = copied(bounded(value))
    const bytes = STRING + CHARACTER * kept.length
    // If memory is short, the message matters more than its event.
    if (!this.#memory.reserve(bytes)) return
    this.#held += bytes
    values.push(kept)
  }
}
