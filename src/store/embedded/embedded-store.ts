/**
 * A store in files of one machine, shared by its processes. One of them, the keeper, has the files open and does
 * nothing else. The others send it their calls.
 */
import { resolve as absolute } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../../errors.ts'
import { MAX_TIMER } from '../../options/kinds.ts'
import { invalidOption } from '../../options/invalid-option.ts'
import { checkNames, wholeNumber } from '../../options/validate.ts'
import { checkId, checkKey, checkPrefix } from '../checks.ts'
import type { SavedUnderName } from '../step-store.ts'
import { VALUES, type Saved } from '../steps.ts'
import type {
  Bucket,
  CallOptions,
  Entry,
  Incremented,
  IncrementOptions,
  RepeatableOptions,
  SetOptions,
  Store,
  Taken,
} from '../store.ts'
import { errorIn, monotonic, resultOf, stepOf } from './calls.ts'
import type { Answer, Call, StepCall } from './calls.ts'
import { safeDirectory } from './files.ts'
import { KeeperLink } from './link.ts'
import { findLmdb } from './lmdb.ts'
import { MAX_PATH } from './places.ts'
import type { Listed } from './records.ts'

export interface EmbeddedStoreOptions {
  /**
   * Directory of the store, at most 85 bytes. It is made if it is missing, for its owner only. It must be on a disk of
   * this machine, not on NFS, and belong to the user that the process runs as.
   */
  readonly path: string
  /**
   * Bytes that the files may take, at least 4,194,304. If half of them hold values, steps that need room fail with
   * STORE_FULL, and all others are made. What has expired is removed first. The other half is for pages that are
   * written anew. If processes differ, the last one that has opened the store decides.
   * @default 268435456
   */
  readonly maxSize?: number | undefined
  /** Milliseconds after which a call fails with STORE_TIMEOUT. @default 500 */
  readonly deadline?: number | undefined
  /** Unix time in milliseconds; for tests. @default Date.now */
  readonly clock?: (() => number) | undefined
}

/** Calls that may wait for their answer. */
const MAX_WAITING = 10_000
/** Opening may start a program: it may take so many deadlines of a call, and so many milliseconds. */
const OPEN_DEADLINES = 20
const OPEN_DEADLINE = 1_000

/**
 * Opens a store in files, which all processes of this machine that open the same path share. What a call has
 * acknowledged survives the end of every process, also by SIGKILL, and the loss of power if the disk keeps what it has
 * acknowledged.
 *
 * The files are open in a process of their own, the keeper. The first process that opens the store starts it, and it
 * ends with the last. If it is killed, calls in progress fail with STORE_UNAVAILABLE, and the next ones start another.
 *
 * It needs the package `lmdb` (`npm install lmdb@3`).
 *
 *     const store = await openEmbeddedStore({ path: '/var/lib/tsmilter/store' })
 *
 * @throws UsageError MISSING_PACKAGE if lmdb is not installed; INVALID_OPTION, also for a directory that other users
 *   can write
 * @throws StoreError STORE_UNAVAILABLE or STORE_FULL if the files cannot be opened, STORE_TIMEOUT if that takes more
 *   than twenty times the deadline of a call
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<Store> {
  checkNames('openEmbeddedStore', options, ['path', 'maxSize', 'deadline', 'clock'])
  const { path: given, clock } = options
  const maxSize = wholeNumber('maxSize', options.maxSize ?? 268_435_456, 4_194_304)
  const deadline = wholeNumber('deadline', options.deadline ?? 500, 1, MAX_TIMER)
  if (typeof given !== 'string' || given === '') {
    throw invalidOption('path', given, 'the path of a directory')
  }
  const path = absolute(given)
  if (Buffer.byteLength(path) > MAX_PATH) {
    throw invalidOption(
      'path',
      path,
      `a path of at most ${MAX_PATH} bytes: it has a socket in it`,
    )
  }
  await findLmdb()
  await safeDirectory(path)
  const store = new EmbeddedStore({ path, maxSize, deadline, clock })
  await store.open()
  return store
}

/** A call that waits for its answer. */
interface Waiting {
  readonly call: Call
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

interface Settings {
  readonly path: string
  readonly maxSize: number
  readonly deadline: number
  readonly clock: (() => number) | undefined
}

class EmbeddedStore implements Store {
  readonly kind = 'embedded'
  readonly #settings: Settings
  readonly #link: KeeperLink
  readonly #waiting = new Map<number, Waiting>()
  #last = 0
  #closed: Promise<void> | undefined

  constructor(settings: Settings) {
    this.#settings = settings
    const openDeadline = Math.max(OPEN_DEADLINE, OPEN_DEADLINES * settings.deadline)
    this.#link = new KeeperLink(
      settings.path,
      settings.maxSize,
      Math.min(openDeadline, MAX_TIMER),
      {
        onAnswer: (answer) => this.#settle(answer),
        onLost: (error) => {
          for (const waiting of this.#waiting.values()) waiting.reject(error)
        },
      },
    )
  }

  /** @throws StoreError */
  async open(): Promise<void> {
    // The connection does not keep the process from ending, but this call does.
    const timer = setTimeout(() => {}, MAX_TIMER)
    try {
      await this.#link.open()
    } finally {
      clearTimeout(timer)
    }
  }

  async get(key: string, options: CallOptions = {}): Promise<Entry | undefined> {
    const name = VALUES + checkKey(key)
    const saved = await this.#ask<Saved | undefined>({ method: 'read', name }, options)
    return saved && { value: saved.data, expires: saved.expires }
  }

  async setIfAbsent(key: string, value: string, options: SetOptions): Promise<string> {
    return this.#step({ method: 'setIfAbsent', key, value, ttl: options.ttl }, options)
  }

  async compareAndSet(
    key: string,
    expected: string | undefined,
    value: string | undefined,
    options: SetOptions,
  ): Promise<boolean> {
    const { ttl } = options
    return this.#step({ method: 'compareAndSet', key, expected, value, ttl }, options)
  }

  async increment(key: string, options: IncrementOptions): Promise<Incremented> {
    const { signal: _signal, ...rest } = options
    return this.#step({ method: 'increment', key, ...rest }, options)
  }

  async take(buckets: readonly Bucket[], options: RepeatableOptions = {}): Promise<Taken> {
    return this.#step({ method: 'take', buckets, id: options.id }, options)
  }

  async giveBack(
    buckets: readonly Bucket[],
    options: CallOptions & { readonly id: string },
  ): Promise<boolean> {
    return this.#step({ method: 'giveBack', buckets, id: checkId(options.id) }, options)
  }

  async *scan(
    prefix: string,
    options: CallOptions = {},
  ): AsyncGenerator<Entry & { readonly key: string }> {
    const entry = ({ name, data, expires }: SavedUnderName) => ({
      key: name.slice(VALUES.length),
      value: data,
      expires,
    })
    const names = VALUES + checkPrefix(prefix)
    let after: string | undefined
    do {
      // oxlint-disable-next-line eslint/no-await-in-loop -- one piece after the other
      const listed = await this.#ask<Listed>({ method: 'list', prefix: names, after }, options)
      for (const saved of listed.entries) {
        this.#begin(options.signal)
        yield entry(saved)
      }
      after = listed.after
    } while (after !== undefined)
  }

  close(): Promise<void> {
    this.#closed ??= this.#end()
    return this.#closed
  }

  async #end(): Promise<void> {
    const error = this.#closedError()
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    const late = new AbortController()
    // A keeper that is stopped does not answer.
    await Promise.race([
      this.#link.close(),
      sleep(this.#settings.deadline, undefined, { signal: late.signal }),
    ])
    late.abort()
    this.#link.destroy()
  }

  /** @throws UsageError INVALID_OPTION */
  #step<Result>(call: StepCall, options: CallOptions): Promise<Result> {
    stepOf(call)
    return this.#ask(call, options)
  }

  #ask<Result>(call: Call, { signal }: CallOptions): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#begin(signal)
      const { path, deadline, clock } = this.#settings
      if (this.#waiting.size >= MAX_WAITING) {
        throw new StoreError(
          'STORE_UNAVAILABLE',
          `${MAX_WAITING} calls wait for the store ${path} already: it is too slow`,
        )
      }
      const number = ++this.#last
      this.#link.send({ number, until: monotonic() + deadline, now: clock?.(), call })
      const end = (): void => {
        this.#waiting.delete(number)
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiting: Waiting = {
        call,
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
      const timer = setTimeout(() => {
        const message = `the store ${path} did not answer within ${deadline} ms`
        waiting.reject(new StoreError('STORE_TIMEOUT', message))
      }, deadline)
      signal?.addEventListener('abort', onAbort)
      this.#waiting.set(number, waiting)
    })
  }

  #settle(answer: Answer): void {
    // Undefined if nobody waits any more.
    const waiting = this.#waiting.get(answer.number)
    if (waiting === undefined) return
    if ('error' in answer) waiting.reject(errorIn(answer.error))
    else waiting.resolve(resultOf(waiting.call, answer.result))
  }

  #closedError(): StoreError {
    return new StoreError('STORE_CLOSED', `the store ${this.#settings.path} is closed`)
  }

  #begin(signal: AbortSignal | undefined): void {
    if (this.#closed !== undefined) throw this.#closedError()
    signal?.throwIfAborted()
  }
}
