/**
 * One use of a store, such as greylisting, and what becomes of it while the store fails. The policy belongs to the use,
 * not to the store: greylisting may let mail through for a while, a limit on a stolen password may not.
 */
import { channels } from '../diagnostics/channels.ts'
import { guardedLogger, textLogger, type Logger } from '../diagnostics/log.ts'
import { RateLimitedLog } from '../diagnostics/rate-limited-log.ts'
import { StoreError, type ErrorCode } from '../errors.ts'
import { invalidOption } from '../options/invalid-option.ts'
import { checkNames } from '../options/validate.ts'
import { openMemoryStore } from './memory-store.ts'
import type { Store } from './store.ts'

/**
 * What happens to a call that the store cannot answer:
 *
 * - `open`: it ends as if the store had allowed it
 * - `closed`: it fails with the StoreError, so that the message is deferred
 * - `local`: a store in the memory of this process answers, until the store is back
 */
export type FailurePolicy = 'open' | 'closed' | 'local'
const POLICIES: readonly FailurePolicy[] = ['open', 'closed', 'local']

export interface StoreUseOptions {
  /** the name of the use in logs and metrics: 1 to 32 of `a-z`, `0-9` and `-`. Never something out of mail */
  readonly name: string
  readonly onFailure: FailurePolicy
  /** @default as `serve` */
  readonly logger?: Logger | undefined
  /** Bytes that the store of `local` may take, as `maxBytes` of `openMemoryStore`. @default 16777216 */
  readonly localBytes?: number | undefined
  /** Milliseconds of a monotonic clock; for tests. @default performance.now */
  readonly clock?: (() => number) | undefined
}

/** After a failure, the store is not asked for so many milliseconds. Each failure that follows doubles them. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 5_000
const LOCAL_BYTES = 16_777_216
/** Each name makes time series of its own. */
const MAX_NAMES = 64
const LINES_A_MINUTE = 4

const names = new Set<string>()

/**
 * A use of a store. After a failure, most calls get the answer of the policy at once. Now and then one call asks the
 * store again, so a store that is back is noticed without help. The first failure and the return are logged.
 *
 *     const use = new StoreUse(store, { name: 'vacation', onFailure: 'closed' })
 *     const first = await use.run((store) => store.setIfAbsent(key, id, { ttl: 86_400_000 }), id)
 */
export class StoreUse {
  readonly name: string
  readonly onFailure: FailurePolicy
  readonly #store: Store
  readonly #logger: Logger
  readonly #log: RateLimitedLog
  readonly #clock: () => number
  readonly #localBytes: number
  /** the last failure, while the store fails */
  #failure: StoreError | undefined
  #pause = FIRST_PAUSE
  /** until then the store is not asked */
  #resume = 0
  #probing = false
  #local: Store | undefined

  /** @throws UsageError INVALID_OPTION */
  constructor(store: Store, options: StoreUseOptions) {
    const { name, onFailure, logger = textLogger(), localBytes = LOCAL_BYTES } = options
    checkNames('StoreUse', options, ['name', 'onFailure', 'logger', 'localBytes', 'clock'])
    if (typeof name !== 'string' || !/^[a-z0-9-]{1,32}$/.test(name)) {
      throw invalidOption('name', name, '1 to 32 of a-z, 0-9 and -')
    }
    if (!names.has(name) && names.size >= MAX_NAMES) {
      throw invalidOption('name', name, `at most ${MAX_NAMES} names in a process`)
    }
    if (!POLICIES.includes(onFailure)) {
      throw invalidOption('onFailure', onFailure, "'open', 'closed' or 'local'", POLICIES)
    }
    names.add(name)
    this.name = name
    this.onFailure = onFailure
    this.#store = store
    this.#logger = guardedLogger(logger)
    this.#clock = options.clock ?? ((): number => performance.now())
    this.#log = new RateLimitedLog(this.#clock)
    this.#localBytes = localBytes
    // A mistake shows now, not when the store fails.
    if (onFailure === 'local') void openMemoryStore({ maxBytes: localBytes })
  }

  /**
   * Makes steps on the store.
   *
   * @param steps may run a second time on the local store, if the store fails in the middle
   * @param allowed the result under `open`
   * @throws StoreError under `closed` if the store fails; under `local` if the local store is full
   */
  async run<Result>(
    steps: (store: Store) => Promise<Result>,
    allowed: Result,
  ): Promise<Result> {
    const failing = this.#failure
    if (failing !== undefined && (this.#probing || this.#clock() < this.#resume)) {
      const error = new StoreError(
        failing.code,
        `the store is not asked again yet; it has failed: ${failing.message}`,
        { cause: failing },
      )
      return this.#answer(error, steps, allowed)
    }
    this.#probing = failing !== undefined
    try {
      const result = await steps(this.#store)
      this.#succeeded()
      return result
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.#failed(error, failing !== undefined)
      return await this.#answer(error, steps, allowed)
    } finally {
      if (failing !== undefined) this.#probing = false
    }
  }

  #succeeded(): void {
    this.#publish(undefined)
    if (this.#failure === undefined) return
    this.#failure = undefined
    this.#local = undefined
    this.#pause = FIRST_PAUSE
    this.#write({}, 'a store is back')
  }

  #failed(error: StoreError, probe: boolean): void {
    const first = this.#failure === undefined
    this.#failure = error
    // A store that is full or closed answers at once, so nothing has to be spared.
    const costly = error.code === 'STORE_TIMEOUT' || error.code === 'STORE_UNAVAILABLE'
    if (probe) this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE)
    if (first || probe) this.#resume = this.#clock() + (costly ? this.#pause : 0)
    if (first) {
      this.#write(
        { code: error.code, policy: this.onFailure, err: error },
        'a store has failed',
      )
    }
  }

  #answer<Result>(
    error: StoreError,
    steps: (store: Store) => Promise<Result>,
    allowed: Result,
  ): Promise<Result> {
    this.#publish(error.code)
    if (this.onFailure === 'open') return Promise.resolve(allowed)
    if (this.onFailure === 'closed') return Promise.reject(error)
    this.#local ??= openMemoryStore({ maxBytes: this.#localBytes })
    return steps(this.#local)
  }

  #publish(code: ErrorCode | undefined): void {
    if (!channels.store.hasSubscribers) return
    channels.store.publish({
      use: this.name,
      store: this.#store.kind,
      code,
      policy: code === undefined ? undefined : this.onFailure,
    })
  }

  #write(fields: object, message: string): void {
    const of = { use: this.name, store: this.#store.kind, ...fields }
    this.#log.write(this.#logger, 'warn', of, message, LINES_A_MINUTE)
  }
}
