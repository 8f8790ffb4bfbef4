/** A store that is made of the steps of `steps.ts`. A subclass makes the changes of a step. */
import { checkId, checkKey, checkPrefix } from './checks.ts'
import {
  compareAndSetStep,
  giveBackStep,
  incrementStep,
  setIfAbsentStep,
  takeStep,
  VALUES,
  type Saved,
  type StoreStep,
} from './steps.ts'
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
} from './store.ts'

export type SavedUnderName = Saved & { readonly name: string }

export abstract class StepStore implements Store {
  abstract readonly kind: 'memory'

  /** Makes a step: all of its changes, or none. */
  protected abstract run<Result>(step: StoreStep<Result>, options: CallOptions): Promise<Result>
  /** Reads one name outside of steps. */
  protected abstract read(name: string, options: CallOptions): Promise<Saved | undefined>
  /** Reads all names with a prefix, without holding the event loop. */
  protected abstract list(prefix: string, options: CallOptions): AsyncIterable<SavedUnderName>
  abstract close(): Promise<void>

  async get(key: string, options: CallOptions = {}): Promise<Entry | undefined> {
    const saved = await this.read(VALUES + checkKey(key), options)
    return saved && { value: saved.data, expires: saved.expires }
  }

  async setIfAbsent(key: string, value: string, options: SetOptions): Promise<string> {
    return this.run(setIfAbsentStep(key, value, options.ttl), options)
  }

  async compareAndSet(
    key: string,
    expected: string | undefined,
    value: string | undefined,
    options: SetOptions,
  ): Promise<boolean> {
    return this.run(compareAndSetStep(key, expected, value, options.ttl), options)
  }

  async increment(key: string, options: IncrementOptions): Promise<Incremented> {
    return this.run(incrementStep(key, options), options)
  }

  async take(buckets: readonly Bucket[], options: RepeatableOptions = {}): Promise<Taken> {
    return this.run(takeStep(buckets, options.id), options)
  }

  async giveBack(
    buckets: readonly Bucket[],
    options: CallOptions & { readonly id: string },
  ): Promise<boolean> {
    return this.run(giveBackStep(buckets, checkId(options.id)), options)
  }

  async *scan(
    prefix: string,
    options: CallOptions = {},
  ): AsyncGenerator<Entry & { readonly key: string }> {
    const entries = this.list(VALUES + checkPrefix(prefix), options)
    for await (const { name, data, expires } of entries) {
      yield { key: name.slice(VALUES.length), value: data, expires }
    }
  }
}
