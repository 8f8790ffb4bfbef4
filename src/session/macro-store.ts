import { copyBytes } from '../protocol/bytes.ts'
import { Command, MacroStage } from '../protocol/constants.ts'
import type { Payload } from '../protocol/frame.ts'
import { bareMacroName, decodeMacroPairs } from '../protocol/macros.ts'

/**
 * The macros that hold now: one slot for each stage that has them. A MACRO frame replaces the
 * content of its slot; a command clears the slots of all later stages (libmilter `engine.c`,
 * mi_clr_macros and the `CI_*` table). Lookup goes from the latest stage to the earliest.
 *
 * Tighter than libmilter, so that nothing of one message is seen in the next: an empty frame empties
 * its slot; MAIL and RCPT without a frame of their own empty theirs; the slots from RCPT on are
 * emptied when a message ends.
 */
export class MacroStore {
  readonly #slots: readonly Slot[] = Array.from({ length: 7 }, () => new Slot())
  /** a bit for each slot that is not empty: most are, whenever a command empties the later ones */
  #filled = 0
  #held = 0

  /** Bytes of slots that are larger than usual. */
  get held(): number {
    return this.#held
  }

  /** Takes a MACRO frame. Frames for HEADER, BODY and UNKNOWN are ignored, as by libmilter. */
  define(payload: Payload): void {
    const index = slotOf(payload.bytes[payload.start])
    if (index === undefined) return
    const slot = this.#slots[index]!
    const before = slot.held
    slot.fill(payload)
    this.#filled |= 1 << index
    this.#held += slot.held - before
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
    if (!this.#slots[slot]!.use()) this.#clear(slot)
  }

  endMessage(): void {
    this.#clearFrom(RCPT_SLOT)
  }

  clear(): void {
    this.#clearFrom(0)
  }

  #clearFrom(first: number): void {
    for (let i = first; this.#filled >> i !== 0; i++) this.#clear(i)
  }

  #clear(index: number): void {
    const bit = 1 << index
    if ((this.#filled & bit) === 0) return
    this.#filled &= ~bit
    const slot = this.#slots[index]!
    this.#held -= slot.held
    slot.clear()
  }

  /** The value of a macro, with or without braces; undefined when it is not defined now. */
  get(name: string): string | undefined {
    const bare = bareMacroName(name)
    for (let i = this.#slots.length - 1; i >= 0; i--) {
      const value = this.#slots[i]!.get(bare)
      if (value !== undefined) return value
    }
    return undefined
  }

  /** All macros that hold now, by their names without braces. */
  all(): Map<string, string> {
    const all = new Map<string, string>()
    for (const slot of this.#slots)
      for (const [name, value] of slot.values()) all.set(name, value)
    return all
  }
}

const MAIL_SLOT = MacroStage.MAIL
const RCPT_SLOT = MacroStage.RCPT

/** In order of time, unlike the numbers of the negotiation: end of headers before end of message. */
function slotOf(command: number | undefined): number | undefined {
  switch (command) {
    case Command.CONNECT:
      return 0
    case Command.HELO:
      return 1
    case Command.MAIL:
      return MAIL_SLOT
    case Command.RCPT:
      return RCPT_SLOT
    case Command.DATA:
      return 4
    case Command.EOH:
      return 5
    case Command.EOM:
      return 6
    default:
      return undefined
  }
}

const EMPTY = Buffer.alloc(0)
const NONE: ReadonlyMap<string, string> = new Map()

/** Memory up to this size is kept for the next frame. */
const KEEP = 4096

/** The bytes of one MACRO frame, read only when somebody asks. The memory is reused. */
class Slot {
  #bytes: Buffer = EMPTY
  #size = 0
  #values: ReadonlyMap<string, string> | undefined = NONE
  /** defined since the command it belongs to came last */
  #fresh = false

  fill(payload: Payload): void {
    const size = payload.end - payload.start - 1
    if (this.#bytes.length < size || this.#bytes.length > KEEP) {
      this.#bytes = Buffer.allocUnsafe(Math.max(size, 256))
    }
    copyBytes(payload.bytes, payload.start + 1, payload.end, this.#bytes, 0)
    this.#size = size
    this.#values = undefined
    this.#fresh = true
  }

  /** The command has come. False if there are no macros for it, but for an earlier one of its kind. */
  use(): boolean {
    const fresh = this.#fresh
    this.#fresh = false
    return fresh
  }

  clear(): void {
    this.#values = NONE
    this.#fresh = false
    if (this.#bytes.length > KEEP) this.#bytes = EMPTY
  }

  /** Bytes of memory, if they are more than a slot keeps anyway. */
  get held(): number {
    return this.#bytes.length > KEEP ? this.#bytes.length : 0
  }

  get(bare: string): string | undefined {
    return this.values().get(bare)
  }

  values(): ReadonlyMap<string, string> {
    this.#values ??= new Map(
      decodeMacroPairs({ bytes: this.#bytes, start: 0, end: this.#size }),
    )
    return this.#values
  }
}
