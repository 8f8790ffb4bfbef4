/**
 * What the embedded store writes into LMDB. The first byte of a key says what it is: a value, a bucket or an id under
 * its name (`steps.ts`), or `x` for the index of what expires when.
 *
 * A record is the time when it expires, the time under which the index has it, and its text. A record that is kept
 * longer stays where it is in the index. It is moved only when that time has come, so that a bucket costs one write.
 */
import { StoreError } from '../../errors.ts'
import type { Database } from './lmdb.ts'
import type { SavedUnderName } from '../step-store.ts'
import type { Change, Saved } from '../steps.ts'

/** Two times as 64-bit floating point numbers. */
const HEAD = 16
const INDEX = 'x'
/** A time in a key, so that keys sort by it: 48 bits of milliseconds. */
const TIME = 6
const MAX_STAMP = 2 ** 48 - 1
const FORMAT_KEY: Buffer = Buffer.from('format')
const FORMAT = 'tsmilter store 1'

/** Bytes that an entry takes beside key and value, at most: `struct MDB_node` and its pointer, in a page half full. */
const NODE = 32
/** A larger entry gets pages of its own (LMDB's `me_nodemax`, about half a page). */
const LARGE = 2_000
/** Bytes that one transaction may write: the pages that it replaces are free only after the next one. */
const MUCH = 262_144
/** Removed at once if there is no room: enough for a step, and short enough for one transaction. */
const SWEEP_FOR_ROOM = 1_000
/** Records that are listed in one answer. */
const LIST = 200

/** Some records, and behind which name the next ones are. */
export interface Listed {
  readonly entries: readonly SavedUnderName[]
  readonly after?: string
}

export class EmbeddedRecords {
  readonly #database: Database
  /** Bytes that pages with values may take. The others are free pages, and those that a transaction writes anew. */
  #limit = 0
  /** bytes of pages that this transaction may still add, at least */
  #room = 0
  #written = 0

  constructor(database: Database, maxSize: number) {
    this.#database = database
    this.maxSize = maxSize
  }

  /** Bytes that the files may take. */
  set maxSize(maxSize: number) {
    this.#limit = Math.floor(0.5 * maxSize)
  }

  /** @throws StoreError STORE_UNAVAILABLE for files of another version */
  checkFormat(path: string): void {
    const there = this.#database.getBinary(FORMAT_KEY)?.toString('latin1')
    if (there === undefined) this.#database.putSync(FORMAT_KEY, Buffer.from(FORMAT))
    else if (there !== FORMAT) {
      throw new StoreError(
        'STORE_UNAVAILABLE',
        `the store ${path} has the format ${JSON.stringify(there)}, and this version knows only ${JSON.stringify(FORMAT)}`,
      )
    }
  }

  /** What is saved under a name, if it has not expired. */
  readValid(name: string, now: number): Saved | undefined {
    const bytes = this.#database.getBinary(Buffer.from(name))
    const saved = bytes && savedIn(bytes)
    return saved !== undefined && saved.expires > now ? saved : undefined
  }

  /**
   * Records whose name starts with `prefix`, in their order, and the name behind which to go on, if there may be more.
   *
   * @param after begins behind this name
   */
  list(prefix: string, after: string | undefined, now: number): Listed {
    const first = Buffer.from(prefix)
    const start = after === undefined ? first : Buffer.from(`${after}\0`)
    const entries: SavedUnderName[] = []
    let bytes = 0
    let last = 0
    let name = ''
    for (const { key, value } of this.#database.getRange({ start, limit: LIST })) {
      if (!key.subarray(0, first.length).equals(first)) return { entries }
      name = key.toString()
      const saved = savedIn(value)
      if (saved.expires > now) entries.push({ name, ...saved })
      bytes += value.length
      last++
      if (bytes > MUCH) break
    }
    return last === LIST || bytes > MUCH ? { entries, after: name } : { entries }
  }

  /** Begins a transaction. */
  begin(): void {
    this.#room = this.#limit - this.#used()
    this.#written = 0
  }

  /** Whether this transaction should end, so that the file does not grow. */
  hasWrittenMuch(): boolean {
    return this.#written > MUCH
  }

  /** Makes all changes of a step. @throws StoreError STORE_FULL before the first one */
  make(changes: readonly Change[], now: number): void {
    this.#ensureRoom(changes, now)
    for (const { name, data, expires } of changes) {
      const key = Buffer.from(name)
      const old = this.#database.getBinary(key)
      const indexed = old && old.readDoubleLE(8)
      if (data === undefined) {
        if (indexed === undefined) continue
        this.#database.removeSync(key)
        this.#database.removeSync(indexKey(indexed, key))
        continue
      }
      this.#written += HEAD + data.length + key.length
      const stays = indexed !== undefined && indexed <= expires
      this.#database.putSync(key, recordOf(data, expires, stays ? indexed : expires))
      if (stays) continue
      if (indexed !== undefined) this.#database.removeSync(indexKey(indexed, key))
      this.#database.putSync(indexKey(expires, key), EMPTY)
    }
  }

  /** Whether something in the index has come to its time. */
  hasExpired(now: number): boolean {
    const due = this.#due(now, 1).length > 0
    // An open snapshot would keep old pages in use.
    this.#database.resetReadTxn()
    return due
  }

  /** Removes at most so many records that have expired. @returns whether there may be more */
  sweep(now: number, most: number): boolean {
    const due = this.#due(now, most)
    for (const entry of due) {
      const key = entry.subarray(1 + TIME)
      const record = this.#database.getBinary(key)
      this.#database.removeSync(entry)
      if (record === undefined) continue
      const { expires, data } = savedIn(record)
      if (expires <= now) this.#database.removeSync(key)
      else {
        this.#database.putSync(key, recordOf(data, expires, expires))
        this.#database.putSync(indexKey(expires, key), EMPTY)
      }
    }
    return due.length === most
  }

  #due(now: number, limit: number): Buffer[] {
    const end = indexKey(now + 1, EMPTY)
    return [...this.#database.getKeys({ start: Buffer.from(INDEX), end, limit })]
  }

  #ensureRoom(changes: readonly Change[], now: number): void {
    const more = changes.reduce((sum, change) => sum + this.#growth(change), 0)
    if (more === 0) return
    if (more > this.#room) this.#room = this.#limit - this.#used()
    if (more > this.#room) {
      this.sweep(now, SWEEP_FOR_ROOM)
      this.#room = this.#limit - this.#used()
    }
    if (more > this.#room) {
      throw new StoreError(
        'STORE_FULL',
        `the store ${this.#database.path} has ${this.#limit - this.#room} of ${this.#limit} bytes in use: raise maxSize, or keep values for less time`,
      )
    }
    this.#room -= more
  }

  /** Bytes that a change may add to the pages in use. */
  #growth({ name, data }: Change): number {
    if (data === undefined) return 0
    const old = this.#database.getBinary(Buffer.from(name))
    const size = HEAD + Buffer.byteLength(data)
    if (old !== undefined && old.length >= size) return 0
    const key = Buffer.byteLength(name)
    const index = 2 * (key + 1 + TIME + NODE)
    return index + (key + size > LARGE ? size + 2 * 4_096 : 2 * (key + size + NODE))
  }

  /** Bytes of pages that hold something. Inside a transaction, with its own changes. */
  #used(): number {
    const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } =
      this.#database.getStats()
    return pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages)
  }
}

const EMPTY: Buffer = Buffer.alloc(0)

function savedIn(record: Buffer): Saved {
  return { expires: record.readDoubleLE(0), data: record.toString('utf8', HEAD) }
}

function recordOf(data: string, expires: number, indexed: number): Buffer {
  const record = Buffer.allocUnsafe(HEAD + Buffer.byteLength(data))
  record.writeDoubleLE(expires, 0)
  record.writeDoubleLE(indexed, 8)
  record.write(data, HEAD)
  return record
}

function indexKey(time: number, key: Buffer): Buffer {
  const entry = Buffer.allocUnsafe(1 + TIME + key.length)
  entry.write(INDEX, 0, 'latin1')
  entry.writeUIntBE(Math.min(MAX_STAMP, Math.max(0, time)), 1, TIME)
  key.copy(entry, 1 + TIME)
  return entry
}
