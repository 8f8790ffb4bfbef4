// Calls of a store in Redis that has to fail well.
import assert from 'node:assert/strict'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { after, afterEach } from 'node:test'
import { StoreError } from '../../../src/errors.ts'
import { silentLogger } from '../../../src/index.ts'
import { openRedisStore, type RedisStoreOptions, type Store } from '../../../src/store/index.ts'

export const DEADLINE = 500
export const LONG = 3_600_000
/** What a call may take beyond its deadline here: the machine is busy, and the event loop is shared. */
const SLACK = 5_000
export const bucket = { key: 'a', capacity: 1_000, fillTime: 1_000 * LONG }

const stores: Store[] = []
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})
let made = 0

/** Opens a store with keys of its own, for one test. */
export async function open(options: RedisStoreOptions): Promise<Store> {
  const store = await openRedisStore({
    deadline: DEADLINE,
    prefix: `f${++made}:`,
    logger: silentLogger(),
    ...options,
  })
  stores.push(store)
  return store
}

/** The error of a call, which ends in time. */
export async function failureOf(call: Promise<unknown>): Promise<StoreError> {
  const start = performance.now()
  const error = await call.then(
    () => assert.fail('the call succeeded'),
    (cause: unknown) => cause,
  )
  assert.ok(error instanceof StoreError, String(error))
  assert.ok(performance.now() - start < DEADLINE + SLACK)
  return error
}

/** What is no Redis: it says something for each piece that it gets. */
export async function liar(says: (socket: Socket, heard: string) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => says(socket, bytes.toString()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** One call of each method. */
export function callsOf(store: Store): (() => Promise<unknown>)[] {
  return [
    () => store.get('k'),
    () => store.setIfAbsent('k', 'v', { ttl: LONG }),
    () => store.compareAndSet('k', undefined, 'v', { ttl: LONG }),
    () => store.increment('n', { ttl: LONG }),
    () => store.take([bucket]),
    () => store.giveBack([bucket], { id: 'x' }),
    async () => {
      for await (const { key } of store.scan('')) assert.ok(key)
    },
  ]
}
