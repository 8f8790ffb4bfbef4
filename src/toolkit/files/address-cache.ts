import { open } from 'node:fs/promises'
import { invalidOption } from '../../options/invalid-option.ts'
import { wholeNumber } from '../../options/validate.ts'
import { decodeText, encodeText } from '../../protocol/text.ts'
import { fileFailed, invalidEntry, shown } from '../entry.ts'
import { addressParts } from '../addresses/address-parts.ts'
import { formatCacheLine, parseCacheLine, type CacheLine } from './cache-lines.ts'
import { FileLock, modeOf } from './file-lock.ts'
import { targetOf, updateFile } from './update-file.ts'

export interface AddressCacheOptions {
  /** days after which an address is forgotten, unless it was added to stay; 7 by default */
  readonly days?: number
  /** addresses in memory; 100,000 by default. Above that, the oldest one that does not stay is forgotten. */
  readonly maxEntries?: number
  /** Unix time in milliseconds, for tests; `Date.now` by default */
  readonly now?: () => number
}

/** An address or domain of an {@link AddressCache}. */
export interface CachedAddress {
  /** in lower case */
  readonly address: string
  /** Unix time in milliseconds; undefined for one that stays */
  readonly expires: number | undefined
  /** what was noted of it in this process; such an entry is not in the file */
  readonly note: string | undefined
}

const DAY = 86_400_000
const MAX_PROBLEMS = 100

/**
 * Addresses and domains that a filter has seen, in a file that pymilter's AddrCache reads too: `address` stays, and
 * `address 2026Nov23 07:36:23 UTC` is forgotten after some days. Letters of both cases are the same; the file keeps them. What
 * several processes add is not lost, because they append under the lock of the file. Each sees the others' after
 * `load`.
 *
 *     const seen = await AddressCache.open('/var/lib/filter/correspondents', { days: 60 })
 *     await seen.add('friend@example.org')
 *     seen.has('Friend@Example.ORG') // true
 */
export class AddressCache {
  readonly #path: string
  readonly #life: number
  readonly #maxEntries: number
  readonly #now: () => number
  /** those that stay */
  readonly #permanent = new Set<string>()
  /** those that do not, with the times when they were added; the oldest first */
  readonly #stamped = new Map<string, number>()
  readonly #notes = new Map<string, { readonly stamp: number; readonly note: string }>()
  #problems: string[] = []
  /** lines that were appended since the file was read */
  #appended = 0
  #waiting: string[] = []
  /** the write that comes next, and takes all lines that wait */
  #write: Promise<void> | undefined
  /** the write or load that is being done */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(path: string, options: AddressCacheOptions) {
    const { days = 7, maxEntries = 100_000 } = options
    if (!Number.isFinite(days) || days <= 0) {
      throw invalidOption('days', days, 'a number of days above 0')
    }
    this.#path = path
    this.#life = days * DAY
    this.#maxEntries = wholeNumber('maxEntries', maxEntries, 1)
    this.#now = options.now ?? Date.now
  }

  /** Reads the file, which need not exist. @throws as {@link AddressCache.load}; UsageError INVALID_OPTION */
  static async open(path: string, options: AddressCacheOptions = {}): Promise<AddressCache> {
    const cache = new AddressCache(path, options)
    await cache.load()
    return cache
  }

  /** Lines of the file that are wrong. They were left out at the last load; `NAME.old` has them. */
  get problems(): readonly string[] {
    return this.#problems
  }

  /** addresses and domains that are in the file */
  get size(): number {
    return this.#permanent.size + this.#stamped.size
  }

  /**
   * Reads the file again. If lines of it are forgotten, wrong, or twice, it is written without them, and the old file is
   * kept as `NAME.old`. Lines that begin with `#` are kept.
   *
   * @throws FileError FILE_LOCKED, FILE_FAILED; then the addresses in memory stay
   */
  load(): Promise<void> {
    return this.#inTurn(async () => {
      await updateFile(this.#path, (old) => this.#read(old ?? Buffer.alloc(0)), {
        backup: true,
      })
    })
  }

  /** @returns what the file should be; undefined for what it is */
  #read(old: Buffer): Buffer | undefined {
    const lines = decodeText(old).split('\n')
    const problems: string[] = []
    // The line of each address, which is kept as it was written.
    const places = new Map<string, number>()
    const comments = new Set<number>()
    this.#permanent.clear()
    this.#stamped.clear()
    for (const [i, line] of lines.entries()) {
      const said = line.trim()
      if (said === '') continue
      if (said.startsWith('#')) {
        comments.add(i)
        continue
      }
      const read = this.#parse(said)
      if (typeof read === 'string') {
        if (problems.length < MAX_PROBLEMS) {
          problems.push(`${this.#path}:${i + 1}: ${shown(said)} was left out: ${read}`)
        }
      } else if (this.#put(read.address.toLowerCase(), read.stamp)) {
        places.set(read.address.toLowerCase(), i)
      }
    }
    // What is not on the disk yet comes with the next write.
    const waiting = this.#waiting.map((line) => parseCacheLine(line.trim()) as CacheLine)
    const kept = new Set(comments)
    for (const [key, i] of places) if (this.#has(key)) kept.add(i)
    for (const { address, stamp } of waiting) this.#put(address.toLowerCase(), stamp)
    if (this.#permanent.size >= this.#maxEntries) {
      problems.push(
        `${this.#path}: ${this.#permanent.size} addresses stay, which leaves no room for others; give maxEntries a larger number`,
      )
    }
    this.#problems = problems
    this.#appended = 0
    const next = lines.filter((_, i) => kept.has(i))
    return next.length === lines.filter((line) => line !== '').length
      ? undefined
      : encodeText(next.map((line) => `${line}\n`).join(''))
  }

  #parse(line: string): CacheLine | string {
    const read = parseCacheLine(line)
    const stamp = typeof read === 'string' ? undefined : read.stamp
    // It would never be forgotten.
    return stamp !== undefined && stamp > this.#now() + DAY ? 'its time is in the future' : read
  }

  #isOver(stamp: number): boolean {
    return stamp + this.#life <= this.#now()
  }

  #has(key: string): boolean {
    return this.#permanent.has(key) || this.#stamped.has(key)
  }

  /** @returns whether it is there now because of this call. An entry that stays is not replaced by one that does not. */
  #put(key: string, stamp: number | undefined): boolean {
    if (this.#permanent.has(key)) return false
    if (stamp !== undefined && (this.#stamped.get(key) ?? 0) > stamp) return false
    this.#stamped.delete(key)
    if (stamp === undefined) this.#permanent.add(key)
    else if (this.#isOver(stamp)) return false
    else this.#stamped.set(key, stamp)
    if (this.size > this.#maxEntries) forgetFirst(this.#stamped)
    return true
  }

  /**
   * The entry of an address, or that of its domain.
   * @param options `precise`: only that of the address
   */
  get(
    address: string,
    { precise = false }: { readonly precise?: boolean } = {},
  ): CachedAddress | undefined {
    const key = address.toLowerCase()
    const found = this.#found(key)
    if (found !== undefined || precise) return found
    const { domain } = addressParts(key)
    return domain === undefined || domain === '' ? undefined : this.#found(domain)
  }

  #found(key: string): CachedAddress | undefined {
    const noted = this.#notes.get(key)
    const note = noted === undefined || this.#isOver(noted.stamp) ? undefined : noted.note
    if (this.#permanent.has(key)) return { address: key, expires: undefined, note }
    const stamp = this.#stamped.get(key)
    if (stamp !== undefined && !this.#isOver(stamp)) {
      return { address: key, expires: stamp + this.#life, note }
    }
    return note === undefined
      ? undefined
      : { address: key, expires: noted!.stamp + this.#life, note }
  }

  /** Whether an address, or its domain, is there. */
  has(address: string, options?: { readonly precise?: boolean }): boolean {
    return this.get(address, options) !== undefined
  }

  /**
   * Adds an address or domain for some days from now on. It counts at once; the promise resolves when it is on the disk.
   * If it is there already, the file gets a new line only once a day.
   *
   * @throws UsageError INVALID_ENTRY; FileError FILE_LOCKED, FILE_FAILED if the file could not be written. Then the address
   *   counts in memory, and goes to the disk with the next one.
   */
  async add(address: string): Promise<void> {
    const key = this.#checked(address)
    this.#notes.delete(key)
    const now = this.#now()
    const before = this.#stamped.get(key)
    // An entry that stays needs no time.
    if (this.#permanent.has(key)) return
    if (before !== undefined && now - before < Math.min(DAY, this.#life / 2)) return
    this.#put(key, now)
    await this.#append({ address, stamp: now })
  }

  /** Adds an address or domain that stays. @throws as {@link AddressCache.add} */
  async addPermanent(address: string): Promise<void> {
    const key = this.#checked(address)
    this.#notes.delete(key)
    if (this.#permanent.has(key)) return
    this.#put(key, undefined)
    await this.#append({ address, stamp: undefined })
  }

  /**
   * Notes something of an address for some days, in this process only. `add` and `addPermanent` end that.
   * @throws UsageError INVALID_ENTRY
   */
  note(address: string, note: string): void {
    const key = this.#checked(address)
    this.#notes.delete(key)
    this.#notes.set(key, { stamp: this.#now(), note })
    if (this.#notes.size > this.#maxEntries) forgetFirst(this.#notes)
  }

  /** The key of an address. A line break in it would be another entry. */
  #checked(address: string): string {
    const read = parseCacheLine(address)
    if (
      address.trim() === address &&
      typeof read === 'object' &&
      read.stamp === undefined &&
      // oxlint-disable-next-line eslint/no-control-regex -- they are what is refused
      !/^#|[\0-\x1f\x7f]/.test(address) &&
      address !== ''
    ) {
      return address.toLowerCase()
    }
    throw invalidEntry(
      this.#path,
      `${shown(address)} is not an address or domain`,
      'give one without brackets, line breaks, and spaces out of quotes',
    )
  }

  /** Lines that come during a write are written together in the next one. */
  #append(line: CacheLine): Promise<void> {
    this.#waiting.push(formatCacheLine(line))
    this.#write ??= this.#inTurn(() => this.#flush()).then(async () => {
      // The file must not grow for ever.
      if (this.#appended > this.#maxEntries) await this.load()
    })
    return this.#write
  }

  async #flush(): Promise<void> {
    const lines = this.#waiting
    this.#waiting = []
    this.#write = undefined
    try {
      await appendLines(this.#path, lines.join(''))
      this.#appended += lines.length
    } catch (error) {
      // They come with the next write.
      this.#waiting = [...lines, ...this.#waiting].slice(-this.#maxEntries)
      throw error
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }
}

const forgetFirst = (map: Map<string, unknown>): void => {
  for (const key of map.keys()) {
    map.delete(key)
    return
  }
}

async function appendLines(name: string, lines: string): Promise<void> {
  const path = await targetOf(name)
  const lock = await FileLock.acquire(path)
  try {
    const handle = await open(path, 'a+', await modeOf(path))
    try {
      const { size } = await handle.stat()
      if (size === 0) await handle.chmod(await modeOf(path)).catch(() => {})
      const last = Buffer.alloc(1)
      if (size > 0) await handle.read(last, 0, 1, size - 1)
      // A line that a crash cut off must not swallow the next one.
      const start = size > 0 && last[0] !== 0x0a ? '\n' : ''
      await handle.writeFile(encodeText(start + lines))
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw fileFailed(path, 'cannot be written', error)
  } finally {
    await lock.release()
  }
}
