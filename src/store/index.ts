import '../node-version.ts'

export { MAX_KEY, MAX_VALUE, STEP_MEMORY } from './store.ts'
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
export { StoreError } from '../errors.ts'
export { storeKey } from './store-key.ts'
