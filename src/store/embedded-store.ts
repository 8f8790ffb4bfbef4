/**
 * A store in files of one machine, shared by all its processes: LMDB, by the package lmdb. Its transactions wait for
 * each other in a thread, so no step holds the event loop while another process writes.
 *
 * Steps that wait go into one transaction together. At most one transaction of a process waits for the lock, so a
 * process that holds the lock and does not go on costs each call its deadline, and no memory.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { MilterError, StoreError } from '../errors.ts'
import { MAX_TIMER } from '../options/kinds.ts'
import { invalidOption } from '../options/invalid-option.ts'
import { checkNames, wholeNumber } from '../options/validate.ts'
import { checkFile, safeDirectory, unavailable } from './embedded-files.ts'
import { EmbeddedRecords } from './embedded-records.ts'
import { commitErrorOf, loadLmdb, type Database } from './lmdb.ts'
import { StepStore, type SavedUnderName } from './step-store.ts'
import type { Saved, StoreStep } from './steps.ts'
import type { CallOptions, Store } from './store.ts'

export interface EmbeddedStoreOptions {
  /**
   * Directory of the store. It is made if it is missing, for its owner only. It must be on a disk of this machine, not
   * on NFS, and belong to the user that the process runs as.
   */
  readonly path: string
  /**
   * Bytes that the files may take, at least 4,194,304. If half of them hold values, steps that need room fail with
   * STORE_FULL, and all others are made. What has expired is removed first. The other half is for pages that are
   * written anew.
   * @default 268435456
   */
  readonly maxSize?: number | undefined
  /** Milliseconds after which a call fails with STORE_TIMEOUT. @default 500 */
  readonly deadline?: number | undefined
  /** Unix time in milliseconds; for tests. @default Date.now */
  readonly clock?: (() => number) | undefined
}

/** Steps that may wait for their turn. */
const MAX_WAITING = 10_000
/** Steps in one transaction, and milliseconds that they may take: other processes and the event loop wait for it. */
const MAX_BATCH = 500
const MAX_BATCH_TIME = 5
/** Records that one transaction cleans: more than it can add, so that what has expired does not pile up. */
const SWEEP = 200
/** What has expired is looked for this often, if nothing is written. */
const SWEEP_INTERVAL = 10_000
/** Values that a scan reads before other work gets its turn. */
const SCAN_BATCH = 200

/**
 * Opens a store in files, which all processes of this machine that open the same path share. What a call has
 * acknowledged survives the end of every process, also by SIGKILL, and the loss of power if the disk keeps what it has
 * acknowledged.
 *
 * It needs the package `lmdb` (`npm install lmdb@3`), which it loads when you call it.
 *
 *     const store = await openEmbeddedStore({ path: '/var/lib/tsmilter/store' })
 *
 * @throws UsageError MISSING_PACKAGE if lmdb is not installed; INVALID_OPTION, also for a directory that other users
 *   can write
 * @throws StoreError STORE_UNAVAILABLE if the files cannot be opened, STORE_TIMEOUT if another process holds them
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<Store> {
  checkNames('openEmbeddedStore', options, ['path', 'maxSize', 'deadline', 'clock'])
  const { path, clock = Date.now } = options
  const maxSize = wholeNumber('maxSize', options.maxSize ?? 268_435_456, 4_194_304)
  const deadline = wholeNumber('deadline', options.deadline ?? 500, 1, MAX_TIMER)
  if (typeof path !== 'string' || path === '') {
    throw invalidOption('path', path, 'the path of a directory')
  }
  const lmdb = await loadLmdb()
  await safeDirectory(path)
  await checkFile(path)
  let database: Database
  try {
    database = lmdb.open({
      path,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      // Only address space. The files grow as they are used, and the store sees to it that they stay below maxSize.
      mapSize: 2 * maxSize,
      permissionsMode: 0o600,
      // With overlapping syncs, a process that is killed during one breaks the store for all others: LMDB 0.9.90 takes
      // the dead owner of that lock for its own (mdb_mutex_failed gives MDB_PANIC). Without, a commit waits for the disk.
      overlappingSync: false,
      // Not `noMetaSync`, which would halve the time of a commit: with it, lmdb 3.5.6 loses whole transactions of one
      // process while another writes, one in some ten thousand.
      // Its batches make a promise that nobody can handle, so a full disk would end the process.
      eventTurnBatching: false,
    })
  } catch (error) {
    throw unavailable(path, error)
  }
  const store = new EmbeddedStore(path, database, { maxSize, deadline, clock })
  try {
    await store.checkFormat()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

/** A step that waits for its transaction. */
interface Waiting {
  readonly step: StoreStep<unknown>
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

interface Settings {
  readonly maxSize: number
  readonly deadline: number
  readonly clock: () => number
}

class EmbeddedStore extends StepStore {
  readonly kind = 'embedded'
  readonly #path: string
  readonly #database: Database
  readonly #records: EmbeddedRecords
  readonly #settings: Settings
  /** in the order of their calls */
  readonly #waiting = new Set<Waiting>()
  /** calls whose step is in a transaction, or waits for one */
  readonly #open = new Set<Waiting>()
  /** the transaction that is waited for */
  #transaction: Promise<void> | undefined
  #sweepWanted = false
  readonly #sweepTimer: NodeJS.Timeout
  #closed: Promise<void> | undefined

  constructor(path: string, database: Database, settings: Settings) {
    super()
    this.#path = path
    this.#database = database
    this.#settings = settings
    this.#records = new EmbeddedRecords(database, settings.maxSize)
    this.#sweepTimer = setInterval(() => this.#sweepLater(), SWEEP_INTERVAL).unref()
  }

  /** Also shows that the files can be written. */
  checkFormat(): Promise<void> {
    return this.run(() => {
      this.#records.checkFormat(this.#path)
      return { result: undefined, changes: [] }
    }, {})
  }

  protected run<Result>(step: StoreStep<Result>, { signal }: CallOptions): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#begin(signal)
      if (this.#waiting.size >= MAX_WAITING) {
        throw new StoreError(
          'STORE_UNAVAILABLE',
          `${MAX_WAITING} steps wait for the store ${this.#path} already: it is too slow, or another process holds it`,
        )
      }
      const end = (): void => {
        this.#waiting.delete(waiting)
        this.#open.delete(waiting)
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiting: Waiting = {
        step,
        resolve: (result) => {
          end()
          resolve(result as Result)
        },
        reject: (error) => {
          end()
          reject(error)
        },
      }
      const onAbort = (): void => waiting.reject(signal?.reason)
      const { deadline } = this.#settings
      const timer = setTimeout(
        () =>
          waiting.reject(
            new StoreError(
              'STORE_TIMEOUT',
              `the store ${this.#path} did not answer within ${deadline} ms`,
            ),
          ),
        deadline,
      )
      signal?.addEventListener('abort', onAbort)
      this.#waiting.add(waiting)
      this.#open.add(waiting)
      this.#work()
    })
  }

  protected async read(name: string, { signal }: CallOptions): Promise<Saved | undefined> {
    this.#begin(signal)
    // What another process has committed by now.
    this.#database.resetReadTxn()
    return this.#valid(this.#records.read(name))
  }

  protected async *list(
    prefix: string,
    { signal }: CallOptions,
  ): AsyncGenerator<SavedUnderName> {
    this.#begin(signal)
    let after: string | undefined
    for (;;) {
      this.#database.resetReadTxn()
      const batch = this.#records.list(prefix, after, SCAN_BATCH)
      for (const saved of batch) {
        this.#begin(signal)
        if (this.#valid(saved) !== undefined) yield saved
      }
      if (batch.length < SCAN_BATCH) return
      after = batch.at(-1)!.name
      await setImmediate()
      this.#begin(signal)
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#end()
    return this.#closed
  }

  async #end(): Promise<void> {
    clearInterval(this.#sweepTimer)
    for (const waiting of this.#open) waiting.reject(this.#closedError())
    const ended = (this.#transaction ?? Promise.resolve()).then(() => this.#database.close())
    // A transaction that waits for the lock of another process cannot be called off. It is left behind.
    const late = new AbortController()
    const { signal } = late
    await Promise.race([ended, sleep(this.#settings.deadline, undefined, { signal })])
    late.abort()
  }

  #closedError(): StoreError {
    return new StoreError('STORE_CLOSED', `the store ${this.#path} is closed`)
  }

  #begin(signal: AbortSignal | undefined): void {
    if (this.#closed !== undefined) throw this.#closedError()
    signal?.throwIfAborted()
  }

  #valid<T extends Saved>(saved: T | undefined): T | undefined {
    return saved !== undefined && saved.expires > this.#settings.clock() ? saved : undefined
  }

  #sweepLater(): void {
    if (!this.#records.hasExpired(this.#settings.clock())) return
    this.#sweepWanted = true
    this.#work()
  }

  /** Starts a transaction, if there is work and none is on its way. */
  #work(): void {
    if (this.#transaction !== undefined || this.#closed !== undefined) return
    if (this.#waiting.size === 0 && !this.#sweepWanted) return
    const done: (() => void)[] = []
    const made: Waiting[] = []
    this.#transaction = this.#database
      .transaction(() => this.#batch(made, done))
      .then(
        () => {
          for (const settle of done) settle()
        },
        async (error: unknown) => {
          const cause = await commitErrorOf(error)
          for (const waiting of made) waiting.reject(unavailable(this.#path, cause))
        },
      )
      .then(() => {
        this.#transaction = undefined
        this.#work()
      })
  }

  /**
   * Makes steps that wait, inside a transaction.
   *
   * @param made gets the steps
   * @param done gets what to do when the transaction is committed
   */
  #batch(made: Waiting[], done: (() => void)[]): void {
    const began = performance.now()
    const now = this.#settings.clock()
    const read = (name: string): Saved | undefined => {
      const saved = this.#records.read(name)
      return saved !== undefined && saved.expires > now ? saved : undefined
    }
    this.#records.begin(now)
    for (const waiting of this.#waiting) {
      if (made.length >= MAX_BATCH || this.#records.hasWrittenMuch()) break
      if (performance.now() - began > MAX_BATCH_TIME) break
      this.#waiting.delete(waiting)
      made.push(waiting)
      try {
        const { result, changes } = waiting.step(read, now)
        this.#records.make(changes)
        done.push(() => waiting.resolve(result))
      } catch (error) {
        // A step fails before it changes anything.
        const known = error instanceof MilterError ? error : unavailable(this.#path, error)
        done.push(() => waiting.reject(known))
      }
    }
    this.#sweepWanted = this.#records.sweep(2 * made.length + SWEEP)
  }
}
