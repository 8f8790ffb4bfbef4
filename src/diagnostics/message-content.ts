import type { MemoryBudget } from '../session/memory-budget.ts'
import { bounded, copied } from './bounded-text.ts'
import { CONTENT_FORM, CONTENT_NAME, RECIPIENTS } from '../options/kinds.ts'
import { invalidOption } from '../options/validate.ts'

/**
 * What of a message's content is told with the event of its end: its recipients, and values of header
 * fields by their names in small letters, each as it came.
 */
export type MessageContent = Readonly<Record<string, readonly string[]>>

/** So many of a name are told. */
const MOST = 20
/** Bytes of memory that a value takes, and each of its characters at most. */
const STRING = 32
const CHARACTER = 2

/** How many have asked for each. */
const asked = new Map<string, number>()

/**
 * Has the messages that begin from now on tell of these. By default nothing of their content is
 * collected. The function it returns ends that.
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

/** What was asked for, of one message while it lasts. */
export class ContentRecord {
  readonly told: Record<string, string[]> = Object.create(null) as Record<string, string[]>

  readonly #memory: MemoryBudget
  #held = 0

  private constructor(memory: MemoryBudget) {
    this.#memory = memory
    for (const name of asked.keys()) this.told[name] = []
  }

  /** Undefined if nobody wants to know. */
  static ifAsked(memory: MemoryBudget): ContentRecord | undefined {
    return asked.size === 0 ? undefined : new ContentRecord(memory)
  }

  /** It was told. */
  end(): void {
    this.#memory.release(this.#held)
    this.#held = 0
  }

  addRecipient(address: string): void {
    this.#add(RECIPIENTS, address)
  }

  /** A field may be called like what recipients are told under. */
  addField(name: string, value: string): void {
    const key = name.toLowerCase()
    if (key !== RECIPIENTS) this.#add(key, value)
  }

  #add(key: string, value: string): void {
    const values = this.told[key]
    if (values === undefined || values.length >= MOST) return
    // An address may be a part of a RCPT of many bytes, which would be kept with it.
    const kept = copied(bounded(value))
    const bytes = STRING + CHARACTER * kept.length
    // The message matters more than what is told of it.
    if (!this.#memory.reserve(bytes)) return
    this.#held += bytes
    values.push(kept)
  }
}
