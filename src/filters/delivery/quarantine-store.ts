/**
 * Messages that are held, as files: `ID-SIZE.eml` has the exact bytes, `ID-SIZE.json` the envelope and the reason. The
 * id begins with the time, and the size is in the name, so a list of names is all that is needed to know what is old and
 * how much there is.
 */
import { readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { FileError } from '../../errors.ts'
import { codeOf } from '../../net/system-error.ts'
import { isPlainObject } from '../../options/plain-object.ts'
import { uniqueId } from '../../toolkit/unique-id.ts'
import { updateFile } from '../../toolkit/files/update-file.ts'
import { MessageFolder, type Content } from './message-folder.ts'
import { recordContent, type MessageRecord } from './message-record.ts'

/** What is known of a message in the quarantine. */
export interface HeldRecord extends MessageRecord {
  /** why it is held */
  readonly reason: string
}

export interface HeldMessage {
  readonly id: string
  /** bytes */
  readonly size: number
  /** Unix time in milliseconds */
  readonly time: number
}

/** Of the file system, for each message. */
const OVERHEAD = 4_096
const NAME = /^([0-9a-v]{26})-(\d{1,15})\.eml$/
/** A record has an envelope of at most some hundred kilobytes. */
const MAX_RECORD = 64 * 1024 * 1024

export class QuarantineStore {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  pathOf({ id, size }: HeldMessage): string {
    return join(this.#root, `${id}-${size}.eml`)
  }

  #recordPath({ id, size }: HeldMessage): string {
    return join(this.#root, `${id}-${size}.json`)
  }

  /** All messages, the oldest first. @throws FileError FILE_FAILED */
  async list(): Promise<HeldMessage[]> {
    let names: string[]
    try {
      names = await readdir(this.#root)
    } catch (cause) {
      throw unreadable(this.#root, cause)
    }
    return names.sort().flatMap((name) => {
      const [, id, size] = NAME.exec(name) ?? []
      return id === undefined ? [] : [{ id, size: Number(size), time: timeOf(id) }]
    })
  }

  /** @throws FileError FILE_FAILED */
  async record(message: HeldMessage): Promise<HeldRecord> {
    const path = this.#recordPath(message)
    try {
      const { size } = await stat(path)
      if (size > MAX_RECORD) throw new Error('it is too large')
      const record: unknown = JSON.parse(await readFile(path, 'utf8'))
      if (!isPlainObject(record) || record['version'] !== 1) {
        throw new Error('it was written by another version')
      }
      return record as unknown as HeldRecord
    } catch (cause) {
      throw unreadable(path, cause)
    }
  }

  /** The exact bytes. @throws FileError FILE_FAILED */
  async message(message: HeldMessage): Promise<Buffer> {
    const path = this.pathOf(message)
    try {
      return await readFile(path)
    } catch (cause) {
      throw unreadable(path, cause)
    }
  }

  /** Replaces the record of a message that stays. @throws FileError FILE_FAILED, FILE_LOCKED */
  async update(message: HeldMessage, record: HeldRecord): Promise<void> {
    const [content] = recordContent(record)() as Iterable<Buffer>
    await updateFile(this.#recordPath(message), () => content)
  }

  /** Deletes a message. It is no mistake if it is gone already. @throws FileError FILE_FAILED */
  async remove(message: HeldMessage): Promise<void> {
    // The message first: a record alone is not in the list.
    for (const path of [this.pathOf(message), this.#recordPath(message)]) {
      try {
        // oxlint-disable-next-line eslint/no-await-in-loop -- in this order
        await unlink(path)
      } catch (cause) {
        if (codeOf(cause) === 'ENOENT') continue
        const text = `${path} cannot be removed: ${(cause as Error).message}`
        throw new FileError('FILE_FAILED', text, { cause })
      }
    }
  }
}

/** The beginning of a unique id is its time. */
const timeOf = (id: string): number => Number.parseInt(id.slice(0, 10), 32)

const unreadable = (path: string, cause: unknown): FileError =>
  new FileError('FILE_FAILED', `${path} cannot be read: ${(cause as Error).message}`, { cause })

/** The directory has no room for another message. */
export class QuarantineFull extends Error {}

export interface QuarantineBounds {
  readonly maxBytes: number
  /** milliseconds */
  readonly maxAge: number
  readonly whenFull: 'tempfail' | 'hold' | 'oldest'
}

/** How long a list of the directory counts, in milliseconds. Other workers add to it meanwhile. */
const LIST_AGE = 5_000

/** Puts messages into a quarantine, and keeps it within its bounds. */
export class QuarantineWriter {
  readonly #store: QuarantineStore
  readonly #folder: MessageFolder
  readonly #bounds: QuarantineBounds
  readonly #now: () => number
  #listed = -Infinity
  #used = 0

  private constructor(folder: MessageFolder, bounds: QuarantineBounds, now: () => number) {
    this.#folder = folder
    this.#store = new QuarantineStore(folder.root)
    this.#bounds = bounds
    this.#now = now
  }

  /** @throws UsageError INVALID_OPTION */
  static async open(
    directory: string,
    bounds: QuarantineBounds,
    now: () => number,
  ): Promise<QuarantineWriter> {
    const option = 'quarantine: the option directory'
    return new QuarantineWriter(await MessageFolder.open(option, directory, 0o600), bounds, now)
  }

  /**
   * Keeps a message.
   *
   * @returns its id, and how many old ones had to go for it
   * @throws QuarantineFull; FileError FILE_FAILED; the reason of `signal`; what `message` throws
   */
  async put(
    record: HeldRecord,
    message: Content,
    signal: AbortSignal,
  ): Promise<{ readonly id: string; readonly removed: number }> {
    const need = record.size + OVERHEAD
    const removed = await this.#makeRoom(need)
    const id = uniqueId()
    const name = `${id}-${record.size}`
    // Counted at once: others are written at the same time.
    this.#used += need
    try {
      const files = [
        { path: `${name}.json`, content: recordContent(record) },
        { path: `${name}.eml`, content: message },
      ]
      await this.#folder.write(files, signal)
    } catch (error) {
      this.#used -= need
      throw error
    }
    return { id, removed }
  }

  /** Deletes what is too old, and, if you want that, the oldest. @returns how many went for lack of room */
  async #makeRoom(need: number): Promise<number> {
    const { maxBytes, maxAge, whenFull } = this.#bounds
    const isFull = (): boolean => this.#used + need > maxBytes
    if (!isFull() && this.#now() - this.#listed < LIST_AGE) return 0
    const all = await this.#store.list()
    this.#listed = this.#now()
    this.#used = all.reduce((sum, { size }) => sum + size + OVERHEAD, 0)
    let removed = 0
    for (const message of all) {
      const isOld = this.#now() - message.time > maxAge
      if (!isOld && !(isFull() && whenFull === 'oldest')) break
      // oxlint-disable-next-line eslint/no-await-in-loop -- the oldest first
      await this.#store.remove(message)
      this.#used -= message.size + OVERHEAD
      if (!isOld) removed++
    }
    if (isFull()) throw new QuarantineFull(`${maxBytes} bytes are in use`)
    return removed
  }
}
