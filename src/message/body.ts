import { UsageError } from '../errors.ts'
import { Action } from '../protocol/constants.ts'
import { encodeText } from '../protocol/text.ts'
import { bodyGone, type BodyStore } from './body-store.ts'
import type { EditGuard } from './edit-guard.ts'

/** A new body from a stream: pieces of bytes, or of text. */
export type BodyStream = AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>

/** What {@link MailBody.replace} needs. */
export interface BodySupply extends EditGuard {
  /** a new, empty store; it is freed with the message */
  newStore(): BodyStore
}

/**
 * The body of a mail: everything after the empty line, with CRLF line ends. A large body is kept in a temporary file
 * (`limits.bodyMemory`), so iterate over it if you can. Pieces have at most 65,535 bytes.
 *
 *     for await (const piece of mail.body) hash.update(piece)
 */
export class MailBody implements AsyncIterable<Buffer> {
  readonly #supply: BodySupply
  readonly #given: BodyStore
  #store: BodyStore
  #pending: Replacing | undefined
  /** the body is there and on its way to a file */
  #writing: Promise<void> | undefined
  #replacements = 0
  #over = false
  readonly #look: () => void

  /** @param look called before the given body is read; throws if it may not be */
  constructor(store: BodyStore, supply: BodySupply, look: () => void = nothing) {
    this.#given = store
    this.#store = store
    this.#supply = supply
    this.#look = look
  }

  /** The size in bytes. @throws UsageError NOT_READ */
  get size(): number {
    this.#needSent()
    return this.#store.size
  }

  /** Whether this filter has replaced the body. */
  get replaced(): boolean {
    return this.#store !== this.#given
  }

  /**
   * The whole body in one Buffer. Do not change the bytes.
   * @throws UsageError NOT_READ
   * @throws MilterError BODY_GONE after the handler, whatever the size; SPILL_FAILED
   */
  async bytes(): Promise<Buffer> {
    this.#needSent()
    this.#refuseLate()
    await this.#written()
    const bytes = await this.#store.bytes()
    this.#refuseLate()
    return bytes
  }

  /** Iterates over the body in pieces. @throws as {@link bytes} */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    this.#needSent()
    this.#refuseLate()
    await this.#written()
    for await (const piece of this.#store) {
      this.#refuseLate()
      yield piece
    }
  }

  /** The filter can always read a body that it has given itself. */
  #needSent(): void {
    if (!this.replaced) this.#look()
  }

  /**
   * A body in memory could still be read and one in a file perhaps not: a filter that reads late would work
   * in tests and fail with large mail.
   */
  #refuseLate(): void {
    if (this.#over) throw bodyGone()
  }

  /** A failure is known to the store. */
  async #written(): Promise<void> {
    await this.#writing?.catch(() => {})
  }

  /**
   * Replaces the body. You need not have read the old one. In text a bare LF becomes CRLF. Bytes are taken as they
   * are, and must not change afterwards. If you call it several times, the last call counts.
   *
   * A stream is read to its end. Until then the body stays as it was, so the stream may read from it. If the stream
   * fails, the body does not change and the promise rejects. If you do not wait for that promise, the handler fails.
   *
   * The header does not change: the new body must have the charset, transfer encoding and structure that the header
   * names. Text is written as UTF-8. To change the text of a mail, use `mail.mime()` and `setText`, which also sets
   * the header fields.
   *
   *     await mail.body.replace(Readable.from(lines))
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
    if (typeof data === 'string' || data instanceof Uint8Array) {
      if (!permitted) return undefined
      const store = this.#supply.newStore()
      const writing = store.add(bytesOf(data))
      this.#replacements++
      this.#store = store
      this.#writing = writing ?? undefined
      this.#pending = writing === undefined ? undefined : new Replacing(writing)
      return undefined
    }
    if (!permitted) return Promise.resolve()
    const turn = ++this.#replacements
    this.#pending = new Replacing(this.#collect(data, turn))
    return this.#pending.result
  }

  async #collect(data: BodyStream, turn: number): Promise<void> {
    const store = this.#supply.newStore()
    const text = new TextPieces()
    for await (const piece of data) {
      this.#supply.permit('body.replace', Action.CHGBODY)
      // The filter has given another body meanwhile.
      if (turn !== this.#replacements) return
      const bytes = text.bytesOf(piece)
      if (bytes.length > 0) await store.add(bytes)
    }
    this.#supply.permit('body.replace', Action.CHGBODY)
    text.end()
    if (turn !== this.#replacements) return
    this.#store = store
    this.#writing = undefined
  }

  /** @internal The body at the end of the handler. Rejects if it failed and the filter did not wait for it. */
  async settled(): Promise<BodyStore> {
    const pending = this.#pending
    await pending?.work.catch((error: unknown) => {
      // A filter that has handled the error goes on with the body as it is.
      if (!pending.heard) throw error
    })
    // The body that counts may be an earlier one.
    await this.#writing
    return this.#store
  }

  /** @internal The handler is over, and nothing is read any more. */
  close(): void {
    this.#over = true
  }

  get pending(): boolean {
    return this.#pending !== undefined
  }

  get store(): BodyStore {
    return this.#store
  }
}

const nothing = (): void => {}

/** A new body that is still being read, and whether the filter waits for it. */
class Replacing {
  readonly work: Promise<void>
  heard = false

  constructor(work: Promise<void>) {
    this.work = work
    // If the filter does not wait for it, `settled` reports the failure.
    work.catch(() => {})
  }

  /** For the filter: `work`, which also sets `heard` when the filter waits for it. */
  get result(): Promise<void> {
    return new Listened(this.work, () => (this.heard = true))
  }
}

/** A promise that calls a listener when it is awaited. */
class Listened extends Promise<void> {
  readonly #listener: () => void

  constructor(work: Promise<void>, listener: () => void) {
    super((resolve, reject) => void work.then(resolve, reject))
    this.#listener = listener
    super.then(undefined, () => {})
  }

  /** `then` returns an ordinary promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise
  override then<A = void, B = never>(
    onFulfilled?: ((value: void) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#listener()
    return super.then(onFulfilled, onRejected)
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
  typeof data === 'string' ? encodeText(withCrlf(data, false)) : encodeText(data)

/** @param afterCr the text before ended with a CR, which a LF at the start of this one completes */
const withCrlf = (text: string, afterCr: boolean): string =>
  afterCr && text.startsWith('\n')
    ? `\n${withCrlf(text.slice(1), false)}`
    : text.replaceAll(/(?<!\r)\n/g, '\r\n')

/** The pieces of a stream as bytes; they may be cut between CR and LF, and inside a character. */
class TextPieces {
  #afterCr = false
  #half = ''

  /** @throws UsageError INVALID_OPTION, INVALID_TEXT */
  bytesOf(piece: unknown): Buffer {
    if (piece instanceof Uint8Array) {
      this.end()
      if (piece.length > 0) this.#afterCr = piece.at(-1) === 0x0d
      return encodeText(piece)
    }
    if (typeof piece !== 'string') {
      throw new UsageError(
        'INVALID_OPTION',
        `body.replace takes strings and bytes from a stream; it got ${piece === null ? 'null' : typeof piece}`,
      )
    }
    const given = this.#half + piece
    this.#half = /[\ud800-\udbff]$/.exec(given)?.[0] ?? ''
    const text = given.slice(0, given.length - this.#half.length)
    const bytes = encodeText(withCrlf(text, this.#afterCr))
    if (text !== '') this.#afterCr = text.endsWith('\r')
    return bytes
  }

  /** @throws UsageError INVALID_TEXT after half a character */
  end(): void {
    encodeText(this.#half)
  }
}
