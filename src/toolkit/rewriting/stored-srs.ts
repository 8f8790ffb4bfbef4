/**
 * SRS for senders that are too long to stand in another address. Services that send newsletters use senders of 60 bytes
 * and more, and a local part may have only 64 (RFC 5321, section 4.5.3.1.1). A store keeps such a sender, and the
 * rewritten address has its alias: the SHA-1 of the sender, with the domain `1`, as in the database of postsrsd.
 */
import { createHash } from 'node:crypto'
import { decodeText, encodeText } from '../../protocol/text.ts'
import { storeKey } from '../../store/store-key.ts'
import type { CallOptions, Store } from '../../store/store.ts'
import { ALIAS_DOMAIN, type Srs, type SrsForwarded, type SrsReversed } from './srs.ts'

const DAY = 86_400_000
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUV'

export interface StoredSrsOptions {
  /** false: only senders whose rewritten local part has more than 64 bytes; true: all. False by default. */
  readonly always?: boolean
}

/**
 * `Srs` with a store for long senders. The store keeps each of them as long as its addresses are valid, so a stranger
 * who sends much mail fills it: use a store of bounded size, or leave `always` off.
 *
 *     const srs = new StoredSrs(new Srs({ domain: 'srs.example.org', secrets }), store)
 *     await srs.forward(sender)
 */
export class StoredSrs {
  readonly #srs: Srs
  readonly #store: Store
  readonly #always: boolean

  constructor(srs: Srs, store: Store, options: StoredSrsOptions = {}) {
    this.#srs = srs
    this.#store = store
    this.#always = options.always ?? false
  }

  /** @throws StoreError if the store fails */
  async forward(sender: string, options: CallOptions = {}): Promise<SrsForwarded> {
    const embedded = this.#srs.forward(sender)
    const plain = this.#srs.original(sender)
    // An SRS address stands for one that another forwarder knows.
    if (embedded.address === undefined || plain === undefined) return embedded
    if (!embedded.long && !this.#always) return embedded
    const alias = aliasOf(plain)
    await this.#keep(alias, plain, options)
    return this.#srs.forward(`${alias}@${ALIAS_DOMAIN}`)
  }

  /**
   * With `alias` as the reason, the store does not know the alias: it is one of postsrsd, or the store has lost it.
   *
   * @throws StoreError if the store fails
   */
  async reverse(recipient: string, options: CallOptions = {}): Promise<SrsReversed> {
    const found = this.#srs.reverse(recipient)
    if (found.address !== undefined || found.alias === undefined) return found
    const alias = found.alias.slice(0, found.alias.indexOf('@'))
    const entry = await this.#store.get(keyOf(alias), options)
    return entry === undefined ? found : { address: fromValue(entry.value) }
  }

  async #keep(alias: string, sender: string, options: CallOptions): Promise<void> {
    const set = { ...options, ttl: (this.#srs.maxAge + 1) * DAY }
    const value = toValue(sender)
    // An older one lives as long as the newest address that needs it.
    if (!(await this.#store.compareAndSet(keyOf(alias), value, value, set))) {
      await this.#store.setIfAbsent(keyOf(alias), value, set)
    }
  }
}

const keyOf = (alias: string): string => storeKey('srs', alias)

/** A value of a store is text; these have a character for each byte of the address. */
const toValue = (address: string): string => encodeText(address).toString('latin1')
const fromValue = (value: string): string => decodeText(Buffer.from(value, 'latin1'))

/** base32hex (RFC 4648) of a SHA-1: 32 characters. */
function aliasOf(address: string): string {
  let bits = BigInt(`0x${createHash('sha1').update(encodeText(address)).digest('hex')}`)
  let text = ''
  for (let i = 0; i < 32; i++, bits >>= 5n) text = DIGITS[Number(bits & 31n)]! + text
  return text
}
