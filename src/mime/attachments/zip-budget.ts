import { UsageError } from '../../errors.ts'

/** The limits of one listing, for all zips in the zip together. */
export interface ZipLimits {
  /** @default 10,000 */
  readonly entries: number
  /** nested zips, without the outermost one. @default 5 */
  readonly depth: number
  /** the bytes of zips in the zip, packed and unpacked. @default 100 MiB */
  readonly bytes: number
  /** how many times larger than its packed size a zip in the zip may be. @default 200 */
  readonly ratio: number
}

export const ZIP_LIMITS: ZipLimits = {
  entries: 10_000,
  depth: 5,
  bytes: 104_857_600,
  ratio: 200,
}

/** Resolves when all unpacking that was started before is done. */
let unpacking: Promise<void> = Promise.resolve()

/** The rest of the limits. All zips of one message share it. */
export class ZipBudget {
  readonly limits: ZipLimits
  #entries: number
  #bytes: number
  #leave: (() => void) | undefined

  /** @throws UsageError INVALID_OPTION for a limit that is not a positive integer */
  constructor(limits: Partial<ZipLimits> = {}) {
    this.limits = { ...ZIP_LIMITS, ...limits }
    for (const [name, value] of Object.entries(this.limits)) {
      if (!Number.isSafeInteger(value) || value < 1) {
        throw new UsageError(
          'INVALID_OPTION',
          `limits.${name} takes a positive integer, not ${String(value)}`,
        )
      }
    }
    this.#entries = this.limits.entries
    this.#bytes = this.limits.bytes
  }

  takeEntry(): boolean {
    if (this.#entries > 0) {
      this.#entries--
      return true
    }
    return false
  }

  takeBytes(count: number): boolean {
    this.#bytes = Math.max(-1, this.#bytes - count)
    return this.#bytes >= 0
  }

  get bytesLeft(): number {
    return Math.max(0, this.#bytes)
  }

  /**
   * Waits until no other message of the process has unpacked bytes in memory. Packed bytes are few, but many messages
   * can come at once. You can call it again. Call {@link leave} at the end.
   */
  async enter(): Promise<void> {
    if (this.#leave !== undefined) return
    const before = unpacking
    unpacking = new Promise((resolve) => {
      this.#leave = resolve
    })
    await before
  }

  leave(): void {
    this.#leave?.()
    this.#leave = undefined
  }
}
