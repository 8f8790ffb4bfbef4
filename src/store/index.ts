import '../node-version.ts'

export { openEmbeddedStore } from './embedded/embedded-store.ts'
export type { EmbeddedStoreOptions } from './embedded/embedded-store.ts'
export { openMemoryStore } from './memory-store.ts'
export type { MemoryStoreOptions } from './memory-store.ts'
export { openRedisStore } from './redis/redis-store.ts'
export type { RedisStoreOptions } from './redis/options.ts'
export { MAX_BUCKETS, MAX_KEY, MAX_TIME, MAX_TOKENS, MAX_VALUE, STEP_MEMORY } from './store.ts'
export type {
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
export { StoreUse } from './store-use.ts'
export type { FailurePolicy, StoreUseOptions } from './store-use.ts'
export { StoreError } from '../errors.ts'
export { storeKey } from './store-key.ts'
