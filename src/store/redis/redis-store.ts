/** A store in Redis or Valkey: what its methods send, and what they make of the replies. */
import {
  checkBuckets,
  checkId,
  checkIncrement,
  checkKey,
  checkPrefix,
  checkTtl,
  checkValue,
  type CheckedBucket,
} from '../checks.ts'
import { UsageError } from '../../errors.ts'
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
import { loadRedis, type Client, type Done, type Part } from './client.ts'
import { MalformedReply } from './failures.ts'
import { bucketKey, incrementKey, keyOf, takeKey, valueKey, valuePattern } from './keys.ts'
import { Link, type Request } from './link.ts'
import { redisSettings, type RedisStoreOptions, type Settings } from './options.ts'
import {
  COMPARE_AND_SET,
  DONE,
  GET,
  GIVE_BACK,
  INCREMENT,
  NO_NUMBER,
  SET_IF_ABSENT,
  TAKE,
  type Script,
} from './scripts.ts'

/**
 * Opens a store in Redis or Valkey: in one server, in the primary that Sentinels name, or in a Cluster. It needs the
 * package `ioredis` (`npm install ioredis@6`).
 *
 * It does not fail if the server is down: then each call fails, with the reason, and works again as soon as the server
 * does. Check a new set-up with `await store.get('x')`.
 *
 *     const store = await openRedisStore({ url: 'redis://127.0.0.1:6379' })
 *
 * @throws UsageError MISSING_PACKAGE if ioredis is not installed, INVALID_OPTION
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const settings = redisSettings(options)
  await loadRedis()
  const link = new Link(settings)
  await link.open()
  return new RedisStore(settings, link)
}

/** Keys that SCAN looks at in one step. */
const SCAN_COUNT = 500
/** Bytes of a call beside its keys and values, in ioredis and here. */
const OVERHEAD = 1_000

class RedisStore implements Store {
  readonly kind = 'redis'
  readonly #prefix: string
  readonly #link: Link

  constructor({ prefix }: Settings, link: Link) {
    this.#prefix = prefix
    this.#link = link
  }

  get(key: string, options: CallOptions = {}): Promise<Entry | undefined> {
    return this.#run(GET, () => [[this.#value(key)], [], entryIn], options)
  }

  setIfAbsent(key: string, value: string, options: SetOptions): Promise<string> {
    return this.#run(
      SET_IF_ABSENT,
      () => [[this.#value(key)], [checkValue(value), String(checkTtl(options.ttl))], textIn],
      options,
    )
  }

  compareAndSet(
    key: string,
    expected: string | undefined,
    value: string | undefined,
    options: SetOptions,
  ): Promise<boolean> {
    return this.#run(
      COMPARE_AND_SET,
      () => [
        [this.#value(key)],
        [String(checkTtl(options.ttl)), ...optional(expected), ...optional(value)],
        truthIn,
      ],
      options,
    )
  }

  increment(key: string, options: IncrementOptions): Promise<Incremented> {
    return this.#run(
      INCREMENT,
      () => {
        const { by, min, max, ttl, id } = checkIncrement(options)
        const keys = [this.#value(key)]
        if (id !== undefined) keys.push(incrementKey(this.#prefix, key, id))
        const args = [String(by), String(min), String(max), String(ttl)]
        return [keys, args, (reply) => incrementedIn(reply, key)]
      },
      options,
    )
  }

  take(buckets: readonly Bucket[], options: RepeatableOptions = {}): Promise<Taken> {
    return this.#run(
      TAKE,
      () => {
        const checked = checkBuckets(buckets)
        const id = options.id === undefined ? undefined : checkId(options.id)
        return [
          this.#bucketKeys(checked, id),
          bucketArgs(checked),
          (reply) => takenIn(reply, checked.length),
        ]
      },
      options,
    )
  }

  giveBack(
    buckets: readonly Bucket[],
    options: CallOptions & { readonly id: string },
  ): Promise<boolean> {
    return this.#run(
      GIVE_BACK,
      () => {
        const checked = checkBuckets(buckets)
        return [this.#bucketKeys(checked, checkId(options.id)), bucketArgs(checked), truthIn]
      },
      options,
    )
  }

  async *scan(
    prefix: string,
    options: CallOptions = {},
  ): AsyncGenerator<Entry & { readonly key: string }> {
    const pattern = valuePattern(this.#prefix, checkPrefix(prefix))
    // SCAN may give a key again, when the server makes its table larger or a slot moves to another node.
    const seen = new Set<string>()
    const client = await this.#client(options)
    const parts = client.parts()
    for (const part of parts) {
      let cursor = '0'
      do {
        const [next, found] = await this.#scan(client, part, cursor, pattern, options)
        cursor = next
        const keys = found
          .map((one) => keyOf(this.#prefix, one))
          .filter((key) => !seen.has(key))
        const fresh = [...new Set(keys)]
        const entries = await Promise.all(fresh.map((key) => this.get(key, options)))
        for (const [i, entry] of entries.entries()) {
          const key = fresh[i]!
          seen.add(key)
          if (entry !== undefined) yield { key, ...entry }
        }
      } while (cursor !== '0')
    }
  }

  close(): Promise<void> {
    this.#link.close()
    return Promise.resolve()
  }

  #value(key: string): string {
    return valueKey(this.#prefix, checkKey(key))
  }

  #bucketKeys(buckets: readonly CheckedBucket[], id: string | undefined): string[] {
    const keys = buckets.map(({ key }) => bucketKey(this.#prefix, key))
    if (id !== undefined) {
      keys.push(
        takeKey(
          this.#prefix,
          buckets.map(({ key }) => key),
          id,
        ),
      )
    }
    return keys
  }

  /** @param make keys, arguments, and what reads the reply; what it throws, the promise rejects with */
  #run<Result>(
    script: Script,
    make: () => [readonly string[], readonly string[], (reply: unknown) => Result],
    { signal }: CallOptions,
  ): Promise<Result> {
    return this.#link.call(() => new ScriptRequest(script, ...make()), signal)
  }

  /** The client in use, as soon as there is one. */
  #client({ signal }: CallOptions): Promise<Client> {
    return this.#link.call(
      () => ({
        send: (client, done) => done(undefined, client),
        read: (client) => client as Client,
        bytes: OVERHEAD,
        writes: false,
        local: true,
      }),
      signal,
    )
  }

  #scan(
    client: Client,
    part: Part,
    cursor: string,
    pattern: string,
    { signal }: CallOptions,
  ): Promise<readonly [string, readonly string[]]> {
    return this.#link.call(
      () => ({
        send: (now, done) =>
          now === client
            ? part.scan(cursor, pattern, SCAN_COUNT, done)
            : done(new Error('the connection broke during the scan')),
        read: pageIn,
        bytes: OVERHEAD + 2 * pattern.length,
        writes: false,
      }),
      signal,
    )
  }
}

class ScriptRequest<Result> implements Request<Result> {
  readonly #script: Script
  readonly #keys: readonly string[]
  readonly #args: readonly string[]
  readonly read: (reply: unknown) => Result
  readonly bytes: number

  constructor(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    read: (reply: unknown) => Result,
  ) {
    this.#script = script
    this.#keys = keys
    this.#args = args
    this.read = read
    let bytes = OVERHEAD
    for (const key of keys) bytes += 2 * key.length
    for (const arg of args) bytes += 2 * arg.length
    this.bytes = bytes
  }

  get writes(): boolean {
    return this.#script.writes
  }

  send(client: Client, done: Done, wanted: () => boolean): void {
    client.run(this.#script, this.#keys, this.#args, done, wanted)
  }
}

const optional = (value: string | undefined): [string, string] =>
  value === undefined ? ['0', ''] : ['1', checkValue(value)]

const bucketArgs = (buckets: readonly CheckedBucket[]): string[] => [
  String(buckets.length),
  ...buckets.flatMap(({ capacity, fillTime, tokens }) => [
    String(capacity),
    String(fillTime),
    String(tokens),
  ]),
]

function textIn(reply: unknown): string {
  if (typeof reply === 'string') return reply
  throw new MalformedReply()
}

function truthIn(reply: unknown): boolean {
  if (reply === 0 || reply === 1) return reply === 1
  throw new MalformedReply()
}

function entryIn(reply: unknown): Entry | undefined {
  if (reply === null) return undefined
  const [value, expires] = Array.isArray(reply) ? (reply as unknown[]) : []
  if (typeof value !== 'string' || !isWhole(expires)) throw new MalformedReply()
  // What has no time was not set by a store.
  return { value, expires: expires < 0 ? Number.MAX_SAFE_INTEGER : expires }
}

function incrementedIn(reply: unknown, key: string): Incremented {
  const [answer, text] = Array.isArray(reply) ? (reply as unknown[]) : []
  if (answer === NO_NUMBER) {
    throw new UsageError(
      'INVALID_OPTION',
      `increment takes a key with a number or without a value; ${JSON.stringify(key)} has another value`,
    )
  }
  const value = typeof text === 'string' && text !== '' ? Number(text) : undefined
  if (!isWhole(value) || (answer !== 0 && answer !== DONE)) throw new MalformedReply()
  return { done: answer === DONE, value }
}

function takenIn(reply: unknown, count: number): Taken {
  const numbers = Array.isArray(reply) ? (reply as unknown[]) : []
  if (!numbers.every(isWhole)) throw new MalformedReply()
  const [taken, ...rest] = numbers
  if (taken === 1 && rest.length === count) return { taken: true, left: rest }
  const [bucket = -1, wait = -1, ...left] = rest
  if (taken !== 0 || left.length !== count || bucket < 0 || bucket >= count) {
    throw new MalformedReply()
  }
  return { taken: false, bucket, left, wait: wait < 0 ? Infinity : wait }
}

function pageIn(reply: unknown): readonly [string, readonly string[]] {
  const [cursor, keys] = Array.isArray(reply) ? (reply as unknown[]) : []
  if (typeof cursor !== 'string' || !Array.isArray(keys)) throw new MalformedReply()
  return [cursor, keys.map(textIn)]
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value)
