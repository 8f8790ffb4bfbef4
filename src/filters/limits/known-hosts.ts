/** Clients that have come back often enough, so that greylisting them again would only delay mail. */
import { storeKey } from '../../store/store-key.ts'
import { StoreUse } from '../../store/store-use.ts'
import type { Store } from '../../store/store.ts'
import type { StoreSettings } from '../store-option.ts'

export class KnownHosts {
  readonly #use: StoreUse
  readonly #name: string
  readonly #needed: number
  readonly #ttl: number

  /**
   * @param needed how often a client has to come back; 0 for never enough
   * @param ttl milliseconds after the last visit
   */
  constructor(
    store: Store,
    name: string,
    { onStoreFailure }: Pick<StoreSettings, 'onStoreFailure'>,
    needed: number,
    ttl: number,
  ) {
    this.#use = new StoreUse(store, { name, onFailure: onStoreFailure })
    this.#name = name
    this.#needed = needed
    this.#ttl = ttl
  }

  /** Whether it is known. A visit of a known host is remembered. @throws StoreError */
  async has(host: string, signal: AbortSignal): Promise<boolean> {
    if (this.#needed === 0) return false
    const key = this.#key(host)
    return await this.#use.run(async (store) => {
      const entry = await store.get(key, { signal })
      // What is no number counts as none.
      if (!(Number(entry?.value ?? 0) >= this.#needed)) return false
      await store.increment(key, { by: 0, ttl: this.#ttl, signal })
      return true
    }, false)
  }

  /** It has come back after it was deferred. @param id names the delivery, which counts once */
  async cameBack(host: string, id: string, signal: AbortSignal): Promise<void> {
    if (this.#needed === 0) return
    const options = { ttl: this.#ttl, max: 1_000_000, id, signal }
    await this.#use.run(
      async (store) => void (await store.increment(this.#key(host), options)),
      undefined,
    )
  }

  #key(host: string): string {
    return storeKey(`${this.#name}-host`, host)
  }
}
