import { Command } from '../protocol/constants.ts'
import { EVENT_BY_COMMAND, EVENT_NAMES, EVENTS } from '../protocol/event-table.ts'
import type { Payload } from '../protocol/frame.ts'
import { bareMacroName, decodeMacroPairs } from '../protocol/macros.ts'
import { decodeLatin1, decodeText } from '../protocol/text.ts'

/** Roughly the bytes that a name and its value take as objects, and the maximum for each of their characters. */
const PAIR = 160
const CHARACTER = 2
/** Slots of more than this many bytes are counted as held. */
const USUAL_SIZE = 4096
/** Larger ones are read once as a whole instead of searched for each name; macros of real mail rarely are. */
const LOOKED_THROUGH = 512

/**
 * The current macros: one slot for each stage that has them. A MACRO frame replaces the
 * content of its slot; a command clears the slots of all later stages (libmilter `engine.c`,
 * mi_clr_macros and the `CI_*` table). Lookup goes from the latest stage to the earliest.
 *
 * It is stricter than libmilter, so that no macro of one message is seen in the next: an empty frame empties its slot;
 * MAIL and RCPT without macros empty theirs; and the end of a message empties the slots from RCPT on.
 */
export class MacroStore {
  /**
   * Names and values as they came, a character for each byte: seven strings take less than the buffers
   * they could be copied to (of a connection's start 5 of 50 us), and few of them are read.
   */
  readonly #slots: string[] = ['', '', '', '', '', '', '']
  /** The content of large slots, by number, once it was read; and the bytes it takes. */
  #read: Map<number, { values: ReadonlyMap<string, string>; held: number }> | undefined
  /** A bit for each slot that was filled since the command it belongs to came last. */
  #fresh = 0
  #held = 0

  /** Bytes of slots that are larger than usual, and of what was read of them. */
  get held(): number {
    return this.#held
  }

  /** Macros of a MAIL have come, and no event of its message: the filter may have declined them all. */
  get messageAhead(): boolean {
    return (this.#fresh & (1 << MAIL_SLOT)) !== 0
  }

  /** Takes a MACRO frame. Frames for HEADER, BODY and UNKNOWN are ignored, as by libmilter. */
  define({ bytes, start, end }: Payload): void {
    const slot = slotOf(bytes[start])
    if (slot === undefined) return
    this.#put(slot, decodeLatin1(bytes, start + 1, end))
    this.#fresh |= 1 << slot
  }

  /** What the start of a command does to the macros. */
  begin(command: number): void {
    const slot = slotOf(command)
    if (slot === undefined || slot > RCPT_SLOT) return
    if (slot === MAIL_SLOT || slot === RCPT_SLOT) this.#use(slot)
    this.#clearFrom(slot + 1)
  }

  /** A message begins whose MAIL was declined; macros of its first command are there already. */
  beginWithoutMail(): void {
    this.#use(MAIL_SLOT)
  }

  /** Macros of an earlier command of the kind do not count for this one. */
  #use(slot: number): void {
    const bit = 1 << slot
    if ((this.#fresh & bit) === 0) this.#put(slot, '')
    this.#fresh &= ~bit
  }

  endMessage(): void {
    this.#clearFrom(RCPT_SLOT)
  }

  clear(): void {
    this.#clearFrom(0)
  }

  #clearFrom(first: number): void {
    for (let slot = first; slot < this.#slots.length; slot++) {
      if (this.#slots[slot] !== '') this.#put(slot, '')
    }
    this.#fresh &= (1 << first) - 1
  }

  #put(slot: number, pairs: string): void {
    const before = this.#slots[slot]!.length
    if (before > USUAL_SIZE) this.#held -= before
    if (pairs.length > USUAL_SIZE) this.#held += pairs.length
    this.#slots[slot] = pairs
    this.#held -= this.#read?.get(slot)?.held ?? 0
    this.#read?.delete(slot)
  }

  /** The value of a macro, with or without braces; undefined when it is not defined now. */
  get(name: string): string | undefined {
    const bare = bareMacroName(name)
    if (NON_ASCII.test(bare)) return this.all().get(bare)
    for (let slot = this.#slots.length - 1; slot >= 0; slot--) {
      const pairs = this.#slots[slot]!
      if (pairs === '') continue
      const value =
        pairs.length > LOOKED_THROUGH ? this.#valuesOf(slot).get(bare) : valueOf(pairs, bare)
      if (value !== undefined) return value
    }
    return undefined
  }

  #valuesOf(slot: number): ReadonlyMap<string, string> {
    let read = this.#read?.get(slot)
    if (read === undefined) {
      const pairs = this.#slots[slot]!
      const values = new Map(decodedPairs(pairs))
      read = { values, held: CHARACTER * pairs.length + PAIR * values.size }
      this.#read ??= new Map()
      this.#read.set(slot, read)
      this.#held += read.held
    }
    return read.values
  }

  /** All macros that hold now, by their names without braces. */
  all(): Map<string, string> {
    const all = new Map<string, string>()
    for (const pairs of this.#slots) {
      for (const [name, value] of decodedPairs(pairs)) all.set(name, value)
    }
    return all
  }
}

/** In order of time, unlike the numbers of the negotiation: end of headers before end of message. */
const SLOTS: readonly Command[] = EVENT_NAMES.map((name) => EVENTS[name])
  .filter(({ macros }) => macros !== undefined)
  .map(({ command }) => command)
const SLOT_BY_COMMAND: readonly (number | undefined)[] = EVENT_BY_COMMAND.map((event) =>
  event?.macros === undefined ? undefined : SLOTS.indexOf(event.command),
)
const MAIL_SLOT = SLOTS.indexOf(Command.MAIL)
const RCPT_SLOT = SLOTS.indexOf(Command.RCPT)

const slotOf = (command: number | undefined): number | undefined =>
  command === undefined ? undefined : SLOT_BY_COMMAND[command]

function decodedPairs(pairs: string): [string, string][] {
  const bytes = Buffer.from(pairs, 'latin1')
  return decodeMacroPairs({ bytes, start: 0, end: bytes.length })
}

/** The value that `decodeMacroPairs` would give for a name, without reading the others. */
function valueOf(pairs: string, bare: string): string | undefined {
  let value: string | undefined
  for (let start = 0; start < pairs.length;) {
    const end = endOfString(pairs, start)
    const endOfValue = endOfString(pairs, end + 1)
    // A name that came twice has its last value.
    if (isName(pairs, start, end, bare)) value = pairs.slice(end + 1, endOfValue)
    start = endOfValue + 1
  }
  return value === undefined ? undefined : textOf(value)
}

function endOfString(pairs: string, start: number): number {
  const nul = pairs.indexOf('\0', start)
  return nul === -1 ? pairs.length : nul
}

function isName(pairs: string, start: number, end: number, bare: string): boolean {
  const braces = end - start > 2 && pairs[start] === '{' && pairs[end - 1] === '}' ? 1 : 0
  return end - start - 2 * braces === bare.length && pairs.startsWith(bare, start + braces)
}

const NON_ASCII = /[^\0-\x7f]/

/** A value with a character for each byte, as text. */
function textOf(value: string): string {
  return NON_ASCII.test(value) ? decodeText(Buffer.from(value, 'latin1')) : value
}
