import { UsageError } from '../errors.ts'
import { Action } from '../protocol/constants.ts'
import { encodeText } from '../protocol/text.ts'
import type { BodyStore } from './body-store.ts'
import type { EditGuard } from './edit-guard.ts'

/** A new body from a stream: pieces of bytes, or of text. */
export type BodyStream = AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>

/** What a body needs to become another one. */
export interface BodySupply extends EditGuard {
  /** a new, empty store; it goes with the message */
  newStore(): BodyStore
}

/**
 * The body of a mail: everything after the empty line, lines ended by CRLF. Large ones lie in a
 * temporary file (`limits.bodyMemory`), so iterate where you can: pieces have 65,535 bytes at most.
 */
export class MailBody implements AsyncIterable<Buffer> {
  readonly #supply: BodySupply
  readonly #given: BodyStore
  #store: BodyStore
  #pending: Promise<void> | undefined

  constructor(store: BodyStore, supply: BodySupply) {
    this.#given = store
    this.#store = store
    this.#supply = supply
  }

  /** Bytes. */
  get size(): number {
    return this.#store.size
  }

  /** Whether this filter has put another one in its place. */
  get replaced(): boolean {
    return this.#store !== this.#given
  }

  /**
   * All of it. Do not change the bytes.
   * @throws MilterError BODY_GONE after the message, SPILL_FAILED
   */
  async bytes(): Promise<Buffer> {
    await this.#pending
    return await this.#store.bytes()
  }

  /** @throws MilterError as {@link bytes} */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    await this.#pending
    yield* this.#store
  }

  /**
   * Another body. In text a bare LF becomes CRLF; bytes are taken as they are, and must not change
   * afterwards. A stream is read to its end here, so that an error in it harms nothing: the promise
   * rejects, and the handler's failure is answered as any other.
   *
   * @throws UsageError WRONG_STAGE
   * @throws MilterError MESSAGE_TOO_LARGE, SPILL_FAILED
   */
  replace(data: string | Uint8Array): void
  replace(data: BodyStream): Promise<void>
  replace(data: string | Uint8Array | BodyStream): void | Promise<void> {
    const permitted = this.#supply.permit('body.replace', Action.CHGBODY)
    if (typeof data !== 'string' && !(data instanceof Uint8Array) && !isStream(data)) {
      throw new UsageError(
        'INVALID_OPTION',
        `body.replace takes a string, bytes or a stream of them; it got ${data === null ? 'null' : typeof data}`,
      )
    }
    if (!permitted) return undefined
    const store = this.#supply.newStore()
    if (typeof data === 'string' || data instanceof Uint8Array) {
      this.#pending = undefined
      const whole = bytesOf(data)
      const added = whole.length > 0 ? store.add(whole) : undefined
      this.#store = store
      if (added !== undefined) void this.#wait(added)
      return undefined
    }
    return this.#wait(this.#collect(data, store))
  }

  #wait(work: Promise<void>): Promise<void> {
    this.#pending = work
    // Whoever does not wait for it hears of a failure from `settled`.
    work.catch(() => {})
    return work
  }

  async #collect(data: BodyStream, store: BodyStore): Promise<void> {
    let cr = false
    for await (const piece of data) {
      this.#supply.permit('body.replace', Action.CHGBODY)
      const bytes = typeof piece === 'string' ? textPiece(piece, cr) : encodeText(piece)
      if (piece.length > 0) cr = piece.at(-1) === '\r' || piece.at(-1) === 0x0d
      if (bytes.length > 0) await store.add(bytes)
    }
    this.#supply.permit('body.replace', Action.CHGBODY)
    this.#store = store
  }

  /** For the library: the body at the end of the handler; rejects if a stream has failed. */
  async settled(): Promise<BodyStore> {
    await this.#pending
    return this.#store
  }

  get pending(): boolean {
    return this.#pending !== undefined
  }

  get store(): BodyStore {
    return this.#store
  }
}

function isStream(data: unknown): data is BodyStream {
  return (
    typeof data === 'object' &&
    data !== null &&
    (Symbol.asyncIterator in data || Symbol.iterator in data)
  )
}

const bytesOf = (data: string | Uint8Array): Buffer =>
  typeof data === 'string' ? textPiece(data, false) : encodeText(data)

/** @param afterCr the piece before ended with a CR, which a LF at the start of this one completes */
const textPiece = (text: string, afterCr: boolean): Buffer =>
  encodeText(
    (afterCr && text.startsWith('\n') ? text.slice(0, 1) : '') +
      text.slice(afterCr && text.startsWith('\n') ? 1 : 0).replaceAll(/(?<!\r)\n/g, '\r\n'),
  )
