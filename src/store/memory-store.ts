/**
 * A store in the memory of one process, for tests, for a filter in one process, and as the stand-in for another store
 * that has failed.
 */
import { setImmediate } from 'node:timers/promises'
import { StoreError } from '../errors.ts'
import { checkNames, wholeNumber } from '../options/validate.ts'
import { StepStore, type SavedUnderName } from './step-store.ts'
import type { Change, Saved, StoreStep } from './steps.ts'
import type { CallOptions, Store } from './store.ts'

export interface MemoryStoreOptions {
  /**
   * Bytes that keys and values may take, with 200 for each of them; at least 65,536. What has expired is removed first.
   * If there is still no room, steps that need it fail with STORE_FULL, and all others are made.
   * @default 67108864
   */
  readonly maxBytes?: number | undefined
  /** Unix time in milliseconds; for tests. @default Date.now */
  readonly clock?: (() => number) | undefined
}

/** Bytes that a value takes in the maps of a process, beside its text: measured with Node 20 and 24. */
const OVERHEAD = 200
/** Milliseconds: what expires in the same slot is kept together, so that it is found without a timer each. */
const SLOT = 1_000
/** Values that are looked at before other work gets its turn. */
const BATCH = 500

/**
 * Opens a store in the memory of this process. It starts empty, and ends with the process.
 *
 *     const store = openMemoryStore()
 *
 * @throws UsageError INVALID_OPTION
 */
export function openMemoryStore(options: MemoryStoreOptions = {}): Store {
  checkNames('openMemoryStore', options, ['maxBytes', 'clock'])
  return new MemoryStore(options)
}

class MemoryStore extends StepStore {
  readonly kind = 'memory'
  readonly #maxBytes: number
  readonly #clock: () => number
  /** A value that is set again keeps its place, so that a scan sees it once. */
  readonly #saved = new Map<string, Saved>()
  /** Names by the slot in which they expire. */
  readonly #slots = new Map<number, Set<string>>()
  #bytes = 0
  /** slots before this one are empty */
  #swept = 0
  #closed = false

  constructor({ maxBytes = 67_108_864, clock = Date.now }: MemoryStoreOptions) {
    super()
    this.#maxBytes = wholeNumber('maxBytes', maxBytes, 65_536)
    this.#clock = clock
  }

  protected async run<Result>(step: StoreStep<Result>, options: CallOptions): Promise<Result> {
    const now = this.#begin(options)
    this.#sweep(now)
    const { result, changes } = step((name) => this.#valid(name, now), now)
    const more = changes.reduce((sum, change) => sum + this.#growth(change), 0)
    if (more > 0 && this.#bytes + more > this.#maxBytes) {
      throw new StoreError(
        'STORE_FULL',
        `the memory store has ${this.#bytes} of ${this.#maxBytes} bytes in use, and needs ${more} more: raise maxBytes`,
      )
    }
    for (const change of changes) this.#make(change)
    return result
  }

  protected async read(name: string, options: CallOptions): Promise<Saved | undefined> {
    return this.#valid(name, this.#begin(options))
  }

  protected async *list(prefix: string, options: CallOptions): AsyncGenerator<SavedUnderName> {
    this.#begin(options)
    let looked = 0
    // A map that grows during its iteration may have no end.
    const names = [...this.#saved.keys()]
    for (const name of names) {
      if (++looked % BATCH === 0) await setImmediate()
      const now = this.#begin(options)
      const saved = name.startsWith(prefix) ? this.#valid(name, now) : undefined
      if (saved !== undefined) yield { name, ...saved }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#saved.clear()
    this.#slots.clear()
    this.#bytes = 0
  }

  #begin({ signal }: CallOptions): number {
    if (this.#closed) throw new StoreError('STORE_CLOSED', 'the memory store is closed')
    signal?.throwIfAborted()
    return this.#clock()
  }

  #valid(name: string, now: number): Saved | undefined {
    const saved = this.#saved.get(name)
    return saved !== undefined && saved.expires > now ? saved : undefined
  }

  #growth({ name, data }: Change): number {
    const old = this.#saved.get(name)
    return (data === undefined ? 0 : sizeOf(name, data)) - (old ? sizeOf(name, old.data) : 0)
  }

  #make(change: Change): void {
    const { name, data, expires } = change
    this.#bytes += this.#growth(change)
    const old = this.#saved.get(name)
    const slot = data === undefined ? undefined : slotOf(expires)
    const oldSlot = old && slotOf(old.expires)
    if (slot !== oldSlot) {
      if (oldSlot !== undefined) this.#leave(oldSlot, name)
      if (slot !== undefined) this.#enter(slot, name)
    }
    if (data === undefined) this.#saved.delete(name)
    else this.#saved.set(name, { data, expires })
  }

  #enter(slot: number, name: string): void {
    const names = this.#slots.get(slot)
    if (names === undefined) this.#slots.set(slot, new Set([name]))
    else names.add(name)
    this.#swept = Math.min(this.#swept, slot)
  }

  #leave(slot: number, name: string): void {
    const names = this.#slots.get(slot)
    names?.delete(name)
    if (names?.size === 0) this.#slots.delete(slot)
  }

  /** Removes what has expired. A slot is removed as a whole, when all of it has expired. */
  #sweep(now: number): void {
    const end = slotOf(now)
    if (this.#swept >= end) return
    // After a long pause there are fewer slots than seconds.
    const slots =
      end - this.#swept > this.#slots.size
        ? [...this.#slots.keys()].filter((slot) => slot < end)
        : Array.from({ length: end - this.#swept }, (_, i) => this.#swept + i)
    for (const slot of slots) {
      for (const name of this.#slots.get(slot) ?? []) {
        this.#make({ name, data: undefined, expires: 0 })
      }
    }
    this.#swept = end
  }
}

/** Texts have up to two bytes for each unit of UTF-16. */
const sizeOf = (name: string, data: string): number =>
  2 * (name.length + data.length) + OVERHEAD

const slotOf = (time: number): number => Math.floor(time / SLOT)
