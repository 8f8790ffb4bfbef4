/** Public keys that many messages use: reading one from its record takes longer than checking a signature with it. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { NodeStyleResolver } from '../../toolkit/dns/node-style-resolver.ts'

/** What the verifier of mailauth has read from a record. */
export interface ReadKey {
  readonly publicKey: string | Buffer | KeyObject
}

/** The keys of one message, as the verifier asks for them. */
export interface KeyCache {
  get(
    type: string,
    name: string,
    minKeyBits: number,
    options: { readonly strict?: boolean; readonly hashAlgo?: string },
  ): Promise<ReadKey>
}

const MAX_KEYS = 1_000
/** A record of a key with 4096 bits has 800 characters. */
const MAX_RECORD = 2_048

/**
 * Keys by the text of their records, so a record that has changed has another key. Each message asks DNS. Records that
 * cannot be read are not kept.
 */
export class KeyMemory {
  readonly #keys = new Map<string, ReadKey>()

  /** @param read reads what is not known yet */
  over(read: KeyCache, resolve: NodeStyleResolver): KeyCache {
    return {
      get: async (type, name, minKeyBits, options) => {
        const [record] = await resolve(name, 'TXT')
        const text = record?.join('') ?? ''
        const key = `${type} ${minKeyBits} ${options.strict} ${options.hashAlgo} ${text}`
        const known = this.#keys.get(key)
        if (known !== undefined) {
          // The oldest one is the one that was not used for the longest time.
          this.#keys.delete(key)
          this.#keys.set(key, known)
          return known
        }
        const found = await read.get(type, name, minKeyBits, options)
        const { publicKey } = found
        const isText = typeof publicKey === 'string' || Buffer.isBuffer(publicKey)
        // Of its text, a key is made again for each signature.
        const ready = isText ? { ...found, publicKey: createPublicKey(publicKey) } : found
        if (text.length <= MAX_RECORD) this.#keep(key, ready)
        return ready
      },
    }
  }

  #keep(key: string, found: ReadKey): void {
    this.#keys.set(key, found)
    if (this.#keys.size <= MAX_KEYS) return
    for (const oldest of this.#keys.keys()) {
      this.#keys.delete(oldest)
      return
    }
  }
}
