/**
 * The option `store`: where a filter keeps what the workers of a machine, or several machines, have to share. Filters of one
 * process that name the same store get the same one.
 */
import { choice, directory, secretFile, type Kind, type Wrong } from '../options/kinds.ts'
import type { Path } from '../options/mistake.ts'
import { either, object } from '../options/part-kinds.ts'
import type { Field, Shape } from '../options/shape.ts'
import { code, line, secret, wait } from '../options/value-kinds.ts'
import { openEmbeddedStore } from '../store/embedded/embedded-store.ts'
import { openMemoryStore } from '../store/memory-store.ts'
import { openRedisStore } from '../store/redis/redis-store.ts'
import type { FailurePolicy } from '../store/store-use.ts'
import type { Store } from '../store/store.ts'
import type { Finding } from './inspection.ts'
import type { StorePlace, StorePlaceSettings } from './types.ts'

/** It can have a password: `redis://:PASSWORD@host`. */
const redisAddress: Kind = { ...secret, isPublic: (value) => !String(value).includes('@') }

const STORE_PLACE: Shape<StorePlace, StorePlaceSettings> = {
  name: 'store',
  type: 'StorePlace',
  isEntry: true,
  text: 'a store that processes share: in a directory of this machine, or in Redis',
  oneOf: ['embedded', 'redis'],
  fields: {
    embedded: {
      kind: directory,
      text: 'directory of a store in files, which all workers of this machine share',
    },
    redis: {
      kind: redisAddress,
      text: 'address of a Redis or Valkey server: redis://host:port, rediss://host:port or unix:/path',
    },
    passwordFile: {
      kind: secretFile,
      text: 'file with the password of Redis in its first line; read for each new connection',
    },
    username: { kind: line, text: 'name of the user of Redis' },
    prefix: {
      kind: line,
      text: 'what all names of keys in Redis begin with; `tsmilter:` by default',
    },
    deadline: { kind: wait, default: 500, text: 'time in which the store has to answer' },
  },
  check({ embedded, passwordFile, username, prefix }, report) {
    if (embedded === undefined) return
    const ofRedis = { passwordFile, username, prefix }
    for (const [name, value] of Object.entries(ofRedis)) {
      if (value === undefined) continue
      report({ path: [name], atName: true, text: 'is only for redis: take it out' })
    }
  },
}

const OPEN_STORE: Kind = {
  ...code('Store'),
  takes: 'a store of tsmilter/store',
  takesText: 'a store, which only a module can give',
  wrong: (value) =>
    typeof (value as Partial<Store> | null)?.take === 'function' ? undefined : {},
}

const FORM = 'memory, or an object with embedded or redis'
const MEMORY: Kind = {
  ...line,
  takes: 'memory',
  takesText: 'memory',
  wrong: (value): Wrong | undefined => (value === 'memory' ? undefined : {}),
  type: "'memory'",
  schema: { const: 'memory' },
}
const ANY = either(MEMORY, OPEN_STORE, object(STORE_PLACE))

/** `memory`, the place of a store, or in a program a store that is open already. */
const STORE: Kind = {
  ...ANY,
  // A text file cannot have an open store.
  schema: either(MEMORY, object(STORE_PLACE)).schema,
  takes: FORM,
  takesText: FORM,
  readParts: (given, path, reader) =>
    ANY.readParts!(given, path, {
      ...reader,
      report: (mistake) =>
        reader.report(
          mistake.path.length > path.length || mistake.got === undefined
            ? mistake
            : { ...mistake, text: `takes ${FORM}` },
        ),
    }),
}

/** What the options `store` and `onStoreFailure` of a filter become. */
export interface StoreSettings {
  readonly store: 'memory' | StorePlaceSettings | Store
  readonly onStoreFailure: FailurePolicy
}

/** @param onFailure what the filter does by default while the store fails */
export const storeFields = (
  onFailure: FailurePolicy,
): Record<'store' | 'onStoreFailure', Field> => ({
  store: {
    kind: STORE,
    default: 'memory',
    text: 'where the filter keeps its state; each worker has its own `memory`',
  },
  onStoreFailure: {
    kind: choice(['open', 'closed', 'local']),
    default: onFailure,
    text: 'while the store fails: let mail pass, defer it, or count in the memory of each worker',
  },
})

/** By what names them. A store that could not be opened is not kept. */
const opened = new Map<string, Promise<Store>>()

/**
 * Opens the store of an option, or gives the one that another filter has opened.
 *
 * @throws UsageError MISSING_PACKAGE, INVALID_OPTION; StoreError
 */
export async function openStore(store: StoreSettings['store']): Promise<Store> {
  if (isOpen(store)) return store
  const key = JSON.stringify(store)
  const known = opened.get(key)
  if (known !== undefined) return await known
  const opening = open(store)
  opened.set(key, opening)
  try {
    return await opening
  } catch (error) {
    opened.delete(key)
    throw error
  }
}

/**
 * Closes the stores that filters have opened by their option `store`. Programs that end without `process.exit` call it after
 * `runMilter` or `server.close()`, because a connection to Redis keeps a process alive. Filters that are made later open
 * their stores again.
 */
export async function closeStores(): Promise<void> {
  const stores = [...opened.values()]
  opened.clear()
  const closing = stores.map(async (store) => await (await store).close())
  await Promise.allSettled(closing)
}

const isOpen = (store: StoreSettings['store']): store is Store =>
  store !== 'memory' && 'take' in store

// oxlint-disable-next-line typescript/require-await -- memory too is a promise, so that callers share one
async function open(place: 'memory' | StorePlaceSettings): Promise<Store> {
  if (place === 'memory') return openMemoryStore()
  const { embedded, redis, deadline, ...rest } = place
  return embedded === undefined
    ? await openRedisStore({ url: redis, deadline, ...rest })
    : await openEmbeddedStore({ path: embedded, deadline })
}

/** The name of a use of a store (see `StoreUse`), from the name of a filter. */
export const useName = (filter: string): string =>
  filter
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .slice(0, 32)

/** Looks whether a store answers. */
export async function* inspectStore({ store }: StoreSettings): AsyncGenerator<Finding> {
  const path: Path = ['store']
  if (store === 'memory') {
    const text =
      'each worker has a store of its own, which is empty after a restart; with several workers, name one that they share: store: { embedded: /var/lib/tsmilter/store }'
    yield { level: 'warning', path, text }
    return
  }
  try {
    await (await openStore(store)).get('inspection')
    yield { level: 'ok', path, text: 'the store answers' }
  } catch (error) {
    const text = `the store does not answer: ${(error as Error).message}`
    yield { level: 'error', path, text }
  }
}
